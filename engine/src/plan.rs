//! What apply would do to the cloud: this table, then what follows from it.
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

use crate::order::Eased;
use crate::table::{Birth, By, Column};
use crate::wire::{self, Step};
use crate::world::{Base, Wanted, World, node_in, plain};
use crate::{Row, Value, compare, order};
use std::collections::{BTreeMap, HashMap, HashSet};

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

impl Change {
    /// The word for people: to them, the next revision is an update.
    pub fn word(&self, world: &World) -> &'static str {
        let revised = self.verb == Verb::Replace && world.table(self.node).revises;
        if revised { Verb::Update.word() } else { self.verb.word() }
    }
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

    /// Whether something is there afterwards that was not there before.
    pub fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }

    /// Whether something is gone afterwards that was there before.
    pub fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::Replace)
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

/// What happens to a node.
#[derive(Debug, Clone)]
pub struct Doing {
    /// The verb.
    pub verb: Verb,
    /// AWS keeps it, but not when what it belongs to goes: its removal takes no step.
    pub along: bool,
    reason: Reason,
    columns: Vec<usize>,
    moved: bool,
}

impl Doing {
    fn new(verb: Verb, reason: Reason) -> Self {
        Self { verb, along: false, reason, columns: Vec::new(), moved: false }
    }

    fn ease(&mut self, node: usize, eased: &Eased) {
        if self.verb == Verb::Update && eased.anew.contains(&node) {
            self.verb = Verb::Replace;
        }
    }
}

/// What happens to which node.
type Doings = BTreeMap<usize, Doing>;

/// Whether the user has edited a row since database and cloud last agreed, and the cloud says
/// otherwise.
pub fn edited(world: &World, node: usize) -> bool {
    decide(world, node).is_some_and(|doing| doing.reason.of_user())
}

/// Whether a row differs from what was last agreed on; the cloud is not asked.
pub fn pending(world: &World, node: usize) -> bool {
    let it = &world.nodes[node];
    match (&it.wanted, &it.base) {
        (Some(wanted), Some(base)) => {
            let columns = world.table(node).columns;
            let differs = |at: usize| {
                !it.implied.contains(&at)
                    && compare::differs(&columns[at], &wanted.row[at], &base.row[at])
            };
            wanted.region != base.region || (0..columns.len()).any(differs)
        }
        (wanted, base) => wanted.is_some() || base.is_some(),
    }
}

/// Works out what apply would do.
pub fn plan(world: &World) -> Plan {
    let mut held = out_of_sight(world);
    let mut eased = Eased::default();
    loop {
        let (mut plan, doing) = decided(world, &mut held, &eased);
        match order::sorted(order::drafts(world, &doing, &eased)) {
            Ok(drafts) => {
                settle(world, &doing, &held, &mut plan);
                steps(world, &doing, &drafts, &mut plan);
            }
            Err(circle) if order::ease(world, &doing, &circle, &mut eased) => continue,
            Err(circle) => {
                let name =
                    |&node: &usize| format!("{} {}", world.table(node).name, world.label(node));
                let names: Vec<String> = circle.iter().map(name).collect();
                let words = format!("waits for itself: {}", names.join(" -> "));
                plan.problems.extend(circle.first().map(|&node| (node, words)));
            }
        }
        plan.held = held.into_iter().collect();
        plan.held.sort_unstable();
        return plan;
    }
}

/// Everything about a plan but its steps. What has to wait for something out of sight joins `held`.
fn decided(world: &World, held: &mut HashSet<usize>, eased: &Eased) -> (Plan, Doings) {
    let mut plan = Plan { problems: world.clashes.clone(), ..Plan::default() };
    let mut doing = loop {
        let nodes = (0..world.nodes.len()).filter(|node| !held.contains(node));
        let mut doing: Doings =
            nodes.filter_map(|node| Some((node, decide(world, node)?))).collect();
        doing.iter_mut().for_each(|(node, change)| change.ease(*node, eased));
        spread(world, &mut doing, held, eased);
        let waiting = waiting(world, &doing, held);
        if waiting.is_empty() {
            break doing;
        }
        held.extend(waiting);
    };
    keep(world, &mut doing, &mut plan);
    object(world, &doing, &mut plan);
    (plan, doing)
}

