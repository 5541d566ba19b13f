//! What may happen to a database and a cloud, as lists that can be made up at random and cut short.

use super::cloud::{Thing, scopes};
use super::sim::{Dice, How, REGIONS, Sim};
use super::tables::{self, ALL, named};
use iasql_engine::table::{Access, By, Column, Kind, Table};
use iasql_engine::wire::Scope;
use iasql_engine::world::plain;
use iasql_engine::{Row, Value, compare};
use proptest::prelude::*;
use serde_json::json;
use std::sync::OnceLock;

/// One thing that happens. The numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
pub enum Op {
    /// The user adds a row.
    Insert {
        table: u8,
        region: u8,
        cells: [u8; 6],
    },
    /// The user changes a cell.
    Edit {
        row: u8,
        column: u8,
        value: u8,
    },
    /// The user removes a row and what refers to it.
    Delete {
        row: u8,
    },
    /// The user removes a row and adds it again, with another value in a column.
    Again {
        row: u8,
        column: u8,
        value: u8,
    },
    /// The user exchanges two names.
    Swap {
        one: u8,
        other: u8,
    },
    /// The user moves a row to another region, and what it hangs together with.
    Move {
        row: u8,
        alone: bool,
    },
    /// The user empties all tables.
    DeleteAll,
    /// Somebody changes something in the cloud.
    CloudEdit {
        thing: u8,
        column: u8,
        value: u8,
    },
    /// Somebody removes something from the cloud.
    CloudDelete {
        thing: u8,
    },
    /// Somebody makes something in the cloud.
    CloudCreate {
        table: u8,
        region: u8,
        cells: [u8; 6],
    },
    /// Somebody removes something and makes it again, with another value in a column.
    CloudAgain {
        thing: u8,
        column: u8,
        value: u8,
    },
    /// An image is pushed.
    Push {
        region: u8,
        repo: u8,
        tag: u8,
    },
    Commit,
    Rollback {
        known: bool,
    },
    Restore,
    Apply {
        seed: u64,
        fail: Option<u64>,
        warn: bool,
        lag: bool,
        unread: Option<u8>,
    },
    Sync {
        unread: Option<u8>,
    },
}

impl Op {
    /// Whether it is something that a user writes.
    pub fn is_edit(&self) -> bool {
        use Op::{Again, Delete, DeleteAll, Edit, Insert, Move, Swap};
        matches!(
            self,
            Insert { .. }
                | Edit { .. }
                | Delete { .. }
                | Again { .. }
                | Swap { .. }
                | Move { .. }
                | DeleteAll
        )
    }
}

pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..most)
}

fn op() -> impl Strategy<Value = Op> {
    let (table, row, column, value) = (0u8..16, 0u8..64, 0u8..7, 0u8..8);
    let change = (row.clone(), column.clone(), value.clone());
    let drift = (0u8..64, column, value.clone());
    let unread = prop::option::weighted(0.3, any::<u8>());
    let fail = prop::option::weighted(0.3, any::<u64>());
    let apply = (any::<u64>(), fail, any::<bool>(), any::<bool>(), unread.clone());
    let cells = prop::array::uniform6(value);
    let new = (table, 0u8..2, cells);
    prop_oneof![
        7 => new.clone().prop_map(|(table, region, cells)| Op::Insert { table, region, cells }),
        8 => change.clone().prop_map(|(row, column, value)| Op::Edit { row, column, value }),
        4 => row.clone().prop_map(|row| Op::Delete { row }),
        2 => change.prop_map(|(row, column, value)| Op::Again { row, column, value }),
        2 => (row.clone(), row.clone()).prop_map(|(one, other)| Op::Swap { one, other }),
        1 => (row, prop::bool::weighted(0.2)).prop_map(|(row, alone)| Op::Move { row, alone }),
        1 => Just(Op::DeleteAll),
        3 => drift.clone().prop_map(|(thing, column, value)| Op::CloudEdit { thing, column, value }),
        3 => (0u8..64).prop_map(|thing| Op::CloudDelete { thing }),
        2 => new.prop_map(|(table, region, cells)| Op::CloudCreate { table, region, cells }),
        2 => drift.prop_map(|(thing, column, value)| Op::CloudAgain { thing, column, value }),
        1 => (0u8..2, 0u8..3, 0u8..3).prop_map(|(region, repo, tag)| Op::Push { region, repo, tag }),
        2 => Just(Op::Commit),
        2 => prop::bool::weighted(0.8).prop_map(|known| Op::Rollback { known }),
        1 => Just(Op::Restore),
        5 => apply.prop_map(|(seed, fail, warn, lag, unread)| Op::Apply { seed, fail, warn, lag, unread }),
        1 => unread.prop_map(|unread| Op::Sync { unread }),
    ]
}

