//! Enabling and its kin: what a request means as a list of edits of links, and what state a
//! unit file is in (systemctl(1), "Unit File Commands"; systemd.unit(5), "\[INSTALL\] SECTION
//! OPTIONS"; systemd.preset(5)).
//!
//! Pure: reads through [`Source`], writes nothing. A [`Plan`] says what
//! is to be done; who carries it out does all of it or nothing. A request of which a part
//! cannot be done has no plan but its [`Trouble`]s.
//!
//! Only `[Install]` of the unit file and of the drop-ins in `NAME.d` (and its template's) is
//! read here, as systemd does: other drop-in directories have no say.

mod apply;
mod change;
mod context;
mod directories;
mod edits;
mod info;
mod preset;
mod remove;
mod state;
mod tree;

#[cfg(test)]
mod tests;

pub use change::{Change, ChangeKind, Edit, Plan, Trouble};
pub use directories::{Directories, Role};
pub use preset::PresetMode;
pub use state::{FileState, ListedFile, StateError, UnitFiles};

use super::load::{Settings, Source};
use edits::Planner;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Make the links that `[Install]` asks for.
    Enable,
    /// Remove all links to the unit.
    Disable,
    /// Remove them, then make those that are due.
    Reenable,
    /// Make it impossible to start.
    Mask,
    /// Undo masking.
    Unmask,
    /// Make a file from elsewhere known under its name.
    Link,
    /// Enable or disable as the preset files say.
    Preset(PresetMode),
    /// The same for every unit file there is; takes no names.
    PresetAll(PresetMode),
    /// Go back to what the vendor shipped.
    Revert,
    /// Make a unit want another one.
    AddWants(String),
    /// Make a unit require another one.
    AddRequires(String),
    /// Choose what `default.target` is.
    SetDefault,
}

/// A verb with everything it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// Unit names; Enable, Reenable and Link take absolute paths of unit files too.
    pub names: Vec<String>,
    /// In the run-time directory instead of the persistent one.
    pub runtime: bool,
    /// Replace links that are in the way.
    pub force: bool,
}

impl Request {
    /// A request without options.
    pub fn new(verb: Verb, names: &[&str]) -> Request {
        Request {
            verb,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            runtime: false,
            force: false,
        }
    }
}

/// Plans a request.
///
/// # Errors
/// Everything that stands in the way; then nothing is to be done.
pub fn plan(
    request: &Request,
    settings: &Settings,
    source: &dyn Source,
) -> Result<Plan, Vec<Trouble>> {
    Planner::new(request, settings, source)?.plan()
}

/// The links that disabling a unit would remove, for `is-enabled --full` and GetUnitFileLinks.
///
/// # Errors
/// As [`plan`].
pub fn links_of(
    name: &str,
    runtime: bool,
    settings: &Settings,
    source: &dyn Source,
) -> Result<Vec<String>, Vec<Trouble>> {
    let mut request = Request::new(Verb::Disable, &[name]);
    request.runtime = runtime;
    let changes = plan(&request, settings, source)?.changes.into_iter();
    Ok(changes
        .filter(|change| change.kind == ChangeKind::Unlink)
        .map(|change| change.path)
        .collect())
}