/// The table above, for one thing.
fn decide(world: &World, node: usize) -> Option<Doing> {
    let it = &world.nodes[node];
    let table = world.table(node);
    match (&it.wanted, &it.base, &it.seen) {
        (Some(_), None, None) => Some(Doing::new(Verb::Create, Reason::Added)),
        // What only the cloud can make is gone for good: a sync takes the row away.
        (Some(_), Some(_), None) if table.import_only => None,
        (Some(_), Some(_), None) => Some(Doing::new(Verb::Create, Reason::Gone)),
        (None, Some(_), Some(_)) => Some(Doing::new(Verb::Delete, Reason::Removed)),
        (None, None, Some(_)) if it.orphan => Some(Doing::new(Verb::Delete, Reason::Orphan)),
        (Some(wanted), base, Some(seen)) => {
            let columns = compare::differing(table, &wanted.row, &seen.row);
            let moved = wanted.region != it.region;
            if columns.is_empty() && !moved {
                return None;
            }
            let replaces = moved || columns.iter().any(|&at| table.columns[at].replaces());
            let changed = |base: &Row, at: usize| {
                !compare::equal(table.columns[at].kind, &wanted.row[at], &base[at])
            };
            let reason = match base {
                None => Reason::Adopted,
                Some(base) if moved || columns.iter().any(|&at| changed(&base.row, at)) => {
                    Reason::Edited
                }
                Some(_) => Reason::Drift,
            };
            let verb = if replaces { Verb::Replace } else { Verb::Update };
            Some(Doing { columns, moved, ..Doing::new(verb, reason) })
        }
        _ => None,
    }
}

/// What refers to something made anew has to be pointed at the new one, or made anew itself.
fn spread(world: &World, doing: &mut Doings, held: &HashSet<usize>, eased: &Eased) {
    let mut anew: Vec<usize> =
        doing.keys().copied().filter(|&node| made_anew(world, doing, node)).collect();
    if anew.is_empty() {
        return;
    }
    let mut referring: HashMap<usize, Vec<(usize, usize, bool)>> = HashMap::new();
    for (node, it) in world.nodes.iter().enumerate() {
        if let (Some(wanted), Some(_), false) = (&it.wanted, &it.seen, held.contains(&node)) {
            for (link, to) in world.references(node, &wanted.row) {
                let loose = link.reference.loose;
                referring.entry(to).or_default().push((node, link.place.column, loose));
            }
        }
    }
    while let Some(to) = anew.pop() {
        // An old one that goes before the new one is there must not be pointed at.
        let gone_first = doing[&to].verb == Verb::Replace && !order::made_first(world, to, eased);
        for &(node, column, loose) in referring.get(&to).into_iter().flatten() {
            let definition = world.column(node, column);
            if !definition.settable() {
                continue;
            }
            let replaces = definition.replaces() || (gone_first && !loose);
            let before = made_anew(world, doing, node);
            let change =
                doing.entry(node).or_insert_with(|| Doing::new(Verb::Update, Reason::Follows(to)));
            if !change.columns.contains(&column) {
                change.columns.push(column);
                change.columns.sort_unstable();
            }
            if replaces && change.verb == Verb::Update {
                change.verb = Verb::Replace;
            }
            change.ease(node, eased);
            if !before && made_anew(world, doing, node) {
                anew.push(node);
            }
        }
    }
}

/// Whether a thing that others may refer to gets another id.
fn made_anew(world: &World, doing: &Doings, node: usize) -> bool {
    doing.get(&node).is_some_and(|change| {
        let again = change.verb == Verb::Create && world.nodes[node].base.is_some();
        again || change.verb == Verb::Replace
    })
}

/// The nodes of which nothing is known, where they are or where they are to be.
fn out_of_sight(world: &World) -> HashSet<usize> {
    let hidden = |node: &usize| {
        let it = &world.nodes[*node];
        let there = |wanted: &Wanted| !it.asked && world.is_unread(it.table, &wanted.region);
        it.unread || it.wanted.as_ref().is_some_and(there)
    };
    (0..world.nodes.len()).filter(hidden).collect()
}

