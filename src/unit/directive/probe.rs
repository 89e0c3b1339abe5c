//! [X-LivenessProbe], [X-ReadinessProbe] and [X-StartupProbe], which share their keys.
//!
//! None of the rows has a D-Bus property of its own: a property cannot say of which probe it is.
//! What a probe does is shown beside how it goes.

use super::parse::{modern_run, span, string, unsigned, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, Row};
use super::{PROBES, parse};
use crate::unit::command;
use crate::unit::config::{HttpTarget, ProbeAddress, ProbeConfig, ProbeKind};
use crate::unit::value::TimeSpan;

/// The shortest PeriodSec= and TimeoutSec=: more often is no probe any more but load.
const SHORTEST: TimeSpan = TimeSpan::from_millis(100);
/// The longest path of a unix socket, in bytes: sun_path without its NUL.
const LONGEST_UNIX: usize = 107;

/// The probe of the section that the assignment stands in. It is there from here on, even if the
/// value turns out to be none: somebody counts on it.
fn probe<'a>(reading: &'a mut Reading<'_>) -> Result<&'a mut ProbeConfig, Trouble> {
    let assignment = reading.assignment;
    let kind = ProbeKind::of_section(&assignment.section)
        .ok_or_else(|| Trouble::ignored("this section is no probe's"))?;
    let service = reading
        .service()
        .map_err(|_| Trouble::ignored("probes are for services"))?;
    Ok(service.probes.section_mut(kind, &assignment.key_position))
}

/// HTTPGet=: `http://HOST[:PORT][/PATH]` or `unix:/SOCKET[:/PATH]`.
fn http_get(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    let target = string(reading, value)?
        .map(|text| http_target(&text))
        .transpose()?;
    probe(reading)?.http = target;
    Ok(())
}

fn http_target(text: &str) -> Result<HttpTarget, Trouble> {
    if text.starts_with("https:") {
        let message = format!("\"{text}\": probes speak plain http only");
        return Err(Trouble::ignored(message));
    }
    let (address, path) = if let Some(rest) = text.strip_prefix("unix:") {
        let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
        (unix(socket)?, path)
    } else {
        let rest = text.strip_prefix("http://").ok_or_else(|| no_url(text))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        (host_and_port(authority, Some(80))?, path)
    };
    let path = path.split('#').next().unwrap_or_default();
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_url(text));
    }
    Ok(HttpTarget { address, path })
}

fn no_url(text: &str) -> Trouble {
    Trouble::ignored(format!(
        "\"{text}\" is not http://HOST:PORT/PATH or unix:/SOCKET:/PATH"
    ))
}

/// TCPSocket=: `HOST:PORT`, a port of this machine, or `unix:/SOCKET`.
fn tcp_socket(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    let address = string(reading, value)?
        .map(|text| match text.strip_prefix("unix:") {
            Some(socket) => unix(socket),
            None => host_and_port(&text, None),
        })
        .transpose()?;
    probe(reading)?.tcp = address;
    Ok(())
}

fn unix(path: &str) -> Result<ProbeAddress, Trouble> {
    let path = modern_run(parse::absolute(path)?);
    if path.len() > LONGEST_UNIX {
        return Err(Trouble::ignored(format!(
            "\"{path}\" is longer than the {LONGEST_UNIX} bytes that the name of a unix socket \
             can have"
        )));
    }
    Ok(ProbeAddress::Unix(path))
}

