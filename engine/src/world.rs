//! Which wanted row, base row and seen resource are one and the same thing.
//!
//! [`gather`] makes one [`Node`] of each thing and turns every reference into the node it points at,
//! whichever way it was written: as a row id, as a name, as the cloud's id. From there on a change
//! is a comparison of cells.
//!
//! Things are matched by the strongest evidence first: the cloud's id in the base row, the journal's
//! record of what was made for which row, then the natural key.

use crate::print::Print;
use crate::table::{By, Column, Kind, Reference, Table};
use crate::wire::{Made, Scope, Seen};
use crate::{Row, Shared, Value, compare};
use std::borrow::Cow;
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
    pub row: Shared,
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
    pub row: Shared,
    /// The print of the resource that the row said all of, if it did.
    pub print: Option<Print>,
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
    /// It was asked for by itself, whether or not its scope was read.
    pub asked: bool,
    /// It was not read: nothing is known of it.
    pub unread: bool,
    /// Its row stands for another thing now, and has taken the primary key along.
    pub parted: bool,
    /// The references that are NULL in the row; the cells hold what that stands for.
    pub implied: Vec<usize>,
    /// The journal has announced it and does not know how that ended.
    unfinished: bool,
}

impl Node {
    /// Holds once what is the same in several states.
    fn share(&mut self) {
        let wanted = self.wanted.as_ref().map(|it| it.row.clone());
        for known in [wanted, self.base.as_ref().map(|it| it.row.clone())].iter().flatten() {
            let base = self.base.as_mut().map(|it| &mut it.row);
            let seen = self.seen.as_mut().map(|it| &mut it.row);
            for row in base.into_iter().chain(seen).filter(|row| *row == known) {
                row.clone_from(known);
            }
        }
    }
}

/// Rows by primary key.
pub struct Rows<'a>(HashMap<Key<'a>, &'a Shared>);

impl<'a> Rows<'a> {
    /// Those of one table.
    pub fn new(wanted: &'a [Wanted]) -> Self {
        Self(wanted.iter().map(|it| (Key::new(&it.pk), &it.row)).collect())
    }

    /// What a base row says: held once if its row still says so.
    pub fn share(&self, pk: &Value, base: Row) -> Shared {
        match self.0.get(&Key::new(pk)) {
            Some(row) if ***row == base => Shared::clone(row),
            _ => base.into(),
        }
    }
}

/// Puts something else in a cell.
fn put(row: &mut Shared, at: usize, to: impl FnOnce(&Value) -> Value) {
    let cell = to(&row[at]);
    if row[at] != cell {
        Shared::make_mut(row)[at] = cell;
    }
}

/// Nodes by region and name, one for each [`State`].
type Names = HashMap<String, HashMap<String, [Option<usize>; 3]>>;

/// Everything that is known at one moment.
#[derive(Debug, Default)]
pub struct World {
    /// The tables, each after those it refers to.
    pub tables: Vec<&'static Table>,
    /// The things.
    pub nodes: Vec<Node>,
    /// Rows that can't both be: two for the same thing, and the like.
    pub clashes: Vec<(usize, String)>,
    /// The references of each table.
    links: Vec<Vec<Link>>,
    /// The lists of ids in each table: column, table and column there.
    mentions: Vec<Vec<(usize, usize, usize)>>,
    /// The references of each table that lead out of the tables at hand.
    astray: Vec<Vec<Place>>,
    /// The columns of each table that others refer to it by.
    called: Vec<Vec<usize>>,
    /// Where a reference leads, by table and column.
    names: HashMap<(usize, usize), Names>,
    /// The nodes by table, whether of rows or of base rows, and primary key.
    keys: HashMap<(usize, State), HashMap<Key<'static>, usize>>,
    /// The regions of each table that could not be read.
    unread: Vec<HashSet<String>>,
    /// What of each table no row can stand for, by region and the cloud's id.
    opaque: Vec<HashSet<(String, String)>>,
}

/// Where in a row something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The column.
    pub column: usize,
    /// The position in each of its parts, for a column that stands for parts.
    within: Option<usize>,
}

impl Place {
    /// The cells there: one, or one of each part.
    pub fn cells(self, row: &Row) -> impl Iterator<Item = &Value> {
        let cell = row.get(self.column);
        let (single, parts) = match self.within {
            None => (cell, &[][..]),
            Some(_) => (None, cell.and_then(Value::as_array).map_or(&[][..], Vec::as_slice)),
        };
        let within = self.within.unwrap_or_default();
        single.into_iter().chain(parts.iter().filter_map(move |part| part.get(within)))
    }

    /// The column that it is of, or that of a part.
    pub fn definition(self, table: &Table) -> Option<&'static Column> {
        let columns: &'static [Column] = table.columns;
        let column = columns.get(self.column)?;
        match self.within {
            None => Some(column),
            Some(at) => column.parts()?.columns.get(at),
        }
    }

    /// Puts something else in each of them.
    pub fn change(self, row: &mut Row, mut to: impl FnMut(&Value) -> Value) {
        match (self.within, row.get_mut(self.column)) {
            (None, Some(cell)) => *cell = to(cell),
            (Some(at), Some(Value::Array(parts))) => {
                for cell in parts.iter_mut().filter_map(|part| part.get_mut(at)) {
                    *cell = to(cell);
                }
            }
            _ => {}
        }
    }
}

