//! Old answers, for the faults that bring them back.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::request::Call;
use crate::shape::Answer;

/// How much is kept; the oldest answers go first.
const MOST_BYTES: usize = 32 << 20;

/// The answers of reads, oldest first.
#[derive(Default)]
pub struct History {
    answers: VecDeque<(Instant, Question, Answer)>,
    bytes: usize,
    /// The page that an endless listing repeats.
    endless: HashMap<String, Answer>,
}

/// What makes two calls the same question.
#[derive(PartialEq, Eq)]
struct Question {
    place: String,
    body: Bytes,
}

fn place(call: &Call) -> String {
    let Call { access_key, service, region, operation, .. } = call;
    format!("{access_key} {service} {region} {operation}")
}

fn question(call: &Call) -> Question {
    Question { place: place(call), body: call.body.clone() }
}

impl History {
    pub fn keep(&mut self, call: &Call, answer: &Answer) {
        self.bytes += answer.body.len();
        self.answers.push_back((Instant::now(), question(call), answer.clone()));
        while self.bytes > MOST_BYTES
            && let Some((_, _, answer)) = self.answers.pop_front()
        {
            self.bytes -= answer.body.len();
        }
    }

    /// The newest answer to the same question that is at least so old.
    pub fn before(&self, call: &Call, age: Duration) -> Option<Answer> {
        let asked = question(call);
        let old = |(since, question, _): &&(Instant, Question, Answer)| {
            since.elapsed() >= age && *question == asked
        };
        self.answers.iter().rev().find(old).map(|(_, _, answer)| answer.clone())
    }

    pub fn keep_endless(&mut self, call: &Call, answer: &Answer) {
        self.endless.insert(place(call), answer.clone());
    }

    pub fn endless(&self, call: &Call) -> Option<Answer> {
        self.endless.get(&place(call)).cloned()
    }

    /// Lets endless listings begin anew.
    pub fn forget_endless(&mut self) {
        self.endless.clear();
    }
}
