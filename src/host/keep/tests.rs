//! Pictures and journals on the disk; the keeper as a process of its own is tested from outside.
