//! The manager on a real message bus: the same objects as on the control socket, under a name of
//! its own.
//!
//! One connection serves all callers. Who calls is asked of the bus (GetConnectionCredentials)
//! once a caller; each caller's calls are carried out in their order and those of several beside
//! each other, with a limit on how many may wait. A bus that is not there is waited for, and one
//! that was lost is joined anew.
//!
//! Must not take a name that was not asked for. Signals go out only while somebody who has called
//! is connected: nobody else listens.

use super::connection::{Client, Outgoing, answer};
use super::failure::{Failure, names};
use super::hub::Hub;
use super::watch::{
    BUS, BusAddress, End, FIRST_PAUSE, LONGEST_PAUSE, PATIENCE, call, connect_once,
};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, OwnedVariant, Variant};

/// Callers at a time, and the calls of one that may wait.
const MOST_CALLERS: usize = 512;
const MOST_CALLS: usize = 64;

/// The answers of RequestName that mean that the name is ours.
const IS_OWNER: [u32; 2] = [1, 4];

/// The name by which the manager is found unless another is asked for.
pub const DEFAULT_NAME: &str = super::own::INTERFACE;

/// Who may look at units, besides root and the manager's own user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Nobody.
    Nobody,
    /// Members of this group.
    Group(u32),
    /// Everybody whom the bus lets through.
    All,
}

/// Where the manager is to be found besides its control socket.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The bus.
    pub address: BusAddress,
    /// The names taken there.
    pub names: Vec<String>,
    /// Who may look.
    pub readers: Readers,
}

impl Outside {
    /// Whether such names can be had on a bus.
    ///
    /// # Errors
    /// One of them is no well-known name.
    pub fn check_names(names: &[String]) -> Result<(), String> {
        let is_bad = |name: &&String| zbus::names::WellKnownName::try_from(name.as_str()).is_err();
        match names.iter().find(is_bad) {
            Some(name) => Err(format!("\"{name}\" cannot be a name on a message bus")),
            None => Ok(()),
        }
    }
}

/// Serves the manager on the bus until the loop is gone; this never returns before.
pub(super) async fn serve(hub: Arc<Hub>, outside: Outside) {
    let mut pause = FIRST_PAUSE;
    let mut said = false;
    loop {
        let began = Instant::now();
        let reason = match connect_once(&outside.address).await {
            Ok(stream) => {
                said = false;
                match serve_connection(&hub, &outside, stream).await {
                    End::Gone => return,
                    End::Bus(reason) => format!("was lost: {reason}"),
                }
            }
            Err(reason) => format!("is not there: {reason}"),
        };
        if !said {
            said = true;
            tracing::warn!("{} {reason}; joined as soon as it is back", outside.address);
        }
        pause = match began.elapsed() < LONGEST_PAUSE {
            true => (pause * 2).min(LONGEST_PAUSE),
            false => FIRST_PAUSE,
        };
        sleep(pause).await;
    }
}

/// What a caller's task has done.
struct Answered {
    messages: Vec<Message>,
    /// It was a call that holds signals back.
    held: bool,
}

/// The connection, as long as it lasts.
struct Joined {
    hub: Arc<Hub>,
    readers: Readers,
    connection: Connection,
    /// Calls go to the task of their caller, by its name.
    callers: BTreeMap<String, mpsc::Sender<Message>>,
    answers: mpsc::Sender<Answered>,
    /// Calls whose reply goes before any signal.
    holding: usize,
}

async fn serve_connection(hub: &Arc<Hub>, outside: &Outside, mut stream: MessageStream) -> End {
    let connection = Connection::from(&stream);
    if let Err(end) = join(&connection, outside).await {
        return end;
    }
    // All signals, for whoever on the bus wants them.
    let Some((listener, mut signals)) = hub.join(hub.uid, 0) else {
        return End::Bus("there are too many connections on the control socket".to_owned());
    };
    let (answers, mut answered) = mpsc::channel(MOST_CALLERS);
    let mut joined = Joined {
        hub: hub.clone(),
        readers: outside.readers,
        connection,
        callers: BTreeMap::new(),
        answers,
        holding: 0,
    };
    let end = loop {
        let holds = joined.holding > 0;
        let done = tokio::select! {
            biased;
            Some(answer) = answered.recv() => {
                joined.holding -= usize::from(answer.held);
                joined.send(answer.messages).await
            }
            signal = signals.recv(), if !holds => match signal {
                // Made for all: the bus gives it to those whose rules fit.
                Some(signal) if !joined.callers.is_empty() => joined.send(vec![signal]).await,
                Some(_) => Ok(()),
                None => Err(End::Bus("signals were not taken fast enough".to_owned())),
            },
            message = stream.next() => match message {
                Some(Ok(message)) => joined.take(message).await,
                Some(Err(error)) => Err(error.into()),
                None => Err(End::Bus("it has closed the connection".to_owned())),
            },
        };
        if let Err(end) = done {
            break end;
        }
    };
    hub.leave(listener).await;
    end
}

