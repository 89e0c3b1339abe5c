//! What the stand-in serves: `/startup`, `/live` and `/ready` over HTTP/1.0, and a line with its name.

use crate::events::Event;
use crate::options::Options;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Whether it is ready, and whether it feels well.
#[derive(Clone, Default)]
pub(crate) struct Health {
    ready: Arc<AtomicBool>,
    sick: Arc<AtomicBool>,
}

impl Health {
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Starts a thread for every socket there is to serve.
pub(crate) fn serve(
    options: &Options,
    health: &Health,
    events: &Sender<Event>,
) -> std::io::Result<()> {
    let mut passed = take_passed()?;
    if let Some(address) = &options.http {
        for listener in open(address, &mut passed)? {
            let (health, events) = (health.clone(), events.clone());
            each_connection(listener, move |stream| {
                answer_http(stream, &health, &events)
            });
        }
    }
    if let Some(address) = &options.listen {
        for listener in open(address, &mut passed)? {
            let line = format!("{} {}\n", options.name, std::process::id());
            each_connection(listener, move |stream| stream.write_all(line.as_bytes()));
        }
    }
    Ok(())
}

fn open(address: &str, passed: &mut Vec<Listener>) -> std::io::Result<Vec<Listener>> {
    if address == "passed" {
        return Ok(std::mem::take(passed));
    }
    match address.strip_prefix("unix:") {
        None => Ok(vec![Listener::Tcp(TcpListener::bind(address)?)]),
        Some(path) => {
            // What an earlier run left; a living one's socket would be taken over.
            let _ = std::fs::remove_file(path);
            Ok(vec![Listener::Unix(UnixListener::bind(path)?)])
        }
    }
}

/// Sockets from LISTEN_FDS.
fn take_passed() -> std::io::Result<Vec<Listener>> {
    let mut from_environment = listenfd::ListenFd::from_env();
    let mut passed = Vec::new();
    for index in 0..from_environment.len() {
        // An error means another kind of socket; it stays for the next try.
        if let Ok(Some(listener)) = from_environment.take_tcp_listener(index) {
            passed.push(Listener::Tcp(listener));
        } else if let Ok(Some(listener)) = from_environment.take_unix_listener(index) {
            passed.push(Listener::Unix(listener));
        }
    }
    Ok(passed)
}

/// Whether it takes no more connections; held while one is served.
static CLOSED: RwLock<bool> = RwLock::new(false);

/// Takes no more connections and waits until those that were taken are served.
pub(crate) fn drain() {
    *CLOSED.write().unwrap_or_else(PoisonError::into_inner) = true;
}

fn wait_for_client(listener: &Listener) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let moment = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let mut watched = [match listener {
        Listener::Tcp(tcp) => PollFd::new(tcp, PollFlags::IN),
        Listener::Unix(unix) => PollFd::new(unix, PollFlags::IN),
    }];
    let _ = poll(&mut watched, Some(&moment));
}

fn each_connection(
    listener: Listener,
    answer: impl Fn(&mut dyn Stream) -> std::io::Result<()> + Send + 'static,
) {
    let patience = Some(Duration::from_secs(5));
    // Another process may have the same socket and be quicker.
    let _ = match &listener {
        Listener::Tcp(tcp) => tcp.set_nonblocking(true),
        Listener::Unix(unix) => unix.set_nonblocking(true),
    };
    std::thread::spawn(move || {
        loop {
            wait_for_client(&listener);
            let closed = CLOSED.read().unwrap_or_else(PoisonError::into_inner);
            if *closed {
                return;
            }
            let stream: std::io::Result<Box<dyn Stream>> = match &listener {
                Listener::Tcp(tcp) => tcp.accept().and_then(|(stream, _)| {
                    stream.set_read_timeout(patience)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }),
                Listener::Unix(unix) => unix.accept().and_then(|(stream, _)| {
                    stream.set_read_timeout(patience)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }),
            };
            // A client that went away is no concern of ours.
            let _ = stream.and_then(|mut stream| answer(stream.as_mut()));
        }
    });
}

fn answer_http(
    stream: &mut dyn Stream,
    health: &Health,
    events: &Sender<Event>,
) -> std::io::Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(&mut *stream);
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split_whitespace().nth(1).unwrap_or("");
    let well = !health.sick.load(Ordering::Relaxed);
    let (status, body) = match path {
        "/startup" => ("200 OK", "started"),
        "/live" if well => ("200 OK", "live"),
        "/live" => ("503 Service Unavailable", "sick"),
        "/ready" if well && health.ready.load(Ordering::Relaxed) => ("200 OK", "ready"),
        "/ready" => ("503 Service Unavailable", "not ready"),
        "/sick" => {
            health.sick.store(true, Ordering::Relaxed);
            ("200 OK", "sick from now on")
        }
        "/well" => {
            health.sick.store(false, Ordering::Relaxed);
            ("200 OK", "well from now on")
        }
        "/crash" => ("200 OK", "crashing"),
        _ => ("404 Not Found", "no such page"),
    };
    write!(
        stream,
        "HTTP/1.0 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}\n",
        body.len() + 1
    )?;
    if path == "/crash" {
        // The queue lives as long as the process.
        let _ = events.send(Event::Crash);
    }
    Ok(())
}
