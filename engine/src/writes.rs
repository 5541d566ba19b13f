//! What has to be written to the database: rows and base rows, in database terms, table by table.

use crate::plan::{Change, Plan, Settled, Verb};
use crate::print::Print;
use crate::sync::Sync;
use crate::table::{By, Column, Table};
use crate::wire;
use crate::world::{Link, Wanted, World, node_in, open, plain};
use crate::{Row, Shared, Value, compare};
use std::collections::{HashMap, HashSet};

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
    pub row: Shared,
    /// For an agreement: the print of the resource, if the row says all of it.
    pub print: Option<Print>,
}

/// The nodes that need a new primary key before rows can be written.
pub fn newcomers(world: &World, nodes: impl Iterator<Item = usize>) -> Vec<usize> {
    nodes
        .filter(|&node| world.pk(node).is_null() && world.table(node).primary_key.is_none())
        .collect()
}

/// What a sync writes. `pks` are the primary keys given to newcomers.
pub fn of_sync(world: &World, sync: &Sync, pks: &HashMap<usize, Value>) -> Vec<Writes> {
    let mut writes: Vec<Writes> = world.tables.iter().map(|_| Writes::default()).collect();
    for change in &sync.changes {
        let node = change.node;
        let to = &mut writes[world.nodes[node].table];
        match change.verb {
            Verb::Delete => {
                // One that was deleted and added again has another key than what is agreed on.
                forget_other(to, world, node, &world.pk(node));
                to.forget.push(world.pk(node));
                to.delete.push(stands(world, node, Shared::default()));
            }
            Verb::Create => {
                let row = as_seen(world, node, pks);
                agree(to, world, node, row.clone());
                to.insert.push(row);
            }
            Verb::Update | Verb::Replace => {
                let row = as_seen(world, node, pks);
                agree(to, world, node, row.clone());
                // Where the name is the primary key, the row still has the old one.
                to.update.push(Written { pk: world.pk(node), ..row });
            }
        }
    }
    for &node in &sync.agreed {
        let it = &world.nodes[node];
        // In the row's own spelling: it stands as it is.
        if let Some(wanted) = &it.wanted {
            let row = in_database_terms(world, node, pks, &wanted.row);
            agree(&mut writes[it.table], world, node, row);
        }
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
    let answers = Answers {
        terms: Terms { world, pks: &HashMap::new(), wins: Wins::Row, back: plan.back() },
        made: made(world, plan, ended),
        remaining: remaining(world, plan, ended),
    };
    for change in &plan.changes {
        let node = change.node;
        let to = &mut writes[world.nodes[node].table];
        let whole = change.steps.iter().all(|step| ended.contains_key(step));
        answers.clear(to, plan, ended, change);
        for (&number, answer) in change.steps.iter().filter_map(|n| ended.get_key_value(n)) {
            match (&plan.steps[number as usize].action, answer) {
                (wire::Action::Delete { .. }, _) => {
                    // A replacement whose second half fails leaves a row that nothing is agreed on;
                    // one that goes well is agreed on again below.
                    to.forget.extend(world.nodes[node].base.as_ref().map(|base| base.pk.clone()));
                }
                (action, Some(answer)) => {
                    let fresh = matches!(action, wire::Action::Create { .. });
                    let answer = Answer { row: answer, print: Some(Print::of(answer)) };
                    answers.put(to, node, answer, fresh, whole);
                }
                (_, None) => {}
            }
        }
    }
    for &(node, settled) in &plan.settled {
        let it = &world.nodes[node];
        let to = &mut writes[it.table];
        match (settled, &it.seen) {
            (Settled::Agreed, Some(seen)) => {
                let answer = Answer { row: &seen.row, print: seen.print };
                answers.put(to, node, answer, false, true);
            }
            (Settled::Kept, Some(_)) => {
                let row = as_seen(world, node, &HashMap::new());
                agree(to, world, node, row.clone());
                to.insert.push(row);
            }
            // What goes along with what it belongs to is gone when that is.
            (Settled::Forgotten, Some(seen)) if !gone(world, plan, ended, node, &seen.row) => {}
            _ => to.forget.extend(it.base.as_ref().map(|base| base.pk.clone())),
        }
    }
    writes
}

/// Whether one of the things that a thing belongs to has been removed.
fn gone(
    world: &World,
    plan: &Plan,
    ended: &HashMap<u32, Option<Row>>,
    node: usize,
    row: &Row,
) -> bool {
    let removed = |to: usize| {
        plan.changes.iter().filter(|change| change.node == to && change.verb.removes()).any(
            |change| {
                let removal = |&&n: &&u32| {
                    matches!(plan.steps[n as usize].action, wire::Action::Delete { .. })
                };
                change.steps.iter().find(removal).is_some_and(|n| ended.contains_key(n))
            },
        )
    };
    world.targets(node, row).any(|(_, to)| removed(to))
}

/// The rows, by table and primary key, that stand for another thing now while the thing they stood
/// for is still there. What was agreed on that one is not overwritten: it is the proof that it is ours.
fn remaining(
    world: &World,
    plan: &Plan,
    ended: &HashMap<u32, Option<Row>>,
) -> HashSet<(usize, String)> {
    let parted = (0..world.nodes.len()).filter(|&node| world.nodes[node].parted);
    let parted: HashSet<usize> = parted.filter(|&node| world.nodes[node].seen.is_some()).collect();
    if parted.is_empty() {
        return HashSet::new();
    }
    let whole = plan
        .changes
        .iter()
        .filter(|change| change.steps.iter().all(|step| ended.contains_key(step)));
    let removed: HashSet<usize> =
        whole.filter(|change| change.verb == Verb::Delete).map(|change| change.node).collect();
    let left = parted.difference(&removed).map(|&node| &world.nodes[node]);
    left.filter_map(|it| Some((it.table, plain(&it.base.as_ref()?.pk)))).collect()
}

/// Puts what was listed after the creates in place of answers that said too little.
pub fn fill_in(
    plan: &Plan,
    ended: &mut HashMap<u32, Option<Row>>,
    table: &Table,
    region: &str,
    rows: Vec<wire::Seen>,
) {
    // An answer may not even hold an id: then the natural key tells which it is.
    let key = |row: &Row| -> Option<String> {
        let cell =
            |at: usize| Some(compare::canonical(table.columns[at].kind, row.get(at)?).to_string());
        let cells: Vec<String> = table.keys().map(cell).collect::<Option<_>>()?;
        (!cells.is_empty()).then(|| cells.join("\u{0}"))
    };
    let mut by_id = HashMap::new();
    let mut by_key = HashMap::new();
    for row in rows.iter().map(|seen| &seen.row) {
        by_id.extend(table.cloud_id(row).map(|id| (id, row)));
        by_key.extend(key(row).map(|key| (key, row)));
    }
    for (&number, answer) in ended.iter_mut() {
        let Some(step) = plan.steps.get(number as usize) else { continue };
        let fresh = matches!(step.action, wire::Action::Create { .. });
        let Some(said) = answer.as_ref().filter(|_| fresh) else { continue };
        if step.table == table.name && step.region == region {
            let listed = match table.cloud_id(said) {
                Some(id) => by_id.get(id),
                None => key(said).and_then(|key| by_key.get(&key)),
            };
            if let Some(&listed) = listed {
                *answer = Some(Row::clone(listed));
            }
        }
    }
}

/// The nodes made just now, by table and what the cloud calls them.
fn made(
    world: &World,
    plan: &Plan,
    ended: &HashMap<u32, Option<Row>>,
) -> HashMap<(usize, String), usize> {
    let mut made = HashMap::new();
    for change in &plan.changes {
        let rows = change.steps.iter().filter_map(|n| ended.get(n)).flatten();
        for id in rows.filter_map(|row| world.table(change.node).cloud_id(row)) {
            made.insert((world.nodes[change.node].table, id.to_owned()), change.node);
        }
    }
    made
}

/// What the cloud says that a thing is, and the print of that.
struct Answer<'a> {
    row: &'a Row,
    print: Option<Print>,
}

