//! DogStatsD: gauges and counters every ten seconds, and events when something happens.
//!
//! Nobody waits for the receiver: sockets never block, and what cannot be sent is dropped, as
//! statsd is meant to be. An address is looked up on a pool thread, again and again until it is
//! found.

mod life;
mod send;

use super::picture::{Picture, Shown};
use crate::host::{Handle, News};
use crate::unit::name::UnitName;
use life::{Happened, Life, happened};
use send::Sender;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often gauges are sent.
const PERIOD: Duration = Duration::from_secs(10);
/// How long news are gathered before anybody looks.
const GATHERING: Duration = Duration::from_millis(100);
/// News looked at in one turn.
const TURN: usize = 1024;

/// Where a DogStatsD server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A host and a port.
    Udp(String, u16),
    /// A datagram socket.
    Unix(PathBuf),
}

impl Target {
    /// Reads `HOST:PORT`, `HOST` (port 8125), `unix:PATH` or `off`, which is none.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Option<Target>, String> {
        let wrong = || format!("\"{text}\" is not HOST:PORT, HOST, unix:/PATH or off");
        if text == "off" {
            return Ok(None);
        }
        let path = text.strip_prefix("unix:").map(|path| {
            // As the Agent's own clients write it.
            path.strip_prefix("//").unwrap_or(path)
        });
        if let Some(path) = path {
            return match path.starts_with('/') {
                true => Ok(Some(Target::Unix(path.into()))),
                false => Err(wrong()),
            };
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (text, 8125),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 || host.contains(['/', ' ']) {
            return Err(wrong());
        }
        Ok(Some(Target::Udp(host.to_owned(), port)))
    }
}

/// Sends until the loop is gone.
pub async fn run(target: Target, handle: Handle) {
    let mut news = handle.news();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reporter = Reporter {
        target,
        sender: None,
        lives: BTreeMap::new(),
        counted: BTreeMap::new(),
        known: false,
    };
    loop {
        let due = tokio::select! {
            _ = ticks.tick() => Due::Gauges,
            item = news.recv() => match item {
                Ok(item) => {
                    // Much happens at once; the picture is the same for all of it.
                    sleep(GATHERING).await;
                    gather(item, &mut news)
                }
                // What was missed is told with the next gauges.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return,
            },
        };
        let Ok(mut picture) = handle.look(Picture::take).await else {
            return;
        };
        match due {
            Due::Gauges => {
                reporter.connect().await;
                let completed = tokio::task::spawn_blocking(move || {
                    picture.complete();
                    picture
                });
                if let Ok(picture) = completed.await {
                    reporter.events(&picture, &[]);
                    reporter.gauges(&picture);
                }
            }
            Due::Events(probes) => reporter.events(&picture, &probes),
        }
    }
}

/// What is to be sent.
enum Due {
    Gauges,
    Events(Vec<Happened>),
}

/// All news that wait, as far as they matter: who changed is seen in the picture.
fn gather(first: News, news: &mut Receiver<News>) -> Due {
    let mut probes = Vec::new();
    let mut next = Some(first);
    let mut count = 0;
    while let Some(item) = next.take() {
        if let News::Probe(unit, kind, verdict, reason) = item {
            probes.push(Happened::health(unit, kind, verdict, reason));
        }
        count += 1;
        next = match news.try_recv() {
            Ok(item) if count < TURN => Some(item),
            Ok(_) | Err(TryRecvError::Empty | TryRecvError::Closed | TryRecvError::Lagged(_)) => {
                None
            }
        };
    }
    Due::Events(probes)
}

struct Reporter {
    target: Target,
    sender: Option<Sender>,
    lives: BTreeMap<UnitName, Life>,
    /// What counters were when they were last sent.
    counted: BTreeMap<(UnitName, &'static str), u64>,
    /// The units that there were at the beginning are no news.
    known: bool,
}

impl Reporter {
    /// Looks the server up, if that was not done yet.
    async fn connect(&mut self) {
        if self.sender.is_some() {
            return;
        }
        let target = self.target.clone();
        let made = tokio::task::spawn_blocking(move || Sender::new(&target)).await;
        match made {
            Ok(Ok(sender)) => self.sender = Some(sender),
            Ok(Err(error)) => tracing::warn!("cannot send to DogStatsD: {error}"),
            Err(error) => tracing::warn!("cannot send to DogStatsD: {error}"),
        }
    }