/// An account with a bit of everything, all of it in rows.
pub fn furnished() -> Sim {
    static ONE: OnceLock<Sim> = OnceLock::new();
    ONE.get_or_init(furnish).clone()
}

fn furnish() -> Sim {
    let mut sim = Sim::imported();
    for (region, digit) in [("r1", 1), ("r2", 2)] {
        let net = sim.insert("net", region, json!({"range": format!("10.{digit}.0.0/16")}));
        let cells = json!({"net_id": net, "range": "10.0.1.0/24"});
        let part = sim.insert("part", region, cells);
        let a = sim.insert("grp", region, json!({"net_id": net, "name": "a"}));
        let b = sim.insert("grp", region, json!({"net_id": net, "name": "b", "tags": {"k": "x"}}));
        sim.insert("rule", region, json!({"grp_id": a, "egress": false, "port": 80, "source": b}));
        sim.insert("rule", region, json!({"grp_id": b, "egress": false, "port": 80, "source": a}));
        sim.insert("host", region, json!({"name": "a", "grp_id": a, "part_id": part}));
    }
    sim.insert("repo", "r1", json!({"name": "a"}));
    sim.insert("policy", "r1", json!({"repo_name": "a", "text": {"Statement": []}}));
    sim.insert("repo", "r1", json!({"name": "b"}));
    let root = sim.insert("tree", "r1", json!({"name": "a"}));
    sim.insert("tree", "r1", json!({"name": "b", "parent": root}));
    sim.insert("person", "", json!({"name": "a", "nets": ["a"]}));
    sim.insert("pool", "", json!({"name": "a"}));
    assert!(sim.apply_all().whole());
    let grp = sim.db.of("grp").find(|it| it.region == "r2" && it.row[1] == "a").expect("a group");
    let seats = json!([[grp.pk, 80]]);
    let part = sim.db.of("part").find(|it| it.region == "r2").expect("a part");
    let parts = json!([tables::PART.cloud_id(&part.row)]);
    sim.insert("balancer", "r2", json!({"name": "a", "seat": seats, "part_ids": parts}));
    sim.insert("target", "r2", json!({"name": "a", "port": 80}));
    let cells = json!({"balancer_name": "a", "port": 80, "target_name": "a"});
    sim.insert("listener", "r2", cells);
    sim.insert("repo", "r2", json!({"name": "a"}));
    let boxes = json!([["a", "a", null]]);
    let cells = json!({"family": "x", "person_name": "a", "box": boxes});
    let task = sim.insert("task", "r2", cells);
    let cells = json!({"name": "a", "task_id": task, "target_name": "a", "part_ids": parts});
    sim.insert("service", "r2", cells);
    assert!(sim.apply_all().whole());
    sim.cloud.push_image("r1", "a", "a").expect("an image");
    sim.sync(&[]);
    sim.commit();
    sim
}

