//! The terminal of a unit's processes (systemd.exec(5), TTYPath= and its kin).

/// How a process gets the terminal that it is to have for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalWay {
    /// `tty`: once nobody else has it.
    Wait,
    /// `tty-force`: it is taken away from whoever has it.
    Force,
    /// `tty-fail`: if nobody else has it.
    Fail,
}

/// TTYPath= and its kin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminal {
    /// TTYPath=.
    pub path: Option<String>,
    /// TTYReset=.
    pub reset: bool,
    /// TTYVHangup=.
    pub hang_up: bool,
    /// TTYVTDisallocate=.
    pub clear: bool,
    /// TTYRows=.
    pub rows: Option<u16>,
    /// TTYColumns=.
    pub columns: Option<u16>,
}

/// The terminal where none is named.
const CONSOLE: &str = "/dev/console";

impl Terminal {
    /// Which one.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or(CONSOLE)
    }

    /// Whether anything is to be done to it before a process.
    pub fn is_prepared(&self) -> bool {
        self.is_reverted() || self.rows.is_some() || self.columns.is_some()
    }

    /// Whether anything is to be done to it when the unit is dead, too.
    pub fn is_reverted(&self) -> bool {
        self.reset || self.hang_up || self.clear
    }
}