/// What is needed to understand the cloud's answers.
struct Answers<'a> {
    terms: Terms<'a>,
    made: HashMap<(usize, String), usize>,
    remaining: HashSet<(usize, String)>,
}

impl Answers<'_> {
    /// A row that the cloud has been brought in line with: what AWS owns and fills, and the agreement.
    /// There is none as long as the thing that the row stood for before is still there.
    fn put(&self, to: &mut Writes, node: usize, answer: Answer<'_>, fresh: bool, whole: bool) {
        let world = self.terms.world;
        let Answer { row: answer, print } = answer;
        let it = &world.nodes[node];
        let Some(wanted) = &it.wanted else { return };
        let table = world.table(node);
        let own = self.terms.row(node, &wanted.row);
        let mut said = answer.clone();
        said.resize(table.columns.len(), Value::Null);
        for link in world.links(node) {
            link.place.change(&mut said, |cell| self.answered(wanted, link, cell));
        }
        let cell = |((column, own), said): ((&Column, Value), Value)| match column.settable() {
            true if column.request && whole => said,
            true if column.open => own,
            true if !compare::unsaid(column, &own) || !has_rows(column, &said) => own,
            _ => said,
        };
        let row: Row = table.columns.iter().zip(own).zip(said.clone()).map(cell).collect();
        let mut told = table.columns.iter().zip(row.iter().zip(&said));
        let all = told.all(|(column, (row, said))| {
            (column.open && row.is_null()) || compare::equal(column.kind, row, said)
        });
        let known = || world.cloud_id(node).filter(|_| !fresh);
        let cloud_id = table.cloud_id(&row).or(table.cloud_id(answer)).or_else(known);
        let cloud_id = cloud_id.unwrap_or_default().to_owned();
        let written = Written { row: row.into(), ..stands(world, node, Shared::default()) };
        to.fill.push(written.clone());
        // What the cloud has told no id of yet is found again by its key.
        let found = !cloud_id.is_empty() || table.keys().next().is_some();
        if whole && found && !self.remaining.contains(&(it.table, plain(&wanted.pk))) {
            forget_other(to, world, node, &wanted.pk);
            let print = print.filter(|_| all);
            to.agree.push((cloud_id, Written { region: wanted.region.clone(), print, ..written }));
        }
    }

    /// A row whose thing is gone, and no other in its place, does not say what AWS said of that one:
    /// it may be in the way of another row that has the name now.
    fn clear(
        &self,
        to: &mut Writes,
        plan: &Plan,
        ended: &HashMap<u32, Option<Row>>,
        change: &Change,
    ) {
        let world = self.terms.world;
        let it = &world.nodes[change.node];
        let Some(wanted) = it.wanted.as_ref().filter(|_| change.verb.makes()) else { return };
        let done = |makes: bool| {
            let action = |n: u32| &plan.steps[n as usize].action;
            let kind = |&n: &u32| makes == matches!(action(n), wire::Action::Create { .. });
            change.steps.iter().copied().find(kind).is_some_and(|n| ended.contains_key(&n))
        };
        if !done(true) && (it.seen.is_none() || done(false)) {
            let own = self.terms.row(change.node, &wanted.row);
            let columns = world.table(change.node).columns.iter();
            let cell =
                |(column, own): (&Column, Value)| if column.settable() { own } else { Value::Null };
            to.fill.push(stands(world, change.node, columns.zip(own).map(cell).collect::<Row>()));
        }
    }

    /// A reference as the cloud has answered it, in database terms.
    fn answered(&self, wanted: &Wanted, link: &Link, cell: &Value) -> Value {
        let world = self.terms.world;
        match cell {
            Value::String(id) => {
                let known = world.resolve_seen(link, &wanted.region, cell);
                match known.or_else(|| self.made.get(&(link.to, id.clone())).copied()) {
                    Some(to) => self.terms.cell(to, link),
                    None if link.reference.by == By::Name => cell.clone(),
                    None => Value::Null,
                }
            }
            Value::Number(_) => node_in(cell).map_or(Value::Null, |to| self.terms.cell(to, link)),
            _ => Value::Null,
        }
    }
}

