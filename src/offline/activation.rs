//! One command for some sockets (`socket-activate`).

pub use crate::host::activation::{Activation, run};
