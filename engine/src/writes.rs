//! What has to be written to the database: rows and base rows, in database terms, table by table.

use crate::plan::{Plan, Settled, Verb};
use crate::sync::Sync;
use crate::table::{By, Reference, Table};
use crate::wire;
use crate::world::World;
use crate::{Row, Value, compare};
use std::collections::HashMap;

/// What is written to one table.
#[derive(Debug, Default)]
pub struct Writes {
    /// New rows.
    pub insert: Vec<Written>,
    /// Rows that become what is seen, unless they were written since.
    pub update: Vec<Written>,
    /// Rows of which only what AWS owns or fills is written.
    pub fill: Vec<Written>,
    /// Rows that go, unless they were written since.
    pub delete: Vec<Written>,
    /// What database and cloud agree on, with the cloud's id.
    pub agree: Vec<(String, Written)>,
    /// The rows, by primary key, on which nothing is agreed any more.
    pub forget: Vec<Value>,
}

/// A row in database terms.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Its primary key.
    pub pk: Value,
    /// What tells whether it was written since it was read.
    pub version: String,
    /// Its region, or nothing.
    pub region: String,
    /// Its cells.
    pub row: Row,
}

/// The nodes that need a new primary key before rows can be written.
pub fn newcomers(world: &World, nodes: impl Iterator<Item = usize>) -> Vec<usize> {
    nodes.filter(|&node| world.pk(node).is_null() && world.table(node).primary_key.is_none()).collect()
}

/// What a sync writes. `pks` are the primary keys given to newcomers.
pub fn of_sync(world: &World, sync: &Sync, pks: &HashMap<usize, Value>) -> Vec<Writes> {
    let mut writes: Vec<Writes> = world.tables.iter().map(|_| Writes::default()).collect();
    for change in &sync.changes {
        let node = change.node;
        let to = &mut writes[world.nodes[node].table];
        match change.verb {
            Verb::Delete => {
                to.forget.push(world.pk(node));
                to.delete.push(stands(world, node, Row::new()));
            }
            Verb::Create => {
                agree(to, world, node, pks);
                to.insert.push(as_seen(world, node, pks));
            }
            Verb::Update | Verb::Replace => {
                agree(to, world, node, pks);
                to.update.push(as_seen(world, node, pks));
            }
        }
    }
    for &node in &sync.agreed {
        agree(&mut writes[world.nodes[node].table], world, node, pks);
    }
    for &node in &sync.forgotten {
        writes[world.nodes[node].table].forget.push(world.pk(node));
    }
    writes
}

/// What an apply writes: the outcome of its steps, and what needed none. `ended` are the steps that
/// went well, with what the cloud said.
pub fn of_apply(world: &World, plan: &Plan, ended: &HashMap<u32, Option<Row>>) -> Vec<Writes> {
    let mut writes: Vec<Writes> = world.tables.iter().map(|_| Writes::default()).collect();
    let made = made(world, plan, ended);
    for change in &plan.changes {
        let node = change.node;
        let to = &mut writes[world.nodes[node].table];
        for (&number, answer) in change.steps.iter().filter_map(|n| ended.get_key_value(n)) {
            match (&plan.steps[number as usize].action, answer) {
                (wire::Action::Delete { .. }, _) => {
                    // A replacement whose second half fails leaves a row that nothing is agreed on;
                    // one that goes well is agreed on again below.
                    to.forget.extend(world.nodes[node].base.as_ref().map(|base| base.pk.clone()));
                }
                (_, Some(answer)) => put(to, world, node, answer, &made),
                (_, None) => {}
            }
        }
    }
    for &(node, settled) in &plan.settled {
        let to = &mut writes[world.nodes[node].table];
        match (settled, &world.nodes[node].seen) {
            (Settled::Agreed, Some(seen)) => put(to, world, node, &seen.row, &made),
            (Settled::Kept, Some(_)) => to.insert.push(as_seen(world, node, &HashMap::new())),
            _ => to.forget.push(world.nodes[node].base.as_ref().map_or(Value::Null, |b| b.pk.clone())),
        }
    }
    writes
}

/// Puts what was listed after the creates in place of answers that said too little.
pub fn fill_in(plan: &Plan, ended: &mut HashMap<u32, Option<Row>>, table: &Table, region: &str, rows: Vec<wire::Seen>) {
    let key = |row: &Row| -> String {
        let cell = |at: usize| compare::canonical(table.columns[at].kind, &row[at]).to_string();
        table.keys().map(cell).collect::<Vec<_>>().join("\u{0}")
    };
    let listed: HashMap<String, Row> = rows.into_iter().map(|seen| (key(&seen.row), seen.row)).collect();
    for (&number, answer) in ended.iter_mut() {
        let step = &plan.steps[number as usize];
        let fresh = matches!(step.action, wire::Action::Create { .. });
        if fresh && step.table == table.name && step.region == region
            && let Some(found) = answer.as_ref().and_then(|row| listed.get(&key(row)))
        {
            *answer = Some(found.clone());
        }
    }
}

/// The nodes made just now, by what the cloud calls them.
fn made(world: &World, plan: &Plan, ended: &HashMap<u32, Option<Row>>) -> HashMap<String, usize> {
    let mut made = HashMap::new();
    for change in &plan.changes {
        let rows = change.steps.iter().filter_map(|n| ended.get(n)).flatten();
        for id in rows.filter_map(|row| world.table(change.node).cloud_id(row)) {
            made.insert(id.to_owned(), change.node);
        }
    }
    made
}

