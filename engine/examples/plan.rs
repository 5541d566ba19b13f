//! How long the engine takes over many rows: `cargo run --release -p iasql-engine --example plan`,
//! with a word to pick some of the lines.

#![expect(clippy::expect_used, reason = "an example")]

#[path = "../tests/common/tables.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod tables;

use iasql_engine::print::Print;
use iasql_engine::table::Table;
use iasql_engine::wire::Seen;
use iasql_engine::world::{Base, Known, Wanted, gather};
use iasql_engine::{Row, Shared, Value, plan, sync, writes};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

fn main() {
    println!("{:>24} {:>9} {:>9} {:>7}", "ms for rows:", "10,000", "100,000", "ratio");
    let kinds: [(&str, Edit); 5] = [
        ("unchanged", |_| ()),
        ("all to create", |known| {
            known.seen.iter_mut().for_each(Vec::clear);
            known.base.iter_mut().for_each(Vec::clear);
        }),
        ("all to delete", |known| known.wanted.iter_mut().for_each(Vec::clear)),
        ("all added again", |known| {
            for rows in &mut known.wanted {
                rows.iter_mut()
                    .for_each(|row| row.pk = json!(row.pk.as_u64().unwrap_or(0) + 1_000_000));
            }
        }),
        ("a net replaced", |known| {
            let net = known.wanted.iter_mut().flatten().find(|row| row.row[1] == "10.0.0.0/16");
            Shared::make_mut(&mut net.expect("a net").row)[1] = json!("10.7.0.0/16");
        }),
    ];
    let word = std::env::args().nth(1).unwrap_or_default();
    for (kind, edit) in kinds.into_iter().filter(|(kind, _)| kind.contains(&word)) {
        let few = times(10_000, edit);
        let many = times(100_000, edit);
        for ((what, few), (_, many)) in few.iter().zip(&many) {
            let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
            let ratio = ms(many) / ms(few).max(0.001);
            println!(
                "{:>24} {:>9.1} {:>9.1} {ratio:>7.1}",
                format!("{kind}, {what}"),
                ms(few),
                ms(many)
            );
        }
    }
}

/// What has happened since all agreed.
type Edit = fn(&mut Known);

/// The best of three.
fn times(rows: usize, edit: Edit) -> Vec<(&'static str, Duration)> {
    let mut best: Vec<(&'static str, Duration)> = Vec::new();
    for _ in 0..3 {
        let mut known = agreed(rows);
        edit(&mut known);
        let mut began = Instant::now();
        let mut lap = || std::mem::replace(&mut began, Instant::now()).elapsed();
        let world = gather(known);
        let gathered = lap();
        let plan = plan::plan(&world);
        let planned = lap();
        writes::of_apply(&world, &plan, &HashMap::new());
        let written = lap();
        sync::sync(&world);
        let synced = lap();
        let now =
            vec![("gather", gathered), ("plan", planned), ("write", written), ("sync", synced)];
        if best.is_empty() {
            best = now;
        } else {
            best.iter_mut().zip(now).for_each(|(best, now)| best.1 = best.1.min(now.1));
        }
    }
    best
}

/// Rows on which everybody agrees: a net for every hundred, then groups, rules, hosts, and
/// repositories with their policies.
fn agreed(rows: usize) -> Known {
    let all: [&'static Table; 7] = [
        &tables::NET,
        &tables::GRP,
        &tables::RULE,
        &tables::PART,
        &tables::HOST,
        &tables::REPO,
        &tables::POLICY,
    ];
    let mut known = Known { tables: all.to_vec(), ..Known::default() };
    let share = rows / 100;
    for (table, count) in all.into_iter().zip([1, 15, 40, 4, 10, 15, 15]) {
        let (mut wanted, mut base, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..share * count {
            let row = row(table, at, share);
            let cloud = |table: &str, cell: &Value| json!(format!("{table}-{cell}"));
            let in_cloud =
                table.columns.iter().zip(&row).map(|(column, cell)| match &column.references {
                    Some(to) if cell.is_number() => cloud(to.table, cell),
                    _ => cell.clone(),
                });
            let (pk, region, version) = (json!(at), "r1".to_owned(), String::new());
            let id = table.cloud_id(&row).expect("an id").to_owned();
            let in_cloud = in_cloud.collect::<Row>();
            let print = Some(Print::of(&in_cloud));
            seen.push((region.clone(), Seen { row: in_cloud.into(), ..Seen::default() }));
            base.push(Base {
                pk: pk.clone(),
                cloud_id: id,
                region: region.clone(),
                row: row.clone().into(),
                print,
            });
            wanted.push(Wanted { pk, version, region, row: row.into() });
        }
        known.wanted.push(wanted);
        known.base.push(base);
        known.seen.push(seen);
    }
    known
}

fn row(table: &Table, at: usize, share: usize) -> Row {
    let id = json!(format!("{}-{at}", table.name));
    let groups = share * 15;
    match table.name {
        "net" => vec![
            id,
            json!(format!("10.{}.0.0/16", at % 256)),
            json!(at == 0),
            json!(null),
            json!({"a": "b"}),
        ],
        "grp" => vec![
            json!(at % share),
            json!(format!("g{at}")),
            json!("x"),
            id,
            json!("me"),
            json!({"a": "b"}),
        ],
        "rule" => vec![
            json!(at % groups),
            json!(false),
            json!(at),
            json!(null),
            json!((at + 1) % groups),
            id,
            json!("a rule"),
        ],
        "part" => vec![
            json!(at % share),
            json!(format!("10.0.{}.0/24", at / share)),
            json!("r1a"),
            id,
            json!(true),
        ],
        "host" => vec![
            json!(format!("h{at}")),
            json!(at % groups),
            json!(at % (share * 4)),
            id,
            json!("small"),
        ],
        "repo" => vec![
            json!(format!("repo{at}")),
            id,
            json!("2026-01-01T00:00:00+00:00"),
            json!(true),
            json!("none"),
        ],
        _ => vec![
            json!(format!("repo{at}")),
            json!("me"),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["a:b"], "Principal": "*"}]}),
        ],
    }
}