/// Takes the names, and has the bus say who leaves it.
async fn join(connection: &Connection, outside: &Outside) -> Result<(), End> {
    let gone =
        format!("type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg2=''");
    call(connection, "AddMatch", &gone).await?;
    for name in &outside.names {
        // Waits in line if somebody else has it.
        let reply = call(connection, "RequestName", &(name, 0_u32)).await;
        let address = &outside.address;
        match reply {
            Ok(reply) if IS_OWNER.contains(&reply.body().deserialize::<u32>()?) => {
                tracing::info!("served as {name} on {address}");
            }
            Ok(_) => tracing::warn!("somebody else is {name} on {address}; waiting in line"),
            Err(End::Bus(reason)) => {
                tracing::error!("cannot be {name} on {address}: {reason}");
            }
            Err(End::Gone) => return Err(End::Gone),
        }
    }
    Ok(())
}

impl Joined {
    /// Sends messages. A bus that does not read is as good as none.
    async fn send(&self, messages: Vec<Message>) -> Result<(), End> {
        match timeout(PATIENCE, self.connection.send_all(&messages)).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(End::Bus("it does not read".to_owned())),
        }
    }

    /// Takes a message in: a call, or news of who has gone.
    async fn take(&mut self, message: Message) -> Result<(), End> {
        let header = message.header();
        let Some(sender) = header.sender().map(|sender| sender.as_str().to_owned()) else {
            return Ok(());
        };
        match message.message_type() {
            Type::MethodCall => self.called(&sender, message).await,
            Type::Signal if sender == BUS => {
                let is_it = header.member().map(|member| member.as_str().to_owned());
                if is_it.as_deref() == Some("NameOwnerChanged") {
                    let (name, _, _): (String, String, String) = message.body().deserialize()?;
                    self.callers.remove(&name);
                }
                Ok(())
            }
            Type::Signal | Type::MethodReturn | Type::Error => Ok(()),
        }
    }

    async fn called(&mut self, sender: &str, message: Message) -> Result<(), End> {
        if !self.callers.contains_key(sender) {
            if self.callers.len() >= MOST_CALLERS {
                return self.refuse(&message, "Too many callers at a time").await;
            }
            let (calls, queue) = mpsc::channel(MOST_CALLS);
            let caller = Caller {
                name: sender.to_owned(),
                hub: self.hub.clone(),
                readers: self.readers,
                connection: self.connection.clone(),
            };
            tokio::spawn(caller.serve(queue, self.answers.clone()));
            self.callers.insert(sender.to_owned(), calls);
        }
        let held = holds_signals(&message);
        let calls = self.callers.get(sender);
        match calls.map(|calls| calls.try_send(message)) {
            Some(Ok(())) => {
                self.holding += usize::from(held);
                Ok(())
            }
            Some(Err(mpsc::error::TrySendError::Full(message))) => {
                self.refuse(&message, "Too many calls at a time").await
            }
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Ok(()),
        }
    }

    async fn refuse(&self, call: &Message, text: &str) -> Result<(), End> {
        let error = Message::error(&call.header(), names::LIMITS);
        self.send(vec![error.build(&text)?]).await
    }
}

/// Somebody who calls.
struct Caller {
    /// Its unique name on the bus.
    name: String,
    hub: Arc<Hub>,
    readers: Readers,
    connection: Connection,
}

impl Caller {
    /// Carries its calls out, until it has gone.
    async fn serve(self, mut calls: mpsc::Receiver<Message>, answers: mpsc::Sender<Answered>) {
        let client = self.meet().await.map(Arc::new);
        while let Some(call) = calls.recv().await {
            let held = holds_signals(&call);
            let messages = match &client {
                Some(client) => {
                    let answers = answer(client.clone(), call).await.unwrap_or_default();
                    answers
                        .into_iter()
                        .filter_map(Outgoing::into_message)
                        .collect()
                }
                None => denial(&call).into_iter().collect(),
            };
            if answers.send(Answered { messages, held }).await.is_err() {
                break;
            }
        }
        if let Some(client) = client {
            self.hub.leave(client.peer).await;
        }
    }

