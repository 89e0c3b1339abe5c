//! Sockets by themselves, without a daemon.
