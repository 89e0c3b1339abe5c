//! One client: handshake, calls one after the other, signals in between, replies and signals
//! through one bounded queue.

use super::access::Peer;
use super::backlog::Backlog;
use super::dispatch::{self, Reply};
use super::encode::{self, Envelope};
use super::failure::Failure;
use super::hub::Hub;
use super::names::Session;
use super::socket::{self, ClientSocket};
use super::value::{Body, Value};
use super::{MANAGER_UNIQUE_NAME, own};
use futures_util::StreamExt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use zbus::connection::Builder;
use zbus::message::{self, Flags, Type};
use zbus::{Message, MessageStream};

/// How long a client may take to say who it is; it does so in one write.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client that says nothing gets no signals: on a bus the answer to Hello must be the
/// first thing that it hears. Who only listens, without a bus, hears of things from then on.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How long a client may take to read what it is sent. Who follows the log may take longer: it
/// gets no other signals, and lines wait where they are kept anyway.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls that are read before those before them are answered; each may hold descriptors.
const QUEUED_CALLS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Messages that may wait for a client to read.
const OUTBOUND_QUEUE: usize = 1024;

/// Lines of log queued at a time, and the room that must be there before.
const LINES: usize = 256;
const ROOM_FOR_LINES: usize = 2 * LINES;

/// Messages handed to the socket at a time.
const WRITE_BATCH: usize = 64;

/// What goes to a client.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Answers, as bytes.
    Frame(Vec<u8>),
    /// Signals, and answers that others are shown.
    Message(Message),
}

impl Outgoing {
    fn bytes(&self) -> &[u8] {
        match self {
            Outgoing::Frame(bytes) => bytes,
            Outgoing::Message(message) => message.data().bytes(),
        }
    }

    /// The message; there is none where it was made into bytes at once.
    pub(super) fn into_message(self) -> Option<Message> {
        match self {
            Outgoing::Frame(_) => None,
            Outgoing::Message(message) => Some(message),
        }
    }

    fn length(&self) -> usize {
        self.bytes().len()
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Outgoing::Frame(_) => Vec::new(),
            Outgoing::Message(message) => message.data().fds().iter().map(AsFd::as_fd).collect(),
        }
    }
}

/// A client's side of the dispatch.
pub(super) struct Client {
    /// Shared with the others.
    pub(super) hub: Arc<Hub>,
    /// Who it is.
    pub(super) peer: Peer,
    /// Bus personality: Hello, match rules, followed logs.
    pub(super) session: Session,
    /// What it has not been sent yet.
    backlog: Backlog,
    /// It is on a real bus, which takes care of names and signals.
    pub(super) outside: bool,
}

/// Serves one accepted connection until either side has enough.
pub(super) async fn serve(hub: Arc<Hub>, stream: UnixStream) {
    let (uid, pid) = match stream.peer_cred() {
        Ok(cred) => (cred.uid(), cred.pid().unwrap_or(0)),
        Err(error) => {
            tracing::warn!("cannot tell who connected to the control socket: {error}");
            return;
        }
    };
    let Some((peer, signals)) = hub.join(uid, pid) else {
        tracing::warn!(pid, "too many connections on the control socket");
        return;
    };
    let joined = Joined(Some((hub.clone(), peer)));
    let stream = Arc::new(stream);
    match handshake(&hub, stream.clone()).await {
        Ok(messages) => {
            let client = Arc::new(Client {
                hub: hub.clone(),
                peer,
                session: Session::default(),
                backlog: Backlog::default(),
                outside: false,
            });
            run(client, stream, messages, signals).await;
        }
        Err(reason) => tracing::debug!(pid, uid, "client did not get through: {reason}"),
    }
    joined.leave().await;
}

/// A place in the list of clients, given back however this ends.
struct Joined(Option<(Arc<Hub>, Peer)>);

impl Joined {
    async fn leave(mut self) {
        if let Some((hub, peer)) = self.0.take() {
            hub.leave(peer).await;
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // Only a panic comes here, or the end of the daemon, which has no runtime any more.
        if let Some((hub, peer)) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { hub.leave(peer).await });
        }
    }
}

async fn handshake(hub: &Hub, stream: Arc<UnixStream>) -> Result<MessageStream, String> {
    // Armed before the first read: clients send calls behind BEGIN in the same packet.
    let connecting = Builder::socket(ClientSocket(stream))
        .server(hub.guid.clone())
        .p2p()
        .max_queued(QUEUED_CALLS)
        .build_message_stream();
    tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting)
        .await
        .map_err(|_| "no handshake in time".to_owned())?
        .map_err(|e| e.to_string())
}

/// A call being worked on.
struct Pending {
    reply: Pin<Box<dyn Future<Output = Option<Vec<Outgoing>>> + Send>>,
    /// Signals wait until the reply is out, so that a job's path is known before its end.
    holds_signals: bool,
}

