//! What sync would do to the rows: the cloud wins. Pending edits are discarded, and each that is
//! discarded is said.

use crate::plan::{Verb, edited, pending};
use crate::table::By;
use crate::world::{Link, World, node_in, open, plain};
use crate::{Row, Value, compare};
use std::borrow::Cow;
use std::collections::HashSet;

/// What sync would do.
#[derive(Debug, Clone, Default)]
pub struct Sync {
    /// Rows written, in an order that references allow.
    pub changes: Vec<RowChange>,
    /// Rows that stand, but for what is remembered of them.
    pub agreed: Vec<usize>,
    /// Rows and resources gone on both sides.
    pub forgotten: Vec<usize>,
    /// Resources that can't be a row, and why.
    pub unrepresented: Vec<(usize, String)>,
}

impl Sync {
    /// The same in parts that can be written one after another, each in little room: so many new rows at
    /// a time, where they are all there is. Others have to be out of their way first.
    pub fn parts(&self, size: usize) -> Vec<Cow<'_, Self>> {
        let new = self.changes.iter().all(|change| change.verb == Verb::Create)
            && self.agreed.is_empty()
            && self.forgotten.is_empty();
        let part = |changes: &[RowChange]| {
            Cow::Owned(Self { changes: changes.to_vec(), ..Self::default() })
        };
        if new { self.changes.chunks(size).map(part).collect() } else { vec![Cow::Borrowed(self)] }
    }
}

/// One row that sync writes.
#[derive(Debug, Clone)]
pub struct RowChange {
    /// The thing.
    pub node: usize,
    /// What happens to its row; never a replacement.
    pub verb: Verb,
    /// The columns that differ, by name.
    pub columns: Vec<&'static str>,
    /// Whether it undoes an edit of the user's.
    pub discards: bool,
}

/// What becomes of the row of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// There is none, or there is no use for one.
    None,
    /// It says what is seen.
    Seen,
    /// It stays as it is: nothing is known of its thing, or others that stay refer to it.
    Stays,
    /// It goes, or there is none and nothing is agreed on any more.
    Goes,
}

/// Works out what sync would do.
pub fn sync(world: &World) -> Sync {
    let mut sync = Sync::default();
    let mut deletes = Vec::new();
    let fates = fates(world);
    for (node, it) in world.nodes.iter().enumerate() {
        let homeless = || {
            let taken = "a row that could not be compared with the cloud has its name";
            let lost = homeless(world, node, &it.seen.as_ref()?.row, &fates);
            Some(lost.unwrap_or_else(|| taken.to_owned()))
        };
        let change = |verb, columns, discards| RowChange { node, verb, columns, discards };
        match (fates[node], &it.wanted, &it.seen) {
            (Fate::Seen, Some(_), Some(seen)) => {
                let columns = changed(world, node, &seen.row);
                if columns.is_empty() {
                    sync.agreed.extend((!remembered(world, node, &seen.row)).then_some(node));
                } else {
                    sync.changes.push(change(Verb::Update, columns, edited(world, node)));
                }
            }
            (Fate::Seen, None, _) => {
                sync.changes.push(change(Verb::Create, Vec::new(), it.base.is_some()));
            }
            // That a row has gone is no wish to be rid of what can't be a row.
            (Fate::Goes, None, _) => {
                sync.unrepresented.extend(homeless().map(|why| (node, why)));
                sync.forgotten.push(node);
            }
            (Fate::Goes, ..) => {
                sync.unrepresented.extend(homeless().map(|why| (node, why)));
                deletes.push(change(Verb::Delete, Vec::new(), pending(world, node)));
            }
            (Fate::None, _, Some(_)) => {
                sync.unrepresented.extend(homeless().map(|why| (node, why)))
            }
            (Fate::None, _, None) if !it.unread && it.base.is_some() => sync.forgotten.push(node),
            _ => {}
        }
    }
    sync.changes.extend(deletes.into_iter().rev());
    sync
}