/// What has to wait until more is known: what refers to something out of sight, what something out
/// of sight may refer to, what may hold something out of sight that a replacement would lose, and
/// what may not have its name yet.
fn waiting(world: &World, doing: &Doings, held: &HashSet<usize>) -> Vec<usize> {
    if held.is_empty() && !world.blind() {
        return Vec::new();
    }
    let mut used = HashSet::new();
    let mut names = HashSet::new();
    for &node in held {
        let it = &world.nodes[node];
        let seen = it.seen.as_ref().map(|seen| (&it.region, &seen.row));
        let now = seen.or(it.base.as_ref().map(|base| (&base.region, &base.row)));
        if let Some((region, row)) = now {
            let mentioned = world.mentioned(node, region, row);
            used.extend(world.targets(node, row).chain(mentioned).map(|(_, to)| to));
            names.extend(world.key(it.table, region, row).map(|key| (it.table, key)));
        }
    }
    let waits = |node: usize, change: &Doing| {
        let it = &world.nodes[node];
        let refers = it.wanted.as_ref().is_some_and(|wanted| {
            let mut targets = world.targets(node, &wanted.row);
            targets.any(|(_, to)| held.contains(&to) && nameless(world, to))
                || world.lacks_default(node, wanted)
        });
        let fresh = it.wanted.as_ref().filter(|_| change.verb.makes());
        let key = fresh.and_then(|wanted| world.key(it.table, &wanted.region, &wanted.row));
        let anew = change.verb == Verb::Replace || it.parted;
        refers
            || (anew && world.parts_unread(node))
            || (change.verb.removes() && used.contains(&node))
            || key.is_some_and(|key| names.contains(&(it.table, key)))
    };
    doing.iter().filter(|(node, change)| waits(**node, change)).map(|(&node, _)| node).collect()
}

/// Whether something out of sight can't be referred to: it may not be there, or is not there yet.
fn nameless(world: &World, node: usize) -> bool {
    let it = &world.nodes[node];
    let moves = it.wanted.as_ref().is_some_and(|wanted| wanted.region != it.region);
    moves || (it.base.is_none() && it.seen.is_none())
}

/// What AWS does not let go of stays, unless it goes along with what it belongs to.
fn keep(world: &World, doing: &mut Doings, plan: &mut Plan) {
    let kept =
        |node: &usize| world.nodes[*node].seen.as_ref().is_some_and(|seen| seen.kept.is_some());
    let changed: Vec<usize> = doing.keys().copied().filter(kept).collect();
    let mut back = HashSet::new();
    for node in changed {
        let (Some(seen), Some(change)) = (&world.nodes[node].seen, doing.get(&node)) else {
            continue;
        };
        let belongs = |(column, to): (usize, usize)| {
            let goes = doing.get(&to).is_some_and(|change| change.verb.removes());
            goes && world.column(node, column).replaces()
        };
        let along = world.targets(node, &seen.row).any(belongs);
        let (verb, reason) = (change.verb, change.reason);
        match verb {
            Verb::Delete | Verb::Replace if along => {
                doing.entry(node).and_modify(|change| change.along = true);
                if verb == Verb::Delete {
                    plan.settled.push((node, Settled::Forgotten));
                }
            }
            Verb::Delete => {
                let has_row = |to: usize| back.contains(&to) || world.nodes[to].wanted.is_some();
                // A row comes back to what it refers to, under its name. An orphan never had one.
                if reason != Reason::Orphan
                    && world.targets(node, &seen.row).all(|(_, to)| has_row(to))
                    && !world.has_namesake(node)
                {
                    plan.settled.push((node, Settled::Kept));
                    back.insert(node);
                }
                doing.remove(&node);
            }
            Verb::Replace => {
                let why = seen.kept.as_deref().unwrap_or_default();
                let columns = columns(world, node, change).join(", ");
                plan.problems.push((node, format!("can't be replaced to change {columns}: {why}")));
            }
            _ => {}
        }
    }
}

/// The columns that differ, by name.
fn columns(world: &World, node: usize, change: &Doing) -> Vec<&'static str> {
    let names = change.columns.iter().map(|&at| world.column(node, at).name);
    names.chain(change.moved.then_some("region")).collect()
}

