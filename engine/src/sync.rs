//! What sync would do to the rows: the cloud wins. Pending edits are discarded, and each that is
//! discarded is said.

use crate::plan::{Verb, edited};
use crate::table::Access;
use crate::world::World;
use crate::{Row, compare};
use std::collections::HashSet;

/// What sync would do.
#[derive(Debug, Default)]
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

/// Works out what sync would do.
pub fn sync(world: &World) -> Sync {
    let mut sync = Sync::default();
    let mut deletes = Vec::new();
    let mut absent = HashSet::new();
    let needed = needed_by_unread(world);
    for (node, it) in world.nodes.iter().enumerate() {
        if it.unread {
            if it.wanted.is_none() {
                absent.insert(node);
            }
            continue;
        }
        let discards = edited(world, node);
        let change = |verb, columns| RowChange { node, verb, columns, discards };
        match (&it.wanted, &it.base, &it.seen) {
            (Some(_), _, Some(seen)) => {
                let columns = changed(world, node, &seen.row);
                if columns.is_empty() {
                    sync.agreed.extend((!remembered(world, node, &seen.row)).then_some(node));
                } else {
                    sync.changes.push(change(Verb::Update, columns));
                }
            }
            (None, _, Some(seen)) => match homeless(world, node, &seen.row, &absent) {
                None => sync.changes.push(change(Verb::Create, Vec::new())),
                Some(why) => {
                    absent.insert(node);
                    sync.unrepresented.push((node, why));
                }
            },
            (Some(_), _, None) if !needed.contains(&node) => deletes.push(change(Verb::Delete, Vec::new())),
            (None, Some(_), None) => sync.forgotten.push(node),
            _ => {}
        }
    }
    sync.changes.extend(deletes.into_iter().rev());
    sync
}

/// The columns in which a row is not what is seen. Here what AWS owns counts as well.
fn changed(world: &World, node: usize, seen: &Row) -> Vec<&'static str> {
    let it = &world.nodes[node];
    let Some(wanted) = &it.wanted else { return Vec::new() };
    let columns = world.table(node).columns;
    let differs = |&at: &usize| !compare::equal(columns[at].kind, &wanted.row[at], &seen[at]);
    let moved = (wanted.region != it.region).then_some("region");
    (0..columns.len()).filter(differs).map(|at| columns[at].name).chain(moved).collect()
}

/// Whether the base row says already what is seen.
fn remembered(world: &World, node: usize, seen: &Row) -> bool {
    let columns = world.table(node).columns;
    world.nodes[node].base.as_ref().is_some_and(|base| {
        crate::world::plain(&base.pk) == crate::world::plain(&world.pk(node))
            && Some(base.cloud_id.as_str()) == world.cloud_id(node)
            && (0..columns.len()).all(|at| compare::equal(columns[at].kind, &base.row[at], &seen[at]))
    })
}

/// Why a resource can't be a row: what it has to refer to is none.
fn homeless(world: &World, node: usize, seen: &Row, absent: &HashSet<usize>) -> Option<String> {
    let columns = world.table(node).columns;
    columns.iter().enumerate().find_map(|(at, column)| {
        let reference = column.references.as_ref()?;
        let lost = match world.target(seen, at) {
            Some(to) => absent.contains(&to),
            None => !seen[at].is_null(),
        };
        // A nullable reference that leads nowhere is still no reason to call it absent: NULL would
        // mean something else, and an apply would change the resource accordingly.
        let settable = column.access != Access::ReadOnly;
        (lost && settable).then(|| {
            let name = match world.target(seen, at) {
                Some(to) => world.label(to),
                None => crate::world::plain(&seen[at]),
            };
            format!("its {} {name} is not in this database", reference.table)
        })
    })
}

/// Rows that other rows refer to of whose resources nothing is known.
fn needed_by_unread(world: &World) -> HashSet<usize> {
    let unread = world.nodes.iter().enumerate().filter(|(_, it)| it.unread);
    let rows = unread.filter_map(|(node, it)| it.wanted.as_ref().map(|w| (node, w)));
    rows.flat_map(|(node, w)| world.targets(node, &w.row).map(|(_, to)| to)).collect()
}
