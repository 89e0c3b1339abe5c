//! Up: listening for traffic, starting the service for it, and what the service's own changes
//! mean for the socket (K4-K8).

use super::machine::Socket;
use super::{Connection, Context, Wanted};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::event::Peer;
use crate::engine::ids::{DescriptorId, UnitId};
use crate::engine::state::{
    JobKind, ServicePhase as Phase, ServiceState, SocketPhase, SocketResult, SocketState,
};
use serde::{Deserialize, Serialize};

/// A connection whose instance is being read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Coming {
    /// What MaxConnectionsPerSource= counts by.
    pub(super) source: Option<String>,
    /// REMOTE_ADDR and REMOTE_PORT.
    pub(super) remote: Option<(String, String)>,
}

impl Socket {
    /// Waits for traffic.
    pub(super) fn enter_listening(&mut self, cx: &mut Context<'_>) {
        self.drop_client(cx);
        let settings = cx.settings();
        if settings.flush_pending && !settings.accept {
            let unit = cx.unit;
            cx.out.effects.push(Effect::FlushSockets { unit });
        }
        if settings.ignore_empty_connections && !settings.accept && !cx.service.takes_client {
            cx.log(
                LogLevel::Warning,
                "IgnoreEmptyConnections= has no effect: the service has no \
                 FileDescriptorEnvironment= for this socket's name, so that it could not be \
                 handed the connection that was looked at",
            );
        }
        self.set_state(cx, SocketState::Listening);
        self.watch(cx);
    }

    /// Takes in that something waits at a socket.
    pub fn on_traffic(
        &mut self,
        cx: &mut Context<'_>,
        watch: u64,
        client: Option<(DescriptorId, usize)>,
    ) {
        if self.watch != Some(watch) || self.state != SocketState::Listening {
            if let Some((descriptor, _)) = client {
                cx.out.effects.push(Effect::CloseDescriptor { descriptor });
            }
            return;
        }
        // The wait was for once.
        self.watch = None;
        self.client = client;
        if self.is_polled_too_often(cx) {
            return;
        }
        if cx.job == Some(JobKind::Stop) {
            cx.log(
                LogLevel::Debug,
                "traffic is thrown away: the socket is about to stop",
            );
            self.drop_client(cx);
            let unit = cx.unit;
            cx.out.effects.push(Effect::FlushSockets { unit });
            return self.watch(cx);
        }
        if !self.may_trigger(cx) {
            return;
        }
        if !cx.service.up {
            cx.out.wanted.push(Wanted::Service);
        }
        self.set_state(cx, SocketState::Running);
    }

    /// PollLimit...=: the socket is not looked at for the rest of the time.
    fn is_polled_too_often(&mut self, cx: &mut Context<'_>) -> bool {
        let settings = cx.settings();
        let (interval, burst) = (settings.poll_limit.interval, settings.poll_burst());
        if self.polls.allow(cx.now.monotonic, interval, burst) {
            return false;
        }
        cx.log(
            LogLevel::Warning,
            "wakes up too often; not looked at until PollLimitIntervalSec= has passed",
        );
        self.timer = self.polls.end(interval);
        true
    }

    /// TriggerLimit...=: too many activations fail the socket (K6).
    fn may_trigger(&mut self, cx: &mut Context<'_>) -> bool {
        let settings = cx.settings();
        let (interval, burst) = (settings.trigger_limit.interval, settings.trigger_burst());
        if self.triggers.allow(cx.now.monotonic, interval, burst) {
            return true;
        }
        let text = format!(
            "trigger-limit-hit: activated more than {burst} times within {interval}; no more \
             traffic is taken"
        );
        cx.log(LogLevel::Error, text);
        self.refused = self.refused.saturating_add(1);
        self.enter_stop_pre(cx, SocketResult::TriggerLimitHit);
        false
    }

    /// Takes in that a client has connected (Accept=yes).
    pub fn on_connected(
        &mut self,
        cx: &mut Context<'_>,
        watch: u64,
        connection: DescriptorId,
        peer: Peer,
    ) {
        let expected = self.watch == Some(watch) && self.state == SocketState::Listening;
        if !expected || cx.job == Some(JobKind::Stop) {
            return self.refuse(cx, connection);
        }
        if !self.may_trigger(cx) {
            cx.out.effects.push(Effect::CloseDescriptor {
                descriptor: connection,
            });
            return;
        }
        if let Some(reason) = self.is_full_for(cx, &peer) {
            cx.log(LogLevel::Warning, reason);
            return self.refuse(cx, connection);
        }
        let instance = format!("{}-{}", self.accepted, peer.instance);
        self.accepted = self.accepted.saturating_add(1);
        self.announced.insert(
            connection,
            Coming {
                source: peer.source,
                remote: peer.remote,
            },
        );
        cx.out.wanted.push(Wanted::Instance {
            connection,
            instance,
            peer: peer.description,
        });
        cx.changed();
    }