/// What must not be done: to replace what is not ours, or what holds something that nobody asked to
/// lose.
fn object(world: &World, doing: &Doings, plan: &mut Plan) {
    // A row that stands for something else now is a replacement of what it stood for before.
    let replaced = |node: usize| {
        let verb = doing.get(&node).map(|change| change.verb);
        let again = verb == Some(Verb::Replace) && !world.table(node).revises;
        again || (verb == Some(Verb::Delete) && world.nodes[node].parted)
    };
    if doing.keys().any(|&node| replaced(node)) {
        for (node, it) in world.nodes.iter().enumerate() {
            let Some(seen) = it.seen.as_ref().filter(|seen| seen.kept.is_none()) else { continue };
            let table = world.table(node);
            let why = match (&it.wanted, &it.base) {
                (None, None) if !it.orphan => {
                    "which is in the cloud but not in this database: run iasql_sync() first"
                }
                (Some(_), _) if table.import_only => "which can only come from the cloud",
                _ => continue,
            };
            for (column, to) in world.targets(node, &seen.row) {
                if replaced(to) && (table.import_only || world.column(node, column).replaces()) {
                    let label = world.label(node);
                    let words = format!("replacing it would lose {} {label}, {why}", table.name);
                    plan.problems.push((to, words));
                }
            }
        }
    }
    for (node, it) in world.nodes.iter().enumerate() {
        let (Some(_), Some(seen), None) = (&it.wanted, &it.seen, doing.get(&node)) else {
            continue;
        };
        for (column, to) in world.targets(node, &seen.row) {
            let goes = doing.get(&to).is_some_and(|change| change.verb == Verb::Delete);
            if goes && world.column(node, column).settable() {
                let (table, label) = (world.table(to).name, world.label(to));
                let words = format!("still refers to {table} {label}, which is to be deleted");
                plan.problems.push((node, words));
            }
        }
    }
    for (node, it) in world.nodes.iter().enumerate() {
        // An id that was written down by hand can't follow what it stood for.
        let Some(wanted) = &it.wanted else { continue };
        for (column, to) in world.mentioned(node, &wanted.region, &wanted.row) {
            if doing.get(&to).is_some_and(|change| change.verb.removes()) {
                let (table, label) = (world.table(to).name, world.label(to));
                let id = world.cloud_id(to).unwrap_or_default();
                let (column, verb) = (world.column(node, column).name, doing[&to].verb.word());
                let words = format!(
                    "names {id} in {column}, and apply would {verb} that {table} ({label}): take it out of \
                     {column} first"
                );
                plan.problems.push((node, words));
            }
        }
    }
    for (&node, change) in doing {
        lacks(world, node, change, plan);
        let table = world.table(node);
        if table.import_only && change.verb != Verb::Delete {
            let words = format!("a {} can only come from the cloud", table.name);
            plan.problems.push((node, words));
        } else if change.verb == Verb::Replace && !world.ours(node) && !table.revises {
            let columns = columns(world, node, change).join(", ");
            let words = format!(
                "exists in the cloud already, and was not made from this row: to change {columns}, it \
                 would have to be replaced; run iasql_sync() to take it as it is, or delete it there"
            );
            plan.problems.push((node, words));
        }
    }
    plan.problems.sort();
    plan.problems.dedup();
}

/// What consists of parts has some.
fn lacks(world: &World, node: usize, change: &Doing, plan: &mut Plan) {
    let wanted = world.nodes[node].wanted.as_ref().filter(|_| change.verb != Verb::Delete);
    let Some(wanted) = wanted else { return };
    for (at, part) in world.table(node).parts() {
        let none = wanted.row[at].as_array().is_none_or(Vec::is_empty);
        if world.column(node, at).some && none {
            let (owner, by) = (part.owner.unwrap_or_default(), world.table(node).known_by());
            let known = world.table(node).position(by).map(|at| &wanted.row[at]);
            let known = plain(known.unwrap_or(&wanted.pk));
            let words = format!(
                "has no {part}: INSERT INTO {part} with {owner} {known} first, or delete the row",
                part = part.name
            );
            plan.problems.push((node, words));
        }
    }
}

