//! When a call may go out: each takes its token in advance, and waits until it is there.

use crate::limits::{self, Key};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A bucket begins to refill when the first call arrives, which takes longer than the later ones do: it
/// has a connection to open. Once for all calls, since each token is promised from the beginning.
const MARGIN: Duration = Duration::from_millis(250);

/// What each bucket holds, less what has been promised: below zero, there is a line.
#[derive(Default)]
pub struct Pace(RefCell<HashMap<Key, (f64, Instant)>>);

impl Pace {
    /// Waits for a token from every bucket of a call.
    pub async fn turn(&self, region: &str, service: &str, operation: &str) {
        let wait = self.promise(region, service, operation);
        if !wait.is_zero() {
            sleep(wait + MARGIN).await;
        }
    }

    fn promise(&self, region: &str, service: &str, operation: &str) -> Duration {
        let (mut all, now, mut wait) = (self.0.borrow_mut(), Instant::now(), 0.0_f64);
        for (key, limit) in limits::of(region, service, operation) {
            let (tokens, at) = all.entry(key).or_insert((limit.burst, now));
            *tokens = (*tokens + (now - *at).as_secs_f64() * limit.refill).min(limit.burst) - 1.0;
            *at = now;
            wait = wait.max(-*tokens / limit.refill);
        }
        Duration::from_secs_f64(wait)
    }
}
