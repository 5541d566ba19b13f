//! What has to wait for what. References are the dependency graph: creates and updates come after
//! what they refer to, deletes before. Nothing is tried until it works.

use crate::plan::{Doing, Verb};
use crate::world::{Link, World};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A step before it has its number: one node is made, brought in line, or removed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The thing.
    pub node: usize,
    /// Whether the thing is there afterwards.
    pub makes: bool,
    /// The steps it waits for; places in the same list.
    pub after: Vec<u32>,
}

/// The steps of all changes, with what they wait for, in no order yet. `eased` are the nodes that
/// get along with less: see [`ease`].
pub fn drafts(world: &World, doing: &BTreeMap<usize, Doing>, eased: &Eased) -> Vec<Draft> {
    let mut steps = Steps::default();
    for (&node, change) in doing {
        // What AWS keeps goes along with what it belongs to, by itself.
        if change.verb.removes() && !change.along {
            let step = steps.push(node, false);
            steps.removes.insert(node, step);
        }
        if change.verb != Verb::Delete {
            let step = steps.push(node, true);
            steps.makes.insert(node, step);
        }
    }
    steps.wait_for_targets(world, doing);
    steps.wait_for_referrers(world, doing);
    steps.wait_for_names(world, eased);
    steps.drafts.into_iter().zip(steps.after).map(|(draft, after)| finish(draft, after)).collect()
}

fn finish((node, makes): (usize, bool), after: BTreeSet<usize>) -> Draft {
    let after = after.into_iter().filter_map(|step| u32::try_from(step).ok()).collect();
    Draft { node, makes, after }
}

#[derive(Default)]
struct Steps {
    drafts: Vec<(usize, bool)>,
    after: Vec<BTreeSet<usize>>,
    /// The steps that make a node or bring it in line, and those that remove one.
    makes: BTreeMap<usize, usize>,
    removes: BTreeMap<usize, usize>,
}

impl Steps {
    fn push(&mut self, node: usize, makes: bool) -> usize {
        self.drafts.push((node, makes));
        self.after.push(BTreeSet::new());
        self.drafts.len() - 1
    }

    /// What is only updated exists: nothing has to wait for that, and two such may name each other.
    fn wait_for_targets(&mut self, world: &World, doing: &BTreeMap<usize, Doing>) {
        let fresh = |to: usize| doing.get(&to).is_some_and(|change| change.verb.makes());
        let mut enabling: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&node, &step) in &self.makes {
            let Some(wanted) = &world.nodes[node].wanted else { continue };
            for (link, to) in world.references(node, &wanted.row) {
                if fresh(to) && world.column(node, link.place.column).settable() {
                    self.after[step].insert(self.makes[&to]);
                }
                if link.reference.enables {
                    enabling.entry(to).or_default().push(step);
                }
            }
        }
        for (&node, &step) in self.makes.iter().filter(|_| !enabling.is_empty()) {
            let Some(wanted) = &world.nodes[node].wanted else { continue };
            let referring = world.references(node, &wanted.row);
            for (_, to) in referring.filter(|(link, _)| !link.reference.enables) {
                self.after[step].extend(enabling.get(&to).into_iter().flatten());
            }
        }
    }

    /// Whatever points at a thing now has to go, or look elsewhere, before the thing can go.
    fn wait_for_referrers(&mut self, world: &World, doing: &BTreeMap<usize, Doing>) {
        for (&node, change) in doing.iter().filter(|(_, change)| !change.along) {
            let it = &world.nodes[node];
            let Some(seen) = &it.seen else { continue };
            let tight = |(link, to): (&Link, usize)| {
                (!link.reference.loose).then_some((link.place.column, to))
            };
            let referring = world.references(node, &seen.row).filter_map(tight);
            for (column, to) in referring.chain(world.mentioned(node, &it.region, &seen.row)) {
                let looks_elsewhere = world.column(node, column).settable();
                let step = match change.verb.removes() {
                    true => self.removes.get(&node),
                    false => self.makes.get(&node).filter(|_| looks_elsewhere),
                };
                for to in going(world, doing, to) {
                    if let (Some(&step), Some(&removal)) = (step, self.removes.get(&to))
                        && removal != step
                    {
                        self.after[removal].insert(step);
                    }
                }
            }
        }
    }

    /// A name can be given to something new when the old one is gone, and so can room.
    fn wait_for_names(&mut self, world: &World, eased: &Eased) {
        let mut holders: HashMap<(usize, String), usize> = HashMap::new();
        let mut yards: HashMap<(usize, &str, Option<usize>), Vec<usize>> = HashMap::new();
        for (&node, &removal) in &self.removes {
            let it = &world.nodes[node];
            let Some(seen) = &it.seen else { continue };
            if let Some(key) = world.key(it.table, &it.region, &seen.row) {
                holders.insert((it.table, key), removal);
            }
            if world.table(node).exclusive {
                let yard = (it.table, it.region.as_str(), yard(world, node, &seen.row));
                yards.entry(yard).or_default().push(removal);
            }
        }
        for (&node, &step) in &self.makes {
            let it = &world.nodes[node];
            let Some(wanted) = &it.wanted else { continue };
            let own = self.removes.get(&node).copied();
            match own {
                Some(removal) if made_first(world, node, eased) => {
                    _ = self.after[removal].insert(step)
                }
                Some(removal) => _ = self.after[step].insert(removal),
                None => {}
            }
            if it.seen.is_some() && own.is_none() {
                continue;
            }
            let key = world.key(it.table, &wanted.region, &wanted.row);
            let holder = key.and_then(|key| holders.get(&(it.table, key)).copied());
            self.after[step].extend(holder.filter(|&holder| Some(holder) != own));
            if world.table(node).exclusive && !eased.order.contains(&node) {
                let yard = (it.table, wanted.region.as_str(), yard(world, node, &wanted.row));
                self.after[step].extend(yards.get(&yard).into_iter().flatten());
            }
        }
    }
}