/// What becomes of each row. References stay whole: what a row that stays refers to stays, too, and
/// what refers to something without a row has none itself. Names stay unique.
fn fates(world: &World) -> Vec<Fate> {
    let mut stays: HashSet<usize> = HashSet::new();
    loop {
        let taken = names(world, &stays);
        let fate = |node| fate(world, node, &stays, &taken);
        let mut fates: Vec<Fate> = (0..world.nodes.len()).map(fate).collect();
        // Tables come after those they refer to; only one that refers to itself takes more rounds.
        while lose(world, &mut fates) {}
        let stay = |&node: &usize| fates[node] == Fate::Stays;
        let mut more: Vec<usize> = (0..fates.len()).filter(stay).collect();
        let known = stays.len();
        while let Some(node) = more.pop() {
            let row = world.nodes[node].wanted.as_ref();
            let Some(wanted) = row.filter(|_| stays.insert(node)) else { continue };
            let targets = world.targets(node, &wanted.row).map(|(_, to)| to);
            more.extend(targets.filter(|&to| fates[to] == Fate::Goes));
            // What it goes by name of takes it along to another region: all of that, or none.
            let names = || named(world, node, &wanted.row);
            if !names().all(|to| moves(world, &fates, to)) {
                more.extend(names().filter(|&to| moves(world, &fates, to)));
            }
        }
        if stays.len() == known {
            return fates;
        }
    }
}

/// The regional things that a row refers to by name.
fn named<'a>(world: &'a World, node: usize, row: &'a Row) -> impl Iterator<Item = usize> + 'a {
    let references = world.references(node, row);
    let named = references.filter(|(link, _)| link.reference.by == By::Name);
    named.map(|(_, to)| to).filter(|&to| world.table(to).regional())
}

/// Whether a row is set back to another region, or follows what it refers to by name.
fn moves(world: &World, fates: &[Fate], node: usize) -> bool {
    let it = &world.nodes[node];
    it.wanted.as_ref().is_some_and(|wanted| match fates[node] {
        Fate::Seen => wanted.region != it.region,
        Fate::Stays => {
            let before = |to: &usize| world.nodes[*to].table < it.table;
            named(world, node, &wanted.row).filter(before).any(|to| moves(world, fates, to))
        }
        _ => false,
    })
}

/// The names of rows that stay.
fn names(world: &World, stays: &HashSet<usize>) -> HashSet<(usize, String)> {
    let name = |&node: &usize| {
        let it = &world.nodes[node];
        let wanted = it.wanted.as_ref()?;
        Some((it.table, world.key(it.table, &wanted.region, &wanted.row)?))
    };
    stays.iter().filter_map(name).collect()
}

fn fate(
    world: &World,
    node: usize,
    stays: &HashSet<usize>,
    taken: &HashSet<(usize, String)>,
) -> Fate {
    let it = &world.nodes[node];
    match (&it.wanted, &it.seen) {
        (Some(_), _) if it.unread || stays.contains(&node) => Fate::Stays,
        (wanted, Some(seen)) => {
            let key = || world.key(it.table, &it.region, &seen.row);
            match !taken.is_empty() && key().is_some_and(|key| taken.contains(&(it.table, key))) {
                true if wanted.is_some() => Fate::Stays,
                true => Fate::None,
                false => Fate::Seen,
            }
        }
        (Some(_), None) => Fate::Goes,
        (None, None) => Fate::None,
    }
}

/// Finds things that can't be rows since what they refer to is none.
fn lose(world: &World, fates: &mut [Fate]) -> bool {
    let mut any = false;
    for node in 0..fates.len() {
        let it = &world.nodes[node];
        let Some(seen) = it.seen.as_ref().filter(|_| fates[node] == Fate::Seen) else { continue };
        let lost = lost(world, node, &seen.row, fates).next();
        let Some(Lost { link, target, .. }) = lost else { continue };
        let unknown = match target {
            Some(to) => world.nodes[to].unread,
            None => world.is_unread(link.to, &it.region) || world.is_unread(link.to, ""),
        };
        fates[node] = match it.wanted {
            None if unknown || it.base.is_none() || it.parted => Fate::None,
            // It may well be a row again when more can be read.
            Some(_) if unknown => Fate::Stays,
            _ => Fate::Goes,
        };
        any = true;
    }
    any
}

