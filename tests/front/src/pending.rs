//! States that take time on AWS and none on the emulator. Those of ECS are in its
//! [rules](crate::rules).

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

/// A kind that waits, in the answer of one call.
struct Kind {
    service: &'static str,
    operation: &'static str,
    /// Where the things are; each has an id and, somewhere in it, a state.
    path: &'static [&'static str],
    id: &'static str,
    state: &'static [&'static str],
    /// What AWS calls the state.
    word: &'static str,
}

const fn ec2(operation: &'static str, path: &'static [&'static str], id: &'static str) -> Kind {
    Kind { service: "ec2", operation, path, id, state: &["state"], word: "pending" }
}

const fn balancer(operation: &'static str, path: &'static [&'static str]) -> Kind {
    let (service, id, state) = ("elbv2", "LoadBalancerArn", &["State", "Code"]);
    Kind { service, operation, path, id, state, word: "provisioning" }
}

const KINDS: &[Kind] = &[
    ec2("CreateVpc", &[], "vpcId"),
    ec2("DescribeVpcs", &["vpcSet"], "vpcId"),
    ec2("CreateSubnet", &[], "subnetId"),
    ec2("DescribeSubnets", &["subnetSet"], "subnetId"),
    balancer("CreateLoadBalancer", &["CreateLoadBalancerResult", "LoadBalancers"]),
    balancer("DescribeLoadBalancers", &["DescribeLoadBalancersResult", "LoadBalancers"]),
];

impl Pending {
    /// Notes what is made, and says of what was made less than `wait` ago that it is not ready.
    pub fn apply(&mut self, call: &Call, answer: &mut Answer, wait: Duration) {
        let is_it = |kind: &&Kind| kind.operation == call.operation && kind.service == call.service;
        let Some(kind) = KINDS.iter().find(is_it).filter(|_| answer.is_ok()) else {
            return;
        };
        let Some(root) = xml::parse(answer.text()) else {
            return;
        };
        let mut waiting = Vec::new();
        for item in root.list(kind.path) {
            let id = item.get(kind.id);
            if kind.operation.starts_with("Create") && !id.is_empty() {
                self.since.entry(id.clone().into_owned()).or_insert_with(Instant::now);
            }
            let young = self.since.get(id.as_ref()).is_some_and(|since| since.elapsed() < wait);
            if let (true, Some(state)) = (young, item.find(kind.state)) {
                waiting.push((state.inner.clone(), kind.word.to_owned()));
            }
        }
        answer.body = xml::edit(answer.text(), waiting).into();
    }
}
