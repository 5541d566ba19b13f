//! What was called, in order, for tests to look at.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use crate::request::Call;
use crate::shape::{Answer, NOT_IMPLEMENTED};

/// One call of a client. What is `null` is not known (yet): a hanging call has no status.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Counts from 1; a reset starts anew.
    pub sequence: usize,
    /// When it came, in milliseconds since the start or the last reset.
    pub at_ms: f64,
    pub service: String,
    pub region: String,
    pub operation: String,
    pub parameters: Value,
    pub mutating: bool,
    pub access_key: String,
    pub user_agent: String,
    /// The status that the client was sent.
    pub status: Option<u16>,
    pub error_code: Option<String>,
    pub duration_ms: Option<f64>,
    /// The fault that struck, in words.
    pub fault: Option<&'static str>,
    /// The call was carried out by the emulator or by the front's own service.
    pub carried_out: bool,
    /// A rule of AWS that the emulator lacks refused it.
    pub refused: bool,
    /// The emulator has no such call or crashed on it.
    pub not_implemented: bool,
}

/// Every call since the start or the last reset.
pub struct Record {
    start: Instant,
    entries: Vec<Entry>,
    /// Counts resets, so that a call from before a reset does not write into a new entry.
    epoch: usize,
}

/// Where in the record a call in flight belongs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    epoch: usize,
    at: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self { start: Instant::now(), entries: Vec::new(), epoch: 0 }
    }
}

impl Record {
    pub fn begin(&mut self, call: &Call) -> Place {
        let at = self.entries.len();
        self.entries.push(Entry {
            sequence: at + 1,
            at_ms: milliseconds(self.start),
            service: call.service.clone(),
            region: call.region.clone(),
            operation: call.operation.clone(),
            parameters: call.parameters(),
            mutating: call.is_mutating(),
            access_key: call.access_key.clone(),
            user_agent: call.user_agent.clone(),
            status: None,
            error_code: None,
            duration_ms: None,
            fault: None,
            carried_out: false,
            refused: false,
            not_implemented: false,
        });
        Place { epoch: self.epoch, at }
    }

    /// The entry of a call, unless it was reset away.
    pub fn entry(&mut self, place: Place) -> Option<&mut Entry> {
        if place.epoch == self.epoch { self.entries.get_mut(place.at) } else { None }
    }

    /// Notes what the client is sent; nothing if its connection is closed instead.
    pub fn finish(&mut self, place: Place, answer: Option<&Answer>) {
        let now_ms = milliseconds(self.start);
        let Some(entry) = self.entry(place) else {
            return;
        };
        entry.duration_ms = Some(now_ms - entry.at_ms);
        entry.status = answer.map(|answer| answer.status.as_u16());
        entry.error_code = answer.and_then(Answer::error_code);
        entry.not_implemented |= entry.error_code.as_deref() == Some(NOT_IMPLEMENTED);
    }

    /// The calls after the first `since`.
    pub fn since(&self, since: usize) -> &[Entry] {
        self.entries.get(since..).unwrap_or_default()
    }

    pub fn reset(&mut self) {
        *self = Self { epoch: self.epoch + 1, ..Self::default() };
    }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
}
