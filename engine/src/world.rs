//! Which wanted row, base row and seen resource are one and the same thing.
//!
//! [`gather`] makes one [`Node`] of each thing and turns every reference into the node it points at,
//! whichever way it was written: as a row id, as a name, as the cloud's id. From there on a change
//! is a comparison of cells.
//!
//! Things are matched by the strongest evidence first: the cloud's id in the base row, the journal's
//! record of what was made for which row, then the natural key.

use crate::table::{By, Table};
use crate::wire::{Made, Scope, Seen};
use crate::{Row, Value, compare};
use std::collections::{HashMap, HashSet};

/// A row as the user has it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The primary key.
    pub pk: Value,
    /// Tells whether the row has been written since it was read.
    pub version: String,
    /// Its region, or nothing.
    pub region: String,
    /// Its cells, in database terms; [`gather`] turns them into engine terms.
    pub row: Row,
}

/// A row as it was when database and cloud last agreed.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// The primary key it had.
    pub pk: Value,
    /// What the cloud called it.
    pub cloud_id: String,
    /// Its region, or nothing.
    pub region: String,
    /// Its cells, in database terms; [`gather`] turns them into engine terms.
    pub row: Row,
}

/// One thing, in up to three states. The cells of references hold the number of a node; one that
/// points at nothing known holds what was written there.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Its table, as a position in [`World::tables`].
    pub table: usize,
    /// Where it is, or is to be when it is nowhere yet.
    pub region: String,
    /// The row.
    pub wanted: Option<Wanted>,
    /// The row as of the last agreement.
    pub base: Option<Base>,
    /// The resource.
    pub seen: Option<Seen>,
    /// This database made it for a transaction that was rolled back.
    pub orphan: bool,
    /// Its scope was not read: nothing is known of it.
    pub unread: bool,
}

/// Everything that is known at one moment.
#[derive(Debug, Default)]
pub struct World {
    /// The tables, each after those it refers to.
    pub tables: Vec<&'static Table>,
    /// The things.
    pub nodes: Vec<Node>,
    /// Rows that can't both be: two for the same thing, and the like.
    pub clashes: Vec<(usize, String)>,
    /// Where a reference leads: table, state, column, region, value.
    names: HashMap<(usize, State, usize, String, String), usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Wanted,
    Base,
    Seen,
}

/// What [`gather`] starts from, table by table in the same order as `tables`.
#[derive(Debug, Default)]
pub struct Known {
    /// The tables at hand, in any order.
    pub tables: Vec<&'static Table>,
    /// The rows.
    pub wanted: Vec<Vec<Wanted>>,
    /// The base rows.
    pub base: Vec<Vec<Base>>,
    /// The resources, each with its region.
    pub seen: Vec<Vec<(String, Seen)>>,
    /// The journal's creates.
    pub made: Vec<Made>,
    /// The scopes that could not be read.
    pub unread: HashSet<Scope>,
}

/// Puts together what belongs together.
pub fn gather(mut known: Known) -> World {
    let mut world = World { tables: sorted(&known.tables), ..World::default() };
    for table in 0..world.tables.len() {
        let name = world.tables[table].name;
        let at = known.tables.iter().position(|t| t.name == name).unwrap_or(table);
        let wanted = std::mem::take(&mut known.wanted[at]);
        let base = std::mem::take(&mut known.base[at]);
        let seen = std::mem::take(&mut known.seen[at]);
        world.add_table(table, wanted, base, seen, &known.made);
    }
    for node in &mut world.nodes {
        let table = world.tables[node.table].name.to_owned();
        let scope = Scope { table, region: node.region.clone() };
        node.unread = node.seen.is_none() && known.unread.contains(&scope);
    }
    world.check_regions();
    world
}

/// The tables, each after those it refers to; by name where nothing decides.
pub fn sorted(tables: &[&'static Table]) -> Vec<&'static Table> {
    let mut left: Vec<_> = tables.to_vec();
    left.sort_by_key(|table| table.name);
    let mut done: Vec<&'static Table> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|table| {
            let waits = |to: &str| to != table.name && left.iter().any(|t| t.name == to);
            !table.columns.iter().any(|c| c.references.as_ref().is_some_and(|r| waits(r.table)))
        });
        // Tables in a circle: a test over the registry keeps that from happening.
        done.push(left.remove(ready.unwrap_or(0)));
    }
    done
}

