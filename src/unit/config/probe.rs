//! [X-LivenessProbe], [X-ReadinessProbe] and [X-StartupProbe]: how it is found out whether a
//! service works. Terms and defaults are those of a Kubernetes pod specification ("Probe v1
//! core"), which is where people know them from.

use super::Command;
use crate::unit::diagnostic::Position;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// A service that fails it is stopped; Restart= decides what follows.
    Liveness,
    /// A service that fails it is not ready to be used.
    Readiness,
    /// The service has not come up before it succeeds; the others wait for it.
    Startup,
}

impl ProbeKind {
    /// All of them.
    pub const ALL: [ProbeKind; 3] = [
        ProbeKind::Liveness,
        ProbeKind::Readiness,
        ProbeKind::Startup,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeKind::Liveness => "liveness",
            ProbeKind::Readiness => "readiness",
            ProbeKind::Startup => "startup",
        }
    }

    /// The section that describes it.
    pub fn section(self) -> &'static str {
        match self {
            ProbeKind::Liveness => "X-LivenessProbe",
            ProbeKind::Readiness => "X-ReadinessProbe",
            ProbeKind::Startup => "X-StartupProbe",
        }
    }

    /// The kind that a section describes.
    pub fn of_section(section: &str) -> Option<ProbeKind> {
        let mut all = ProbeKind::ALL.into_iter();
        all.find(|kind| kind.section() == section)
    }
}

/// Where a probe connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAddress {
    /// A host, by name or address (IPv6 without its brackets), and a port.
    Tcp {
        /// The host.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// The absolute path of a unix socket.
    Unix(String),
}

impl fmt::Display for ProbeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeAddress::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            ProbeAddress::Tcp { host, port } => write!(f, "{host}:{port}"),
            ProbeAddress::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// HTTPGet=: where, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Where.
    pub address: ProbeAddress,
    /// Path and query, beginning with a slash.
    pub path: String,
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            ProbeAddress::Tcp { .. } => write!(f, "http://{}{}", self.address, self.path),
            ProbeAddress::Unix(_) => write!(f, "{}:{}", self.address, self.path),
        }
    }
}

/// What one probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAction<'a> {
    /// An HTTP request is answered with an expected status.
    Http(&'a HttpTarget),
    /// A connection comes about.
    Tcp(&'a ProbeAddress),
    /// A command exits with 0.
    Exec(&'a Command),
}

/// One probe, as its section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeConfig {
    /// HTTPGet=.
    pub http: Option<HttpTarget>,
    /// HTTPMethod=, GET by default.
    pub method: String,
    /// HTTPStatus=: first and last of each range; empty is 200 to 399.
    pub statuses: Vec<(u16, u16)>,
    /// HTTPHeader=: names and values in order.
    pub headers: Vec<(String, String)>,
    /// TCPSocket=.
    pub tcp: Option<ProbeAddress>,
    /// Exec=.
    pub exec: Option<Command>,
    /// InitialDelaySec=, counted from the start of the program; none by default.
    pub initial_delay: TimeSpan,
    /// PeriodSec=, 10 s by default.
    pub period: TimeSpan,
    /// TimeoutSec=, 1 s by default.
    pub timeout: TimeSpan,
    /// SuccessThreshold=: successes in a row that make it good; 1 by default.
    pub success_threshold: u32,
    /// FailureThreshold=: failures in a row that make it bad; 3 by default.
    pub failure_threshold: u32,
    /// Where the section begins.
    pub position: Position,
}

impl ProbeConfig {
    /// A probe of which nothing is said but where it stands.
    pub fn new(position: Position) -> ProbeConfig {
        ProbeConfig {
            http: None,
            method: "GET".to_owned(),
            statuses: Vec::new(),
            headers: Vec::new(),
            tcp: None,
            exec: None,
            initial_delay: TimeSpan::ZERO,
            period: TimeSpan::from_secs(10),
            timeout: TimeSpan::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
            position,
        }
    }

    /// What it does; `None` of a section that says only how often.
    pub fn action(&self) -> Option<ProbeAction<'_>> {
        let http = self.http.as_ref().map(ProbeAction::Http);
        let tcp = self.tcp.as_ref().map(ProbeAction::Tcp);
        let exec = self.exec.as_ref().map(ProbeAction::Exec);
        http.or(tcp).or(exec)
    }

    /// Whether an HTTP status is what is expected.
    pub fn expects(&self, status: u16) -> bool {
        let in_range = |(first, last): &(u16, u16)| (*first..=*last).contains(&status);
        match self.statuses.is_empty() {
            true => (200..400).contains(&status),
            false => self.statuses.iter().any(in_range),
        }
    }
}

/// One line: what it does, and how often.
impl fmt::Display for ProbeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action() {
            Some(ProbeAction::Http(target)) if self.method == "GET" => write!(f, "{target}")?,
            Some(ProbeAction::Http(target)) => write!(f, "{} {target}", self.method)?,
            Some(ProbeAction::Tcp(address)) => write!(f, "tcp {address}")?,
            Some(ProbeAction::Exec(command)) => write!(f, "exec {}", command.argv.join(" "))?,
            None => f.write_str("nothing")?,
        }
        for (first, last) in &self.statuses {
            match first == last {
                true => write!(f, " status={first}")?,
                false => write!(f, " status={first}-{last}")?,
            }
        }
        // Their values may be secrets.
        for (name, _) in &self.headers {
            write!(f, " header={name}")?;
        }
        write!(
            f,
            " delay={} period={} timeout={} #success={} #failure={}",
            self.initial_delay,
            self.period,
            self.timeout,
            self.success_threshold,
            self.failure_threshold
        )
    }
}

/// The probes of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    list: [Option<Box<ProbeConfig>>; 3],
}

impl Probes {
    /// The probe of a kind, if there is one that does something.
    pub fn get(&self, kind: ProbeKind) -> Option<&ProbeConfig> {
        self.section(kind).filter(|it| it.action().is_some())
    }

    /// What is said of a kind, if it only says how often.
    pub fn section(&self, kind: ProbeKind) -> Option<&ProbeConfig> {
        self.list[kind as usize].as_deref()
    }

    /// The same, to change; begun at this place if nothing was said before.
    pub fn section_mut(&mut self, kind: ProbeKind, position: &Position) -> &mut ProbeConfig {
        self.list[kind as usize].get_or_insert_with(|| Box::new(ProbeConfig::new(position.clone())))
    }

    /// The kinds that there are.
    pub fn kinds(&self) -> impl Iterator<Item = ProbeKind> {
        let there = |kind: &ProbeKind| self.get(*kind).is_some();
        ProbeKind::ALL.into_iter().filter(there)
    }

    /// The command of an Exec= probe.
    pub fn command(&self, kind: ProbeKind) -> Option<&Command> {
        match self.get(kind)?.action()? {
            ProbeAction::Exec(command) => Some(command),
            ProbeAction::Http(_) | ProbeAction::Tcp(_) => None,
        }
    }
}
