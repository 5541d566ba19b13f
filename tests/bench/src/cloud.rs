//! The way of a call: a token, the latency, an answer; and what is kept count of.

use crate::account::Account;
use crate::answers;
use crate::buckets::{Bucket, Buckets};
use crate::limits::Key;
use crate::made::Made;
use hyper::StatusCode;
use iasql_front::request::Call;
use iasql_front::shape::{Answer, throttle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What is measured against.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// From the request to the answer.
    pub latency_ms: u64,
    pub account: Account,
}

/// So many calls that something takes.
#[derive(Debug, Deserialize)]
struct Need {
    region: String,
    service: String,
    operation: String,
    calls: u64,
}

/// The cloud.
#[derive(Default)]
pub struct Cloud(Mutex<State>);

#[derive(Default)]
struct State {
    settings: Arc<Settings>,
    made: Arc<Made>,
    buckets: Buckets,
    /// Answers, and those that said "too many", by service and operation.
    calls: BTreeMap<String, (u64, u64)>,
}

impl Cloud {
    /// Answers a call as AWS would.
    pub async fn serve(&self, call: Call) -> Answer {
        let arrived = Instant::now();
        let (settings, made, allowed) = self.admit(&call);
        let outcome = match allowed {
            true => answers::answer(&settings.account, &made, &call),
            false => Err(throttle(&call)),
        };
        // What it takes to write an answer is part of the latency.
        if settings.latency_ms > 0 {
            sleep_until(arrived + Duration::from_millis(settings.latency_ms)).await;
        }
        outcome.unwrap_or_else(|failure| Answer::failure(&call, &failure))
    }

    fn admit(&self, call: &Call) -> (Arc<Settings>, Arc<Made>, bool) {
        let mut state = self.state();
        let allowed = state.buckets.take(&call.region, &call.service, &call.operation).is_ok();
        let count = state.calls.entry(format!("{} {}", call.service, call.operation)).or_default();
        count.0 += 1;
        count.1 += u64::from(!allowed);
        (state.settings.clone(), state.made.clone(), allowed)
    }

    /// Answers whoever measures: `calls` tells what came since `reset`, which fills all buckets; with new
    /// settings it also forgets what was made. `need` counts calls as if they had come.
    pub fn admin(&self, path: &str, body: &[u8]) -> Answer {
        let answer = match path {
            "/_bench/health" => Ok(json!({"ok": true})),
            "/_bench/calls" => Ok(self.calls()),
            "/_bench/need" => self.need(body),
            "/_bench/reset" => self.reset(body),
            _ => Err(format!("there is no {path}")),
        };
        match answer {
            Ok(answer) => Answer::json(&answer),
            Err(why) => {
                let body = json!({"error": why}).to_string();
                Answer::new(StatusCode::BAD_REQUEST, "application/json", body)
            }
        }
    }

    fn calls(&self) -> Value {
        let state = self.state();
        let bucket = |((region, service, name), bucket): (&Key, &Bucket)| {
            let Bucket { burst, refill, asked, .. } = bucket;
            json!({"name": format!("{region} {service} {name}"), "burst": burst, "refill": refill, "calls": asked})
        };
        json!({
            "calls": state.calls.values().map(|(calls, _)| calls).sum::<u64>(),
            "throttled": state.calls.values().map(|(_, throttled)| throttled).sum::<u64>(),
            "operations": state.calls,
            "made": state.made.len(),
            "buckets": state.buckets.0.iter().map(bucket).collect::<Vec<_>>(),
        })
    }

    fn need(&self, body: &[u8]) -> Result<Value, String> {
        let needs: Vec<Need> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut state = self.state();
        for Need { region, service, operation, calls } in needs {
            state.buckets.count(&region, &service, &operation, calls);
            state.calls.entry(format!("{service} {operation}")).or_default().0 += calls;
        }
        Ok(json!({}))
    }

    fn reset(&self, body: &[u8]) -> Result<Value, String> {
        let mut state = self.state();
        let (settings, made) = match body {
            [] => (state.settings.clone(), state.made.clone()),
            body => {
                let settings = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                (Arc::new(settings), Arc::default())
            }
        };
        *state = State { settings, made, ..State::default() };
        Ok(json!(*state.settings))
    }

    /// A poisoned lock is used all the same: no invariant spans a panic here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