/// The references that a column declares, its own or those of its parts.
fn declared(
    (column, definition): (usize, &'static Column),
) -> impl Iterator<Item = (Place, &'static Reference)> {
    let own = definition.references.iter().map(move |it| (Place { column, within: None }, it));
    let parts = definition.parts().map_or(&[][..], |part| part.columns);
    let parts = parts.iter().enumerate().filter_map(move |(at, definition)| {
        Some((Place { column, within: Some(at) }, definition.references.as_ref()?))
    });
    own.chain(parts)
}

/// Whether the row leaves a choice open, and stays that way.
pub fn open(world: &World, node: usize, at: usize) -> bool {
    let wanted = world.nodes[node].wanted.as_ref();
    world.column(node, at).open && wanted.is_some_and(|wanted| wanted.row[at].is_null())
}

/// The number of a node in a cell.
pub fn node_in(cell: &Value) -> Option<usize> {
    cell.as_u64().and_then(|n| usize::try_from(n).ok())
}

/// A column that refers to another table.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Where it stands.
    pub place: Place,
    /// The table, as a position in [`World::tables`].
    pub to: usize,
    /// The column there that carries what AWS calls it.
    at: usize,
    /// What was declared.
    pub reference: &'static Reference,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    Wanted,
    Base,
    Seen,
}

/// A primary key. The journal has numbers as text.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key<'a> {
    Number(i64),
    Text(Cow<'a, str>),
}

impl<'a> Key<'a> {
    fn new(pk: &'a Value) -> Self {
        let number = match pk {
            Value::String(text) => {
                text.parse().ok().filter(|number: &i64| number.to_string() == *text)
            }
            pk => pk.as_i64(),
        };
        number.map_or_else(|| Self::Text(text(pk)), Self::Number)
    }

    fn owned(self) -> Key<'static> {
        match self {
            Self::Number(number) => Key::Number(number),
            Self::Text(text) => Key::Text(Cow::Owned(text.into_owned())),
        }
    }
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
    /// The rows that were asked for by themselves in such scopes: table and primary key.
    pub asked: HashSet<(String, String)>,
    /// What was met and no row can stand for: it is there, and nothing more is known of it.
    pub opaque: HashSet<(Scope, String)>,
}

/// Puts together what belongs together.
pub fn gather(mut known: Known) -> World {
    let mut seen = std::mem::take(&mut known.seen);
    gather_with(known, |at| seen.get_mut(at).map(std::mem::take).unwrap_or_default())
}