/// What goes when a node goes: the node itself, or what takes it along.
fn going(world: &World, doing: &BTreeMap<usize, Doing>, node: usize) -> Vec<usize> {
    let Some(change) = doing.get(&node).filter(|change| change.along) else { return vec![node] };
    let seen = world.nodes[node].seen.as_ref().filter(|_| change.verb.removes());
    seen.map_or_else(Vec::new, |seen| world.targets(node, &seen.row).map(|(_, to)| to).collect())
}

/// Things of an exclusive kind get into each other's way within what they are part of.
fn yard(world: &World, node: usize, row: &crate::Row) -> Option<usize> {
    world.targets(node, row).find(|&(column, _)| world.column(node, column).key).map(|(_, to)| to)
}

/// Whether the replacement of a thing can be there before the old one goes: its kind allows it, and
/// their names differ. The revisions of a thing have one name between them.
pub fn made_first(world: &World, node: usize, eased: &Eased) -> bool {
    if world.table(node).revises {
        return true;
    }
    let it = &world.nodes[node];
    let (Some(wanted), Some(seen)) = (&it.wanted, &it.seen) else { return false };
    let key = |region, row| world.key(it.table, region, row);
    world.table(node).create_first
        && !eased.order.contains(&node)
        && key(&wanted.region, &wanted.row) != key(&it.region, &seen.row)
}

/// What was given up to get out of circles.
#[derive(Debug, Default)]
pub struct Eased {
    /// These neither wait until old ones of an exclusive kind are gone, nor are they there before
    /// the old one goes.
    order: HashSet<usize>,
    /// These are made anew although an update would do.
    pub anew: HashSet<usize>,
}

/// Finds what can be given up to get out of a circle, the least first. Two that exchange their names
/// can't both be there before the old one goes; what refers to one of them has to let go of it before
/// there is another to refer to. False if the circle is a true one.
pub fn ease(
    world: &World,
    doing: &BTreeMap<usize, Doing>,
    circle: &[usize],
    eased: &mut Eased,
) -> bool {
    let exclusive = |&&node: &&usize| world.table(node).exclusive && !eased.order.contains(&node);
    let first = |&&node: &&usize| made_first(world, node, eased);
    let updated = |&&node: &&usize| {
        let kept = world.nodes[node].seen.as_ref().is_some_and(|seen| seen.kept.is_some());
        doing.get(&node).is_some_and(|change| change.verb == Verb::Update) && !kept
    };
    let find = |which: &dyn Fn(&&usize) -> bool| circle.iter().find(which).copied();
    if let Some(node) = find(&exclusive).or_else(|| find(&first)) {
        return eased.order.insert(node);
    }
    find(&updated).is_some_and(|node| eased.anew.insert(node))
}

/// The steps so that each comes after those it waits for; else the nodes of a circle.
pub fn sorted(drafts: Vec<Draft>) -> Result<Vec<Draft>, Vec<usize>> {
    let mut waits: Vec<usize> = drafts.iter().map(|draft| draft.after.len()).collect();
    let mut frees: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (at, draft) in drafts.iter().enumerate() {
        for &before in &draft.after {
            frees[before as usize].push(at);
        }
    }
    let mut order: Vec<usize> = (0..drafts.len()).filter(|&at| waits[at] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for &freed in &frees[order[next]] {
            waits[freed] -= 1;
            if waits[freed] == 0 {
                order.push(freed);
            }
        }
        next += 1;
    }
    if order.len() < drafts.len() {
        return Err(circle(&drafts, &waits));
    }
    let mut number = vec![0u32; drafts.len()];
    for (&at, n) in order.iter().zip(0..) {
        number[at] = n;
    }
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let renumber = |mut draft: Draft| {
        draft.after.iter_mut().for_each(|step| *step = number[*step as usize]);
        draft
    };
    Ok(order.into_iter().filter_map(|at| drafts[at].take().map(renumber)).collect())
}

/// Follows the steps that still wait until one comes round again.
fn circle(drafts: &[Draft], waits: &[usize]) -> Vec<usize> {
    let Some(mut at) = waits.iter().position(|&n| n > 0) else { return Vec::new() };
    let mut place = vec![None; drafts.len()];
    let mut path = Vec::new();
    while place[at].is_none() {
        place[at] = Some(path.len());
        path.push(drafts[at].node);
        // One that waits has one before it that waits, too.
        let waiting = |&step: &usize| waits[step] > 0;
        at = drafts[at].after.iter().map(|&step| step as usize).find(waiting).unwrap_or(at);
    }
    path.push(drafts[at].node);
    path.split_off(place[at].unwrap_or(0))
}
