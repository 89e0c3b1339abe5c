//! The server: takes connections, bounds them, and answers one request each.
//!
//! A connection serves one request and is closed: probes and scrapes come seconds apart, and
//! nobody can hold more than his turn. What a client sends beyond its headers is not read.

use super::address::{Listening, Node};
use super::health::{self, Manner, Question};
use super::metrics;
use super::negotiate::Form;
use super::picture::Picture;
use crate::host::{Handle, HyperStream, View};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at once; more wait in the kernel.
const CONNECTIONS: usize = 64;
/// From the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 500 } else { 5000 });
/// The request line and all headers together, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How many headers.
const MOST_HEADERS: usize = 64;
/// How long the loop may take to answer.
const TURN: Duration = Duration::from_secs(2);
/// After an error that may pass, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves until the loop is gone.
///
/// # Errors
/// The runtime cannot take the socket.
pub async fn serve(listening: Listening, handle: Handle, node_metrics: bool) -> io::Result<()> {
    let door = Door::open(listening)?;
    let pages = Arc::new(Pages {
        handle,
        node_metrics,
    });
    let turns = Arc::new(Semaphore::new(CONNECTIONS));
    // The loop is gone when nobody is left to tell news.
    let mut news = pages.handle.news();
    loop {
        let turn = turns.clone().acquire_owned().await;
        let client = tokio::select! {
            client = door.accept() => client,
            () = until_closed(&mut news) => return Ok(()),
        };
        match client {
            Ok(client) => {
                let pages = pages.clone();
                tokio::spawn(async move {
                    let _turn = turn;
                    // Who is slow, or speaks something else, is dropped without a word.
                    let _ = timeout(PATIENCE, client.answer(pages)).await;
                });
            }
            Err(error) => {
                tracing::warn!("cannot take an HTTP connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Where clients come in.
enum Door {
    Tcp(TcpListener),
    /// The node goes with the socket.
    Unix {
        listener: UnixListener,
        _node: Node,
    },
}

/// One who came in.
enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Door {
    fn open(listening: Listening) -> io::Result<Door> {
        Ok(match listening {
            Listening::Tcp(listener) => Door::Tcp(TcpListener::from_std(listener)?),
            Listening::Unix(listener, node) => Door::Unix {
                listener: UnixListener::from_std(listener)?,
                _node: node,
            },
        })
    }

    async fn accept(&self) -> io::Result<Client> {
        Ok(match self {
            Door::Tcp(listener) => Client::Tcp(listener.accept().await?.0),
            Door::Unix { listener, .. } => Client::Unix(listener.accept().await?.0),
        })
    }
}

impl Client {
    async fn answer(self, pages: Arc<Pages>) -> Result<(), hyper::Error> {
        match self {
            Client::Tcp(stream) => answer_one(stream, pages).await,
            Client::Unix(stream) => answer_one(stream, pages).await,
        }
    }
}

async fn until_closed<T: Clone>(news: &mut tokio::sync::broadcast::Receiver<T>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        if let Err(RecvError::Closed) = news.recv().await {
            return;
        }
    }
}

async fn answer_one<S>(stream: S, pages: Arc<Pages>) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        // The whole connection has a limit.
        .header_read_timeout(None)
        .serve_connection(HyperStream(stream), service)
        .await
}

/// What is served.
struct Pages {
    handle: Handle,
    node_metrics: bool,
}

impl Pages {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET and HEAD only\n");
            let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(ALLOW, allowed);
            return refused;
        }
        let (path, query) = (request.uri().path(), request.uri().query());
        if let Some(question) = Question::of_path(path) {
            return self.health(question, query.unwrap_or_default()).await;
        }
        match path {
            "/metrics" => {
                let accept = request.headers().get_all(ACCEPT).iter();
                let accept: Vec<&str> = accept.filter_map(|it| it.to_str().ok()).collect();
                self.metrics(Form::accepted(&accept.join(","))).await
            }
            "/" => page(StatusCode::OK, PLAIN, INDEX),
            _ => page(StatusCode::NOT_FOUND, PLAIN, "no such page\n"),
        }
    }

    async fn health(&self, question: Question, query: &str) -> Response<Full<Bytes>> {
        let manner = Manner::of_query(query);
        let look = self.handle.look(|view: &View<'_>| {
            let up = view.facts.manager().startup.finished.monotonic > 0;
            (view.engine.health(), up)
        });
        let (well, text) = match timeout(TURN, look).await {
            Ok(Ok((units, up))) => health::answer(question, &manner, &units, up),
            Ok(Err(error)) => (false, format!("[-]loop failed: {error}\n")),
            Err(_) => (false, "[-]loop failed: it does not answer\n".to_owned()),
        };
        let status = match well {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        page(status, PLAIN, text)
    }

    async fn metrics(&self, form: Form) -> Response<Full<Bytes>> {
        let look = self.handle.look(Picture::take);
        let failed = |text: &str| page(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text.to_owned());
        let Ok(Ok(mut picture)) = timeout(TURN, look).await else {
            return failed("the loop does not answer\n");
        };
        let node = self.node_metrics;
        let encoded = tokio::task::spawn_blocking(move || {
            picture.complete();
            metrics::encode(picture, form, node)
        });
        match encoded.await {
            Ok(Ok(text)) => page(StatusCode::OK, form.content_type(), text),
            Ok(Err(error)) => failed(&format!("cannot write the metrics: {error}\n")),
            Err(error) => failed(&format!("cannot gather the metrics: {error}\n")),
        }
    }
}

const INDEX: &str = "dd-procmgrd\n/healthz/live\n/healthz/ready\n/healthz/startup\n/metrics\n";

fn page(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let value = hyper::header::HeaderValue::from_static;
    headers.insert(CONTENT_TYPE, value(kind));
    headers.insert(CACHE_CONTROL, value("no-store"));
    response
}
