//! Numbers of descriptors: what is kept for long has high ones.
//!
//! A child needs but a few of our descriptors, all of which come and go with its start. As long
//! as those have low numbers, it is made without a look at the thousands that services keep:
//! the kernel copies a table up to the number that it is told (see `start`).

use std::os::fd::OwnedFd;

/// From here on.
const HIGH: i32 = 1024;

/// Moves a descriptor up, close-on-exec; where no high number is free it stays as it is.
pub fn up(descriptor: OwnedFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(&descriptor, HIGH).unwrap_or(descriptor)
}

/// Lets the table of descriptors grow to the high numbers now. Once there are threads the kernel waits
/// for all of them before it goes on with a larger table (synchronize_rcu), some ten milliseconds.
/// Nothing is lost where it cannot be done.
pub fn make_room() {
    if let Ok((reader, _)) = std::io::pipe() {
        drop(up(OwnedFd::from(reader)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn it_moves_up() {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader = up(OwnedFd::from(reader));
        assert!(reader.as_raw_fd() >= HIGH);
        drop(writer);
        assert_eq!(rustix::io::read(&reader, &mut [0u8; 1]).unwrap(), 0);
    }
}