fn host_and_port(text: &str, default: Option<u16>) -> Result<ProbeAddress, Trouble> {
    let wrong = || Trouble::ignored(format!("\"{text}\" is not HOST:PORT"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = if default.is_none() && digits(text) {
        ("127.0.0.1", Some(text))
    } else if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or_else(wrong)?;
        let _: core::net::Ipv6Addr = host.parse().map_err(|_| wrong())?;
        match behind {
            "" => (host, None),
            behind => (host, Some(behind.strip_prefix(':').ok_or_else(wrong)?)),
        }
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        Some(port) => Some(port.parse().map_err(|_| wrong())?),
        None => default,
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    match port {
        Some(port) if port > 0 && !host.is_empty() && host.chars().all(fits) => {
            Ok(ProbeAddress::Tcp {
                host: host.to_owned(),
                port,
            })
        }
        _ => Err(wrong()),
    }
}

/// HTTPMethod=: a token of RFC 9110, in capitals.
fn method(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    let fits = |c: char| c.is_ascii_uppercase();
    if value.len() > 16 || !value.chars().all(fits) {
        let message = format!("\"{value}\" is not a method such as GET or HEAD");
        return Err(Trouble::ignored(message));
    }
    let method = if value.is_empty() { "GET" } else { value };
    probe(reading)?.method = method.to_owned();
    Ok(())
}

/// HTTPStatus=: statuses and ranges of them, which add up.
fn statuses(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    if value.is_empty() {
        probe(reading)?.statuses.clear();
    }
    for (offset, word) in words(reading, value)? {
        match status_range(&word) {
            Some(range) => probe(reading)?.statuses.push(range),
            None => {
                let message = format!("\"{word}\" is not a status or a range such as 200-299");
                reading.warn(offset, &format!("{message}, ignored"));
            }
        }
    }
    Ok(())
}

fn status_range(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let valid = 100..=599;
    (valid.contains(&first) && valid.contains(&last) && first <= last).then_some((first, last))
}

/// HTTPHeader=: one `Name: value` a line.
fn header(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    let Some(text) = string(reading, value)? else {
        probe(reading)?.headers.clear();
        return Ok(());
    };
    let (name, content) = text
        .split_once(':')
        .ok_or_else(|| Trouble::ignored("it is a name, a colon and a value"))?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let printable = |c: char| c == '\t' || !c.is_control();
    if name.is_empty() || !name.chars().all(token) || !content.chars().all(printable) {
        return Err(Trouble::ignored(format!("\"{name}\" cannot be a header")));
    }
    let pair = (name.to_owned(), content.trim().to_owned());
    probe(reading)?.headers.push(pair);
    Ok(())
}

/// Exec=: one command line, the last one counts.
fn exec(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    probe(reading)?;
    if value.is_empty() {
        probe(reading)?.exec = None;
        return Ok(());
    }
    let expand = |word: &str| reading.expand(word);
    let parsed = command::parse_assignment(reading.assignment, &expand);
    let parsed = parsed.map_err(|error| Trouble::Ignored {
        offset: error.offset,
        message: error.message,
    })?;
    for (offset, message) in &parsed.warnings {
        reading.warn(*offset, message);
    }
    let mut commands = parsed.commands.into_iter();
    match (commands.next(), commands.next()) {
        (Some(command), None) => probe(reading)?.exec = Some(command),
        (Some(_), Some(_)) => return Err(Trouble::ignored("it is one command, not several")),
        (None, _) => {}
    }
    Ok(())
}

fn interval(value: &str) -> Result<TimeSpan, Trouble> {
    let length = span(value)?;
    if length < SHORTEST || length.is_infinite() {
        let message = format!("\"{value}\": it is {SHORTEST} at least, and not for ever");
        return Err(Trouble::ignored(message));
    }
    Ok(length)
}

fn threshold(value: &str) -> Result<u32, Trouble> {
    match unsigned(value)? {
        0 => Err(Trouble::ignored("it is 1 at least")),
        count => Ok(count),
    }
}

const fn key(name: &'static str, kind: Kind, parse: super::Parse, doc: &'static str) -> Row {
    Row::new(PROBES, name, 33, kind, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    key(
        "HTTPGet",
        Kind::Text,
        http_get,
        "Where an HTTP request must be answered well: http://HOST:PORT/PATH or \
         unix:/SOCKET:/PATH.",
    ),
    key(
        "HTTPMethod",
        Kind::Text,
        method,
        "The method of the request of HTTPGet=.",
    ),
    key(
        "HTTPStatus",
        Kind::List,
        statuses,
        "The statuses, and ranges of them, that are a good answer; 200-399 unless set.",
    ),
    key(
        "HTTPHeader",
        Kind::List,
        header,
        "A header of the request, as Name: value; each assignment adds one.",
    ),
    key(
        "TCPSocket",
        Kind::Text,
        tcp_socket,
        "Where a connection must come about: HOST:PORT, a port of this machine, or unix:/SOCKET.",
    ),
    key(
        "Exec",
        Kind::Text,
        exec,
        "A command that must exit with 0, run as the service's user in its control group.",
    ),
    key(
        "InitialDelaySec",
        Kind::Span,
        |r, v| {
            let probe = probe(r)?;
            let delay = span(v)?;
            if delay.is_infinite() {
                return Err(Trouble::ignored("it cannot be for ever"));
            }
            probe.initial_delay = delay;
            Ok(())
        },
        "How long after the start of the program the first probe is made.",
    ),
    key(
        "PeriodSec",
        Kind::Span,
        |r, v| {
            let probe = probe(r)?;
            probe.period = interval(v)?;
            Ok(())
        },
        "The time from one probe to the next.",
    ),
    key(
        "TimeoutSec",
        Kind::Span,
        |r, v| {
            let probe = probe(r)?;
            probe.timeout = interval(v)?;
            Ok(())
        },
        "After which time without an answer a probe has failed.",
    ),
    key(
        "SuccessThreshold",
        Kind::Number,
        |r, v| {
            let probe = probe(r)?;
            probe.success_threshold = threshold(v)?;
            Ok(())
        },
        "How many successes in a row make a readiness probe good.",
    ),
    key(
        "FailureThreshold",
        Kind::Number,
        |r, v| {
            let probe = probe(r)?;
            probe.failure_threshold = threshold(v)?;
            Ok(())
        },
        "How many failures in a row make a probe bad.",
    ),
];
