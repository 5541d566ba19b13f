//! What apply would do to the cloud: the table of DESIGN section 4, then what follows from it.
//!
//! | wanted | base | seen | does |
//! |---|---|---|---|
//! | yes | no | no | create |
//! | yes | no | yes | update what differs, or adopt |
//! | yes | yes | no | create: it was deleted outside |
//! | yes | any | yes | update or replace what differs, or nothing |
//! | no | yes | yes | delete |
//! | no | yes | no | forget |
//! | no | no | yes | nothing, unless the journal proves it ours and unwanted |

use crate::table::{Birth, By};
use crate::wire::{self, Step};
use crate::world::World;
use crate::{Row, Value, compare, order};
use std::collections::{HashMap, HashSet};

/// What apply would do.
#[derive(Debug, Default)]
pub struct Plan {
    /// What users see, in the order of the steps.
    pub changes: Vec<Change>,
    /// What the worker does.
    pub steps: Vec<Step>,
    /// What only the database has to be told.
    pub settled: Vec<(usize, Settled)>,
    /// Why this plan can't be carried out; a node and words each.
    pub problems: Vec<(usize, String)>,
    /// Nodes left alone since their scope was not read.
    pub held: Vec<usize>,
}

/// One line of a plan.
#[derive(Debug, Clone)]
pub struct Change {
    /// The thing.
    pub node: usize,
    /// What happens to it.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// The columns that differ, by name.
    pub columns: Vec<&'static str>,
    /// The steps it takes; a replacement takes two.
    pub steps: Vec<u32>,
}

/// What happens to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Create,
    Update,
    Replace,
    Delete,
}

impl Verb {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

/// Why something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The user added the row.
    Added,
    /// The user changed the row.
    Edited,
    /// The user deleted the row.
    Removed,
    /// It exists already and is taken over.
    Adopted,
    /// The cloud was changed outside the database.
    Drift,
    /// It was deleted outside the database.
    Gone,
    /// This database made it for a transaction that was rolled back.
    Orphan,
    /// Something it refers to is made anew.
    Follows(usize),
}

impl Reason {
    /// Whether an edit of the user's is behind it.
    fn of_user(self) -> bool {
        matches!(self, Self::Added | Self::Edited | Self::Removed | Self::Adopted)
    }
}

/// What the database has to be told without any call to the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Row and resource agree: remember it.
    Agreed,
    /// Row and resource are both gone.
    Forgotten,
    /// AWS does not let go of it: the row comes back.
    Kept,
}

#[derive(Debug, Clone)]
struct Doing {
    verb: Verb,
    reason: Reason,
    columns: Vec<usize>,
    moved: bool,
}

/// Whether the user has edited a row since database and cloud last agreed.
pub fn edited(world: &World, node: usize) -> bool {
    decide(world, node).is_some_and(|doing| doing.reason.of_user())
}

/// Whether a row differs from what was last agreed on; the cloud is not asked.
pub fn pending(world: &World, node: usize) -> bool {
    let it = &world.nodes[node];
    match (&it.wanted, &it.base) {
        (Some(wanted), Some(base)) => {
            let columns = world.table(node).columns;
            let differs = |at: usize| compare::differs(&columns[at], &wanted.row[at], &base.row[at]);
            wanted.region != base.region || (0..columns.len()).any(differs)
        }
        (wanted, base) => wanted.is_some() || base.is_some(),
    }
}

/// Works out what apply would do.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan { problems: world.clashes.clone(), ..Plan::default() };
    let mut doing: HashMap<usize, Doing> = HashMap::new();
    for node in 0..world.nodes.len() {
        if world.nodes[node].unread {
            plan.held.push(node);
        } else if let Some(change) = decide(world, node) {
            doing.insert(node, change);
        }
    }
    spread(world, &mut doing);
    hold(world, &mut doing, &mut plan);
    keep(world, &mut doing, &mut plan);
    object(world, &doing, &mut plan);
    settle(world, &doing, &mut plan);
    steps(world, &doing, &mut plan);
    plan
}

