//! What connects: a stream with a deadline, and as much HTTP as a question takes.

use super::common::DEADLINE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;

/// A connection to a service.
pub(crate) struct Client<S> {
    stream: BufReader<S>,
}

/// Connects to a socket in the file system.
#[track_caller]
pub(crate) fn unix(path: &str) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).expect("it has one");
    Client {
        stream: BufReader::new(stream),
    }
}

/// Connects to a port of this network.
#[track_caller]
pub(crate) fn tcp(port: u16) -> Client<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .unwrap_or_else(|error| panic!("port {port}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).expect("it has one");
    Client {
        stream: BufReader::new(stream),
    }
}

impl<S: Read> Client<S> {
    /// A line of what the other side says, without its end; empty if it says nothing more.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream
            .read_line(&mut line)
            .expect("it answers in time");
        line.trim_end().to_owned()
    }
}

impl<S: Read + Write> Client<S> {
    /// Says something and reads so many bytes.
    #[track_caller]
    pub(crate) fn ask(mut self, question: &[u8], length: usize) -> Vec<u8> {
        self.stream
            .get_mut()
            .write_all(question)
            .expect("it listens");
        let mut answer = vec![0; length];
        self.stream
            .read_exact(&mut answer)
            .expect("it answers in time");
        answer
    }
}

/// Asks over HTTP.
pub(crate) trait Http {
    /// The whole answer, head and body.
    fn get(self, path: &str) -> String;
}

impl<S: Read + Write> Http for Client<S> {
    #[track_caller]
    fn get(mut self, path: &str) -> String {
        let question =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        self.stream
            .get_mut()
            .write_all(question.as_bytes())
            .expect("it listens");
        let mut answer = Vec::new();
        self.stream
            .read_to_end(&mut answer)
            .expect("it answers in time");
        String::from_utf8_lossy(&answer).into_owned()
    }
}