/// A reference that leads to no row.
struct Lost<'a> {
    link: &'a Link,
    target: Option<usize>,
    cell: &'a Value,
}

/// The references of what is seen that lead to no row.
fn lost<'a>(
    world: &'a World,
    node: usize,
    seen: &'a Row,
    fates: &'a [Fate],
) -> impl Iterator<Item = Lost<'a>> {
    let cells = |link: &'a Link| link.place.cells(seen).map(move |cell| (link, cell));
    world.links(node).iter().flat_map(cells).filter_map(move |(link, cell)| {
        let target = node_in(cell);
        let lost = match target {
            Some(to) => match fates[to] {
                Fate::None | Fate::Goes => true,
                Fate::Stays => moved(world, to, link),
                Fate::Seen => false,
            },
            None => !cell.is_null(),
        };
        // NULL would mean something else, and an apply would change the resource accordingly; but
        // in what AWS owns, it just says less.
        let by_id = link.reference.by == By::Id;
        let says_less = by_id && !world.column(node, link.place.column).settable();
        (lost && !says_less).then_some(Lost { link, target, cell })
    })
}

/// Whether a row that stays is not where, or is not called what, the cloud has it.
fn moved(world: &World, node: usize, link: &Link) -> bool {
    let it = &world.nodes[node];
    it.wanted.as_ref().is_some_and(|wanted| {
        let named = world.table(node).cell(&wanted.row, link.reference.column);
        let renamed = Some(named) != world.cloud_name(node, link.reference.column);
        wanted.region != it.region || (link.reference.by == By::Name && renamed)
    })
}

/// Why a resource can't be a row: what it has to refer to is none.
fn homeless(world: &World, node: usize, seen: &Row, fates: &[Fate]) -> Option<String> {
    let Lost { link, target, cell } = lost(world, node, seen, fates).next()?;
    let name = target.map_or_else(|| plain(cell), |to| world.label(to));
    Some(format!("its {} {name} is not in this database", link.reference.table))
}

/// The columns in which a row is not what is seen. Here what AWS owns counts as well.
fn changed(world: &World, node: usize, seen: &Row) -> Vec<&'static str> {
    let it = &world.nodes[node];
    let Some(wanted) = &it.wanted else { return Vec::new() };
    let columns = world.table(node).columns;
    let differs = |&at: &usize| {
        let same = compare::equal(columns[at].kind, &wanted.row[at], &seen[at]);
        it.implied.contains(&at) || !(same || open(world, node, at))
    };
    let moved = (wanted.region != it.region).then_some("region");
    (0..columns.len()).filter(differs).map(|at| columns[at].name).chain(moved).collect()
}

/// Whether the base row says already what is seen.
fn remembered(world: &World, node: usize, seen: &Row) -> bool {
    let columns = world.table(node).columns;
    let it = &world.nodes[node];
    it.base.as_ref().is_some_and(|base| {
        plain(&base.pk) == plain(&world.pk(node))
            && base.region == it.region
            && base.print == it.seen.as_ref().and_then(|seen| seen.print)
            && it.wanted.as_ref().is_some_and(|wanted| wanted.row == base.row)
            && Some(base.cloud_id.as_str()) == world.cloud_id(node)
            && !world.outdated(node, &base.row, |it| it.seen.as_ref().map(|seen| &*seen.row))
            && (0..columns.len()).all(|at| {
                open(world, node, at) || compare::equal(columns[at].kind, &base.row[at], &seen[at])
            })
    })
}
