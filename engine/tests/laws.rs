//! What the engine promises, whatever has happened: DESIGN section 4.

mod common;

use common::script::{Op, furnished, happen, ops};
use common::sim::{How, Sim};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// `CASES=20` looks twenty times as hard.
fn config(cases: u32) -> Config {
    let times: u32 = std::env::var("CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    Config {
        cases: cases * times,
        failure_persistence: None,
        max_shrink_iters: 50_000,
        ..Config::default()
    }
}

fn after(script: &[Op]) -> Sim {
    let mut sim = furnished();
    for op in script {
        happen(&mut sim, op);
    }
    sim
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn an_applied_plan_leaves_an_empty_plan(script in ops(14), seed: u64) {
        let mut sim = after(&script);
        let cloud = sim.cloud.clone();
        let applied = sim.apply(&How { seed, ..How::default() });
        if !applied.plan.problems.is_empty() {
            assert!(sim.cloud == cloud, "a plan with problems is not carried out");
        } else if applied.whole() {
            sim.settled();
            sim.rows_match_cloud(false);
        }
    }

    #[test]
    fn after_sync_there_is_nothing_to_sync_and_nothing_to_apply(script in ops(14)) {
        let mut sim = after(&script);
        let cloud = sim.cloud.clone();
        sim.sync(&[]);
        assert!(sim.cloud == cloud, "sync never touches the cloud");
        sim.in_sync();
        sim.settled();
        sim.rows_match_cloud(true);
    }
}