/// The same with the resources of one table at a time, so that they need not be there in full, along
/// with all the others, before they are found to be what is known already.
pub fn gather_with<S: IntoIterator<Item = (String, Seen)>>(
    mut known: Known,
    mut seen: impl FnMut(usize) -> S,
) -> World {
    let mut world = World { tables: sorted(&known.tables), ..World::default() };
    world.declare(&known);
    let counts =
        known.wanted.iter().zip(&known.base).map(|(rows, base)| rows.len().max(base.len()));
    world.nodes.reserve(counts.sum());
    for table in 0..world.tables.len() {
        let name = world.tables[table].name;
        let at = known.tables.iter().position(|t| t.name == name).unwrap_or(table);
        let wanted = known.wanted.get_mut(at).map(std::mem::take).unwrap_or_default();
        let base = known.base.get_mut(at).map(std::mem::take).unwrap_or_default();
        world.add_table(table, wanted, base, seen(at), &known.made);
    }
    for at in 0..world.nodes.len() {
        let row = || (world.table(at).name.to_owned(), plain(&world.pk(at)));
        world.nodes[at].asked = !known.asked.is_empty() && known.asked.contains(&row());
        world.nodes[at].unread = world.hidden(at);
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
            !table.refers_to().any(waits)
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

    /// A column of a node's table.
    pub fn column(&self, node: usize, at: usize) -> &'static Column {
        &self.table(node).columns[at]
    }

    /// The references of a node's table.
    pub fn links(&self, node: usize) -> &[Link] {
        &self.links[self.nodes[node].table]
    }

    /// The node that a reference cell points at.
    pub fn target(&self, row: &Row, column: usize) -> Option<usize> {
        row.get(column).and_then(node_in)
    }

    /// The references of a row: what was declared, and the node.
    pub fn references<'a>(
        &'a self,
        node: usize,
        row: &'a Row,
    ) -> impl Iterator<Item = (&'a Link, usize)> + 'a {
        let links = self.links(node).iter();
        links.flat_map(|link| {
            link.place.cells(row).filter_map(node_in).map(move |target| (link, target))
        })
    }

    /// The references of a row: column and node.
    pub fn targets<'a>(
        &'a self,
        node: usize,
        row: &'a Row,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.references(node, row).map(|(link, target)| (link.place.column, target))
    }

    /// What a row in a region lists by id: column and node.
    pub fn mentioned<'a>(
        &'a self,
        node: usize,
        region: &'a str,
        row: &'a Row,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.mentions[self.nodes[node].table].iter().flat_map(move |&(column, to, at)| {
            let ids = row.get(column).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let names = self.names.get(&(to, at));
            let names = names.and_then(|names| names.get(self.tables[to].home(region)));
            let named = move |id: &Value| names?.get(id.as_str()?)?.iter().rev().flatten().next();
            ids.iter().filter_map(named).map(move |&to| (column, to))
        })
    }

    /// Whether a base row calls something by a name that it had when they agreed, and has no more.
    pub fn outdated(&self, node: usize, base: &Row, now: fn(&Node) -> Option<&Row>) -> bool {
        self.references(node, base).any(|(link, to)| {
            let (it, name) =
                (&self.nodes[to], |row| self.table(to).cell(row, link.reference.column));
            let named = it.base.as_ref().map(|base| name(&base.row)).zip(now(it).map(name));
            link.reference.by == By::Name && named.is_some_and(|(then, now)| then != now)
        })
    }

    /// Whether a scope was not read.
    pub fn is_unread(&self, table: usize, region: &str) -> bool {
        self.unread[table].contains(region)
    }

    /// Whether there may be anything that does not show.
    pub fn blind(&self) -> bool {
        let unread = self.unread.iter().any(|regions| !regions.is_empty());
        unread || self.opaque.iter().any(|things| !things.is_empty())
    }

    /// Whether a NULL of a row stands for something that could not be read.
    pub fn lacks_default(&self, node: usize, wanted: &Wanted) -> bool {
        self.links(node).iter().filter(|link| link.reference.when_null.is_some()).any(|link| {
            let home = self.tables[link.to].home(&wanted.region);
            wanted.row[link.place.column].is_null() && self.is_unread(link.to, home)
        })
    }

    /// Whether parts of a thing could not be read, or may be what no row can stand for: they go when
    /// it does.
    pub fn parts_unread(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        self.links.iter().enumerate().any(|(table, links)| {
            let part = |link: &Link| {
                let column = &self.tables[table].columns[link.place.column];
                link.to == it.table && (column.replaces() || self.tables[table].import_only)
            };
            let near = |region: &String| region == &it.region || it.region.is_empty();
            let opaque = self.opaque[table].iter().any(|(region, _)| near(region));
            (opaque || self.unread[table].iter().any(near)) && links.iter().any(part)
        })
    }

    /// The natural key of a row in engine terms; nothing for tables without one.
    pub fn key(&self, table: usize, region: &str, row: &Row) -> Option<String> {
        let mut key = region.to_owned();
        let mut any = false;
        for at in self.tables[table].keys() {
            any = true;
            key.push('\0');
            match (self.tables[table].columns[at].kind, &row[at]) {
                (Kind::Plain, Value::String(text)) => key.push_str(text),
                (kind, cell) => key.push_str(&compare::canonical(kind, cell).to_string()),
            }
        }
        any.then_some(key)
    }

    /// What a node is called in a column that references to it go by, as the cloud knows it.
    pub fn cloud_name(&self, node: usize, column: &str) -> Option<&Value> {
        let at = self.table(node).position(column)?;
        let it = &self.nodes[node];
        let rows = [
            it.seen.as_ref().map(|s| &s.row),
            it.base.as_ref().map(|b| &b.row),
            it.wanted.as_ref().map(|w| &w.row),
        ];
        rows.into_iter().flatten().find_map(|row| self.name_in(node, row, at))
    }

    /// The name in a cell. It may be the name of something else: of what the cell refers to.
    fn name_in<'a>(&'a self, node: usize, row: &'a Row, at: usize) -> Option<&'a Value> {
        let place = Place { column: at, within: None };
        let link = self.links(node).iter().find(|link| link.place == place);
        match link.and_then(|link| Some((link, self.target(row, at)?))) {
            Some((link, to)) if to != node => self.cloud_name(to, link.reference.column),
            _ => row.get(at).filter(|cell| cell.is_string()),
        }
    }

    /// The cloud's id of a node, if it has one.
    pub fn cloud_id(&self, node: usize) -> Option<&str> {
        let it = &self.nodes[node];
        let seen = it.seen.as_ref().and_then(|s| self.name_in(node, &s.row, self.table(node).id()));
        seen.and_then(Value::as_str).or_else(|| it.base.as_ref().map(|b| b.cloud_id.as_str()))
    }

    /// Whether it has yet to be noted that a row says all that is seen.
    pub fn unprinted(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let (Some(wanted), Some(seen)) = (&it.wanted, &it.seen) else { return false };
        let told = |(at, column): (usize, &Column)| {
            open(self, node, at) || compare::equal(column.kind, &wanted.row[at], &seen.row[at])
        };
        let new = it.base.as_ref().is_none_or(|base| base.print != seen.print);
        new && wanted.region == it.region && self.table(node).columns.iter().enumerate().all(told)
    }

    /// Whether what is seen is what was agreed on, or what this database has made for nothing: not
    /// something that merely goes by the same name.
    pub fn ours(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let same = |base: &Base| {
            let nameless = base.cloud_id.is_empty();
            base.region == it.region && (nameless || self.cloud_id(node) == Some(&base.cloud_id))
        };
        it.orphan || it.base.as_ref().is_some_and(same)
    }

    /// Whether the row says that what would be lost by making it anew may be.
    pub fn waives(&self, node: usize) -> bool {
        let wanted = self.nodes[node].wanted.as_ref();
        let waiver = self.table(node).columns.iter().position(|column| column.waiver);
        waiver.zip(wanted).is_some_and(|(at, wanted)| wanted.row[at] == Value::Bool(true))
    }

    /// Whether another row has the name of what is seen.
    pub fn has_namesake(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let key = |region: &str, row: &Row| self.key(it.table, region, row);
        let name = it.seen.as_ref().and_then(|seen| key(&it.region, &seen.row));
        let same = |other: &Node| {
            let wanted = other.wanted.as_ref().filter(|_| other.table == it.table);
            wanted.is_some_and(|wanted| key(&wanted.region, &wanted.row) == name)
        };
        name.is_some() && self.nodes.iter().any(same)
    }

    /// A row with its references by the names that people know: the cloud's, else a label.
    pub fn readable(&self, node: usize, row: &Row) -> Row {
        let mut readable = row.clone();
        for link in self.links(node) {
            link.place.change(&mut readable, |cell| match node_in(cell) {
                Some(to) => {
                    let name = self.cloud_name(to, link.reference.column).cloned();
                    name.unwrap_or_else(|| Value::from(self.label(to)))
                }
                None => cell.clone(),
            });
        }
        readable
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
        let named = |at: usize| match (&table.columns[at].references, &row[at]) {
            (Some(_), _) if self.target(row, at).is_some() => {
                self.target(row, at).map(|to| self.label(to))
            }
            (_, Value::String(name)) => Some(name.clone()),
            (None, Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let texts: Vec<usize> = table
            .keys()
            .filter(|&at| !matches!(&table.columns[at].references, Some(r) if r.by == By::Id))
            .filter(|&at| table.columns[at].sql == "text")
            .collect();
        // The revisions of a thing have one name between them, which is no key.
        let shared = || table.columns.iter().position(|c| c.required && c.sql == "text");
        let texts = match shared().filter(|_| table.revises) {
            Some(name) => vec![name],
            None => texts,
        };
        // What has no name of its own is called by all of its key.
        let name = match texts[..] {
            [own] => named(own),
            _ => Some(table.keys().filter_map(named).collect::<Vec<_>>().join(" ")),
        };
        let id = || self.cloud_id(node).map(str::to_owned);
        let pk = || it.wanted.as_ref().map(|w| plain(&w.pk));
        name.filter(|name| !name.is_empty()).or_else(id).or_else(pk).unwrap_or_default()
    }

    /// The primary key of the row of a node.
    pub fn pk(&self, node: usize) -> Value {
        let node = &self.nodes[node];
        let wanted = node.wanted.as_ref().map(|w| &w.pk);
        let base = node.base.as_ref().filter(|_| !node.parted).map(|b| &b.pk);
        wanted.or(base).cloned().unwrap_or(Value::Null)
    }

    /// The node that a cell of the cloud's answer points at. What could not be read is still called
    /// what it was called; what was made anew under its old name is not.
    pub fn resolve_seen(&self, link: &Link, region: &str, cell: &Value) -> Option<usize> {
        self.resolve_link(link, State::Seen, region, cell)
    }

    fn resolve_link(&self, link: &Link, state: State, region: &str, cell: &Value) -> Option<usize> {
        if cell.is_null() {
            return None;
        }
        if state != State::Seen && link.reference.by == By::Id && !cell.is_string() {
            return self.keys.get(&(link.to, state))?.get(&Key::new(cell)).copied();
        }
        let region = self.tables[link.to].home(region);
        let named = self.names.get(&(link.to, link.at))?.get(region)?.get(&*text(cell))?;
        let base = named[State::Base as usize];
        match state {
            State::Seen => {
                named[State::Seen as usize].or(base.filter(|&node| self.nodes[node].seen.is_none()))
            }
            state => named[state as usize],
        }
    }

    /// Takes down what the tables say, and what could not be read.
    fn declare(&mut self, known: &Known) {
        let place = |name: &str| self.tables.iter().position(|table| table.name == name);
        let link = |(at, reference): (Place, &'static Reference)| {
            let to = place(reference.table)?;
            let name = self.tables[to].position(reference.column)?;
            Some(Link { place: at, to, at: name, reference })
        };
        let mention = |(column, definition): (usize, &'static Column)| {
            let mention = definition.mentions.as_ref()?;
            let to = place(mention.table)?;
            Some((column, to, self.tables[to].position(mention.column)?))
        };
        let (mut links, mut astray, mut mentions) = (Vec::new(), Vec::new(), Vec::new());
        for table in &self.tables {
            let columns = || table.columns.iter().enumerate();
            let (here, out): (Vec<_>, Vec<_>) =
                columns().flat_map(declared).partition(|it| link(*it).is_some());
            links.push(here.into_iter().filter_map(link).collect::<Vec<_>>());
            astray.push(out.into_iter().map(|(at, _)| at).collect());
            mentions.push(columns().filter_map(mention).collect::<Vec<_>>());
        }
        let mut called = vec![Vec::new(); self.tables.len()];
        for link in links.iter().flatten() {
            called[link.to].push(link.at);
        }
        for &(_, to, at) in mentions.iter().flatten() {
            called[to].push(at);
        }
        called.iter_mut().for_each(|columns| {
            columns.sort_unstable();
            columns.dedup();
        });
        let mut unread = vec![HashSet::new(); self.tables.len()];
        for scope in &known.unread {
            if let Some(table) = place(&scope.table) {
                unread[table].insert(scope.region.clone());
            }
        }
        let mut opaque = vec![HashSet::new(); self.tables.len()];
        for (scope, id) in &known.opaque {
            if let Some(table) = place(&scope.table) {
                opaque[table].insert((scope.region.clone(), id.clone()));
            }
        }
        (self.links, self.astray, self.called) = (links, astray, called);
        self.mentions = mentions;
        (self.unread, self.opaque) = (unread, opaque);
    }

    /// Whether something may well be there that does not show.
    fn hidden(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let opaque = &self.opaque[it.table];
        let met = |base: &Base| opaque.contains(&(base.region.clone(), base.cloud_id.clone()));
        it.seen.is_none()
            && ((!it.asked && self.is_unread(it.table, &it.region))
                || (!opaque.is_empty() && it.base.as_ref().is_some_and(met)))
    }

    fn add_table(
        &mut self,
        table: usize,
        wanted: Vec<Wanted>,
        base: Vec<Base>,
        seen: impl IntoIterator<Item = (String, Seen)>,
        made: &[Made],
    ) {
        let (def, first) = (self.tables[table], self.nodes.len());
        // Base rows are the first nodes, then come rows that are new.
        let mut count = base.len();
        let mut by_pk: HashMap<Key<'_>, usize> =
            HashMap::with_capacity(base.len().max(wanted.len()));
        by_pk.extend(base.iter().map(|base| Key::new(&base.pk)).zip(0..));
        let mut rows = Vec::with_capacity(wanted.len());
        for wanted in &wanted {
            let place = *by_pk.entry(Key::new(&wanted.pk)).or_insert(count);
            count += usize::from(place == count);
            rows.push(place);
        }
        let known = base.iter().zip(0..).filter(|(base, _)| !base.cloud_id.is_empty());
        let known = known.map(|(base, at)| ((base.region.as_str(), base.cloud_id.as_str()), at));
        let by_cloud_id: HashMap<(&str, &str), usize> = known.collect();
        // A row knows what was last made for it: while the revision before that one is still there,
        // that is what is agreed on.
        let of_row = wanted.iter().zip(&rows).filter(|_| def.revises);
        let of_row =
            of_row.filter_map(|(it, &at)| Some(((&*it.region, def.cloud_id(&it.row)?), at)));
        let of_row: HashMap<(&str, &str), usize> = of_row.collect();
        // The journal speaks as the cloud does: ask it before references become nodes.
        let journal = Journal::new(def, made);
        let mut met = HashSet::new();
        let recognised = seen.into_iter().map(|(region, mut seen)| {
            let id = def.cloud_id(&seen.row).unwrap_or_default();
            let node = by_cloud_id.get(&(region.as_str(), id)).copied();
            seen.print = Some(Print::of(&seen.row));
            // Where nothing is referred to, both say the same in the same terms already.
            if let Some(base) = node.map(|at| &base[at]).filter(|base| base.row == seen.row) {
                seen.row.clone_from(&base.row);
            }
            (node, (region, seen))
        });
        let (found, seen): (Vec<Option<usize>>, Vec<(String, Seen)>) = recognised.unzip();
        let mut proofs = Vec::new();
        for ((region, seen), node) in seen.iter().zip(&found) {
            let id = def.cloud_id(&seen.row).unwrap_or_default();
            if node.is_none() {
                let proof = journal.find(region, &seen.row, seen.mark.as_deref());
                let made_for = |made: &Made| by_pk.get(&Key::new(&made.pk)).map(|at| first + at);
                let proof = proof.map(|(made, orphan)| Proof {
                    made_for: made_for(made),
                    unfinished: !made.answered,
                    orphan,
                });
                let row = of_row.get(&(region.as_str(), id)).map(|at| first + at);
                let own = row.map(|_| Proof { made_for: row, unfinished: false, orphan: false });
                let proof = own.or(proof);
                proofs.push((proof, met.insert((region.as_str(), id))));
            }
        }
        drop((by_pk, by_cloud_id, of_row, met));

        let of_base = |base: Base| Node {
            table,
            region: base.region.clone(),
            base: Some(base),
            ..Node::default()
        };
        let mut nodes: Vec<Node> = base.into_iter().map(of_base).collect();
        for (wanted, at) in wanted.into_iter().zip(rows) {
            if at == nodes.len() {
                nodes.push(Node { table, region: wanted.region.clone(), ..Node::default() });
            }
            nodes[at].wanted = Some(wanted);
        }
        let mut strangers = Vec::new();
        for ((region, seen), found) in seen.into_iter().zip(found) {
            match found {
                Some(at) => nodes[at].seen = Some(seen),
                None => strangers.push(Node { table, region, seen: Some(seen), ..Node::default() }),
            }
        }
        let standing = self.standing_for_null(table);
        for node in nodes.iter_mut().chain(&mut strangers) {
            self.fit(node);
            self.link_node(node, false, &standing);
            node.share();
        }
        self.nodes.append(&mut nodes);
        // What a listing says twice counts once.
        let strangers = strangers.into_iter().zip(proofs).filter(|(_, (_, new))| *new);
        let strangers = strangers.map(|(stranger, (proof, _))| (stranger, proof)).collect();
        let strangers = self.match_journal(strangers);
        self.match_keys(table, first, strangers);
        self.index(table, first);
        self.link_to_self(table, first);
    }

    /// Turns the references to the same table into nodes, now that its nodes have found themselves.
    fn link_to_self(&mut self, table: usize, first: usize) {
        if !self.links[table].iter().any(|link| link.to == table) {
            return;
        }
        for at in first..self.nodes.len() {
            let mut node = std::mem::take(&mut self.nodes[at]);
            self.link_node(&mut node, true, &[]);
            node.share();
            self.nodes[at] = node;
        }
    }

    /// Gives every row as many cells as its table has columns, and takes out of it what would be
    /// mistaken for a node.
    fn fit(&self, node: &mut Node) {
        let width = self.tables[node.table].columns.len();
        let wanted = node.wanted.as_mut().map(|w| &mut w.row);
        let base = node.base.as_mut().map(|b| &mut b.row);
        let seen = node.seen.as_mut().map(|s| &mut s.row);
        for row in wanted.into_iter().chain(base).chain(seen) {
            if row.len() != width {
                Shared::make_mut(row).resize(width, Value::Null);
            }
            for place in &self.astray[node.table] {
                place.change(Shared::make_mut(row), |cell| match cell {
                    Value::String(_) => cell.clone(),
                    _ => Value::Null,
                });
            }
        }
    }

    fn link_node(&self, node: &mut Node, to_self: bool, standing: &[HashMap<String, usize>]) {
        // A cell that leads nowhere says so with its name, or not at all.
        let cell = |to: Option<usize>, cell: &Value| match to {
            Some(to) => Value::from(to),
            None if cell.is_string() => cell.clone(),
            None => Value::Null,
        };
        for (number, link) in self.links[node.table].iter().enumerate() {
            if (link.to == node.table) != to_self {
                continue;
            }
            if link.place.within.is_some() {
                let say = |state: State, region: &str, row: &mut Shared| {
                    let node = |it: &Value| cell(self.resolve_link(link, state, region, it), it);
                    link.place.change(Shared::make_mut(row), node);
                };
                node.seen.iter_mut().for_each(|it| say(State::Seen, &node.region, &mut it.row));
                node.base.iter_mut().for_each(|it| say(State::Base, &it.region, &mut it.row));
                node.wanted.iter_mut().for_each(|it| say(State::Wanted, &it.region, &mut it.row));
                continue;
            }
            let at = link.place.column;
            let mut now = None;
            if let Some(seen) = &mut node.seen {
                now = self.resolve_link(link, State::Seen, &node.region, &seen.row[at]);
                put(&mut seen.row, at, |it| cell(now, it));
            }
            // NULL equals what AWS has made of it, unless that is to go; else it stands for the default.
            let default = |region: &str| {
                let home = self.tables[link.to].home(region);
                standing.get(number).and_then(|standing| standing.get(home)).copied()
            };
            let implied = |now: Option<usize>, row: &Row, region: &str| {
                let null = row[at].is_null() && link.reference.when_null.is_some();
                let now =
                    now.filter(|&to| self.nodes[to].region == self.tables[link.to].home(region));
                now.filter(|&to| self.stays(to)).or_else(|| default(region)).filter(|_| null)
            };
            if let Some(base) = &mut node.base {
                let to = self.resolve_link(link, State::Base, &base.region, &base.row[at]);
                now = now.or(to);
                let to = to.or_else(|| implied(now, &base.row, &base.region));
                put(&mut base.row, at, |it| cell(to, it));
            }
            if let Some(wanted) = &mut node.wanted {
                let to = self.resolve_link(link, State::Wanted, &wanted.region, &wanted.row[at]);
                let implied = implied(now, &wanted.row, &wanted.region);
                node.implied.extend(implied.map(|_| at));
                put(&mut wanted.row, at, |it| cell(to.or(implied), it));
            }
        }
    }

    /// Whether a thing is there that nobody wants to be rid of.
    fn stays(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let kept = it.seen.as_ref().is_some_and(|seen| seen.kept.is_some());
        it.wanted.is_some() || it.base.is_none() || kept
    }

    /// What NULL stands for in each reference of a table, by region: the one in which a boolean
    /// column is true.
    fn standing_for_null(&self, table: usize) -> Vec<HashMap<String, usize>> {
        let standing = |link: &Link| {
            let Some(mark) = link.reference.when_null else { return HashMap::new() };
            let marked = self.nodes.iter().enumerate().filter(|(_, node)| {
                let row = node.seen.as_ref().map(|s| &s.row).or(node.base.as_ref().map(|b| &b.row));
                let holds =
                    |row: &Shared| self.tables[link.to].cell(row, mark) == &Value::Bool(true);
                node.table == link.to && row.is_some_and(holds)
            });
            marked.map(|(at, node)| (node.region.clone(), at)).collect()
        };
        self.links[table].iter().map(standing).collect()
    }

    /// Gives resources that the journal knows to the rows they were made for, and marks the orphans.
    fn match_journal(&mut self, strangers: Vec<(Node, Option<Proof>)>) -> Vec<Node> {
        let mut left = Vec::new();
        for (mut stranger, proof) in strangers {
            let Some(proof) = proof else {
                stranger.orphan = self.born_astray(&stranger);
                left.push(stranger);
                continue;
            };
            stranger.orphan = proof.orphan;
            stranger.unfinished = proof.unfinished;
            match proof.made_for {
                Some(node) if self.made_for(node, &stranger) => self.take_over(node, stranger),
                // The next revision was made, and the one before it is still there.
                Some(node) if self.follows(node, &stranger) => {
                    self.nodes.push(stranger);
                    let other = self.nodes.len() - 1;
                    self.exchange(node, other);
                    self.nodes[other].orphan = !self.nodes[other].parted;
                }
                _ => left.push(stranger),
            }
        }
        left
    }

    /// Whether something was made for the row of a node. Its primary key may have been given to
    /// something else since, after an uninstall, say: what would have to be replaced to become this
    /// row was not made for it.
    fn made_for(&self, node: usize, stranger: &Node) -> bool {
        let (Some(wanted), Some(seen)) = (&self.nodes[node].wanted, &stranger.seen) else {
            return false;
        };
        let def = self.tables[stranger.table];
        let to_self = |at: usize| {
            self.links[stranger.table]
                .iter()
                .any(|link| link.place.column == at && link.to == stranger.table)
        };
        let implied = |at: usize| self.nodes[node].implied.contains(&at);
        let fixed = |&at: &usize| def.columns[at].replaces() && !to_self(at) && !implied(at);
        self.free(node)
            && wanted.region == stranger.region
            && (def.revises || !compare::differing(def, &wanted.row, &seen.row).iter().any(fixed))
    }

    /// Whether something was made to follow what a row stands for.
    fn follows(&self, node: usize, stranger: &Node) -> bool {
        let it = &self.nodes[node];
        let def = self.tables[stranger.table];
        let (Some(wanted), Some(seen)) = (&it.wanted, &stranger.seen) else { return false };
        // What was made for nothing may be what is wanted all the same.
        let wanted_still = || compare::differing(def, &wanted.row, &seen.row).is_empty();
        def.revises
            && it.seen.is_some()
            && wanted.region == stranger.region
            && (!stranger.orphan || wanted_still())
    }

    /// Whether AWS has made it by itself along with something that we had no time to strip of it.
    fn born_astray(&self, stranger: &Node) -> bool {
        let Some(seen) = &stranger.seen else { return false };
        let def = self.tables[stranger.table];
        self.links[stranger.table].iter().filter(|link| link.to != stranger.table).any(|link| {
            let parent = link.place.cells(&seen.row).find_map(node_in);
            let made = |to: &usize| self.nodes[*to].unfinished && self.nodes[*to].wanted.is_some();
            let parent = parent.filter(made);
            let births = parent.map_or(&[][..], |to| self.table(to).births);
            births.iter().any(|birth| {
                let own = |at: usize| {
                    compare::equal(
                        def.columns[at].kind,
                        &seen.row[at],
                        &birth.cell(def.columns[at].name),
                    )
                };
                let parents = def.columns[link.place.column].name == birth.parent;
                !birth.kept
                    && birth.table == def.name
                    && parents
                    && def.keys().all(|at| at == link.place.column || own(at))
            })
        })
    }

    /// Whether the row of a node stands for nothing that is there.
    fn free(&self, node: usize) -> bool {
        self.nodes[node].seen.is_none() && !(self.nodes[node].base.is_some() && self.hidden(node))
    }

    /// Whether the row of a node has been given another name than what it stands for.
    fn renamed(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        let (Some(wanted), Some(seen)) = (&it.wanted, &it.seen) else { return false };
        let key = |region, row| self.key(it.table, region, row);
        seen.kept.is_none() && key(&wanted.region, &wanted.row) != key(&it.region, &seen.row)
    }

    /// A row whose thing is gone, or was never made, stands for this one.
    fn take_over(&mut self, row: usize, thing: Node) {
        let row = &mut self.nodes[row];
        (row.seen, row.region) = (thing.seen, thing.region);
        (row.orphan, row.unfinished) = (thing.orphan, thing.unfinished);
        row.base = thing.base.or(row.base.take());
        if let (Some(wanted), Some(seen)) = (&mut row.wanted, &row.seen) {
            for &at in row.implied.iter().filter(|&&at| seen.row[at].is_number()) {
                put(&mut wanted.row, at, |_| seen.row[at].clone());
            }
        }
    }

    /// A row that was given the name of something that is there, and no other row's, stands for that
    /// one. What it stood for goes.
    fn exchange(&mut self, row: usize, thing: usize) {
        let mut that = std::mem::take(&mut self.nodes[thing]);
        let this = &mut self.nodes[row];
        std::mem::swap(&mut this.base, &mut that.base);
        std::mem::swap(&mut this.seen, &mut that.seen);
        std::mem::swap(&mut this.region, &mut that.region);
        std::mem::swap(&mut this.orphan, &mut that.orphan);
        std::mem::swap(&mut this.unfinished, &mut that.unfinished);
        that.parted = that.base.is_some();
        self.nodes[thing] = that;
    }

    /// Gives resources to the base rows that were written before the cloud had told their ids.
    fn match_nameless(&mut self, table: usize, first: usize, strangers: Vec<Node>) -> Vec<Node> {
        let nameless = |at: usize| {
            let base = self.nodes[at].base.as_ref().filter(|base| base.cloud_id.is_empty())?;
            Some((self.key(table, &base.region, &base.row)?, at))
        };
        let mut nameless: HashMap<String, usize> =
            (first..self.nodes.len()).filter_map(nameless).collect();
        if nameless.is_empty() {
            return strangers;
        }
        let mut left = Vec::new();
        for thing in strangers {
            let key =
                thing.seen.as_ref().and_then(|seen| self.key(table, &thing.region, &seen.row));
            match key.and_then(|key| nameless.remove(&key)) {
                Some(node) if self.free(node) => self.take_over(node, thing),
                _ => left.push(thing),
            }
        }
        left
    }

    /// Gives resources to the rows that name them.
    fn match_keys(&mut self, table: usize, first: usize, strangers: Vec<Node>) {
        let mut rows: HashMap<String, usize> = HashMap::new();
        for at in first..self.nodes.len() {
            let Some(wanted) = &self.nodes[at].wanted else { continue };
            let Some(key) = self.key(table, &wanted.region, &wanted.row) else { break };
            if let Some(&other) = rows.get(&key) {
                let twin = plain(&self.pk(other));
                self.clashes.push((at, format!("describes the same thing as row {twin}")));
            }
            rows.insert(key, at);
        }
        let strangers = self.match_nameless(table, first, strangers);
        self.nodes.extend(strangers);
        for at in first..self.nodes.len() {
            // What a row stood for before may be what another row is called now.
            loop {
                let it = &self.nodes[at];
                let (None, Some(seen)) = (&it.wanted, &it.seen) else { break };
                let Some(key) = self.key(table, &it.region, &seen.row) else { break };
                let Some(&row) = rows.get(&key) else { break };
                if self.free(row) && (it.base.is_none() || self.nodes[row].base.is_none()) {
                    let nothing = Node { table, region: it.region.clone(), ..Node::default() };
                    let thing = std::mem::replace(&mut self.nodes[at], nothing);
                    self.take_over(row, thing);
                } else if self.free(row) || self.renamed(row) {
                    self.exchange(row, at);
                } else {
                    break;
                }
            }
        }
    }

    /// Enters the nodes of a table under every name that others refer to them by.
    fn index(&mut self, table: usize, first: usize) {
        let called = std::mem::take(&mut self.called[table]);
        for &column in &called {
            let mut names = Names::new();
            let mut put = |state: State, region: &str, name: &str, node: usize| {
                let region = match names.get_mut(region) {
                    Some(names) => names,
                    None => names.entry(region.to_owned()).or_default(),
                };
                match region.get_mut(name) {
                    Some(nodes) => nodes[state as usize] = Some(node),
                    None => region.entry(name.to_owned()).or_default()[state as usize] = Some(node),
                }
            };
            for at in first..self.nodes.len() {
                let it = &self.nodes[at];
                let wanted = it.wanted.as_ref().map(|w| (State::Wanted, w.region.as_str(), &w.row));
                let base = it.base.as_ref().map(|b| (State::Base, b.region.as_str(), &b.row));
                let seen = it.seen.as_ref().map(|s| (State::Seen, it.region.as_str(), &s.row));
                for (state, region, row) in [wanted, base, seen].into_iter().flatten() {
                    if let Some(name) = self.name_in(at, row, column).and_then(Value::as_str) {
                        put(state, region, name, at);
                    }
                }
            }
            self.names.insert((table, column), names);
        }
        if !called.is_empty() {
            let nodes = || self.nodes.iter().enumerate().skip(first);
            let wanted = nodes().filter_map(|(at, it)| Some((&it.wanted.as_ref()?.pk, at)));
            let base = nodes().filter_map(|(at, it)| Some((&it.base.as_ref()?.pk, at)));
            let wanted = wanted.map(|(pk, at)| (Key::new(pk).owned(), at)).collect();
            let base = base.map(|(pk, at)| (Key::new(pk).owned(), at)).collect();
            self.keys.insert((table, State::Wanted), wanted);
            self.keys.insert((table, State::Base), base);
        }
        self.called[table] = called;
    }

    /// A row and what it refers to by id live in one region.
    fn check_regions(&mut self) {
        let mut clashes = Vec::new();
        for at in 0..self.nodes.len() {
            let Some(wanted) = &self.nodes[at].wanted else { continue };
            for (_, to) in self.targets(at, &wanted.row) {
                let Some(other) = &self.nodes[to].wanted else { continue };
                if self.table(at).regional()
                    && self.table(to).regional()
                    && wanted.region != other.region
                {
                    let (name, label) = (self.table(to).name, self.label(to));
                    clashes.push((
                        at,
                        format!(
                            "is in {}, but its {name} {label} is in {}",
                            wanted.region, other.region
                        ),
                    ));
                }
            }
        }
        self.clashes.extend(clashes);
    }
}

/// What the journal knows of one table, in cloud terms.
struct Journal<'a> {
    def: &'static Table,
    by_id: HashMap<(&'a str, &'a str), &'a Made>,
    by_mark: HashMap<&'a str, &'a Made>,
    by_name: HashMap<String, &'a Made>,
}

