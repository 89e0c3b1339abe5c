//! Clients that see what others say: monitors (org.freedesktop.DBus.Monitoring), and match rules
//! with `eavesdrop='true'`.
//!
//! They get copies through the queue of signals, where their task chooses. Only those who may
//! change everything are let in: calls carry what is secret.

use super::connection::{Client, Outgoing};
use super::dispatch::{Reply, arguments};
use super::failure::{Failure, names};
use super::names::{BUS, BUS_PATH, Session};
use super::rule::Rule;
use super::value::{Body, Value};
use zbus::Message;
use zbus::message::Type;

/// The interface by which a client becomes a monitor.
pub(super) const INTERFACE: &str = "org.freedesktop.DBus.Monitoring";

/// `BecomeMonitor(as rules, u flags)`: from now on the client gets what fits the rules, everything
/// if there are none, and may say nothing any more. NameLost tells that it has begun.
///
/// # Errors
/// The caller may not, or a rule is none.
pub(super) fn call(client: &Client, member: &str, message: &Message) -> Result<Reply, Failure> {
    if member != "BecomeMonitor" {
        return Err(Failure::new(
            names::UNKNOWN_METHOD,
            format!("Unknown method {member} of interface {INTERFACE}"),
        ));
    }
    client.peer.may_change(client.hub.uid)?;
    let (rules, _flags): (Vec<String>, u32) = arguments(message)?;
    client.session.become_monitor(rules)?;
    client.hub.note_listener(client.peer, true);
    let name = client.peer.unique_name();
    let lost = Message::signal(BUS_PATH, BUS, "NameLost")
        .sender(BUS)
        .destination(name.clone())
        .build(&Body::one("s", Value::from(name)))
        .map_err(|error| Failure::new(names::FAILED, error.to_string()))?;
    let mut reply = Reply::from_bus(Body::EMPTY);
    reply.after = Some(lost);
    Ok(reply)
}

impl Client {
    /// Shows a call of this client to those who listen, with the name of who calls, as a bus
    /// does it.
    pub(super) fn show_call(&self, call: &Message) {
        if !self.hub.is_overheard() {
            return;
        }
        let name = self.peer.unique_name();
        let named = zbus::names::UniqueName::try_from(name.as_str());
        match named.and_then(|n| call.with_sender(&n)) {
            Ok(copy) => self.hub.show(&copy, self.peer),
            Err(error) => tracing::error!("cannot copy a call for monitors: {error}"),
        }
    }

    /// Shows what this client is answered to those who listen.
    pub(super) fn show_replies(&self, replies: &[Outgoing]) {
        for reply in replies {
            match reply {
                Outgoing::Message(message) if self.hub.is_overheard() => {
                    self.hub.show(message, self.peer);
                }
                Outgoing::Message(_) | Outgoing::Frame(_) => {}
            }
        }
    }
}

impl Session {
    /// Whether a message is for the client: all signals without a bus, what its match rules say
    /// with one, everything for a monitor without rules; none for those who follow the log, who
    /// may read slowly.
    pub(super) fn wants(&self, message: &Message) -> bool {
        let is_signal = message.message_type() == Type::Signal;
        let fits = |rule: &Rule| rule.fits(message);
        let state = self.state();
        if let Some(rules) = &state.monitors {
            return rules.is_empty() || rules.iter().any(fits);
        }
        match state.bus {
            true => state
                .rules
                .iter()
                .any(|(_, rule)| (is_signal || rule.eavesdrops()) && fits(rule)),
            false => is_signal && state.follow.is_none(),
        }
    }
}
