//! The front as a program: its command line, and its connections.

#![expect(
    clippy::disallowed_methods,
    reason = "the list is for what runs inside PostgreSQL; this is a program of its own"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use iasql_front::admin;
use iasql_front::body::{self, Closed};
use iasql_front::front::{Front, Outcome};
use iasql_front::request::Call;

/// What the command line says.
struct Arguments {
    listen: String,
    upstream: String,
    port_file: Option<String>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut listen, mut upstream, mut port_file) = (None, None, None);
        while let Some(word) = words.next() {
            let place = match word.as_str() {
                "--listen" => &mut listen,
                "--upstream" => &mut upstream,
                "--port-file" => &mut port_file,
                other => return Err(format!("unknown argument {other}")),
            };
            *place = Some(words.next().ok_or_else(|| format!("{word} needs a value"))?);
        }
        let listen = listen.unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let upstream = upstream.ok_or("--upstream is missing")?;
        Ok(Self { listen, upstream, port_file })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let front = Arc::new(Front::new(&arguments.upstream));
    let listener = TcpListener::bind(&arguments.listen).await?;
    let address = listener.local_addr()?;
    if let Some(file) = &arguments.port_file {
        std::fs::write(file, address.port().to_string())?;
    }
    println!("listening on {address}");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(Arc::clone(&front), stream))),
            // Out of file descriptors, say: one that closes makes room, ending would fail every
            // test.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection until either side closes it.
async fn connection(front: Arc<Front>, stream: TcpStream) {
    // Without it small answers wait for an acknowledgement; if it fails they are late, no more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        // In a task of its own: a client that goes away does not take back what it asked for.
        let exchange = tokio::spawn(exchange(Arc::clone(&front), request));
        async move {
            match exchange.await.unwrap_or(Outcome::Close) {
                Outcome::Answer(answer) => Ok(body::whole(answer)),
                Outcome::Half(answer) => Ok(body::half(answer)),
                Outcome::Close => Err(Closed),
                // Outside of the task, so that it ends with the connection.
                Outcome::Hang => std::future::pending().await,
            }
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    // An error here is a client that went away, or a fault that closed its connection.
    let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// One request: to the front itself, to moto's own interface, or to AWS.
async fn exchange(front: Arc<Front>, request: Request<Incoming>) -> Outcome {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Outcome::Close;
    };
    let body = body.to_bytes();
    let path = parts.uri.path();
    if path.starts_with("/_front/") {
        let query = parts.uri.query().unwrap_or_default();
        return Outcome::Answer(admin::answer(&front, &parts.method, path, query, &body).await);
    }
    if path.starts_with("/moto-api/") {
        let target = parts.uri.to_string();
        let answer = front.upstream.send(&parts.method, &target, &parts.headers, body).await;
        return answer.map_or(Outcome::Close, Outcome::Answer);
    }
    front.serve(Call::read(parts, body)).await
}