/// That this database has made a resource.
struct Proof {
    /// The node of the row it was made for.
    made_for: Option<usize>,
    /// Nobody knows how that ended.
    unfinished: bool,
    /// For a transaction that was rolled back.
    orphan: bool,
}

impl<'a> Journal<'a> {
    fn new(def: &'static Table, made: &'a [Made]) -> Self {
        let (by_id, by_mark, by_name) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut journal = Self { def, by_id, by_mark, by_name };
        for made in made.iter().filter(|made| made.table == def.name) {
            match &made.cloud_id {
                Some(id) => _ = journal.by_id.insert((&made.region, id), made),
                // A name is all there is where the answer held no id, or never came.
                None => journal
                    .by_name
                    .extend(journal.name(&made.region, &made.row).map(|name| (name, made))),
            }
            if !made.mark.is_empty() {
                journal.by_mark.insert(&made.mark, made);
            }
        }
        journal
    }

    /// What was made for whom, and whether for nothing: for a transaction that was rolled back.
    fn find(&self, region: &str, seen: &Row, mark: Option<&str>) -> Option<(&'a Made, bool)> {
        let created = self.def.columns.iter().position(|c| c.created);
        let created = created.and_then(|at| seen.get(at)?.as_str());
        if let Some(&made) = mark.and_then(|mark| self.by_mark.get(mark)) {
            return Some((made, made.aborted));
        }
        let id = self.def.cloud_id(seen).unwrap_or_default();
        // A name may have been given to something else since.
        if let Some(&made) = self.by_id.get(&(region, id)) {
            let later = created.is_some_and(|at| at > made.at.as_str());
            return Some((made, made.aborted && !later));
        }
        if self.by_name.is_empty() {
            return None;
        }
        let &made = self.by_name.get(&self.name(region, seen)?)?;
        // Only the time of its making tells it from a namesake.
        let then = created.is_some_and(|at| made.since.as_str() <= at && at <= made.at.as_str());
        (made.answered || then).then_some((made, made.aborted && then))
    }

    /// The natural key.
    fn name(&self, region: &str, row: &Row) -> Option<String> {
        let mut name = region.to_owned();
        let mut any = false;
        for at in self.def.keys() {
            any = true;
            name.push('\0');
            name.push_str(&compare::canonical(self.def.columns[at].kind, row.get(at)?).to_string());
        }
        any.then_some(name)
    }
}

impl Table {
    /// The region of a reference to this table from a row in `region`.
    fn home<'a>(&self, region: &'a str) -> &'a str {
        if self.regional() { region } else { "" }
    }
}

/// A scalar as the text that maps are keyed by.
pub fn plain(value: &Value) -> String {
    text(value).into_owned()
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
