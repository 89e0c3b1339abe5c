//! org.freedesktop.systemd1 on the control socket.
//!
//! Sends requests through `host::Handle` and reads `engine::inspect`; nothing else. zbus types
//! stay in here and in `cli::client`.

use crate::host::Handle;
use std::io;
use std::os::unix::net::UnixListener;

/// Serves clients on the control socket until the loop behind `handle` ends.
///
/// # Errors
/// The listener cannot be used.
pub async fn serve(listener: UnixListener, handle: Handle) -> io::Result<()> {
    let _ = (listener, handle);
    Ok(())
}