/// A few scopes that can't be read.
pub fn unread(choice: Option<u8>) -> Vec<Scope> {
    let Some(choice) = choice else { return Vec::new() };
    let mut dice = Dice::new(u64::from(choice));
    let all = scopes(&REGIONS);
    let count = 1 + dice.roll(3);
    let one = |dice: &mut Dice| {
        let (table, region) = &all[dice.roll(all.len())];
        Scope { table: table.name.to_owned(), region: region.clone() }
    };
    (0..count).map(|_| one(&mut dice)).collect()
}

/// Lets something happen.
pub fn happen(sim: &mut Sim, op: &Op) {
    match *op {
        Op::Insert { table, region, cells } => {
            let (table, region) = (ALL[usize::from(table)], REGIONS[usize::from(region)]);
            sim.attempt(|sim| {
                let row = row(sim, table, region, &cells, false);
                if table.import_only {
                    return None;
                }
                let cells = table
                    .columns
                    .iter()
                    .zip(row)
                    .map(|(c, cell)| (c.name.to_owned(), cell))
                    .collect();
                sim.try_insert(table.name, region, &Value::Object(cells));
                Some(())
            });
        }
        Op::Edit { row, column, value } => {
            sim.attempt(|sim| {
                let (table, pk) = nth(sim, row)?;
                edit(sim, table, &pk, column, value)
            });
        }
        Op::Delete { row } => {
            if let Some((table, pk)) = nth(sim, row) {
                sim.delete(table.name, &pk);
            }
        }
        Op::Again { row, column, value } => {
            sim.attempt(|sim| {
                let (table, pk) = nth(sim, row).filter(|(table, _)| !table.import_only)?;
                let key = (table.name, plain(&pk));
                // ON DELETE CASCADE
                let images = sim.db.referring(&key).into_iter().filter(|(of, _)| *of == "image");
                images.collect::<Vec<_>>().iter().for_each(|key| _ = sim.db.rows.remove(key));
                let mut record = sim.db.rows.remove(&key)?;
                for (at, column) in table.columns.iter().enumerate() {
                    if column.access == Access::ReadOnly {
                        record.row[at] = Value::Null;
                    }
                }
                record.pk = if table.primary_key.is_some() { pk } else { sim.new_key(table.name) };
                let key = record.pk.clone();
                sim.db.rows.insert((table.name, plain(&key)), record);
                let _ = edit(sim, table, &key, column, value);
                Some(())
            });
        }
        Op::Swap { one, other } => {
            sim.attempt(|sim| {
                let (table, one) = nth(sim, one)?;
                table.position("name").filter(|_| table.primary_key.is_none())?;
                let others: Vec<Value> = sim.db.of(table.name).map(|it| it.pk.clone()).collect();
                let other = others[usize::from(other) % others.len()].clone();
                let names =
                    (sim.cell(table.name, &one, "name"), sim.cell(table.name, &other, "name"));
                sim.edit(table.name, &one, "name", json!("for a moment"));
                sim.edit(table.name, &other, "name", names.0);
                sim.edit(table.name, &one, "name", names.1);
                Some(())
            });
        }
        Op::Move { row, alone } => {
            sim.attempt(|sim| {
                let (table, pk) =
                    nth(sim, row).filter(|(it, _)| it.regional() && !it.import_only)?;
                let mut moving = vec![(table.name, plain(&pk))];
                let from = sim.db.rows[&moving[0]].region.clone();
                let mut next = 0;
                while next < moving.len() && !alone {
                    let key = moving[next].clone();
                    let targets =
                        sim.db.rows.keys().filter(|to| sim.db.referring(to).contains(&key));
                    let more: Vec<_> =
                        sim.db.referring(&key).into_iter().chain(targets.cloned()).collect();
                    moving.extend(
                        more.into_iter().filter(|key| !moving.contains(key)).collect::<Vec<_>>(),
                    );
                    next += 1;
                }
                let to = REGIONS[usize::from(from == REGIONS[0])];
                for key in moving.into_iter().filter(|(table, _)| named(table).regional()) {
                    sim.db.rows.get_mut(&key)?.region = to.to_owned();
                }
                Some(())
            });
        }
        Op::DeleteAll => sim.db.rows.clear(),
        Op::CloudEdit { thing, column, value } => {
            if let Some(at) = nth_thing(sim, thing) {
                let table = sim.cloud.things[&at].table;
                let place = usize::from(column) % table.columns.len();
                let region = sim.cloud.things[&at].region.clone();
                let cell = cell(sim, table, &table.columns[place], &region, value, true);
                sim.cloud.drift(at, place, cell);
            }
        }
        Op::CloudDelete { thing } => {
            if let Some(at) = nth_thing(sim, thing) {
                let _ = sim.cloud.delete(at);
            }
        }
        Op::CloudCreate { table, region, cells } => {
            let (table, region) = (ALL[usize::from(table)], REGIONS[usize::from(region)]);
            let region = if table.regional() { region } else { "" };
            let row = row(sim, table, region, &cells, true);
            let _ = sim.cloud.create(table, region, &row, "somebody else's");
        }
        Op::CloudAgain { thing, column, value } => {
            let Some(at) = nth_thing(sim, thing) else { return };
            let old = sim.cloud.things[&at].clone();
            if sim.cloud.delete(at).is_ok() {
                let place = usize::from(column) % old.table.columns.len();
                let mut row = old.row;
                row[place] =
                    cell(sim, old.table, &old.table.columns[place], &old.region, value, true);
                let _ = sim.cloud.create(old.table, &old.region, &row, "somebody else's");
            }
        }
        Op::Push { region, repo, tag } => {
            let (region, names) = (REGIONS[usize::from(region)], ["a", "b", "c"]);
            let _ = sim.cloud.push_image(region, names[usize::from(repo)], names[usize::from(tag)]);
        }
        Op::Commit => sim.commit(),
        Op::Rollback { known } => sim.rollback(known),
        Op::Restore => sim.dump_and_restore(),
        Op::Apply { seed, fail, warn, lag, unread: hidden } => {
            sim.apply(&How { seed, fail, warn, lag, unread: unread(hidden) });
        }
        Op::Sync { unread: hidden } => {
            sim.sync(&unread(hidden));
        }
    }
}

