//! What apply has to look at when it is to look at nothing but what was edited.
//!
//! What is made or changed in place is asked for by itself. Where something goes, or another comes in
//! its place, what may depend on it has to be known, whether or not it has a row.

use crate::plan::{in_cloud_terms, pending};
use crate::table::Table;
use crate::wire::Scope;
use crate::world::{World, plain};
use crate::{Row, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A list costs less than asking for more than so many things one by one.
const FEW: usize = 10;

/// What to look at.
#[derive(Debug, Default)]
pub struct Near {
    /// The scopes that are listed whole.
    pub whole: BTreeSet<Scope>,
    /// What is asked for of others, by rows in cloud terms with the same natural key.
    pub like: BTreeMap<Scope, Vec<Row>>,
    /// The rows that this tells all of: table and primary key.
    pub asked: HashSet<(String, String)>,
}

/// Finds what is near the edits, in the regions there are. In this world nothing was read.
pub fn near(world: &World, regions: &[String]) -> Near {
    let mut near = Near::default();
    for node in (0..world.nodes.len()).filter(|&node| pending(world, node)) {
        let (it, table) = (&world.nodes[node], world.table(node));
        near.asked.insert((table.name.to_owned(), plain(&world.pk(node))));
        let now = it.wanted.as_ref().map(|wanted| (&wanted.region, &wanted.row));
        let then = it.base.as_ref().map(|base| (&base.region, &base.row));
        for (region, row) in [now, then].into_iter().flatten() {
            if table.revises {
                near.whole.insert(scope(table, region));
            } else if let Some(row) = called(world, node, row) {
                let rows = near.like.entry(scope(table, region)).or_default();
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
            if then.is_some() && (table.revises || remakes(world, node)) {
                depend(world, table, region, regions, &mut near.whole);
            }
        }
        // What a NULL stands for is a property of the thing there, not of a row.
        for link in world.links(node).iter().filter(|link| link.reference.when_null.is_some()) {
            let at = link.place.column;
            let open = |row: &Row| row[at].is_null() || it.implied.contains(&at);
            if let Some((region, _)) = now.filter(|(_, row)| open(row)) {
                near.whole.insert(scope(world.tables[link.to], region));
            }
        }
    }
    let (few, many) = near.like.into_iter().partition(|(_, rows)| rows.len() <= FEW);
    near.like = few;
    near.whole.extend(BTreeMap::into_keys(many));
    near.like.retain(|scope, _| !near.whole.contains(scope));
    near
}

/// A row as the cloud may know it; nothing where it can't be there, since its parent is not yet.
fn called(world: &World, node: usize, row: &Row) -> Option<Row> {
    let said = in_cloud_terms(world, node, row, &HashMap::new());
    let columns = world.table(node).columns.iter().zip(said.iter().zip(row));
    let lost = |(now, then): (&Value, &Value)| now.is_null() && !then.is_null();
    let here = columns.filter(|(c, _)| c.key || c.required).all(|(_, cells)| !lost(cells));
    here.then_some(said)
}

/// Whether an edit takes something away.
fn remakes(world: &World, node: usize) -> bool {
    let it = &world.nodes[node];
    let (Some(wanted), Some(base)) = (&it.wanted, &it.base) else { return true };
    let columns = world.table(node).columns.iter().enumerate();
    wanted.region != base.region
        || columns.filter(|(_, c)| c.replaces()).any(|(at, _)| wanted.row[at] != base.row[at])
}

/// Adds the tables that refer to one, and those that refer to them.
fn depend(
    world: &World,
    table: &Table,
    region: &str,
    regions: &[String],
    whole: &mut BTreeSet<Scope>,
) {
    for other in &world.tables {
        if !other.refers_to().any(|name| name == table.name) {
            continue;
        }
        // What is in no region may be referred to from all.
        let far = other.regional() && region.is_empty();
        let homes: Vec<&str> =
            if far { regions.iter().map(String::as_str).collect() } else { vec![region] };
        for home in homes {
            if whole.insert(scope(other, home)) {
                depend(world, other, home, regions, whole);
            }
        }
    }
}

fn scope(table: &Table, region: &str) -> Scope {
    let region = if table.regional() { region } else { "" };
    Scope { table: table.name.to_owned(), region: region.to_owned() }
}