/// The table above, for one thing.
fn decide(world: &World, node: usize) -> Option<Doing> {
    let it = &world.nodes[node];
    let doing = |verb, reason| Some(Doing { verb, reason, columns: Vec::new(), moved: false });
    match (&it.wanted, &it.base, &it.seen) {
        (Some(_), None, None) => doing(Verb::Create, Reason::Added),
        (Some(_), Some(_), None) => doing(Verb::Create, Reason::Gone),
        (None, Some(_), Some(_)) => doing(Verb::Delete, Reason::Removed),
        (None, None, Some(_)) if it.orphan => doing(Verb::Delete, Reason::Orphan),
        (Some(wanted), base, Some(seen)) => {
            let table = world.table(node);
            let columns = compare::differing(table, &wanted.row, &seen.row);
            let moved = wanted.region != it.region;
            if columns.is_empty() && !moved {
                return None;
            }
            let replaces = moved || columns.iter().any(|&at| table.columns[at].replaces());
            let edited = |base: &Row| {
                moved || columns.iter().any(|&at| {
                    let kind = table.columns[at].kind;
                    !compare::equal(kind, &wanted.row[at], &base[at])
                })
            };
            let reason = match base {
                None => Reason::Adopted,
                Some(base) if edited(&base.row) => Reason::Edited,
                Some(_) => Reason::Drift,
            };
            let verb = if replaces { Verb::Replace } else { Verb::Update };
            Some(Doing { verb, reason, columns, moved })
        }
        _ => None,
    }
}

/// What refers to something made anew has to be pointed at the new one, or made anew itself.
fn spread(world: &World, doing: &mut HashMap<usize, Doing>) {
    loop {
        let mut more = Vec::new();
        for (node, it) in world.nodes.iter().enumerate() {
            let (Some(wanted), Some(_), false) = (&it.wanted, &it.seen, it.unread) else { continue };
            for (column, to) in world.targets(node, &wanted.row) {
                let Some(anew) = doing.get(&to).filter(|d| made_anew(world, to, d)) else { continue };
                let gone = anew.verb == Verb::Create || order::made_first(world, to);
                let definition = &world.table(node).columns[column];
                // An old one that goes before the new one is there must not be pointed at.
                let verb = if definition.replaces() || !gone { Verb::Replace } else { Verb::Update };
                let now = doing.get(&node);
                let enough = now.is_some_and(|d| {
                    d.columns.contains(&column) && (d.verb == verb || d.verb == Verb::Replace)
                });
                if !enough {
                    more.push((node, column, verb, Reason::Follows(to)));
                }
            }
        }
        if more.is_empty() {
            return;
        }
        for (node, column, verb, reason) in more {
            let entry = doing.entry(node).or_insert(Doing { verb, reason, columns: Vec::new(), moved: false });
            if !entry.columns.contains(&column) {
                entry.columns.push(column);
                entry.columns.sort_unstable();
            }
            if verb == Verb::Replace && entry.verb == Verb::Update {
                entry.verb = Verb::Replace;
            }
        }
    }
}

/// Whether a thing that others may refer to gets another id.
fn made_anew(world: &World, node: usize, doing: &Doing) -> bool {
    let again = doing.verb == Verb::Create && world.nodes[node].base.is_some();
    again || doing.verb == Verb::Replace
}

/// What refers to something of which nothing is known waits until it is.
fn hold(world: &World, doing: &mut HashMap<usize, Doing>, plan: &mut Plan) {
    let mut held: HashSet<usize> = plan.held.iter().copied().collect();
    loop {
        let unknown = |to: &usize| held.contains(to) && world.nodes[*to].base.is_none();
        let waits = |node: usize| {
            let it = &world.nodes[node];
            it.wanted.as_ref().is_some_and(|w| world.targets(node, &w.row).any(|(_, to)| unknown(&to)))
        };
        let waiting: Vec<usize> = doing.keys().copied().filter(|&node| waits(node)).collect();
        if waiting.is_empty() {
            return;
        }
        for node in waiting {
            doing.remove(&node);
            held.insert(node);
            plan.held.push(node);
        }
    }
}