/// Whether everything that a cell refers to has a row. Parts can't do without, so that they become
/// rows with the next sync, along with what they refer to.
fn has_rows(column: &Column, said: &Value) -> bool {
    let Some(part) = column.parts() else { return true };
    let mut parts = said.as_array().into_iter().flatten().filter_map(Value::as_array);
    parts.all(|cells| {
        let mut cells = part.columns.iter().zip(cells);
        cells.all(|(column, cell)| !column.required || !cell.is_null())
    })
}

/// The agreement on a row that becomes what is seen.
fn agree(to: &mut Writes, world: &World, node: usize, written: Written) {
    let cloud_id = world.cloud_id(node).unwrap_or_default().to_owned();
    forget_other(to, world, node, &written.pk);
    let print = world.nodes[node].seen.as_ref().and_then(|seen| seen.print);
    to.agree.push((cloud_id, Written { print, ..written }));
}

/// What was agreed on under another primary key.
fn forget_other(to: &mut Writes, world: &World, node: usize, pk: &Value) {
    let old = world.nodes[node].base.as_ref().map(|base| &base.pk);
    to.forget.extend(old.filter(|old| plain(old) != plain(pk)).cloned());
}

/// The row as it stands, with other cells.
fn stands(world: &World, node: usize, row: impl Into<Shared>) -> Written {
    let it = &world.nodes[node];
    let (version, region) = match &it.wanted {
        Some(wanted) => (wanted.version.clone(), wanted.region.clone()),
        None => (String::new(), it.region.clone()),
    };
    Written { pk: world.pk(node), version, region, row: row.into(), print: None }
}

