//! Credentials (systemd.exec(5), "CREDENTIALS").

use std::collections::BTreeMap;
use std::fmt;

/// What a unit gets as files that nobody else can read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// LoadCredential=: name and where it is read from, an absolute path or the name of a
    /// credential of the machine's or the manager's.
    pub load: Vec<(String, String)>,
    /// SetCredential=: what stands in the unit file; for what cannot be loaded otherwise.
    pub set: BTreeMap<String, Secret>,
    /// ImportCredential=: patterns of names.
    pub import: Vec<String>,
}

impl Credentials {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.load.is_empty() || !self.set.is_empty() || !self.import.is_empty()
    }
}

/// Bytes that no log or listing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
