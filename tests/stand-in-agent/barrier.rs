//! sd_notify_barrier(3): the manager closes the descriptor when it has read what was said before.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// Says `message` with one descriptor and waits until nobody else holds that.
///
/// # Errors
/// There is no manager to say it to.
pub(crate) fn wait_behind(message: &str) -> io::Result<()> {
    let path = std::env::var_os("NOTIFY_SOCKET")
        .ok_or_else(|| io::Error::other("there is no NOTIFY_SOCKET"))?;
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    let (reader, writer) = io::pipe()?;
    let descriptors = [writer.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    let text = [IoSlice::new(message.as_bytes())];
    sendmsg(&socket, &text, &mut ancillary, SendFlags::empty())?;
    drop(writer);
    poll(&mut [PollFd::new(&reader, PollFlags::empty())], None)?;
    Ok(())
}