impl World {
    /// The table of a node.
    pub fn table(&self, node: usize) -> &'static Table {
        self.tables[self.nodes[node].table]
    }

    /// The node that a reference cell points at.
    pub fn target(&self, row: &Row, column: usize) -> Option<usize> {
        row.get(column)?.as_u64().and_then(|n| usize::try_from(n).ok())
    }

    /// The references of a row: column and node.
    pub fn targets<'a>(&'a self, node: usize, row: &'a Row) -> impl Iterator<Item = (usize, usize)> + 'a {
        let columns = self.table(node).columns;
        (0..columns.len())
            .filter(|&at| columns[at].references.is_some())
            .filter_map(|at| self.target(row, at).map(|target| (at, target)))
    }

    /// The natural key of a row in engine terms; nothing for tables without one.
    pub fn key(&self, table: usize, region: &str, row: &Row) -> Option<String> {
        let columns = self.tables[table].columns;
        let cells: Vec<String> = self.tables[table]
            .keys()
            .map(|at| compare::canonical(columns[at].kind, &row[at]).to_string())
            .collect();
        (!cells.is_empty()).then(|| format!("{region}\u{0}{}", cells.join("\u{0}")))
    }

    /// What a node is called in a column that references to it go by, as the cloud knows it.
    pub fn cloud_name(&self, node: usize, column: &str) -> Option<&Value> {
        let table = self.table(node);
        let node = &self.nodes[node];
        let rows = [
            node.seen.as_ref().map(|s| &s.row),
            node.base.as_ref().map(|b| &b.row),
            node.wanted.as_ref().map(|w| &w.row),
        ];
        rows.into_iter().flatten().map(|row| table.cell(row, column)).find(|cell| cell.is_string())
    }

    /// The cloud's id of a node, if it has one.
    pub fn cloud_id(&self, node: usize) -> Option<&str> {
        let table = self.table(node);
        let node = &self.nodes[node];
        let seen = node.seen.as_ref().and_then(|s| table.cloud_id(&s.row));
        seen.or_else(|| node.base.as_ref().map(|b| b.cloud_id.as_str()))
    }

    /// A row with its references by the names that people know: the cloud's, else a label.
    pub fn readable(&self, node: usize, row: &Row) -> Row {
        let columns = self.table(node).columns;
        let cell = |(at, cell): (usize, &Value)| match (&columns[at].references, self.target(row, at)) {
            (Some(reference), Some(to)) => self
                .cloud_name(to, reference.column)
                .cloned()
                .unwrap_or_else(|| Value::from(self.label(to))),
            _ => cell.clone(),
        };
        row.iter().enumerate().map(cell).collect()
    }

    /// What people call a node.
    pub fn label(&self, node: usize) -> String {
        let table = self.table(node);
        let it = &self.nodes[node];
        let rows = [
            it.wanted.as_ref().map(|w| &w.row),
            it.seen.as_ref().map(|s| &s.row),
            it.base.as_ref().map(|b| &b.row),
        ];
        let Some(row) = rows.into_iter().flatten().next() else { return String::new() };
        let named = table.keys().find_map(|at| match (&table.columns[at].references, &row[at]) {
            (None, Value::String(name)) => Some(name.clone()),
            (Some(r), _) if r.by == By::Name => match self.target(row, at) {
                Some(to) => Some(self.label(to)),
                None => row[at].as_str().map(str::to_owned),
            },
            _ => None,
        });
        let id = || self.cloud_id(node).map(str::to_owned);
        let pk = || it.wanted.as_ref().map(|w| plain(&w.pk));
        named.or_else(id).or_else(pk).unwrap_or_default()
    }

    /// The primary key of the row of a node.
    pub fn pk(&self, node: usize) -> Value {
        let node = &self.nodes[node];
        let wanted = node.wanted.as_ref().map(|w| &w.pk);
        wanted.or(node.base.as_ref().map(|b| &b.pk)).cloned().unwrap_or(Value::Null)
    }

    /// The node that a cell of the cloud's answer points at.
    pub fn resolve_seen(&self, table: usize, column: usize, region: &str, cell: &Value) -> Option<usize> {
        self.resolve(State::Seen, table, column, region, cell)
            .or_else(|| self.resolve(State::Base, table, column, region, cell))
    }

    fn resolve(&self, state: State, table: usize, column: usize, region: &str, cell: &Value) -> Option<usize> {
        let reference = self.tables[table].columns[column].references.as_ref()?;
        let to = self.tables.iter().position(|t| t.name == reference.table)?;
        let by_id = state != State::Seen && reference.by == By::Id && !cell.is_string();
        let at = if by_id { PK } else { self.tables[to].position(reference.column)? };
        let region = if by_id { String::new() } else { self.tables[to].home(region) };
        if cell.is_null() {
            return None;
        }
        self.names.get(&(to, if by_id { State::Wanted } else { state }, at, region, plain(cell))).copied()
    }

    fn add_table(&mut self, table: usize, wanted: Vec<Wanted>, base: Vec<Base>, seen: Vec<(String, Seen)>, made: &[Made]) {
        let def = self.tables[table];
        let mut by_cloud_id: HashMap<(String, String), usize> = HashMap::new();
        let mut by_pk: HashMap<String, usize> = HashMap::new();

        for base in base {
            let node = self.push(Node { table, region: base.region.clone(), ..Node::default() });
            by_cloud_id.insert((base.region.clone(), base.cloud_id.clone()), node);
            by_pk.insert(plain(&base.pk), node);
            self.nodes[node].base = Some(base);
        }
        for wanted in wanted {
            let node = match by_pk.get(&plain(&wanted.pk)) {
                Some(&node) => node,
                None => self.push(Node { table, region: wanted.region.clone(), ..Node::default() }),
            };
            by_pk.insert(plain(&wanted.pk), node);
            self.nodes[node].wanted = Some(wanted);
        }
        for (pk, &node) in &by_pk {
            self.names.insert((table, State::Wanted, PK, String::new(), pk.clone()), node);
        }

        let mut strangers = Vec::new();
        let mut met = HashSet::new();
        for (region, seen) in seen {
            let id = def.cloud_id(&seen.row).unwrap_or_default().to_owned();
            if !met.insert((region.clone(), id.clone())) {
                continue;
            }
            match by_cloud_id.get(&(region.clone(), id)) {
                Some(&node) => self.nodes[node].seen = Some(seen),
                None => strangers.push(Node { table, region, seen: Some(seen), ..Node::default() }),
            }
        }
        let first = self.nodes.len() - self.count(table);
        self.link(first, &mut strangers);
        let strangers = self.match_journal(def, &by_pk, strangers, made);
        self.match_keys(table, first, strangers);
        self.index(first);
        self.link_to_self(first);
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn count(&self, table: usize) -> usize {
        self.nodes.iter().rev().take_while(|node| node.table == table).count()
    }

    /// Turns the references to other tables into nodes.
    fn link(&mut self, first: usize, strangers: &mut [Node]) {
        let mut own: Vec<Node> = self.nodes.drain(first..).collect();
        for node in own.iter_mut().chain(strangers) {
            self.link_node(node, false);
        }
        self.nodes.append(&mut own);
    }

    /// Turns the references to the same table into nodes, now that its nodes have found themselves.
    fn link_to_self(&mut self, first: usize) {
        let name = |world: &Self| world.nodes.get(first).map(|node| world.tables[node.table]);
        let Some(def) = name(self) else { return };
        if !def.columns.iter().any(|c| c.references.as_ref().is_some_and(|r| r.table == def.name)) {
            return;
        }
        for at in first..self.nodes.len() {
            let mut node = std::mem::take(&mut self.nodes[at]);
            self.link_node(&mut node, true);
            self.nodes[at] = node;
        }
    }

    fn link_node(&self, node: &mut Node, to_self: bool) {
        let (table, def) = (node.table, self.tables[node.table]);
        for (at, column) in def.columns.iter().enumerate() {
            let Some(reference) = &column.references else { continue };
            if (reference.table == def.name) != to_self {
                continue;
            }
            let lost = |cell: &Value| if cell.is_string() { cell.clone() } else { Value::Null };
            if let Some(wanted) = &mut node.wanted {
                let to = self.resolve(State::Wanted, table, at, &wanted.region, &wanted.row[at]);
                let standing_for_null = || {
                    let mark = reference.when_null.filter(|_| wanted.row[at].is_null())?;
                    self.marked(reference.table, mark, &wanted.region)
                };
                let to = to.or_else(standing_for_null);
                wanted.row[at] = to.map_or_else(|| lost(&wanted.row[at]), Value::from);
            }
            if let Some(base) = &mut node.base {
                let to = self.resolve(State::Base, table, at, &base.region, &base.row[at]);
                base.row[at] = to.map_or_else(|| lost(&base.row[at]), Value::from);
            }
            if let Some(seen) = &mut node.seen
                && let Some(to) = self.resolve_seen(table, at, &node.region, &seen.row[at])
            {
                seen.row[at] = Value::from(to);
            }
        }
    }

    /// The one node of a table and region in which a boolean column is true.
    fn marked(&self, table: &str, column: &str, region: &str) -> Option<usize> {
        let table = self.tables.iter().position(|t| t.name == table)?;
        let region = self.tables[table].home(region);
        (0..self.nodes.len()).find(|&at| {
            let node = &self.nodes[at];
            let row = node.seen.as_ref().map(|s| &s.row).or(node.base.as_ref().map(|b| &b.row));
            let holds = |row: &Row| self.tables[table].cell(row, column) == &Value::Bool(true);
            node.table == table && node.region == region && row.is_some_and(holds)
        })
    }

    /// Gives resources that the journal knows to the rows they were made for, and marks the orphans.
    fn match_journal(&mut self, def: &Table, by_pk: &HashMap<String, usize>, strangers: Vec<Node>, made: &[Made]) -> Vec<Node> {
        let mut by_id = HashMap::new();
        let mut by_mark = HashMap::new();
        for made in made.iter().filter(|made| made.table == def.name) {
            if let Some(id) = &made.cloud_id {
                by_id.insert((made.region.as_str(), id.as_str()), made);
            }
            by_mark.insert(made.mark.as_str(), made);
        }
        let mut left = Vec::new();
        for mut stranger in strangers {
            let Some(seen) = &stranger.seen else { continue };
            let id = def.cloud_id(&seen.row).unwrap_or_default();
            let marked = seen.mark.as_deref().and_then(|mark| by_mark.get(mark));
            let Some(made) = marked.or_else(|| by_id.get(&(stranger.region.as_str(), id))) else {
                left.push(stranger);
                continue;
            };
            // A name may have been given to something else since.
            let created = def.columns.iter().position(|c| c.created);
            let later = created.and_then(|at| seen.row[at].as_str()).is_some_and(|at| at > made.at.as_str());
            // A row id may have been given to something else, too: after an uninstall, say. What
            // would have to be replaced to become this row was not made for it.
            let fits = |node: &Node| {
                let Some(wanted) = &node.wanted else { return false };
                let differing = compare::differing(def, &wanted.row, &seen.row);
                node.seen.is_none()
                    && wanted.region == stranger.region
                    && !differing.iter().any(|&at| def.columns[at].replaces())
            };
            match by_pk.get(&plain(&made.pk)) {
                Some(&node) if fits(&self.nodes[node]) => self.nodes[node].seen = stranger.seen,
                _ => {
                    stranger.orphan = made.aborted && (marked.is_some() || !later);
                    left.push(stranger);
                }
            }
        }
        left
    }

    /// Gives resources to the rows that name them.
    fn match_keys(&mut self, table: usize, first: usize, strangers: Vec<Node>) {
        let mut rows: HashMap<String, usize> = HashMap::new();
        for at in first..self.nodes.len() {
            let Some(wanted) = &self.nodes[at].wanted else { continue };
            let Some(key) = self.key(table, &wanted.region, &wanted.row) else { continue };
            if let Some(&other) = rows.get(&key) {
                let twin = plain(&self.pk(other));
                self.clashes.push((at, format!("describes the same thing as row {twin}")));
            }
            rows.insert(key, at);
        }
        for stranger in strangers {
            let Some(seen) = &stranger.seen else { continue };
            let named = self.key(table, &stranger.region, &seen.row).and_then(|key| rows.get(&key));
            match named {
                Some(&row) if self.nodes[row].seen.is_none() => self.nodes[row].seen = stranger.seen,
                // The row was renamed to something that exists: the old thing goes, this one stays.
                Some(&row) if !self.named_as_seen(row) => {
                    let old = std::mem::replace(&mut self.nodes[row].seen, stranger.seen);
                    let base = self.nodes[row].base.take();
                    let region = std::mem::replace(&mut self.nodes[row].region, stranger.region);
                    self.push(Node { table, region, base, seen: old, ..Node::default() });
                }
                _ => {
                    self.push(stranger);
                }
            }
        }
        // A row deleted and inserted again describes the thing it described before.
        for at in first..self.nodes.len() {
            let node = &self.nodes[at];
            let (None, Some(seen)) = (&node.wanted, &node.seen) else { continue };
            let Some(key) = self.key(table, &node.region, &seen.row) else { continue };
            let Some(&row) = rows.get(&key) else { continue };
            if self.nodes[row].seen.is_none() && self.nodes[row].base.is_none() {
                let wanted = self.nodes[row].wanted.take();
                for to in self.names.values_mut().filter(|to| **to == row) {
                    *to = at;
                }
                self.nodes[at].wanted = wanted;
                self.nodes[at].orphan = false;
            }
        }
    }

    fn named_as_seen(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let (Some(wanted), Some(seen)) = (&it.wanted, &it.seen) else { return false };
        self.key(it.table, &wanted.region, &wanted.row) == self.key(it.table, &it.region, &seen.row)
    }

    /// Enters the nodes of a table under every name that others refer to them by.
    fn index(&mut self, first: usize) {
        for at in first..self.nodes.len() {
            let (table, def) = (self.nodes[at].table, self.table(at));
            let columns: HashSet<usize> = self
                .tables
                .iter()
                .flat_map(|t| t.columns)
                .filter_map(|c| c.references.as_ref().filter(|r| r.table == def.name))
                .filter_map(|r| def.position(r.column))
                .collect();
            for column in columns {
                let node = &self.nodes[at];
                let entries = [
                    node.wanted.as_ref().map(|w| (State::Wanted, w.region.clone(), &w.row)),
                    node.base.as_ref().map(|b| (State::Base, b.region.clone(), &b.row)),
                    node.seen.as_ref().map(|s| (State::Seen, node.region.clone(), &s.row)),
                ];
                let entries: Vec<_> = entries
                    .into_iter()
                    .flatten()
                    .filter(|(_, _, row)| row[column].is_string())
                    .map(|(state, region, row)| (table, state, column, region, plain(&row[column])))
                    .collect();
                self.names.extend(entries.into_iter().map(|name| (name, at)));
            }
        }
    }

    /// A row and what it refers to by id live in one region.
    fn check_regions(&mut self) {
        let mut clashes = Vec::new();
        for at in 0..self.nodes.len() {
            let Some(wanted) = &self.nodes[at].wanted else { continue };
            for (_, to) in self.targets(at, &wanted.row) {
                let Some(other) = &self.nodes[to].wanted else { continue };
                if self.table(at).regional() && self.table(to).regional() && wanted.region != other.region {
                    let (name, label) = (self.table(to).name, self.label(to));
                    clashes.push((at, format!("is in {}, but its {name} {label} is in {}", wanted.region, other.region)));
                }
            }
        }
        self.clashes.extend(clashes);
    }
}

impl Table {
    /// The region of a reference to this table from a row in `region`.
    fn home(&self, region: &str) -> String {
        if self.regional() { region.to_owned() } else { String::new() }
    }
}

/// Stands for the primary key where a column's position is meant.
const PK: usize = usize::MAX;

/// A scalar as the text that maps are keyed by.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
