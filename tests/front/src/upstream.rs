//! The emulator behind the front: forwarding a call, and asking a question of our own.
//!
//! Moto answers `Connection: close`, so each call opens a connection. No more than [`AT_ONCE`] do
//! so at a time: moto computes on one core anyway, and its listen queue is short.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::request::Call;
use crate::shape::{Answer, Failure};

/// How many connections to the emulator may be open at a time.
const AT_ONCE: usize = 24;

/// How long the emulator may take; its slowest lists need about ten seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a read is tried when the emulator crashes on it: a list that another thread changes
/// under its feet is a crash that the second try does not see.
const TRIES: usize = 3;

/// Where the emulator listens.
pub struct Upstream {
    /// `host:port`.
    address: String,
    room: Semaphore,
}

impl Upstream {
    /// From a URL like `http://127.0.0.1:5000`.
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, room: Semaphore::new(AT_ONCE) }
    }

    /// Forwards a call. A read on which the emulator crashes is tried again.
    pub async fn forward(&self, call: &Call) -> Result<Answer, Failure> {
        let tries = if call.is_mutating() { 1 } else { TRIES };
        let mut answer = Err(Failure::not_implemented(call));
        for _ in 0..tries {
            answer = self.send(&call.method, &call.target, &call.headers, call.body.clone()).await;
            if answer.as_ref().is_ok_and(|answer| !answer.is_emulator_page()) {
                break;
            }
        }
        answer
    }

    /// Asks a query service something on behalf of the caller of `call`, in its account and region.
    pub async fn ask_query(
        &self,
        call: &Call,
        service: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let version = match service {
            "ec2" => "2016-11-15",
            "elasticloadbalancing" => "2015-12-01",
            "sts" => "2011-06-15",
            _ => "2010-05-08",
        };
        let mut form = vec![("Action", operation), ("Version", version)];
        form.extend_from_slice(parameters);
        let body = encode(&form);
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        self.ask(call, service, operation, &[("content-type", kind)], body).await
    }

    /// Asks a JSON service something; `target` is its prefix in `X-Amz-Target`.
    pub async fn ask_json(
        &self,
        call: &Call,
        service: &str,
        target: &str,
        operation: &str,
        parameters: &Value,
    ) -> Result<(Answer, Value), Failure> {
        let target = format!("{target}.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        let answer = self.ask(call, service, operation, &headers, parameters.to_string()).await?;
        let value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok((answer, value))
    }

    async fn ask(
        &self,
        call: &Call,
        service: &str,
        operation: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, Failure> {
        let Call { access_key, region, .. } = call;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let mut all = HeaderMap::new();
        let pairs = headers.iter().copied().chain([("authorization", authorization.as_str())]);
        for (name, value) in pairs {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                all.insert(name, value);
            }
        }
        // Both say whose account it is, for moto.
        for name in ["x-moto-account-id", "x-amz-security-token"] {
            if let Some(value) = call.headers.get(name) {
                all.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let mut answer = Err(Failure::not_implemented(call));
        for _ in 0..TRIES {
            answer = self.send(&Method::POST, "/", &all, body.clone().into()).await;
            if answer.as_ref().is_ok_and(|answer| !answer.is_emulator_page()) {
                return answer;
            }
        }
        let why = answer.map_or_else(|failure| failure.message, |answer| answer.text().to_owned());
        let message = format!("the front asked {service}:{operation} and got: {why:.300}");
        Err(Failure::refuse(UNREACHABLE, message))
    }

    /// One exchange with the emulator.
    pub async fn send(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let exchange = async {
            let _room = self.room.acquire().await?;
            self.exchange(method, target, headers, body).await
        };
        let failed = |why: String| Failure::refuse(UNREACHABLE, why);
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(failed(format!("the emulator cannot be reached: {error}"))),
            Err(_) => Err(failed(format!("the emulator did not answer within {PATIENCE:?}"))),
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.parse()?;
        *request.headers_mut() = headers.clone();
        // hyper frames the body and the connection itself.
        request.headers_mut().remove(CONNECTION);
        request.headers_mut().remove(TRANSFER_ENCODING);
        if !headers.contains_key(HOST) {
            request.headers_mut().insert(HOST, HeaderValue::from_str(&self.address)?);
        }
        let response = sender.send_request(request).await?;
        let (mut parts, body) = response.into_parts();
        for name in [CONNECTION, TRANSFER_ENCODING, hyper::header::CONTENT_LENGTH] {
            parts.headers.remove(name);
        }
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// The body of a form.
pub fn encode<S: AsRef<str>>(form: &[(S, S)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// The code of an answer that says that the emulator is gone or does not make sense.
pub const UNREACHABLE: &str = "EmulatorUnreachable";
