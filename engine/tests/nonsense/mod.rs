//! Whatever it is given, the engine answers.

use crate::common::tables::ALL;
use iasql_engine::wire::{Made, Scope, Seen};
use iasql_engine::world::{Base, Known, Wanted, gather};
use iasql_engine::{Row, Value, near, plan, sync, writes};
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;

/// Cells that make no sense, and some that do by chance.
fn cell() -> impl Strategy<Value = Value> {
    let some = [
        json!(null),
        json!(true),
        json!("a"),
        json!("b"),
        json!("default"),
        json!(""),
        json!("10.0.0.0/16"),
        json!("10.0.0.0/999"),
        json!({"step": 0}),
        json!({"step": 4_000_000}),
        json!([{"step": 1}, null]),
        json!([["a", 0], [1, "b", null], [], 5]),
        json!({"Statement": 5, "Version": []}),
        json!("{\"Statement\": \"x\"}"),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
    ];
    prop_oneof![prop::sample::select(some.to_vec()), (0u64..4).prop_map(Value::from)]
}

fn row() -> impl Strategy<Value = Row> {
    prop::collection::vec(cell(), 0..9)
}

fn region() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["r1", "r2", ""]).prop_map(str::to_owned)
}

fn table() -> impl Strategy<Value = String> {
    let names = ALL.iter().map(|table| table.name).chain(["nowhere"]).collect::<Vec<_>>();
    prop::sample::select(names).prop_map(str::to_owned)
}

fn scope() -> impl Strategy<Value = Scope> {
    (table(), region()).prop_map(|(table, region)| Scope { table, region })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let version = String::new();
    (cell(), region(), row()).prop_map(move |(pk, region, row)| Wanted {
        pk,
        version: version.clone(),
        region,
        row: row.into(),
    })
}

fn base() -> impl Strategy<Value = Base> {
    (cell(), region(), "[ab]?", row()).prop_map(|(pk, region, cloud_id, row)| Base {
        pk,
        cloud_id,
        region,
        row: row.into(),
        print: None,
    })
}

fn seen() -> impl Strategy<Value = (String, Seen)> {
    let mark = prop::option::of("[ab]");
    let kept = prop::option::weighted(0.2, Just("it is kept".to_owned()));
    (region(), row(), mark, kept).prop_map(|(region, row, mark, kept)| {
        (region, Seen { row: row.into(), mark, kept, print: None })
    })
}

fn made() -> impl Strategy<Value = Made> {
    let what = (table(), region(), cell(), prop::option::of("[ab]"), "[ab]?");
    let how = (any::<bool>(), row(), any::<bool>(), "[ab]", "[ab]");
    (what, how).prop_map(
        |((table, region, pk, cloud_id, mark), (aborted, row, answered, since, at))| Made {
            table,
            region,
            pk,
            cloud_id,
            mark,
            aborted,
            row,
            answered,
            since,
            at,
        },
    )
}

fn known() -> impl Strategy<Value = Known> {
    let each = ALL.len();
    let tables = prop::collection::vec(any::<bool>(), each);
    let wanted = prop::collection::vec(prop::collection::vec(wanted(), 0..4), each);
    let base = prop::collection::vec(prop::collection::vec(base(), 0..4), each);
    let seen = prop::collection::vec(prop::collection::vec(seen(), 0..4), each);
    let made = prop::collection::vec(made(), 0..4);
    let unread = prop::collection::hash_set(scope(), 0..4);
    let asked = prop::collection::hash_set((scope(), "[1-4]"), 0..3);
    let opaque = prop::collection::hash_set((scope(), "[ab]"), 0..3);
    (tables, wanted, base, seen, made, unread, asked, opaque).prop_map(
        |(some, wanted, base, seen, made, unread, asked, opaque)| {
            // Some tables may be missing, and what refers to them leads nowhere.
            let tables =
                ALL.into_iter().zip(some).filter(|(_, there)| *there).map(|(t, _)| t).collect();
            let asked = asked.into_iter().map(|(scope, pk)| (scope.table, pk)).collect();
            Known { tables, wanted, base, seen, made, unread, asked, opaque }
        },
    )
}

proptest! {
    #![proptest_config(crate::config(400))]

    #[test]
    fn nothing_makes_the_engine_panic(known in known(), answers in prop::collection::vec(prop::option::of(row()), 0..12)) {
        let world = gather(known);
        let _ = near::near(&world, &["a".to_owned()]);
        let plan = plan::plan(&world);
        for (at, step) in plan.steps.iter().enumerate() {
            assert_eq!(step.number as usize, at);
            assert!(step.after.iter().all(|&before| before < step.number));
        }
        for node in 0..world.nodes.len() {
            let it = &world.nodes[node];
            plan::pending(&world, node);
            plan::edited(&world, node);
            world.label(node);
            world.pk(node);
            let wanted = it.wanted.as_ref().map(|wanted| &wanted.row);
            let base = it.base.as_ref().map(|base| &base.row);
            let seen = it.seen.as_ref().map(|seen| &seen.row);
            for row in wanted.into_iter().chain(base).chain(seen) {
                world.readable(node, row);
            }
        }
        for change in &plan.changes {
            plan::reason(&world, change.reason);
        }
        let mut ended: HashMap<u32, Option<Row>> = (0..).zip(answers).take(plan.steps.len()).collect();
        for table in ALL {
            let rows = vec![Seen { row: vec![json!("a"); table.columns.len()].into(), ..Seen::default() }];
            writes::fill_in(&plan, &mut ended, table, "r1", rows);
        }
        writes::of_apply(&world, &plan, &ended);
        let sync = sync::sync(&world);
        let creates = sync.changes.iter().map(|change| change.node);
        let newcomers = writes::newcomers(&world, creates);
        let keys = newcomers.into_iter().zip((1..).map(Value::from)).collect();
        writes::of_sync(&world, &sync, &keys);
    }
}
