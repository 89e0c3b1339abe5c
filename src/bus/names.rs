//! The part of a message bus that clients need: names, match rules, credentials
//! (org.freedesktop.DBus), and what one client has asked of it.

use super::access::Peer;
use super::connection::Client;
use super::dispatch::{Reply, arguments};
use super::failure::{Failure, names};
use super::rule::Rule;
use super::value::{Body, Value};
use super::{MANAGER_UNIQUE_NAME, own};
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use zbus::Message;

/// The name and interface of the bus itself.
pub(super) const BUS: &str = "org.freedesktop.DBus";
pub(super) const BUS_PATH: &str = "/org/freedesktop/DBus";
/// The names that lead to the manager.
pub(super) const MANAGER_NAMES: [&str; 2] = ["org.freedesktop.systemd1", own::INTERFACE];

/// Match rules one client may have: they come from strangers.
const MAX_RULES: usize = 512;
/// Units one client may hold.
const MAX_HELD: usize = 4096;

/// What one client has asked for.
#[derive(Default)]
pub(super) struct Session {
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// It said Hello.
    pub(super) bus: bool,
    pub(super) rules: Vec<(String, Rule)>,
    /// It is a monitor, and of what; of everything without rules.
    pub(super) monitors: Option<Vec<Rule>>,
    pub(super) follow: Option<Follow>,
    /// It asked for signals; on a bus that is said once.
    subscribed: bool,
    /// Units it holds, and how often.
    held: BTreeMap<UnitName, u32>,
}

/// Whose log is followed.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// Units; empty for all.
    pub(super) units: Vec<UnitName>,
    /// Lines up to this number were sent.
    pub(super) after: u64,
}