/// What AWS does not let go of stays, unless it goes along with what it belongs to.
fn keep(world: &World, doing: &mut HashMap<usize, Doing>, plan: &mut Plan) {
    for (node, it) in world.nodes.iter().enumerate() {
        let Some(seen) = it.seen.as_ref().filter(|seen| seen.kept.is_some()) else { continue };
        let Some(change) = doing.get(&node) else { continue };
        let belongs = |(column, to): (usize, usize)| {
            let fixed = world.table(node).columns[column].replaces();
            fixed && doing.get(&to).is_some_and(|d| matches!(d.verb, Verb::Delete | Verb::Replace))
        };
        match change.verb {
            Verb::Delete => {
                let goes_along = world.targets(node, &seen.row).any(belongs);
                let settled = if goes_along { Settled::Forgotten } else { Settled::Kept };
                plan.settled.push((node, settled));
                doing.remove(&node);
            }
            Verb::Replace if !world.targets(node, &seen.row).any(belongs) => {
                let why = seen.kept.as_deref().unwrap_or_default();
                let columns: Vec<_> = change.columns.iter().map(|&at| world.table(node).columns[at].name).collect();
                let columns = if columns.is_empty() { "region".to_owned() } else { columns.join(", ") };
                plan.problems.push((node, format!("can't be replaced to change {columns}: {why}")));
            }
            _ => {}
        }
    }
}

/// A replacement takes along what the cloud keeps inside: if that is nobody's row, it would be lost.
fn object(world: &World, doing: &HashMap<usize, Doing>, plan: &mut Plan) {
    for (node, it) in world.nodes.iter().enumerate() {
        let (None, None, Some(seen), false) = (&it.wanted, &it.base, &it.seen, it.orphan) else { continue };
        if seen.kept.is_some() {
            continue;
        }
        for (column, to) in world.targets(node, &seen.row) {
            let replaced = doing.get(&to).is_some_and(|d| d.verb == Verb::Replace);
            if replaced && world.table(node).columns[column].replaces() {
                let (table, label) = (world.table(node).name, world.label(node));
                let words = format!("replacing it would lose {table} {label}, which is in the cloud but not in this database: run iasql_sync() first");
                plan.problems.push((to, words));
            }
        }
    }
    for (&node, change) in doing {
        let table = world.table(node);
        if table.import_only && change.verb != Verb::Delete {
            plan.problems.push((node, format!("a {} can only come from the cloud", table.name)));
        }
    }
    plan.problems.sort();
}

/// Rows that agree with the cloud although nobody remembers it, and rows gone on both sides.
fn settle(world: &World, doing: &HashMap<usize, Doing>, plan: &mut Plan) {
    for (node, it) in world.nodes.iter().enumerate() {
        match (&it.wanted, &it.base, &it.seen) {
            (Some(wanted), base, Some(seen)) if !doing.contains_key(&node) => {
                let table = world.table(node);
                let old = |base: &crate::world::Base| {
                    plain_differs(&base.pk, &wanted.pk)
                        || base.region != it.region
                        || table.cloud_id(&seen.row) != Some(base.cloud_id.as_str())
                        || (0..table.columns.len()).any(|at| cell_moved(world, node, at, &base.row, wanted, &seen.row))
                };
                if base.as_ref().is_none_or(old) {
                    plan.settled.push((node, Settled::Agreed));
                }
            }
            (None, Some(_), None) if !it.unread => plan.settled.push((node, Settled::Forgotten)),
            _ => {}
        }
    }
}

fn plain_differs(a: &Value, b: &Value) -> bool {
    crate::world::plain(a) != crate::world::plain(b)
}

