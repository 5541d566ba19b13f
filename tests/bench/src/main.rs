//! A cloud to measure against: `iasql-bench --listen 127.0.0.1:0`.
//!
//! It speaks the calls that read every table there is, over an account of any size ([`account`]), and those
//! that make and remove what the tutorial deploys ([`made`]). It takes what AWS takes to answer: a set
//! latency, pages no larger than AWS's, and tokens from AWS's buckets ([`limits`]); whoever has none is
//! throttled in the service's own words. It counts calls, and so tells how many were needed, made, and one
//! too many.
//!
//! It is a ruler, not an emulator: it checks nothing, has everything ready at once, and refuses, loudly, what
//! it does not know. That it answers like the emulator is what `tests/test_bench.py` checks.

#![expect(
    clippy::disallowed_methods,
    reason = "the list is for what runs inside PostgreSQL; this is a program of its own"
)]

mod account;
mod answers;
mod buckets;
mod cloud;
mod limits;
mod made;

use crate::cloud::Cloud;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use iasql_front::request::Call;
use std::error::Error;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let listen = match (words.next().as_deref(), words.next(), words.next()) {
        (Some("--listen"), Some(address), None) => address,
        _ => return Err("usage: iasql-bench --listen HOST:PORT".into()),
    };
    let cloud = Arc::new(Cloud::default());
    let listener = TcpListener::bind(&listen).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(cloud.clone(), stream));
    }
}

/// Serves one connection until either side closes it.
async fn connection(cloud: Arc<Cloud>, stream: TcpStream) {
    // Without it small answers wait for an acknowledgement; if it fails they are late, no more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| exchange(cloud.clone(), request));
    // An error here is a client that went away.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn exchange(
    cloud: Arc<Cloud>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answer = match parts.uri.path() {
        path if path.starts_with("/_bench/") => cloud.admin(path, &body),
        _ => cloud.serve(Call::read(parts, body)).await,
    };
    let mut response = Response::new(Full::new(answer.body));
    (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
    Ok(response)
}