impl Plan {
    /// The steps that remove what is then made anew for the same row, with the node that has the row.
    pub fn remakes(&self, world: &World) -> Vec<(usize, u32)> {
        let heir = |node: usize| {
            let it = &world.nodes[node];
            let pk = it.base.as_ref().map(|base| plain(&base.pk));
            world.nodes.iter().position(|other| {
                let wanted = other.wanted.as_ref().filter(|_| other.table == it.table);
                wanted.map(|wanted| plain(&wanted.pk)) == pk
            })
        };
        let removal = |change: &Change| {
            let node = match change.verb {
                Verb::Replace if !world.table(change.node).revises => change.node,
                Verb::Delete if world.nodes[change.node].parted => heir(change.node)?,
                _ => return None,
            };
            let removes = |&&step: &&u32| {
                let action = &self.steps[step as usize].action;
                matches!(action, wire::Action::Delete { .. })
            };
            Some((node, *change.steps.iter().find(removes)?))
        };
        self.changes.iter().filter_map(removal).collect()
    }

    /// The nodes whose rows come back.
    pub fn back(&self) -> HashSet<usize> {
        let kept = self.settled.iter().filter(|(_, settled)| *settled == Settled::Kept);
        kept.map(|(node, _)| *node).collect()
    }
}

/// Rows that agree with the cloud although nobody remembers it, and rows gone on both sides.
fn settle(world: &World, doing: &Doings, held: &HashSet<usize>, plan: &mut Plan) {
    let back = plan.back();
    for (node, it) in world.nodes.iter().enumerate() {
        if held.contains(&node) || doing.contains_key(&node) {
            continue;
        }
        match (&it.wanted, &it.base, &it.seen) {
            (Some(wanted), base, Some(seen)) => {
                let remembered =
                    |base: &Base| remembered(world, node, base, wanted, &seen.row, &back);
                if !base.as_ref().is_some_and(remembered) {
                    plan.settled.push((node, Settled::Agreed));
                }
            }
            (None, Some(_), None) => plan.settled.push((node, Settled::Forgotten)),
            _ => {}
        }
    }
}

/// Whether a base row says already that row and resource agree, and the row all that AWS has told.
fn remembered(
    world: &World,
    node: usize,
    base: &Base,
    row: &Wanted,
    seen: &Row,
    back: &HashSet<usize>,
) -> bool {
    let has_row = |to: usize| world.nodes[to].wanted.is_some() || back.contains(&to);
    let columns = world.table(node).columns;
    let told = |(at, column): (usize, &Column)| {
        let (wanted, base, seen) = (&row.row[at], &base.row[at], &seen[at]);
        if !column.settable() {
            return compare::equal(column.kind, wanted, seen);
        }
        let to_fill = if world.nodes[node].implied.contains(&at) {
            world.target(&row.row, at).is_some_and(has_row)
        } else {
            let fills = compare::unsaid(column, wanted) && !column.open;
            fills && !compare::unsaid(column, seen)
        };
        // To the letter: a row that is spelled another way is not known by its print.
        !to_fill && base == wanted
    };
    plain(&base.pk) == plain(&row.pk)
        && base.region == row.region
        && !world.unprinted(node)
        && world.cloud_id(node) == Some(&base.cloud_id)
        && !world.outdated(node, &base.row, |it| it.wanted.as_ref().map(|wanted| &*wanted.row))
        && columns.iter().enumerate().all(told)
}