impl Session {
    /// What a client of a real bus has asked for: nothing yet.
    pub(super) fn on_bus() -> Session {
        let session = Session::default();
        session.state().bus = true;
        session
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one step; a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client treats us as a bus.
    pub(super) fn is_bus(&self) -> bool {
        self.state().bus
    }

    /// Whether the client only listens from now on.
    pub(super) fn is_monitor(&self) -> bool {
        self.state().monitors.is_some()
    }

    /// The client only listens from now on.
    ///
    /// # Errors
    /// A rule is none, or there are too many.
    pub(super) fn become_monitor(&self, rules: Vec<String>) -> Result<(), Failure> {
        if rules.len() > MAX_RULES {
            return Err(Failure::new(names::LIMITS, "Too many match rules"));
        }
        let rules = rules.iter().map(|text| Rule::new(text));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        self.state().monitors = Some(rules);
        Ok(())
    }

    /// Whether lines of log are for the client.
    pub(super) fn is_following(&self) -> bool {
        self.state().follow.is_some()
    }

    /// What it follows.
    pub(super) fn following(&self) -> Option<Follow> {
        self.state().follow.clone()
    }

    /// From now on lines are for the client.
    pub(super) fn follow(&self, follow: Follow) {
        self.state().follow = Some(follow);
    }

    /// Asks for signals or no longer does. They are sent whether asked for or not; without a
    /// bus nobody needs to ask.
    ///
    /// # Errors
    /// On a bus: it has asked already, or never did.
    pub(super) fn subscribe(&self, wanted: bool) -> Result<(), Failure> {
        let mut state = self.state();
        match (state.bus, state.subscribed, wanted) {
            (true, true, true) => Err(Failure::new(
                names::SUBSCRIBED,
                "Client is already subscribed.",
            )),
            (true, false, false) => Err(Failure::new(
                names::NOT_SUBSCRIBED,
                "Client is not subscribed.",
            )),
            _ => {
                state.subscribed = wanted;
                Ok(())
            }
        }
    }

    /// Holds a unit once more, or lets it go once.
    ///
    /// # Errors
    /// It is not held, or the client holds too many.
    pub(super) fn hold(&self, unit: &UnitName, more: bool) -> Result<(), Failure> {
        let mut state = self.state();
        let count = state.held.get(unit).copied().unwrap_or(0);
        match (count, more) {
            (0, false) => Err(Failure::new(
                names::NOT_REFERENCED,
                "Unit has not been referenced yet.",
            )),
            (0, true) if state.held.len() >= MAX_HELD => {
                Err(Failure::new(names::LIMITS, "Too many units referenced"))
            }
            (count, true) => {
                state.held.insert(unit.clone(), count.saturating_add(1));
                Ok(())
            }
            (1, false) => {
                state.held.remove(unit);
                Ok(())
            }
            (count, false) => {
                state.held.insert(unit.clone(), count - 1);
                Ok(())
            }
        }
    }

    fn hello(&self) -> Result<(), Failure> {
        let mut state = self.state();
        if state.bus {
            return Err(Failure::new(
                names::FAILED,
                "Already handled an Hello message",
            ));
        }
        state.bus = true;
        Ok(())
    }

    /// Adds a rule; says whether it is about what others are told, too.
    fn add_rule(&self, text: String) -> Result<bool, Failure> {
        let rule = Rule::new(&text)?;
        let mut state = self.state();
        if state.rules.len() >= MAX_RULES {
            return Err(Failure::new(names::LIMITS, "Too many match rules"));
        }
        let eavesdrops = rule.eavesdrops();
        state.rules.push((text, rule));
        Ok(eavesdrops)
    }

    fn remove_rule(&self, text: &str) -> Result<(), Failure> {
        let rules = &mut self.state().rules;
        match rules.iter().position(|(t, _)| t == text) {
            Some(index) => {
                rules.remove(index);
                Ok(())
            }
            None => Err(Failure::new(
                names::RULE_NOT_FOUND,
                "The given match rule wasn't found and can't be removed",
            )),
        }
    }
}

/// Answers a call to the bus itself.
pub(super) fn call(client: &Client, member: &str, call: &Message) -> Result<Reply, Failure> {
    let body = match member {
        "Hello" => return hello(client),
        "AddMatch" => {
            let eavesdrops = client.session.add_rule(arguments(call)?)?;
            // From others it is taken, and has no effect.
            if eavesdrops && client.peer.may_change(client.hub.uid).is_ok() {
                client.hub.note_listener(client.peer, false);
            }
            Body::EMPTY
        }
        "RemoveMatch" => {
            client.session.remove_rule(&arguments::<String>(call)?)?;
            Body::EMPTY
        }
        "GetNameOwner" => {
            let name: String = arguments(call)?;
            Body::one("s", Value::from(owner(client, &name)?))
        }
        "NameHasOwner" => {
            let name: String = arguments(call)?;
            Body::one("b", Value::Bool(owner(client, &name).is_ok()))
        }
        "ListNames" => Body::one("as", Value::strings(list(client))),
        "ListActivatableNames" => Body::one("as", Value::strings([BUS])),
        "GetId" => Body::one("s", Value::from(client.hub.guid.as_str())),
        "GetConnectionUnixUser" => {
            let (uid, _) = credentials(client, &arguments::<String>(call)?)?;
            Body::one("u", Value::U32(uid))
        }
        "GetConnectionUnixProcessID" => {
            let (_, pid) = credentials(client, &arguments::<String>(call)?)?;
            Body::one("u", Value::U32(pid))
        }
        "GetConnectionCredentials" => {
            let (uid, pid) = credentials(client, &arguments::<String>(call)?)?;
            let user = ("UnixUserID", "u", Value::U32(uid));
            let process = ("ProcessID", "u", Value::U32(pid));
            Body::one("a{sv}", Value::properties([user, process]))
        }
        "RequestName" | "ReleaseName" => return Err(Failure::denied()),
        "StartServiceByName" => {
            let (name, _flags): (String, u32) = arguments(call)?;
            owner(client, &name).map_err(|_| unknown_service(&name))?;
            // DBUS_START_REPLY_ALREADY_RUNNING.
            Body::one("u", Value::U32(2))
        }
        _ => {
            return Err(Failure::new(
                names::UNKNOWN_METHOD,
                format!("Unknown method {member} of interface {BUS}"),
            ));
        }
    };
    Ok(Reply::from_bus(body))
}

/// The failure for a destination nobody has.
pub(super) fn unknown_service(name: &str) -> Failure {
    Failure::new(
        names::SERVICE_UNKNOWN,
        format!("The name {name} is not provided here"),
    )
}

fn hello(client: &Client) -> Result<Reply, Failure> {
    client.session.hello()?;
    let name = client.peer.unique_name();
    let acquired = Message::signal(BUS_PATH, BUS, "NameAcquired")
        .sender(BUS)
        .destination(name.clone())
        .build(&name)
        .map_err(|e| Failure::new(names::FAILED, e.to_string()))?;
    let mut reply = Reply::from_bus(Body::one("s", Value::String(name)));
    reply.after = Some(acquired);
    Ok(reply)
}

fn owner(client: &Client, name: &str) -> Result<String, Failure> {
    if name == BUS {
        return Ok(name.to_owned());
    }
    if name == MANAGER_UNIQUE_NAME || MANAGER_NAMES.contains(&name) {
        return Ok(MANAGER_UNIQUE_NAME.to_owned());
    }
    peer(client, name).map(|p| p.unique_name())
}

fn peer(client: &Client, name: &str) -> Result<Peer, Failure> {
    client
        .hub
        .peers()
        .into_iter()
        .find(|p| p.unique_name() == name)
        .ok_or_else(|| {
            Failure::new(
                names::NO_OWNER,
                format!("Could not get owner of name '{name}': no such name"),
            )
        })
}

fn list(client: &Client) -> Vec<String> {
    let own = [BUS, MANAGER_UNIQUE_NAME].into_iter().chain(MANAGER_NAMES);
    own.map(str::to_owned)
        .chain(client.hub.peers().iter().map(Peer::unique_name))
        .collect()
}

fn credentials(client: &Client, name: &str) -> Result<(u32, u32), Failure> {
    if name == BUS || owner(client, name)? == MANAGER_UNIQUE_NAME {
        return Ok((client.hub.uid, std::process::id()));
    }
    let peer = peer(client, name)?;
    Ok((peer.uid, peer.pid.try_into().unwrap_or(0)))
}