    fn refuse(&mut self, cx: &mut Context<'_>, connection: DescriptorId) {
        self.refused = self.refused.saturating_add(1);
        cx.out.effects.push(Effect::CloseDescriptor {
            descriptor: connection,
        });
        cx.changed();
    }

    /// MaxConnections= and MaxConnectionsPerSource=.
    fn is_full_for(&self, cx: &Context<'_>, peer: &Peer) -> Option<String> {
        let settings = cx.settings();
        let count = self.served();
        if count >= settings.max_connections as usize {
            return Some(format!(
                "connection refused: there are {count} already (MaxConnections=)"
            ));
        }
        let most = settings.max_connections_per_source as usize;
        let source = peer.source.as_ref().filter(|_| most > 0)?;
        let coming = self.announced.values().map(|coming| coming.source.as_ref());
        let served = self.connections.values().map(Option::as_ref);
        let same = coming.chain(served).filter(|it| *it == Some(source));
        (same.count() >= most).then(|| {
            format!("connection refused: {source} has {most} already (MaxConnectionsPerSource=)")
        })
    }

    /// NConnections.
    pub(super) fn served(&self) -> usize {
        self.announced.len() + self.connections.len()
    }

    /// The instance for a connection was read; what it gets.
    pub fn connection_for(
        &mut self,
        cx: &Context<'_>,
        connection: DescriptorId,
        instance: UnitId,
    ) -> Option<Connection> {
        let coming = self.announced.remove(&connection)?;
        self.connections.insert(instance, coming.source);
        Some(Connection {
            descriptor: connection,
            socket: cx.unit,
            remote: coming.remote,
        })
    }

    /// The instance of a connection cannot be started, and no other one could.
    pub fn connection_failed(&mut self, cx: &mut Context<'_>, connection: DescriptorId) {
        self.announced.remove(&connection);
        self.activation_failed(cx);
    }

    /// An instance has ended with its connection.
    pub fn connection_ended(&mut self, cx: &mut Context<'_>, instance: UnitId) {
        if self.connections.remove(&instance).is_some() {
            cx.changed();
        }
    }

    /// The start job of the service was refused.
    pub fn activation_failed(&mut self, cx: &mut Context<'_>) {
        if self.state.phase() == SocketPhase::Up {
            self.enter_stop_pre(cx, SocketResult::Resources);
        }
    }

    /// Takes in that traffic cannot be waited for.
    pub fn on_watch_failed(&mut self, cx: &mut Context<'_>, watch: u64, reason: &str) {
        if self.watch != Some(watch) {
            return;
        }
        cx.log(LogLevel::Error, reason);
        self.enter_stop_pre(cx, SocketResult::Resources);
    }

    /// The service has changed, or a job of it has ended.
    pub fn on_service_changed(&mut self, cx: &mut Context<'_>) {
        if self.state.phase() != SocketPhase::Up || self.passive || cx.settings().accept {
            return;
        }
        if cx.service.start_limit_hit && cx.service.state == Some(ServiceState::Failed) {
            return self.enter_stop_pre(cx, SocketResult::ServiceStartLimitHit);
        }
        if cx.service.has_job {
            return;
        }
        let Some(state) = cx.service.state else {
            return;
        };
        let ended = match state.phase() {
            Phase::Rest => true,
            // As systemd has it: not in the signal of a watchdog, nor before or behind the wait.
            Phase::Final => matches!(
                state,
                ServiceState::FinalSigterm | ServiceState::FinalSigkill
            ),
            Phase::Pause => state == ServiceState::AutoRestart,
            Phase::Prepare | Phase::Start | Phase::Up | Phase::Reload | Phase::Stop => false,
        };
        if ended && self.state == SocketState::Running {
            self.enter_listening(cx);
        } else if state == ServiceState::Running && self.state == SocketState::Listening {
            self.set_state(cx, SocketState::Running);
        }
    }

    /// The connection that was looked at, for the service that is being started.
    pub fn take_client(&mut self) -> Option<(DescriptorId, usize)> {
        self.client.take()
    }
}
