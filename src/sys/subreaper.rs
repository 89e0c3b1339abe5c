//! PR_SET_CHILD_SUBREAPER: orphaned descendants become children of this process.

use std::io;

/// Makes this process the parent of every descendant whose own parent dies, so that what a
/// service leaves behind can be waited for where no control group tells.
///
/// # Errors
/// The kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Whether this process is one.
///
/// # Errors
/// The kernel refuses.
pub fn is_subreaper() -> io::Result<bool> {
    Ok(nix::sys::prctl::get_child_subreaper()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_set() {
        become_subreaper().unwrap();
        assert!(is_subreaper().unwrap());
    }
}
