//! Lines on their way to a DogStatsD server, through cadence.

use super::Target;
use super::life::Happened;
use cadence::prelude::*;
use cadence::{MetricSink, StatsdClient, UdpMetricSink, UnixMetricSink};
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

/// Before every name.
const PREFIX: &str = "process_manager";

/// A server, and how it is spoken to.
pub(super) struct Sender {
    client: StatsdClient,
    sink: Shared,
}

/// The sink, for what cadence has no method for.
#[derive(Clone)]
struct Shared(Arc<dyn MetricSink + Send + Sync + std::panic::RefUnwindSafe>);

impl MetricSink for Shared {
    fn emit(&self, metric: &str) -> io::Result<usize> {
        self.0.emit(metric)
    }
}

impl Sender {
    /// Opens a socket and looks the server up; may take its time.
    ///
    /// # Errors
    /// The server's name is not known.
    pub(super) fn new(target: &Target) -> Result<Sender, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let sink = match target {
            Target::Unix(path) => {
                let socket = UnixDatagram::unbound().map_err(|error| text(&error))?;
                socket.set_nonblocking(true).map_err(|error| text(&error))?;
                Shared(Arc::new(UnixMetricSink::from(path, socket)))
            }
            Target::Udp(host, port) => {
                let to = (host.as_str(), *port);
                let first = std::net::ToSocketAddrs::to_socket_addrs(&to)
                    .map_err(|error| format!("{host}: {error}"))?
                    .next()
                    .ok_or_else(|| format!("{host} has no address"))?;
                let own = if first.is_ipv4() {
                    "0.0.0.0:0"
                } else {
                    "[::]:0"
                };
                let socket = UdpSocket::bind(own).map_err(|error| text(&error))?;
                socket.set_nonblocking(true).map_err(|error| text(&error))?;
                let sink = UdpMetricSink::from(first, socket).map_err(|error| text(&error))?;
                Shared(Arc::new(sink))
            }
        };
        Ok(Sender {
            client: StatsdClient::from_sink(PREFIX, sink.clone()),
            sink,
        })
    }

    /// A value as it is now.
    pub(super) fn gauge(&self, name: &str, value: f64, tags: &[(&str, &str)]) {
        let mut metric = self.client.gauge_with_tags(name, value);
        for (key, value) in tags {
            metric = metric.with_tag(key, value);
        }
        // What cannot be sent is lost.
        let _ = metric.try_send();
    }

    /// So many more.
    pub(super) fn count(&self, name: &str, more: u64, tags: &[(&str, &str)]) {
        let mut metric = self.client.count_with_tags(name, more);
        for (key, value) in tags {
            metric = metric.with_tag(key, value);
        }
        let _ = metric.try_send();
    }

    /// An event, for which cadence has no method.
    pub(super) fn event(&self, event: &Happened) {
        let _ = self.sink.emit(&line(event));
    }
}

/// The line of an event: lengths in bytes, newlines escaped (DogStatsD's datagram format).
fn line(event: &Happened) -> String {
    let text = event.text.replace('\n', "\\n");
    format!(
        "_e{{{},{}}}:{}|{text}|t:{}|k:{}|#unit:{}",
        event.title.len(),
        text.len(),
        event.title,
        event.kind,
        event.unit,
        event.unit
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::name::UnitName;

    #[test]
    fn lines_are_what_servers_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statsd");
        let server = UnixDatagram::bind(&path).unwrap();
        let sender = Sender::new(&Target::Unix(path)).unwrap();
        let read = || {
            let mut bytes = [0; 1000];
            let length = server.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        sender.gauge("process.running", 1.0, &[("unit", "a.service")]);
        assert_eq!(
            read(),
            "process_manager.process.running:1|g|#unit:a.service"
        );
        sender.count("process.starts", 2, &[]);
        assert_eq!(read(), "process_manager.process.starts:2|c");
        sender.event(&Happened {
            title: "process.crashed",
            unit: UnitName::parse("a.service").unwrap(),
            text: "é\nb".to_owned(),
            kind: "error",
        });
        assert_eq!(
            read(),
            "_e{15,5}:process.crashed|é\\nb|t:error|k:a.service|#unit:a.service"
        );
    }

    #[test]
    fn a_server_that_is_not_there_stops_nobody() {
        let sender = Sender::new(&Target::Unix("/nonexistent/statsd".into())).unwrap();
        sender.gauge("a", 1.0, &[]);
        let sender = Sender::new(&Target::Udp("127.0.0.1".to_owned(), 9)).unwrap();
        for _ in 0..10 {
            sender.count("a", 1, &[]);
        }
        assert!(Sender::new(&Target::Udp("no such host".to_owned(), 9)).is_err());
    }
}
