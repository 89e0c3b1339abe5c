//! Watches names on a real message bus for services of Type=dbus.
//!
//! A client of that bus, off the loop: it connects when the first name is to be watched, says
//! in the log what it waits for while there is no bus, tries again with growing pauses, and
//! leaves the bus when nothing is watched any more. When a bus comes back, who has which name is
//! told anew.

use crate::host::{BusNameNews, BusNameOrder, Handle};
use crate::unit::name::UnitName;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

pub(super) const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// The first pause after a failed connection; each is twice the one before.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A bus that does not answer in this time is as good as none.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// Which bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusAddress {
    /// $DBUS_SYSTEM_BUS_ADDRESS, or the usual socket.
    System,
    /// $DBUS_SESSION_BUS_ADDRESS, or the socket in $XDG_RUNTIME_DIR.
    Session,
    /// This address.
    Address(String),
}

impl BusAddress {
    /// Reads `system`, `session` or an address; without a value the bus of the user.
    ///
    /// # Errors
    /// The text is none of them.
    pub fn parse(text: Option<&str>, root: bool) -> Result<BusAddress, String> {
        match text {
            None | Some("") if root => Ok(BusAddress::System),
            None | Some("") => Ok(BusAddress::Session),
            Some("system") => Ok(BusAddress::System),
            Some("session") => Ok(BusAddress::Session),
            Some(address) => match zbus::Address::try_from(address) {
                Ok(_) => Ok(BusAddress::Address(address.to_owned())),
                Err(error) => Err(format!(
                    "\"{address}\" is neither system nor session nor the address of a bus: {error}"
                )),
            },
        }
    }

    fn builder(&self) -> Builder<'_> {
        match self {
            BusAddress::System => Builder::system(),
            BusAddress::Session => Builder::session(),
            BusAddress::Address(address) => Builder::address(address.as_str()),
        }
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddress::System => f.write_str("the system bus"),
            BusAddress::Session => f.write_str("the session bus"),
            BusAddress::Address(address) => write!(f, "the bus at {address}"),
        }
    }
}

/// A name that is to be watched.
#[derive(Debug)]
struct Watched {
    name: String,
    unit: UnitName,
    /// Whether it was told that it is watched; from then on its owner matters.
    told: bool,
}

/// Carries out orders until the loop behind `handle` is gone.
pub async fn watch_names(
    address: BusAddress,
    orders: UnboundedReceiver<BusNameOrder>,
    handle: Handle,
) {
    let mut watcher = Watcher {
        address,
        orders,
        handle,
        names: BTreeMap::new(),
    };
    let mut pause = FIRST_PAUSE;
    while let Some(order) = watcher.orders.recv().await {
        watcher.note(order);
        while !watcher.names.is_empty() {
            let Some(stream) = watcher.connect().await else {
                break;
            };
            let began = tokio::time::Instant::now();
            match watcher.serve(stream).await {
                Ok(()) => {}
                Err(End::Gone) => return,
                Err(End::Bus(reason)) => {
                    tracing::warn!("{} was lost: {reason}", watcher.address);
                    tokio::time::sleep(pause).await;
                    // A bus that drops us at once is asked less and less often.
                    pause = if began.elapsed() < LONGEST_PAUSE {
                        (pause * 2).min(LONGEST_PAUSE)
                    } else {
                        FIRST_PAUSE
                    };
                }
            }
        }
    }
}

/// Why a connection is not served any longer.
pub(super) enum End {
    /// The loop is gone.
    Gone,
    /// The bus.
    Bus(String),
}

impl From<zbus::Error> for End {
    fn from(error: zbus::Error) -> End {
        End::Bus(error.to_string())
    }
}

struct Watcher {
    address: BusAddress,
    orders: UnboundedReceiver<BusNameOrder>,
    handle: Handle,
    names: BTreeMap<u64, Watched>,
}

impl Watcher {
    fn note(&mut self, order: BusNameOrder) {
        match order {
            BusNameOrder::Watch { watch, name, unit } => {
                let told = false;
                self.names.insert(watch, Watched { name, unit, told });
            }
            BusNameOrder::Forget { watch } => {
                self.names.remove(&watch);
            }
        }
    }