async fn run(
    client: Arc<Client>,
    stream: Arc<UnixStream>,
    mut messages: MessageStream,
    mut signals: mpsc::Receiver<Message>,
) {
    let (outbound, queue) = mpsc::channel(OUTBOUND_QUEUE);
    let mut writer = tokio::spawn(write(client.clone(), stream.clone(), queue));
    let mut pending: Option<Pending> = None;
    let mut lines = client.hub.handle.lines();
    let silence = tokio::time::sleep(FIRST_WORD);
    tokio::pin!(silence);
    let mut is_new = true;
    loop {
        let holds = is_new || pending.as_ref().is_some_and(|p| p.holds_signals);
        let goes_on = tokio::select! {
            biased;
            () = outbound.closed() => false,
            replies = finish(&mut pending) => {
                client.show_replies(&replies);
                match write_at_once(&client, &stream, replies) {
                    Ok(rest) => send(&client, &outbound, rest).await,
                    Err(_) => false,
                }
            }
            signal = signals.recv(), if !holds => match signal {
                Some(signal) => pass_on(&client, &outbound, signal).await,
                None => false,
            },
            () = room_and_lines(&outbound, &mut lines), if client.session.is_following() => {
                let (signals, more) = own::new_lines(&client, LINES).await;
                if more {
                    lines.mark_changed();
                }
                let lines = signals.into_iter().map(Outgoing::Message);
                send(&client, &outbound, lines.collect()).await
            }
            () = client.backlog.room(), if pending.is_none() && !client.backlog.has_room() => true,
            message = messages.next(), if pending.is_none() && client.backlog.has_room() => match message {
                // A monitor has nothing to say.
                Some(Ok(_)) if client.session.is_monitor() => false,
                Some(Ok(message)) => {
                    client.show_call(&message);
                    is_new = false;
                    pending = begin(&client, message);
                    true
                }
                Some(Err(_)) | None => false,
            },
            () = &mut silence, if is_new => {
                is_new = false;
                true
            }
        };
        if !goes_on {
            break;
        }
    }
    drop((outbound, stream));
    // Gives the last replies a chance.
    if tokio::time::timeout(WRITE_TIMEOUT, &mut writer)
        .await
        .is_err()
    {
        writer.abort();
    }
}

/// Writes what is queued. zbus writes nothing any more once the handshake is done: nothing is
/// asked of its connection, so that the stream is ours.
async fn write(client: Arc<Client>, stream: Arc<UnixStream>, mut queue: mpsc::Receiver<Outgoing>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, WRITE_BATCH).await > 0 {
        let sending = write_all(&stream, &batch);
        let sent = if client.session.is_following() {
            sending.await.is_ok()
        } else {
            let sending = tokio::time::timeout(WRITE_TIMEOUT, sending);
            sending.await.is_ok_and(|sent| sent.is_ok())
        };
        if !sent {
            break;
        }
        client
            .backlog
            .shrink(batch.iter().map(Outgoing::length).sum());
        batch.clear();
    }
    // The other half may still be reading; if it is closed already, that is as well.
    let _ = rustix::net::shutdown(&*stream, rustix::net::Shutdown::Both);
}

async fn write_all(stream: &UnixStream, mut batch: &[Outgoing]) -> io::Result<()> {
    // Descriptors go with the first byte of their message, which begins a write of its own.
    while let Some((first, behind)) = batch.split_first() {
        let descriptors = first.descriptors();
        if descriptors.is_empty() {
            let plain = batch.iter().take_while(|it| it.descriptors().is_empty());
            let (plain, others) = batch.split_at(plain.count());
            write_plain(stream, plain).await?;
            batch = others;
        } else {
            let sent = socket::send(stream, first.bytes(), &descriptors).await?;
            let mut rest = &first.bytes()[sent..];
            while !rest.is_empty() {
                let sent = socket::send(stream, rest, &[]).await?;
                rest = &rest[sent..];
            }
            batch = behind;
        }
    }
    Ok(())
}