    /// Asks the bus who it is; `None` if it may not even look.
    async fn meet(&self) -> Option<Client> {
        let method = "GetConnectionCredentials";
        let reply = call(&self.connection, method, &self.name).await.ok()?;
        let credentials: BTreeMap<String, OwnedVariant> = reply.body().deserialize().ok()?;
        let identity = Identity::of(&credentials)?;
        identity.may_look(self.readers, self.hub.uid).then(|| {
            let peer = self.hub.join_silently(identity.uid, identity.pid);
            Client::outside(self.hub.clone(), peer)
        })
    }
}

fn denial(call: &Message) -> Option<Message> {
    let failure = Failure::denied();
    let error = Message::error(&call.header(), failure.name);
    error.build(&failure.message).ok()
}

/// Whether the call may make a job, whose signals come behind the reply.
fn holds_signals(call: &Message) -> bool {
    let header = call.header();
    let member = header.member().map(|member| member.as_str());
    member.is_some_and(|member| {
        const BEGINNINGS: [&str; 7] = [
            "Start",
            "Stop",
            "Restart",
            "TryRestart",
            "ReloadOr",
            "ReloadUnit",
            "Enqueue",
        ];
        BEGINNINGS.iter().any(|word| member.starts_with(word))
    })
}

/// Who a caller is, as the bus has it of the kernel.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    uid: u32,
    /// 0 if the bus does not say.
    pid: i32,
    groups: Vec<u32>,
}

impl Identity {
    /// `None` if the bus does not say which user it is.
    fn of(credentials: &BTreeMap<String, OwnedVariant>) -> Option<Identity> {
        let number = |name: &str| match credentials.get(name).map(|value| &**value) {
            Some(Variant::U32(number)) => Some(*number),
            _ => None,
        };
        let groups = match credentials.get("UnixGroupIDs").map(|value| &**value) {
            Some(Variant::Array(groups)) => groups.inner().to_vec(),
            _ => Vec::new(),
        };
        let group = |group: &Variant<'_>| match group {
            Variant::U32(group) => Some(*group),
            _ => None,
        };
        Some(Identity {
            uid: number("UnixUserID")?,
            pid: number("ProcessID").map_or(0, u32::cast_signed),
            groups: groups.iter().filter_map(group).collect(),
        })
    }

    fn may_look(&self, readers: Readers, own: u32) -> bool {
        let trusted = self.uid == 0 || self.uid == own;
        trusted
            || match readers {
                Readers::Nobody => false,
                Readers::Group(group) => self.groups.contains(&group),
                Readers::All => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_look() {
        let of = |uid, groups: &[u32]| Identity {
            uid,
            pid: 7,
            groups: groups.to_vec(),
        };
        for readers in [Readers::Nobody, Readers::Group(50), Readers::All] {
            assert!(of(0, &[]).may_look(readers, 1000));
            assert!(of(1000, &[]).may_look(readers, 1000));
        }
        let other = of(1001, &[49, 50]);
        assert!(!other.may_look(Readers::Nobody, 1000));
        assert!(other.may_look(Readers::Group(50), 1000));
        assert!(!other.may_look(Readers::Group(51), 1000));
        assert!(other.may_look(Readers::All, 1000));
    }

    #[test]
    fn what_the_bus_says_of_a_caller() {
        let value = |value: Variant<'_>| value.try_to_owned().unwrap();
        let mut told = BTreeMap::from([("UnixUserID".to_owned(), value(Variant::from(5_u32)))]);
        let mut wanted = Identity {
            uid: 5,
            pid: 0,
            groups: Vec::new(),
        };
        assert_eq!(Identity::of(&told), Some(wanted));
        told.insert("ProcessID".to_owned(), value(Variant::from(77_u32)));
        let groups = Variant::from(vec![1_u32, 2]);
        told.insert("UnixGroupIDs".to_owned(), value(groups));
        wanted = Identity {
            uid: 5,
            pid: 77,
            groups: vec![1, 2],
        };
        assert_eq!(Identity::of(&told), Some(wanted));
        told.remove("UnixUserID");
        assert_eq!(Identity::of(&told), None);
    }

    #[test]
    fn names_are_checked() {
        let check = |name: &str| Outside::check_names(&[name.to_owned()]);
        assert!(check(DEFAULT_NAME).is_ok());
        assert!(check("org.freedesktop.systemd1").is_ok());
        for bad in ["", "noname", ":1.5", "a..b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