    /// Tries until there is a connection; `None` once nobody needs one.
    async fn connect(&mut self) -> Option<MessageStream> {
        let mut pause = FIRST_PAUSE;
        let mut said = false;
        loop {
            let reason = match connect_once(&self.address).await {
                Ok(stream) => return Some(stream),
                Err(reason) => reason,
            };
            if !said {
                said = true;
                self.say_what_is_waited_for(&reason);
            }
            let end = tokio::time::Instant::now() + pause;
            while let Ok(order) = tokio::time::timeout_at(end, self.orders.recv()).await {
                let order = order?;
                if matches!(order, BusNameOrder::Watch { .. }) {
                    // Whose start waits now has not read the line.
                    said = false;
                }
                self.note(order);
                if self.names.is_empty() {
                    return None;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn say_what_is_waited_for(&self, reason: &str) {
        let address = &self.address;
        for Watched { name, unit, .. } in self.names.values() {
            tracing::warn!("{unit}: waiting for {address}, to see its name {name}: {reason}");
        }
    }

    /// Watches all names on a connection, and carries out orders.
    async fn serve(&mut self, mut stream: MessageStream) -> Result<(), End> {
        let connection = Connection::from(&stream);
        for watch in self.names.keys().copied().collect::<Vec<_>>() {
            self.begin(&connection, watch).await?;
        }
        while !self.names.is_empty() {
            tokio::select! {
                biased;
                message = stream.next() => match message {
                    Some(message) => self.take(&message?).await?,
                    None => return Err(End::Bus("it has closed the connection".to_owned())),
                },
                order = self.orders.recv() => match order {
                    Some(BusNameOrder::Watch { watch, name, unit }) => {
                        self.note(BusNameOrder::Watch { watch, name, unit });
                        self.begin(&connection, watch).await?;
                    }
                    Some(BusNameOrder::Forget { watch }) => {
                        if let Some(watched) = self.names.remove(&watch) {
                            let rule = rule(&watched.name);
                            call(&connection, "RemoveMatch", &rule).await?;
                        }
                    }
                    None => return Err(End::Gone),
                },
            }
        }
        Ok(())
    }

    /// Has the bus tell of a name from here on. One that was watched before, on a connection
    /// that was lost, may have changed hands meanwhile.
    async fn begin(&mut self, connection: &Connection, watch: u64) -> Result<(), End> {
        let Some(watched) = self.names.get_mut(&watch) else {
            return Ok(());
        };
        call(connection, "AddMatch", &rule(&watched.name)).await?;
        let news = if std::mem::replace(&mut watched.told, true) {
            let name = watched.name.as_str();
            let reply = call(connection, "NameHasOwner", &name).await?;
            BusNameNews::Owned(reply.body().deserialize::<bool>()?)
        } else {
            BusNameNews::Watched
        };
        self.tell(watch, news).await
    }

    /// Takes a message of the bus in.
    async fn take(&mut self, message: &Message) -> Result<(), End> {
        let Some((name, owned)) = changed_owner(message) else {
            return Ok(());
        };
        let concerned = self
            .names
            .iter()
            .filter(|(_, watched)| watched.name == name);
        for watch in concerned.map(|(watch, _)| *watch).collect::<Vec<_>>() {
            self.tell(watch, BusNameNews::Owned(owned)).await?;
        }
        Ok(())
    }

    async fn tell(&self, watch: u64, news: BusNameNews) -> Result<(), End> {
        let told = self.handle.bus_name(watch, news).await;
        told.map_err(|_| End::Gone)
    }
}

/// Connects to a bus.
///
/// # Errors
/// Why not, in words.
pub(super) async fn connect_once(address: &BusAddress) -> Result<MessageStream, String> {
    let connecting = address.builder().build_message_stream();
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(|error| error.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

fn rule(name: &str) -> String {
    format!(
        "type='signal',sender='{BUS}',path='{BUS_PATH}',interface='{BUS}',\
         member='NameOwnerChanged',arg0='{name}'"
    )
}

/// Calls a method of the bus itself.
///
/// # Errors
/// It refuses, or does not answer in time.
pub(super) async fn call<B>(connection: &Connection, method: &str, body: &B) -> Result<Message, End>
where
    B: serde::Serialize + zbus::wire::DynamicType,
{
    let calling = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), method, body);
    match tokio::time::timeout(PATIENCE, calling).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(End::Bus(format!("it does not answer {method}"))),
    }
}

/// The name that the message says has got an owner or lost it, and whether it has one.
fn changed_owner(message: &Message) -> Option<(String, bool)> {
    let header = message.header();
    let is_it = message.message_type() == Type::Signal
        && header.sender().is_some_and(|sender| sender.as_str() == BUS)
        && header
            .member()
            .is_some_and(|m| m.as_str() == "NameOwnerChanged");
    if !is_it {
        return None;
    }
    let (name, _, owner): (String, String, String) = message.body().deserialize().ok()?;
    Some((name, !owner.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_bus_is_meant() {
        let parse = BusAddress::parse;
        assert_eq!(parse(None, true), Ok(BusAddress::System));
        assert_eq!(parse(None, false), Ok(BusAddress::Session));
        assert_eq!(parse(Some("session"), true), Ok(BusAddress::Session));
        assert_eq!(parse(Some("system"), false), Ok(BusAddress::System));
        let address = "unix:path=/run/x";
        assert_eq!(
            parse(Some(address), true),
            Ok(BusAddress::Address(address.to_owned()))
        );
        let error = parse(Some("/run/x"), true).unwrap_err();
        assert!(error.contains("neither system nor session"), "{error}");
    }
}
