//! One HTTP request of a probe.

use super::LARGEST_ANSWER;
use crate::host::stream::HyperStream;
use crate::unit::config::{HttpTarget, ProbeAddress, ProbeConfig};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

/// The headers of an answer may be this large, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How much of the body of a bad answer is told, in bytes.
const EXCERPT: usize = 120;

/// Asks once; `Ok` if the answer is as expected.
///
/// # Errors
/// What was answered instead, or why there is no answer.
pub(super) async fn ask<S>(
    stream: S,
    probe: &ProbeConfig,
    target: &HttpTarget,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let request = request(probe, target)?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LARGEST_HEAD);
    let (mut sender, connection) = builder
        .handshake(HyperStream(stream))
        .await
        .map_err(|error| no_answer(&error))?;
    let asked = async {
        let answer = sender.send_request(request).await;
        judge(answer.map_err(|error| no_answer(&error))?, probe).await
    };
    // The connection moves only while it is waited for, and may end before its answer is read.
    let driven = async {
        let ended = connection.await;
        if let Err(error) = ended {
            tracing::trace!("a probe's connection ended: {error}");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        verdict = asked => verdict,
        () = driven => Err("the connection is gone".to_owned()),
    }
}

fn request(probe: &ProbeConfig, target: &HttpTarget) -> Result<Request<Empty<Bytes>>, String> {
    let mut builder = Request::builder()
        .method(probe.method.as_str())
        .uri(&target.path)
        .header(CONNECTION, "close");
    let given = |name: &str| {
        let mut headers = probe.headers.iter();
        headers.any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    let host = match &target.address {
        ProbeAddress::Tcp { .. } => target.address.to_string(),
        ProbeAddress::Unix(_) => "localhost".to_owned(),
    };
    let agent = concat!("dd-procmgr-probe/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [(HOST, host.as_str()), (USER_AGENT, agent), (ACCEPT, "*/*")] {
        if !given(name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    for (name, value) in &probe.headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Empty::new());
    request.map_err(|error| format!("cannot make the request: {error}"))
}

async fn judge(answer: Response<Incoming>, probe: &ProbeConfig) -> Result<(), String> {
    let status = answer.status();
    let body = read(answer.into_body()).await?;
    if probe.expects(status.as_u16()) {
        return Ok(());
    }
    let mut reason = format!("HTTP status {}", status.as_u16());
    let text = String::from_utf8_lossy(&body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    if let Some(line) = line {
        let printable = line.chars().filter(|c| !c.is_control());
        let excerpt: String = printable.take(EXCERPT).collect();
        reason.push_str(": ");
        reason.push_str(&excerpt);
    }
    Err(reason)
}

/// The beginning of the body; what is behind it is not waited for.
async fn read(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer breaks off: {error}"))?;
        if let Some(data) = frame.data_ref() {
            let room = LARGEST_ANSWER - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
        }
        if read.len() == LARGEST_ANSWER {
            break;
        }
    }
    Ok(read)
}

fn no_answer(error: &hyper::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("no HTTP answer: {error}: {source}"),
        None => format!("no HTTP answer: {error}"),
    }
}
