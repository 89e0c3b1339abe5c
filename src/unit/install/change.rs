//! What comes out: edits for who carries them out, changes for who reads about them, and what
//! stood in the way.

use std::fmt;

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Make a link, in place of another link if there is one; its directory is made when
    /// needed.
    Link {
        /// Where.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// Remove a link or file, and directories above it that this leaves empty, as far up as
    /// `within`, which stays.
    Remove {
        /// What.
        path: String,
        /// The unit directory.
        within: String,
    },
    /// Remove a directory with all that it holds.
    RemoveTree {
        /// What.
        path: String,
    },
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// A link was made: from `path` to `source`.
    Symlink,
    /// `path` was removed.
    Unlink,
    /// `path` is masked and was left alone.
    Masked,
    /// `path` is an alias of nothing.
    Dangling,
    /// The file `source` hangs on the unit `path`, which is not there.
    DestinationNotPresent,
    /// The unit `path` of an Also= could not be enabled.
    AuxiliaryFailed,
}

impl ChangeKind {
    /// The word on D-Bus.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Symlink => "symlink",
            ChangeKind::Unlink => "unlink",
            ChangeKind::Masked => "masked",
            ChangeKind::Dangling => "dangling",
            ChangeKind::DestinationNotPresent => "destination not present",
            ChangeKind::AuxiliaryFailed => "auxiliary unit failed",
        }
    }

    /// The kind that a word on D-Bus names.
    pub fn parse(word: &str) -> Option<ChangeKind> {
        [
            ChangeKind::Symlink,
            ChangeKind::Unlink,
            ChangeKind::Masked,
            ChangeKind::Dangling,
            ChangeKind::DestinationNotPresent,
            ChangeKind::AuxiliaryFailed,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// Something worth telling about a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is.
    pub kind: ChangeKind,
    /// The path or unit.
    pub path: String,
    /// The other one, or empty.
    pub source: String,
}

impl fmt::Display for Change {
    /// The line systemctl prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { path, source, .. } = self;
        match self.kind {
            ChangeKind::Symlink => write!(f, "Created symlink {path} → {source}."),
            ChangeKind::Unlink => write!(f, "Removed \"{path}\"."),
            ChangeKind::Masked => write!(f, "Unit {path} is masked, ignoring."),
            ChangeKind::Dangling => write!(
                f,
                "Unit {path} is an alias to a unit that is not present, ignoring."
            ),
            ChangeKind::DestinationNotPresent => write!(
                f,
                "Unit {source} is added as a dependency to a non-existent unit {path}."
            ),
            ChangeKind::AuxiliaryFailed => {
                write!(f, "Failed to enable auxiliary unit {path}, ignoring.")
            }
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps in order.
    pub edits: Vec<Edit>,
    /// What to tell, in order.
    pub changes: Vec<Change>,
    /// Whether any unit asked for has something to install; without it, enabling a unit is
    /// without meaning and worth a word.
    pub carries_install_info: bool,
}

/// Why a request is refused; displayed, the message on D-Bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Something that is no link is in the way.
    #[error("File {0} already exists.")]
    FileExists(String),
    /// Another link is in the way: its path and target.
    #[error("File {0} already exists and is a symlink to {1}.")]
    LinkExists(String, String),
    /// The unit is masked, by this path.
    #[error("Unit file {0} is masked.")]
    Masked(String),
    /// The unit was generated or is transient: its path.
    #[error("Unit file {0} is transient or generated.")]
    Generated(String),
    /// A specifier of this text cannot be resolved.
    #[error("Invalid specifier in {0}.")]
    Specifier(String),
    /// This is no unit name.
    #[error("\"{0}\" is not a valid unit name.")]
    BadName(String),
    /// The unit named is an alias or linked.
    #[error("Refusing to operate on alias name or linked unit file: {0}")]
    Linked(String),
    /// A unit cannot have this alias.
    #[error("Cannot alias {0} as {1}.")]
    CannotAlias(String, String),
    /// An alias is no name and no link in a dependency directory.
    #[error("Invalid unit reference {0}.")]
    BadReference(String),
    /// There is no such unit file.
    #[error("Unit file {0} does not exist.")]
    NotFound(String),
    /// A template without instance cannot hang on this unit: target, then template.
    #[error("Destination unit {0} is a non-template unit.")]
    NonTemplate(String, String),
    /// The unit of this name leads to an alias of nothing.
    #[error("Unit file {0} is an alias of a unit file that does not exist.")]
    DanglingAlias(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be used: its path or unit, and why.
    #[error("{0}: {1}")]
    Unusable(String, String),
}

impl Trouble {
    /// The name of the error on D-Bus.
    pub fn error_name(&self) -> &'static str {
        match self {
            Trouble::FileExists(_) | Trouble::LinkExists(..) => {
                "org.freedesktop.systemd1.UnitExists"
            }
            Trouble::Masked(_) => "org.freedesktop.systemd1.UnitMasked",
            Trouble::Generated(_) => "org.freedesktop.systemd1.UnitGenerated",
            Trouble::Specifier(_)
            | Trouble::BadName(_)
            | Trouble::CannotAlias(..)
            | Trouble::BadReference(_)
            | Trouble::NonTemplate(..) => "org.freedesktop.systemd1.BadUnitSetting",
            Trouble::Linked(_) => "org.freedesktop.systemd1.UnitLinked",
            Trouble::NotFound(_) => "org.freedesktop.systemd1.NoSuchUnit",
            Trouble::Invalid(_) => "org.freedesktop.DBus.Error.InvalidArgs",
            Trouble::DanglingAlias(_) | Trouble::Unusable(..) => {
                "org.freedesktop.DBus.Error.Failed"
            }
        }
    }

    /// The line systemctl prints when it works by itself; `verb` as in "Failed to enable".
    pub fn line(&self, verb: &str) -> String {
        let rest = match self {
            Trouble::FileExists(path) => format!("file \"{path}\" already exists."),
            Trouble::LinkExists(path, target) => {
                format!("file \"{path}\" already exists and is a symlink to \"{target}\".")
            }
            Trouble::Masked(path) => format!("unit {path} is masked."),
            Trouble::Generated(path) => format!("unit {path} is transient or generated."),
            Trouble::Specifier(text) => format!("invalid specifier in \"{text}\"."),
            Trouble::BadName(text) => format!("\"{text}\" is not a valid unit name."),
            Trouble::Linked(name) => format!("refusing to operate on linked unit file {name}."),
            Trouble::CannotAlias(name, alias) => format!("cannot alias {name} as {alias}."),
            Trouble::BadReference(text) => format!("invalid unit reference \"{text}\"."),
            Trouble::NotFound(name) => format!("unit {name} does not exist."),
            Trouble::NonTemplate(target, unit) => {
                return format!(
                    "Failed to {verb} {unit}, destination unit {target} is a non-template unit."
                );
            }
            Trouble::DanglingAlias(name) => {
                format!("file \"{name}\": Link has been severed")
            }
            Trouble::Invalid(text) => return format!("Failed to {verb}: {text}"),
            Trouble::Unusable(path, why) => format!("file \"{path}\": {why}"),
        };
        format!("Failed to {verb} unit, {rest}")
    }
}
