//! Who is at the other end, and what they may do: root and the manager's own user everything,
//! others only look. Who may connect at all is up to the socket's mode.

use super::failure::Failure;

/// A client as the kernel describes it (SO_PEERCRED at accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// Number within this daemon; the unique name is `:1.<number>`.
    pub(super) number: u32,
    /// Effective user.
    pub(super) uid: u32,
    /// Process, 0 if the kernel does not say (foreign pid namespace).
    pub(super) pid: i32,
}

impl Peer {
    /// The unique name on the bus that is us.
    pub(super) fn unique_name(&self) -> String {
        format!(":1.{}", self.number)
    }

    /// Lets calls that change something pass.
    ///
    /// # Errors
    /// `AccessDenied` for users who are neither root nor ours.
    pub(super) fn may_change(&self, own_uid: u32) -> Result<(), Failure> {
        if self.uid == 0 || self.uid == own_uid {
            Ok(())
        } else {
            Err(Failure::denied())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_own_user_change_things() {
        let peer = |uid| Peer {
            number: 1,
            uid,
            pid: 1,
        };
        assert!(peer(0).may_change(1000).is_ok());
        assert!(peer(1000).may_change(1000).is_ok());
        assert_eq!(peer(1001).may_change(1000), Err(Failure::denied()));
        assert_eq!(peer(1000).may_change(0), Err(Failure::denied()));
    }
}