/// Whether a cell has to be written: into the base row, or, where AWS owns it, into the row.
fn cell_moved(world: &World, node: usize, at: usize, base: &Row, wanted: &crate::world::Wanted, seen: &Row) -> bool {
    let column = &world.table(node).columns[at];
    if column.settable() {
        let filled = column.late && wanted.row[at].is_null() && !seen[at].is_null();
        filled || !compare::equal(column.kind, &base[at], &wanted.row[at])
    } else {
        !compare::equal(column.kind, &wanted.row[at], &seen[at])
    }
}

/// Numbers the steps, finds what waits for what, and puts the changes in that order.
fn steps(world: &World, doing: &HashMap<usize, Doing>, plan: &mut Plan) {
    let drafts = order::drafts(world, doing.iter().map(|(&node, d)| (node, d.verb)));
    let drafts = match order::sorted(drafts) {
        Ok(drafts) => drafts,
        Err(circle) => {
            let names: Vec<String> = circle.iter().map(|&n| format!("{} {}", world.table(n).name, world.label(n))).collect();
            plan.problems.push((circle[0], format!("waits for itself: {}", names.join(" -> "))));
            return;
        }
    };
    let makes: HashMap<usize, u32> =
        drafts.iter().zip(0..).filter(|(d, _)| d.makes).map(|(d, n)| (d.node, n)).collect();
    let anew = anew(world, doing, &makes);
    let none = HashMap::new();
    let children = children(world, doing);
    let mut of_node: HashMap<usize, Vec<u32>> = HashMap::new();
    let mut born: HashMap<usize, usize> = HashMap::new();
    let mut strip: HashMap<usize, Vec<(String, Row)>> = HashMap::new();
    for (&parent, change) in doing {
        if matches!(change.verb, Verb::Create | Verb::Replace) {
            for birth in world.table(parent).births {
                match child(world, children.get(&parent), parent, birth) {
                    Some(child) => _ = born.insert(child, parent),
                    None if birth.kept => {}
                    None => strip.entry(parent).or_default().extend(unwanted(world, birth, makes[&parent])),
                }
            }
        }
    }
    for (draft, number) in drafts.iter().zip(0u32..) {
        let (node, change) = (draft.node, &doing[&draft.node]);
        let it = &world.nodes[node];
        let empty = Row::new();
        let was = it.seen.as_ref().map_or(&empty, |s| &s.row);
        let row = it.wanted.as_ref().map_or(&empty, |w| &w.row);
        let action = match (change.verb, draft.makes) {
            (Verb::Update, _) => wire::Action::Update {
                was: in_cloud_terms(world, node, was, &none),
                row: in_cloud_terms(world, node, row, &anew),
            },
            (_, true) => wire::Action::Create {
                row: in_cloud_terms(world, node, row, &anew),
                born: born.contains_key(&node),
                strip: strip.remove(&node).unwrap_or_default(),
            },
            (_, false) => wire::Action::Delete { was: in_cloud_terms(world, node, was, &none) },
        };
        let home = if draft.makes { it.wanted.as_ref().map(|w| w.region.clone()) } else { None };
        plan.steps.push(Step {
            number,
            after: draft.after.clone(),
            table: world.table(node).name.to_owned(),
            region: home.unwrap_or_else(|| it.region.clone()),
            pk: world.pk(node),
            label: world.label(node),
            action,
            reason: reason(world, change.reason),
        });
        of_node.entry(node).or_default().push(number);
    }
    let mut changes: Vec<Change> = doing
        .iter()
        .map(|(&node, change)| {
            let columns = world.table(node).columns;
            let names = change.columns.iter().map(|&at| columns[at].name);
            Change {
                node,
                verb: change.verb,
                reason: change.reason,
                columns: names.chain(change.moved.then_some("region")).collect(),
                steps: of_node.remove(&node).unwrap_or_default(),
            }
        })
        .collect();
    changes.sort_by_key(|change| change.steps.first().copied());
    plan.changes = changes;
}

