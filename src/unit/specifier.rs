//! `%` specifiers (systemd.unit(5), "SPECIFIERS"; checklist section 3).

use super::escape;
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
    /// The manager's own limits, which a unit that sets none keeps; what is not in it is as
    /// Linux sets it by default.
    pub limits: std::collections::BTreeMap<super::value::LimitKind, super::value::Limit>,
    /// How many tasks there can be on the machine; 0 if not known.
    pub tasks: u64,
    /// The machine's memory in bytes; 0 if not known.
    pub memory: u64,
    /// The machine's time zones.
    pub zones: super::value::Zones,
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
    replace(value, &|letter| resolve(letter, context))
}

/// As [`expand`] for names of units (Wants=, After= ...): only specifiers whose text can stand
/// in a name are known there, so not %I, %P, %J, %f, %y, %Y or a directory.
///
/// # Errors
/// As [`expand`].
pub fn expand_name(value: &str, context: &SpecifierContext<'_>) -> Result<String, ValueError> {
    replace(value, &|letter| match letter {
        'I' | 'P' | 'J' | 'f' | 'y' | 'Y' | 't' | 'S' | 'C' | 'L' | 'E' | 'D' | 'T' | 'V' | 'd'
        | 'h' | 's' => Err(ValueError(format!(
            "the specifier %{letter} cannot be used in the name of a unit"
        ))),
        _ => resolve(letter, context),
    })
}

/// Whether the text may be another one for another instance of the same template.
pub fn is_about_instance(value: &str) -> bool {
    let letters = value
        .split('%')
        .skip(1)
        .filter_map(|rest| rest.chars().next());
    letters.into_iter().any(|letter| "nNiIfd".contains(letter))
}

/// Replaces what stands behind each `%`. `%%` is a percent sign, and so is `%` before anything
/// that can never be a specifier (`5%`, `%-`), or at the end.
fn replace(
    value: &str,
    resolve: &dyn Fn(char) -> Result<String, ValueError>,
) -> Result<String, ValueError> {
    let mut expanded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(percent) = rest.find('%') {
        expanded.push_str(&rest[..percent]);
        rest = &rest[percent + 1..];
        match rest.chars().next() {
            Some('%') => {
                expanded.push('%');
                rest = &rest[1..];
            }
            Some(letter) if letter.is_ascii_alphanumeric() => {
                expanded.push_str(&resolve(letter)?);
                rest = &rest[1..];
            }
            Some(_) | None => expanded.push('%'),
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The text of one specifier.
fn resolve(letter: char, context: &SpecifierContext<'_>) -> Result<String, ValueError> {
    let unit = context.unit;
    let text = match letter {
        'n' => unit.as_str(),
        'N' => unit.stem(),
        'p' => unit.prefix(),
        'i' => unit.instance().unwrap_or(""),
        'j' => last_component(unit),
        'P' => return escape::unescape(unit.prefix()),
        'I' => return escape::unescape(unit.instance().unwrap_or("")),
        'J' => return escape::unescape(last_component(unit)),
        'f' => return escape::unescape_path(unit.instance().unwrap_or(unit.prefix())),
        'y' => fragment(context)?,
        // A path in the root directory leaves an empty parent.
        'Y' => match fragment(context)?.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((directory, _)) => directory,
            None => return Err(unresolved('Y', "the fragment's path has no directory")),
        },
        'd' => {
            let runtime = &context.system.runtime_directory;
            return Ok(format!("{runtime}/credentials/{unit}"));
        }
        // systemd 252 still knows these and warns that they do not mean what they did.
        'c' | 'r' | 'R' => return Err(unresolved(letter, "it is obsolete")),
        _ => return resolve_system(letter, context.system),
    };
    Ok(text.to_owned())
}

/// The text of a specifier that is the same for every unit.
fn resolve_system(letter: char, system: &SystemFacts) -> Result<String, ValueError> {
    let short_hostname = || system.hostname.split('.').next().unwrap_or("");
    let text = match letter {
        't' => &system.runtime_directory,
        'S' => &system.state_directory,
        'C' => &system.cache_directory,
        'L' => &system.logs_directory,
        'E' => &system.configuration_directory,
        'D' => "/usr/share",
        'T' => &system.tmp_directory,
        'V' => &system.var_tmp_directory,
        'h' => &system.home,
        'u' => &system.user,
        'U' => return Ok(system.uid.to_string()),
        'g' => &system.group,
        'G' => return Ok(system.gid.to_string()),
        's' => &system.shell,
        'H' => &system.hostname,
        'l' => short_hostname(),
        'q' if system.pretty_hostname.is_empty() => short_hostname(),
        'q' => &system.pretty_hostname,
        'm' if system.machine_id.is_empty() => {
            return Err(unresolved('m', "the machine has no ID"));
        }
        'm' => &system.machine_id,
        'b' if system.boot_id.is_empty() => return Err(unresolved('b', "the boot has no ID")),
        'b' => &system.boot_id,
        'v' => &system.kernel_release,
        'a' => &system.architecture,
        'o' => os_release(system, "ID"),
        'w' => os_release(system, "VERSION_ID"),
        'B' => os_release(system, "BUILD_ID"),
        'W' => os_release(system, "VARIANT_ID"),
        'M' => os_release(system, "IMAGE_ID"),
        'A' => os_release(system, "IMAGE_VERSION"),
        _ => {
            return Err(ValueError(format!(
                "%{letter} is not a specifier; a percent sign is written %%"
            )));
        }
    };
    Ok(text.to_owned())
}

/// A field of os-release; one that is not set is empty.
fn os_release<'a>(system: &'a SystemFacts, key: &str) -> &'a str {
    system.os_release.get(key).map_or("", String::as_str)
}