    /// What has happened since the last time, and these changes of probes.
    fn events(&mut self, picture: &Picture, probes: &[Happened]) {
        let mut found = Vec::new();
        for unit in &picture.units {
            let Some(now) = Life::of(&unit.view) else {
                continue;
            };
            let name = unit.health.unit.clone();
            let before = self.lives.insert(name.clone(), now);
            if self.known || before.is_some() {
                found.extend(happened(&name, before.unwrap_or_default(), now));
            }
        }
        self.known = true;
        let there: BTreeSet<&UnitName> = picture.units.iter().map(|it| &it.health.unit).collect();
        self.lives.retain(|name, _| there.contains(name));
        self.counted.retain(|(name, _), _| there.contains(name));
        if let Some(sender) = &self.sender {
            for event in found.iter().chain(probes) {
                sender.event(event);
            }
        }
    }

    fn gauges(&mut self, picture: &Picture) {
        for unit in &picture.units {
            self.counters(unit);
        }
        let Some(sender) = &self.sender else {
            return;
        };
        for (state, count) in picture.states() {
            sender.gauge("units", count as f64, &[("state", state)]);
        }
        let up = picture.vitals.now.monotonic;
        let begun = picture.manager.startup.begun.monotonic;
        sender.gauge("uptime", up.saturating_sub(begun) as f64 / 1e6, &[]);
        if let Some(bytes) = picture.resident {
            sender.gauge("memory.rss", bytes as f64, &[]);
        }
        for unit in &picture.units {
            gauges_of(sender, unit, up);
        }
    }

    /// What was counted since the last time.
    fn counters(&mut self, unit: &Shown) {
        let Some(service) = &unit.view.service else {
            return;
        };
        let name = unit.health.unit.clone();
        let failures = unit.health.probes().map(|(_, _, record)| record.failures);
        for (metric, total) in [
            ("process.starts", service.runs),
            ("process.restarts", u64::from(service.restarts)),
            ("process.probe_failures", failures.sum()),
            ("process.log_lines", unit.held.lines),
        ] {
            let before = self.counted.insert((name.clone(), metric), total);
            let Some(sender) = &self.sender else { continue };
            let more = total.saturating_sub(before.unwrap_or(0));
            if more > 0 {
                sender.count(metric, more, &[("unit", name.as_str())]);
            }
        }
    }
}

fn gauges_of(sender: &Sender, unit: &Shown, now: u64) {
    let tags = [("unit", unit.name())];
    let up = unit.view.active.is_active_or_reloading();
    sender.gauge("process.running", f64::from(u8::from(up)), &tags);
    if unit.health.wanted {
        let well = unit.health.live && unit.health.health.is_ready();
        sender.gauge("process.healthy", f64::from(u8::from(well)), &tags);
    }
    let since = unit.view.times.active_enter.monotonic;
    if up && since > 0 {
        let uptime = now.saturating_sub(since) as f64 / 1e6;
        sender.gauge("process.uptime", uptime, &tags);
    }
    for (metric, value) in [
        ("process.memory", unit.usage.memory),
        ("process.threads", unit.usage.tasks),
        ("process.open_fds", unit.descriptors),
    ] {
        if let Some(value) = value {
            sender.gauge(metric, value as f64, &tags);
        }
    }
    if let Some(nanos) = unit.usage.cpu {
        sender.gauge("process.cpu_seconds", nanos as f64 / 1e9, &tags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let udp = |host: &str, port| Some(Target::Udp(host.to_owned(), port));
        let parse = |text: &str| Target::parse(text).unwrap();
        assert_eq!(parse("localhost:8125"), udp("localhost", 8125));
        assert_eq!(parse("10.0.0.1"), udp("10.0.0.1", 8125));
        assert_eq!(parse("[::1]:99"), udp("::1", 99));
        assert_eq!(parse("unix:/a"), Some(Target::Unix("/a".into())));
        assert_eq!(parse("unix:///a"), Some(Target::Unix("/a".into())));
        assert_eq!(parse("off"), None);
        for text in ["", "unix:a", "h:0", "h:x", "a/b:1"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