/// Numbers the steps and puts the changes in their order.
fn steps(world: &World, doing: &Doings, drafts: &[order::Draft], plan: &mut Plan) {
    let makes: HashMap<usize, u32> = drafts
        .iter()
        .zip(0..)
        .filter(|(draft, _)| draft.makes)
        .map(|(draft, n)| (draft.node, n))
        .collect();
    let anew = anew(world, doing, &makes);
    let none = HashMap::new();
    let children = children(world, doing);
    let mut of_node: HashMap<usize, Vec<u32>> = HashMap::new();
    let mut born: HashMap<usize, usize> = HashMap::new();
    let mut strip: HashMap<usize, Vec<(String, Row)>> = HashMap::new();
    for (&parent, change) in doing {
        if change.verb.makes() {
            for birth in world.table(parent).births {
                match child(world, children.get(&parent), parent, birth) {
                    Some(child) => _ = born.insert(child, parent),
                    None if birth.kept => {}
                    None => strip.entry(parent).or_default().extend(unwanted(
                        world,
                        birth,
                        makes[&parent],
                    )),
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
                was: in_cloud_terms(world, node, &let_go(world, node, was, &anew), &none),
                row: in_cloud_terms(world, node, row, &anew),
            },
            (_, true) => wire::Action::Create {
                // In another region there is nothing to follow.
                was: (world.table(node).revises && it.seen.is_some() && !change.moved)
                    .then(|| in_cloud_terms(world, node, was, &none)),
                row: unmade(world, node, in_cloud_terms(world, node, row, &anew)),
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
    let shown = doing.iter().filter(|(_, change)| !(change.along && change.verb == Verb::Delete));
    let mut changes: Vec<Change> = shown
        .map(|(&node, change)| Change {
            node,
            verb: change.verb,
            reason: change.reason,
            columns: columns(world, node, change),
            steps: of_node.remove(&node).unwrap_or_default(),
        })
        .collect();
    changes.sort_by_key(|change| change.steps.first().copied());
    plan.changes = changes;
}

/// The makers of what does not exist yet, or will exist anew.
fn anew(world: &World, doing: &Doings, makes: &HashMap<usize, u32>) -> HashMap<usize, u32> {
    let fresh = |node: &usize| {
        let change = &doing[node];
        world.nodes[*node].seen.is_none() || change.verb == Verb::Replace
    };
    makes
        .iter()
        .filter(|(node, _)| doing.contains_key(*node) && fresh(node))
        .map(|(&n, &s)| (n, s))
        .collect()
}

/// A row as the worker takes it: references by the cloud's names, or by the step that will know.
pub(crate) fn in_cloud_terms(
    world: &World,
    node: usize,
    row: &Row,
    anew: &HashMap<usize, u32>,
) -> Row {
    let mut said = row.clone();
    for link in world.links(node) {
        let settable = world.column(node, link.place.column).settable();
        link.place.change(&mut said, |cell| {
            let Some(to) = node_in(cell) else { return cell.clone() };
            let step = anew.get(&to).filter(|_| settable);
            let by_name = link.reference.by == By::Name;
            let named = || world.nodes[to].wanted.as_ref().filter(|_| by_name);
            match step {
                Some(&step) => match named() {
                    Some(row) => world.table(to).cell(&row.row, link.reference.column).clone(),
                    None => wire::pending(step),
                },
                None => world.cloud_name(to, link.reference.column).cloned().unwrap_or(Value::Null),
            }
        });
    }
    said
}

/// What is seen, as it is when its update has its turn: a reference to what is made anew leads
/// nowhere any more. The new one may go by the same name, and still has to be pointed at; unless it is
/// not wanted any more, and has to be let go before that.
fn let_go(world: &World, node: usize, row: &Row, anew: &HashMap<usize, u32>) -> Row {
    let mut said = row.clone();
    let wanted = world.nodes[node].wanted.as_ref();
    for link in world.links(node).iter().filter(|link| link.reference.by == By::Name) {
        let column = link.place.definition(world.table(node));
        let optional = column.is_some_and(|column| column.settable() && !column.required);
        let stays = |to| {
            wanted.is_some_and(|it| link.place.cells(&it.row).any(|cell| node_in(cell) == Some(to)))
        };
        link.place.change(&mut said, |cell| match node_in(cell) {
            Some(to) if optional && anew.contains_key(&to) && stays(to) => Value::Null,
            _ => cell.clone(),
        });
    }
    said
}

/// The things to be made, by what they refer to.
fn children(world: &World, doing: &Doings) -> HashMap<usize, Vec<usize>> {
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    for (&node, change) in doing {
        let Some(wanted) = &world.nodes[node].wanted else { continue };
        if change.verb.makes() {
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
                compare::equal(column.kind, &wanted.row[at], &birth.cell(column.name))
            }
        })
    })
}

/// A row without what AWS said of the thing it stood for before.
fn unmade(world: &World, node: usize, row: Row) -> Row {
    let columns = world.table(node).columns.iter();
    let cell = |(column, cell): (&crate::table::Column, Value)| match column.settable() {
        true => cell,
        false => Value::Null,
    };
    columns.zip(row).map(cell).collect()
}

/// What is born along with a parent and described by no row.
fn unwanted(world: &World, birth: &Birth, parent: u32) -> Option<(String, Row)> {
    let table = world.tables.iter().find(|t| t.name == birth.table)?;
    let cell = |name| if name == birth.parent { wire::pending(parent) } else { birth.cell(name) };
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