/// The makers of what does not exist yet, or will exist anew.
fn anew(world: &World, doing: &HashMap<usize, Doing>, makes: &HashMap<usize, u32>) -> HashMap<usize, u32> {
    let fresh = |node: &usize| {
        let change = &doing[node];
        world.nodes[*node].seen.is_none() || change.verb == Verb::Replace
    };
    makes.iter().filter(|(node, _)| doing.contains_key(*node) && fresh(node)).map(|(&n, &s)| (n, s)).collect()
}

/// A row as the worker takes it: references by the cloud's names, or by the step that will know.
fn in_cloud_terms(world: &World, node: usize, row: &Row, anew: &HashMap<usize, u32>) -> Row {
    let columns = world.table(node).columns;
    let cell = |(at, cell): (usize, &Value)| {
        let (Some(reference), Some(to)) = (&columns[at].references, world.target(row, at)) else {
            return cell.clone();
        };
        if let Some(&step) = anew.get(&to) {
            let named = world.nodes[to].wanted.as_ref().filter(|_| reference.by == By::Name);
            return match named {
                Some(wanted) => world.table(to).cell(&wanted.row, reference.column).clone(),
                None => wire::pending(step),
            };
        }
        world.cloud_name(to, reference.column).cloned().unwrap_or(Value::Null)
    };
    row.iter().enumerate().map(cell).collect()
}

/// The things to be made, by what they refer to.
fn children(world: &World, doing: &HashMap<usize, Doing>) -> HashMap<usize, Vec<usize>> {
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for (&node, change) in doing {
        let Some(wanted) = &world.nodes[node].wanted else { continue };
        if matches!(change.verb, Verb::Create | Verb::Replace) {
            for (_, to) in world.targets(node, &wanted.row) {
                children.entry(to).or_default().push(node);
            }
        }
    }
    children
}

/// The row that describes what is born along with a parent.
fn child(world: &World, among: Option<&Vec<usize>>, parent: usize, birth: &Birth) -> Option<usize> {
    let table = world.tables.iter().position(|t| t.name == birth.table)?;
    among?.iter().copied().find(|&node| {
        let it = &world.nodes[node];
        let Some(wanted) = it.wanted.as_ref().filter(|_| it.table == table) else { return false };
        world.tables[table].keys().all(|at| {
            let column = &world.tables[table].columns[at];
            if column.name == birth.parent {
                world.target(&wanted.row, at) == Some(parent)
            } else {
                compare::equal(column.kind, &wanted.row[at], &birth_cell(birth, column.name))
            }
        })
    })
}

fn birth_cell(birth: &Birth, column: &str) -> Value {
    let cell = birth.cells.iter().find(|(name, _)| *name == column);
    cell.and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or(Value::Null)
}

/// What is born along with a parent and described by no row.
fn unwanted(world: &World, birth: &Birth, parent: u32) -> Option<(String, Row)> {
    let table = world.tables.iter().find(|t| t.name == birth.table)?;
    let cell = |name| if name == birth.parent { wire::pending(parent) } else { birth_cell(birth, name) };
    Some((birth.table.to_owned(), table.columns.iter().map(|c| cell(c.name)).collect()))
}

/// A reason in words.
pub fn reason(world: &World, reason: Reason) -> String {
    match reason {
        Reason::Added => "added".to_owned(),
        Reason::Edited => "edited".to_owned(),
        Reason::Removed => "deleted".to_owned(),
        Reason::Adopted => "exists in the cloud".to_owned(),
        Reason::Drift => "drift".to_owned(),
        Reason::Gone => "drift: deleted in the cloud".to_owned(),
        Reason::Orphan => "orphan".to_owned(),
        Reason::Follows(to) => format!("follows {} {}", world.table(to).name, world.label(to)),
    }
}
