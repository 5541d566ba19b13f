//! What tests say to the front itself, under `/_front/`.
//!
//! | call | does |
//! |---|---|
//! | `GET /_front/health` | answers |
//! | `GET /_front/calls?since=N&service=S&operation=O&mutating=1` | the record after sequence number N |
//! | `POST /_front/reset[?moto=1]` | forgets everything; with `moto=1` the emulator does too |
//! | `GET`, `POST /_front/settings` | shows or changes [`Settings`](crate::front::Settings) |
//! | `GET`, `POST`, `DELETE /_front/faults` | shows, adds or removes [`fault::Rule`](crate::fault::Rule)s |

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fault::Faults;
use crate::front::{Front, Settings, lock};
use crate::record::Entry;
use crate::shape::Answer;

/// Answers a call to the front itself.
pub async fn answer(
    front: &Front,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, v)| v.as_str());
    let result = match (method.as_str(), path) {
        ("GET", "/_front/health") => Ok(json!({"ok": true})),
        ("GET", "/_front/calls") => Ok(calls(front, asked)),
        ("POST", "/_front/reset") => reset(front, asked("moto") == Some("1")).await,
        ("GET", "/_front/settings") => Ok(json!(*lock(&front.settings))),
        ("POST", "/_front/settings") => change(front, body),
        ("GET", "/_front/faults") => Ok(lock(&front.faults).list()),
        ("POST", "/_front/faults") => {
            lock(&front.history).forget_endless();
            lock(&front.faults).add(body).map(|()| json!({"ok": true}))
        }
        ("DELETE", "/_front/faults") => {
            lock(&front.history).forget_endless();
            *lock(&front.faults) = Faults::default();
            Ok(json!({"ok": true}))
        }
        _ => Err(format!("the front knows no {method} {path}")),
    };
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error})),
    };
    Answer::new(status, "application/json", body.to_string())
}

fn calls<'a>(front: &Front, asked: impl Fn(&str) -> Option<&'a str>) -> Value {
    let since = asked("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let same = |name: &str, found: &str| asked(name).is_none_or(|wanted| wanted == found);
    let record = lock(&front.record);
    let after = record.since(since);
    let wanted = |entry: &&Entry| {
        same("service", &entry.service)
            && same("operation", &entry.operation)
            && (asked("mutating") != Some("1") || entry.mutating)
    };
    let calls: Vec<&Entry> = after.iter().filter(wanted).collect();
    json!({"last": since + after.len(), "calls": calls})
}

async fn reset(front: &Front, moto: bool) -> Result<Value, String> {
    if moto {
        let answer = front
            .upstream
            .send(&Method::POST, "/moto-api/reset", &HeaderMap::new(), Bytes::new())
            .await
            .map_err(|failure| failure.message)?;
        if !answer.is_ok() {
            return Err(format!("the emulator does not reset: {}", answer.text()));
        }
    }
    front.reset();
    Ok(json!({"ok": true}))
}

/// Changes the settings that are named; the others stay.
fn change(front: &Front, body: &[u8]) -> Result<Value, String> {
    let new: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let Value::Object(new) = new else {
        return Err("settings are a JSON object".to_owned());
    };
    let mut settings = lock(&front.settings);
    let mut merged = json!(*settings);
    if let Some(map) = merged.as_object_mut() {
        map.extend(new);
    }
    *settings = serde_json::from_value::<Settings>(merged).map_err(|error| error.to_string())?;
    Ok(json!(*settings))
}