/// A row that the cloud has been brought in line with: what AWS owns and fills, and the agreement.
fn put(to: &mut Writes, world: &World, node: usize, answer: &Row, made: &HashMap<String, usize>) {
    let it = &world.nodes[node];
    let Some(wanted) = &it.wanted else { return };
    let columns = world.table(node).columns;
    let none = HashMap::new();
    let apply = Terms { world, pks: &none, wins: Wins::Row };
    let answered = |at: usize| match (&columns[at].references, &answer[at]) {
        (Some(reference), Value::String(id)) => {
            let known = world.resolve_seen(it.table, at, &wanted.region, &answer[at]);
            match known.or_else(|| made.get(id).copied()) {
                Some(target) => apply.cell(target, reference),
                None if reference.by == By::Name => answer[at].clone(),
                None => Value::Null,
            }
        }
        (Some(reference), Value::Number(_)) => {
            world.target(answer, at).map_or(Value::Null, |target| apply.cell(target, reference))
        }
        _ => answer[at].clone(),
    };
    let own = apply.row(node, &wanted.row);
    let row: Row = own
        .into_iter()
        .enumerate()
        .map(|(at, cell)| match &columns[at] {
            column if !column.settable() => answered(at),
            column if column.late && cell.is_null() => answered(at),
            _ => cell,
        })
        .collect();
    let cloud_id = world.table(node).cloud_id(&row).or(world.table(node).cloud_id(answer));
    let cloud_id = cloud_id.or(world.cloud_id(node)).unwrap_or_default().to_owned();
    let written = Written { row, ..stands(world, node, Row::new()) };
    to.fill.push(written.clone());
    to.agree.push((cloud_id, Written { region: wanted.region.clone(), ..written }));
    let old = it.base.as_ref().map(|b| &b.pk).filter(|&pk| crate::world::plain(pk) != crate::world::plain(&wanted.pk));
    to.forget.extend(old.cloned());
}

/// The agreement on a row that becomes what is seen.
fn agree(to: &mut Writes, world: &World, node: usize, pks: &HashMap<usize, Value>) {
    let cloud_id = world.cloud_id(node).unwrap_or_default().to_owned();
    let written = as_seen(world, node, pks);
    let it = &world.nodes[node];
    let old = it.base.as_ref().map(|b| &b.pk).filter(|&pk| crate::world::plain(pk) != crate::world::plain(&written.pk));
    to.forget.extend(old.cloned());
    to.agree.push((cloud_id, written));
}

/// The row as it stands, with other cells.
fn stands(world: &World, node: usize, row: Row) -> Written {
    let it = &world.nodes[node];
    let (version, region) = match &it.wanted {
        Some(wanted) => (wanted.version.clone(), wanted.region.clone()),
        None => (String::new(), it.region.clone()),
    };
    Written { pk: world.pk(node), version, region, row }
}

/// The row that says what is seen.
fn as_seen(world: &World, node: usize, pks: &HashMap<usize, Value>) -> Written {
    let it = &world.nodes[node];
    let empty = Row::new();
    let seen = it.seen.as_ref().map_or(&empty, |seen| &seen.row);
    let row = Terms { world, pks, wins: Wins::Cloud }.row(node, seen);
    let named = world.table(node).primary_key.map(|name| world.table(node).cell(&row, name).clone());
    let pk = named.or_else(|| pks.get(&node).cloned()).unwrap_or_else(|| world.pk(node));
    Written { pk, region: it.region.clone(), ..stands(world, node, row) }
}

/// How references are written down: as ids of rows and names of things.
struct Terms<'a> {
    world: &'a World,
    /// The primary keys given to newcomers.
    pks: &'a HashMap<usize, Value>,
    /// Whose name counts where a row was renamed and the cloud does not know it yet.
    wins: Wins,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wins {
    Row,
    Cloud,
}

impl Terms<'_> {
    fn row(&self, node: usize, row: &Row) -> Row {
        let columns = self.world.table(node).columns;
        let cell = |(at, cell): (usize, &Value)| match (&columns[at].references, self.world.target(row, at)) {
            (Some(reference), Some(to)) => self.cell(to, reference),
            (Some(reference), None) if reference.by == By::Id => Value::Null,
            _ => cell.clone(),
        };
        row.iter().enumerate().map(cell).collect()
    }

    fn cell(&self, to: usize, reference: &Reference) -> Value {
        if reference.by == By::Id {
            return self.pks.get(&to).cloned().unwrap_or_else(|| self.world.pk(to));
        }
        let it = &self.world.nodes[to];
        let row = it.wanted.as_ref().map(|w| &w.row);
        let seen = it.seen.as_ref().map(|s| &s.row);
        let named = if self.wins == Wins::Row { row.or(seen) } else { seen.or(row) };
        named.map_or(Value::Null, |row| self.world.table(to).cell(row, reference.column).clone())
    }
}

impl Writes {
    /// Whether any row of the table itself is written.
    pub fn any_rows(&self) -> bool {
        [&self.insert, &self.update, &self.fill, &self.delete].iter().any(|rows| !rows.is_empty())
    }
}