fn edit(sim: &mut Sim, table: &'static Table, pk: &Value, column: u8, value: u8) -> Option<()> {
    let settable: Vec<&Column> = table.columns.iter().filter(|column| column.settable()).collect();
    let column = settable.get(usize::from(column) % settable.len().max(1))?;
    let region = sim.db.rows.get(&(table.name, plain(pk)))?.region.clone();
    let cell = cell(sim, table, column, &region, value, false);
    sim.edit(table.name, pk, column.name, cell);
    Some(())
}

fn nth(sim: &Sim, row: u8) -> Option<(&'static Table, Value)> {
    let mut rows = sim.db.rows.iter().cycle().skip(usize::from(row));
    rows.next().map(|((table, _), record)| (named(table), record.pk.clone()))
}

fn nth_thing(sim: &Sim, thing: u8) -> Option<u32> {
    let things: Vec<u32> = sim.cloud.things.keys().copied().collect();
    things.get(usize::from(thing) % things.len().max(1)).copied()
}

fn row(sim: &Sim, table: &'static Table, region: &str, choices: &[u8; 6], cloud: bool) -> Row {
    let mut choices = choices.iter().cycle();
    let one = |column: &Column| match column.access {
        Access::ReadOnly => Value::Null,
        _ => cell(sim, table, column, region, *choices.next().expect("a choice"), cloud),
    };
    table.columns.iter().map(one).collect()
}