async fn write_plain(stream: &UnixStream, batch: &[Outgoing]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|o| IoSlice::new(o.bytes())).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match stream.try_write_vectored(rest) {
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until there are new lines and room for them.
async fn room_and_lines(outbound: &mpsc::Sender<Outgoing>, lines: &mut watch::Receiver<u64>) {
    // The room first: a change that was seen must not be forgotten while waiting for room.
    let room = outbound.reserve_many(ROOM_FOR_LINES).await;
    if room.is_err() || lines.changed().await.is_err() {
        // The connection or the loop is gone; others here notice.
        std::future::pending().await
    }
}

/// Waits for the reply of the pending call, for ever if there is none.
async fn finish(pending: &mut Option<Pending>) -> Vec<Outgoing> {
    match pending {
        Some(call) => {
            let messages = call.reply.as_mut().await;
            *pending = None;
            messages.unwrap_or_default()
        }
        None => std::future::pending().await,
    }
}

/// Writes what there is room for, if nothing waits before it and no descriptor goes along: another task
/// need not be woken for most answers. What is left is to be queued.
///
/// # Errors
/// The client has gone.
fn write_at_once(
    client: &Client,
    stream: &UnixStream,
    mut messages: Vec<Outgoing>,
) -> io::Result<Vec<Outgoing>> {
    let [Outgoing::Frame(bytes)] = messages.as_mut_slice() else {
        return Ok(messages);
    };
    if !client.backlog.is_empty() {
        return Ok(messages);
    }
    match stream.try_write(bytes) {
        Ok(count) if count == bytes.len() => Ok(Vec::new()),
        Ok(count) => {
            bytes.drain(..count);
            Ok(messages)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(messages),
        Err(error) => Err(error),
    }
}

/// Queues replies and lines. A full queue holds back this client's next call, not the daemon.
async fn send(client: &Client, outbound: &mpsc::Sender<Outgoing>, messages: Vec<Outgoing>) -> bool {
    for message in messages {
        client.backlog.grow(message.length());
        if outbound.send(message).await.is_err() {
            return false;
        }
    }
    true
}

/// Queues a signal if this client wants it. A full queue makes later signals wait where the hub
/// puts them: a burst, such as all units being loaded, is no reason to drop who reads it.
async fn pass_on(client: &Client, outbound: &mpsc::Sender<Outgoing>, signal: Message) -> bool {
    if !is_for_alone(&signal, client) && !client.session.wants(&signal) {
        return true;
    }
    let signal = Outgoing::Message(signal);
    client.backlog.grow(signal.length());
    outbound.send(signal).await.is_ok()
}

/// Whether it was sent to this client and to nobody else.
fn is_for_alone(signal: &Message, client: &Client) -> bool {
    let header = signal.header();
    let destination = header.destination();
    destination.is_some_and(|name| name.as_str() == client.peer.unique_name())
}

fn begin(client: &Arc<Client>, call: Message) -> Option<Pending> {
    if call.message_type() != Type::MethodCall {
        return None;
    }
    let holds_signals = call
        .header()
        .member()
        .is_some_and(|m| m.as_str() != "Reload");
    let client = client.clone();
    Some(Pending {
        reply: Box::pin(answer(client, call)),
        holds_signals,
    })
}

/// Carries a call out: the reply, with what goes behind it; `None` if nobody wants one.
pub(super) async fn answer(client: Arc<Client>, call: Message) -> Option<Vec<Outgoing>> {
    let result = dispatch::dispatch(&client, &call).await;
    if call
        .primary_header()
        .flags()
        .contains(Flags::NO_REPLY_EXPECTED)
    {
        return None;
    }
    match build(&client, &call, result) {
        Ok(messages) => Some(messages),
        Err(error) => {
            tracing::error!("cannot build a reply: {error}");
            None
        }
    }
}

fn build(
    client: &Client,
    call: &Message,
    result: Result<Reply, Failure>,
) -> Result<Vec<Outgoing>, String> {
    let (body, sender, error, after) = match result {
        Ok(reply) => (reply.body, reply.sender, None, reply.after),
        Err(failure) => {
            let text = Body::one("s", Value::String(failure.message));
            (text, MANAGER_UNIQUE_NAME, Some(failure.name), None)
        }
    };
    // Others are shown messages only, and only these carry descriptors.
    let as_message = client.shows_answers() || body.has_descriptor();
    // What is encoded already was so when nobody listened.
    let reply = if as_message && !body.is_encoded() {
        let header = call.header();
        let mut builder = match error {
            Some(name) => Message::error(&header, name),
            None => Message::method_return(&header),
        };
        if !client.outside {
            builder = builder.sender(sender);
        }
        let message = client.address(builder).build(&body);
        Outgoing::Message(message.map_err(|error| error.to_string())?)
    } else {
        let name = client.session.is_bus().then(|| client.peer.unique_name());
        let envelope = Envelope {
            answers: call.primary_header().serial_num(),
            destination: name.as_deref(),
            sender,
            error,
        };
        let frame = encode::reply(&envelope, &body).map_err(|error| error.to_string())?;
        Outgoing::Frame(frame)
    };
    let after = after.map(Outgoing::Message);
    Ok(std::iter::once(reply).chain(after).collect())
}

impl Client {
    /// One that calls by a real bus.
    pub(super) fn outside(hub: Arc<Hub>, peer: Peer) -> Client {
        Client {
            hub,
            peer,
            session: Session::on_bus(),
            backlog: Backlog::default(),
            outside: true,
        }
    }

    /// Whether others are shown what it is answered, so that answers are messages of zbus's.
    pub(super) fn shows_answers(&self) -> bool {
        self.hub.is_overheard() || self.outside
    }

    /// Sets the destination that clients on a bus expect.
    pub(super) fn address<'a>(&self, builder: message::Builder<'a>) -> message::Builder<'a> {
        match self.session.is_bus() && !self.outside {
            true => builder.destination(self.peer.unique_name()),
            false => builder,
        }
    }
}