/// The row that says what is seen.
fn as_seen(world: &World, node: usize, pks: &HashMap<usize, Value>) -> Written {
    let seen = world.nodes[node].seen.as_ref().map(|seen| seen.row.clone());
    in_database_terms(world, node, pks, &seen.unwrap_or_default())
}

/// What a sync makes of what is wanted or seen.
fn in_database_terms(
    world: &World,
    node: usize,
    pks: &HashMap<usize, Value>,
    row: &Shared,
) -> Written {
    let it = &world.nodes[node];
    let mut row = row.clone();
    // What refers to nothing says the same in all terms, and is held once.
    if !world.links(node).is_empty() {
        let terms = Terms { world, pks, wins: Wins::Cloud, back: HashSet::new() };
        row = terms.row(node, &row).into();
    }
    for at in (0..row.len()).filter(|&at| open(world, node, at)) {
        Shared::make_mut(&mut row)[at] = Value::Null;
    }
    let named =
        world.table(node).primary_key.map(|name| world.table(node).cell(&row, name).clone());
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
    /// The nodes whose rows come back.
    back: HashSet<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wins {
    Row,
    Cloud,
}

impl Terms<'_> {
    fn row(&self, node: usize, row: &Row) -> Row {
        let mut said = row.clone();
        for link in self.world.links(node) {
            link.place.change(&mut said, |cell| match node_in(cell) {
                Some(to) => self.cell(to, link),
                None if link.reference.by == By::Id => Value::Null,
                None => cell.clone(),
            });
        }
        said
    }

    fn cell(&self, to: usize, link: &Link) -> Value {
        let Some(it) = self.world.nodes.get(to) else { return Value::Null };
        if link.reference.by == By::Id {
            // After a sync everything has a row; after an apply, what has none is not to be pointed at.
            let row = self.wins == Wins::Cloud || it.wanted.is_some() || self.back.contains(&to);
            let known = || if row { self.world.pk(to) } else { Value::Null };
            return self.pks.get(&to).cloned().unwrap_or_else(known);
        }
        let row = it.wanted.as_ref().map(|w| &w.row);
        let seen = it.seen.as_ref().map(|s| &s.row);
        let named = if self.wins == Wins::Row { row.or(seen) } else { seen.or(row) };
        named.map_or(Value::Null, |row| {
            self.world.table(to).cell(row, link.reference.column).clone()
        })
    }
}

impl Writes {
    /// Whether any row of the table itself is written.
    pub fn any_rows(&self) -> bool {
        [&self.insert, &self.update, &self.fill, &self.delete].iter().any(|rows| !rows.is_empty())
    }
}
