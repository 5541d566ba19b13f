//! States that take time on AWS and none on the emulator.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::request::Call;
use crate::shape::Answer;
use crate::xml;

/// When things were made that are not ready at once.
#[derive(Default)]
pub struct Pending {
    since: HashMap<String, Instant>,
}

/// The kinds that wait: the call that makes one, the call that lists them, where they are in its
/// answer, and the name of the id.
const KINDS: &[(&str, &[&str], &str)] = &[
    ("CreateVpc", &[], "vpcId"),
    ("DescribeVpcs", &["vpcSet"], "vpcId"),
    ("CreateSubnet", &[], "subnetId"),
    ("DescribeSubnets", &["subnetSet"], "subnetId"),
];

impl Pending {
    /// Notes what is made, and says `pending` of what was made less than `wait` ago.
    pub fn apply(&mut self, call: &Call, answer: &mut Answer, wait: Duration) {
        let kind = KINDS.iter().find(|(operation, ..)| *operation == call.operation);
        let Some((operation, path, id)) = kind.filter(|_| call.service == "ec2") else {
            return;
        };
        if !answer.is_ok() {
            return;
        }
        let Some(root) = xml::parse(answer.text()) else {
            return;
        };
        let mut waiting = Vec::new();
        for item in root.list(path) {
            let id = item.get(id);
            if operation.starts_with("Create") && !id.is_empty() {
                self.since.insert(id.clone().into_owned(), Instant::now());
            }
            let young = self.since.get(id.as_ref()).is_some_and(|since| since.elapsed() < wait);
            if let (true, Some(state)) = (young, item.child("state")) {
                waiting.push(state.inner.clone());
            }
        }
        let mut text = answer.text().to_owned();
        // From the end, so that the earlier places stay right.
        for place in waiting.into_iter().rev() {
            text.replace_range(place, "pending");
        }
        answer.body = text.into();
    }
}