/// What stands behind the last dash of the prefix.
fn last_component(unit: &UnitName) -> &str {
    let prefix = unit.prefix();
    prefix.rsplit_once('-').map_or(prefix, |(_, last)| last)
}

fn fragment<'a>(context: &SpecifierContext<'a>) -> Result<&'a str, ValueError> {
    let unit = context.unit;
    context
        .fragment
        .ok_or_else(|| ValueError(format!("%y and %Y need a unit file, and {unit} has none")))
}

fn unresolved(letter: char, why: &str) -> ValueError {
    ValueError(format!("the specifier %{letter} cannot be resolved: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts() -> SystemFacts {
        SystemFacts {
            limits: std::collections::BTreeMap::new(),
            tasks: 0,
            memory: 0,
            zones: crate::unit::value::Zones::default(),
            runtime_directory: "/run".into(),
            state_directory: "/var/lib".into(),
            cache_directory: "/var/cache".into(),
            logs_directory: "/var/log".into(),
            configuration_directory: "/etc".into(),
            tmp_directory: "/tmp".into(),
            var_tmp_directory: "/var/tmp".into(),
            home: "/root".into(),
            user: "root".into(),
            uid: 7,
            group: "wheel".into(),
            gid: 8,
            shell: "/bin/sh".into(),
            hostname: "host.example.org".into(),
            pretty_hostname: String::new(),
            machine_id: "0123".into(),
            boot_id: "4567".into(),
            kernel_release: "6.18".into(),
            architecture: "x86-64".into(),
            os_release: [("ID", "debian"), ("VERSION_ID", "12")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        }
    }

    fn expand_in(unit: &str, value: &str) -> Result<String, ValueError> {
        let unit = UnitName::parse(unit).unwrap();
        let context = SpecifierContext {
            unit: &unit,
            fragment: Some("/etc/units/a@.service"),
            system: &facts(),
        };
        expand(value, &context)
    }

    #[track_caller]
    fn check(unit: &str, pairs: &[(&str, &str)]) {
        for (value, wanted) in pairs {
            assert_eq!(expand_in(unit, value).as_deref(), Ok(*wanted), "{value}");
        }
    }

    #[test]
    fn s3_parts_of_the_name() {
        check(
            r"foo-b\x2dr@dev-x\x2d1.service",
            &[
                ("%n", r"foo-b\x2dr@dev-x\x2d1.service"),
                ("%N", r"foo-b\x2dr@dev-x\x2d1"),
                ("%p", r"foo-b\x2dr"),
                ("%P", "foo/b-r"),
                ("%i", r"dev-x\x2d1"),
                ("%I", "dev/x-1"),
                ("%j", r"b\x2dr"),
                ("%J", "b-r"),
                ("%f", "/dev/x-1"),
                ("%y", "/etc/units/a@.service"),
                ("%Y", "/etc/units"),
                ("%d", r"/run/credentials/foo-b\x2dr@dev-x\x2d1.service"),
            ],
        );
        check(
            "foo-bar.service",
            &[
                ("%N", "foo-bar"),
                ("%p", "foo-bar"),
                ("%i", ""),
                ("%I", ""),
                ("%j", "bar"),
                ("%f", "/foo/bar"),
            ],
        );
        check("foo.service", &[("%j", "foo"), ("%J", "foo")]);
        check("a@-.service", &[("%f", "/"), ("%I", "/")]);
    }

    #[test]
    fn s3_the_manager_and_the_machine() {
        check(
            "a.service",
            &[
                ("%t %S %C %L %E", "/run /var/lib /var/cache /var/log /etc"),
                ("%D %T %V", "/usr/share /tmp /var/tmp"),
                ("%h %u %U %g %G %s", "/root root 7 wheel 8 /bin/sh"),
                ("%H %l %q", "host.example.org host host"),
                ("%m %b %v %a", "0123 4567 6.18 x86-64"),
                ("[%o%w%B%W%M%A]", "[debian12]"),
            ],
        );
        let system = SystemFacts {
            pretty_hostname: "My Host".into(),
            ..SystemFacts::default()
        };
        let unit = UnitName::parse("a.service").unwrap();
        let context = SpecifierContext {
            unit: &unit,
            fragment: None,
            system: &system,
        };
        assert_eq!(expand("%q", &context).as_deref(), Ok("My Host"));
        for value in ["%m", "%b", "%y", "%Y"] {
            assert!(expand(value, &context).is_err(), "{value}");
        }
    }

    #[test]
    fn s3_percent_signs() {
        check(
            "a.service",
            &[
                ("", ""),
                ("100%", "100%"),
                ("5% x", "5% x"),
                ("%%n", "%n"),
                ("%%%n", "%a.service"),
                ("%-%", "%-%"),
                ("%\u{e9}", "%\u{e9}"),
            ],
        );
    }

    #[test]
    fn s3_unknown_specifiers_are_errors() {
        for letter in ('a'..='z').chain('A'..='Z').chain('0'..='9') {
            let known = "nNpPiIjJfyYdtSCLEDTVhuUgGsHlqmbvaowBWMA".contains(letter);
            let result = expand_in("a.service", &format!("x%{letter}"));
            assert_eq!(result.is_ok(), known, "%{letter}");
        }
        assert!(expand_in("a@x-.service", "%f").is_err());
        assert!(expand_in(r"a@x\y.service", "%I").is_err());
    }

    #[test]
    fn s3_names_take_fewer() {
        let unit = UnitName::parse("a-b@c.service").unwrap();
        let context = SpecifierContext {
            unit: &unit,
            fragment: Some("/a"),
            system: &facts(),
        };
        let name = expand_name("%p-%i-%j-%N-%H-%%.x", &context);
        assert_eq!(name.as_deref(), Ok("a-b-c-b-a-b@c-host.example.org-%.x"));
        for value in ["%I", "%P", "%J", "%f", "%y", "%t", "%h", "%Z"] {
            assert!(expand_name(value, &context).is_err(), "{value}");
        }
        assert_eq!(expand("%Y", &context).as_deref(), Ok("/"));
    }

    proptest! {
        #[test]
        fn text_without_percent_is_itself(value in "[^%]*") {
            prop_assert_eq!(expand_in("a.service", &value), Ok(value));
        }

        #[test]
        fn any_value_is_answered(value in "[%nIfyZ-]{0,16}|.*") {
            let _ = expand_in(r"a@b\x2d.service", &value);
        }
    }
}
