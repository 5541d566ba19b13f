mod common;
use common::script::{furnished, happen, ops};
use common::sim::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
#[test]
fn stats() {
    let mut runner = TestRunner::deterministic();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..1500 {
        let script = ops(14).new_tree(&mut runner).unwrap().current();
        let mut sim = furnished();
        for op in &script { happen(&mut sim, op); }
        let a = sim.apply(&How { seed: 1, ..How::default() });
        let kind = if !a.plan.problems.is_empty() { "problem" } else if a.whole() { if a.plan.steps.is_empty() { "whole empty" } else { "whole" } } else { "failed" };
        *count.entry(kind.into()).or_default() += 1;
        for (n, w) in &a.plan.problems { *count.entry(format!("p {} {}", a.world.table(*n).name, w.split_whitespace().take(4).collect::<Vec<_>>().join(" "))).or_default() += 1; }
        for (_, w) in &a.failed { *count.entry(format!("f {}", w.split('(').next().unwrap())).or_default() += 1; }
        for c in &a.plan.changes { *count.entry(format!("c {} {} {:?}", c.verb.word(), a.world.table(c.node).name, format!("{:?}", c.reason).split('(').next().unwrap())).or_default() += 1; }
        for (_, s) in &a.plan.settled { *count.entry(format!("s {s:?}")).or_default() += 1; }
        *count.entry(format!("steps {}", a.plan.steps.len().min(12))).or_default() += 1;
    }
    for (k, v) in count { println!("{v:6} {k}"); }
}