/// A value for a column: there are few, so that things get into each other's way.
fn cell(sim: &Sim, table: &Table, column: &Column, region: &str, choice: u8, cloud: bool) -> Value {
    let pick = |from: &[Value]| from[usize::from(choice) % from.len()].clone();
    if let Some(reference) = &column.references {
        let to = named(reference.table);
        let near = |other: &str| other == region || other.is_empty();
        let mut values: Vec<Value> = if cloud {
            let things =
                sim.cloud.things.values().filter(|it| it.table.name == to.name && near(&it.region));
            things.map(|it| it.cell(reference.column).clone()).collect()
        } else {
            let rows = sim.db.of(to.name).filter(|record| near(&record.region));
            rows.map(|record| match reference.by {
                By::Id => record.pk.clone(),
                By::Name => to.cell(&record.row, reference.column).clone(),
            })
            .collect()
        };
        if !column.required || values.is_empty() {
            values.push(Value::Null);
        }
        return pick(&values);
    }
    if let Some(part) = column.parts() {
        let one = |choice: u8| -> Row {
            part.columns.iter().map(|it| cell(sim, part, it, region, choice, cloud)).collect()
        };
        let whole = |row: &Row| {
            part.columns.iter().zip(row).all(|(it, cell)| !(it.required && cell.is_null()))
        };
        let mut rows: Vec<Row> =
            (0..choice % 3).map(|n| one(choice / 3 + n)).filter(whole).collect();
        rows.dedup_by(|a, b| compare::same_key(part, a, b));
        return rows.into();
    }
    if let Some(to) = &column.mentions {
        let to = named(to.table);
        let mut ids: Vec<Value> = if cloud {
            let here = |it: &&Thing| it.table.name == to.name && it.region == region;
            sim.cloud.things.values().filter(here).map(|it| json!(it.id())).collect()
        } else {
            let here = sim.db.of(to.name).filter(|record| record.region == region);
            here.filter_map(|record| Some(json!(to.cloud_id(&record.row)?))).collect()
        };
        let first = usize::from(choice) % ids.len().max(1);
        ids.rotate_left(first);
        ids.truncate(usize::from(choice) % 3);
        return if ids.is_empty() { Value::Null } else { ids.into() };
    }
    match (column.kind, column.name) {
        (Kind::Policies, _) => pick(&[
            Value::Null,
            json!({}),
            json!({"a": {"Statement": []}, "b": {"Statement": {"Action": "a:b"}}}),
            json!({"b": {"Statement": [{"Action": ["A:B"]}]}, "a": {"Statement": []}}),
        ]),
        (Kind::Range, _) => {
            let null = if column.required { json!("10.0.0.0/16") } else { Value::Null };
            pick(&[json!("10.0.1.0/24"), json!("10.0.2.0/24"), null, json!("0.0.0.0/0")])
        }
        (Kind::Port, _) => pick(&[Value::Null, json!(-1), json!(80), json!(443)]),
        (Kind::Tags, _) => pick(&[json!({}), json!({"k": "x"}), json!({"k": "y"})]),
        (Kind::Set, _) => pick(&[Value::Null, json!(["a", "b"]), json!(["b", "a"]), json!([])]),
        (Kind::Policy, _) => pick(&[
            json!({"Statement": {"Effect": "Allow", "Action": "a:b"}}),
            json!({"Statement": [{"Effect": "Allow", "Action": ["A:B"]}]}),
            json!({"Statement": []}),
        ]),
        (_, "name") if table.name == "grp" => {
            pick(&[json!("a"), json!("b"), json!("c"), json!("default")])
        }
        (_, "name") => pick(&[json!("a"), json!("b"), json!("c")]),
        (Kind::Plain, "port" | "weight") => pick(&[json!(80), json!(443)]),
        (_, "egress" | "public" | "is_open") => pick(&[json!(true), json!(false)]),
        (_, "level") => pick(&[json!("low"), json!("high")]),
        (_, _) if column.late => pick(&[Value::Null, json!("x"), json!("y")]),
        _ => pick(&[json!("x"), json!("y"), Value::Null]),
    }
}
