//! What has to wait for what. References are the dependency graph: creates and updates come after
//! what they refer to, deletes before. Nothing is tried until it works.

use crate::plan::Verb;
use crate::world::World;
use std::collections::{BTreeSet, HashMap};

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

/// The steps of all changes, with what they wait for, in no order yet.
pub fn drafts(world: &World, changes: impl Iterator<Item = (usize, Verb)>) -> Vec<Draft> {
    let mut changes: Vec<(usize, Verb)> = changes.collect();
    changes.sort_unstable_by_key(|&(node, _)| node);
    let mut drafts = Vec::new();
    let mut makes: HashMap<usize, usize> = HashMap::new();
    let mut removes: HashMap<usize, usize> = HashMap::new();
    for &(node, verb) in &changes {
        if matches!(verb, Verb::Delete | Verb::Replace) {
            removes.insert(node, drafts.len());
            drafts.push((node, false));
        }
        if verb != Verb::Delete {
            makes.insert(node, drafts.len());
            drafts.push((node, true));
        }
    }
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); drafts.len()];

    // What is only updated exists: nothing has to wait for that, and two such may name each other.
    let fresh: HashMap<usize, usize> = changes
        .iter()
        .filter(|(_, verb)| matches!(verb, Verb::Create | Verb::Replace))
        .map(|(node, _)| (*node, makes[node]))
        .collect();
    for (&node, &step) in &makes {
        let Some(wanted) = &world.nodes[node].wanted else { continue };
        after[step].extend(world.targets(node, &wanted.row).filter_map(|(_, to)| fresh.get(&to)));
    }
    // Whatever points at a thing now has to go, or look elsewhere, before the thing can go.
    for (node, it) in world.nodes.iter().enumerate() {
        let Some(seen) = &it.seen else { continue };
        for (_, to) in world.targets(node, &seen.row) {
            let Some(&removal) = removes.get(&to) else { continue };
            let lets_go = removes.get(&node).or_else(|| makes.get(&node));
            after[removal].extend(lets_go.filter(|&&step| step != removal));
        }
    }
    let mut holders: HashMap<(usize, String), usize> = HashMap::new();
    for (&node, &removal) in &removes {
        let it = &world.nodes[node];
        let key = it.seen.as_ref().and_then(|seen| world.key(it.table, &it.region, &seen.row));
        if let Some(key) = key {
            holders.insert((it.table, key), removal);
        }
    }
    for (&node, &step) in &makes {
        let it = &world.nodes[node];
        let Some(wanted) = &it.wanted else { continue };
        let key = world.key(it.table, &wanted.region, &wanted.row);
        let holder = key.and_then(|key| holders.get(&(it.table, key)).copied());
        let own = removes.get(&node).copied();
        match own {
            Some(removal) if made_first(world, node) => _ = after[removal].insert(step),
            Some(removal) => _ = after[step].insert(removal),
            None => {}
        }
        if let Some(holder) = holder.filter(|&holder| Some(holder) != own) {
            after[step].insert(holder);
        }
        if world.table(node).exclusive && (it.seen.is_none() || own.is_some()) {
            after[step].extend(removes.iter().filter_map(|(&other, &removal)| {
                let other = &world.nodes[other];
                (other.table == it.table && other.region == wanted.region).then_some(removal)
            }));
        }
    }
    let place = |set: BTreeSet<usize>| set.into_iter().filter_map(|s| u32::try_from(s).ok()).collect();
    let drafts = drafts.into_iter().zip(after);
    drafts.map(|((node, makes), after)| Draft { node, makes, after: place(after) }).collect()
}

/// Whether the replacement of a thing can be there before the old one goes: their names differ, and
/// its kind allows it.
pub fn made_first(world: &World, node: usize) -> bool {
    let it = &world.nodes[node];
    let (Some(wanted), Some(seen)) = (&it.wanted, &it.seen) else { return false };
    let key = |region, row| world.key(it.table, region, row);
    world.table(node).create_first && key(&wanted.region, &wanted.row) != key(&it.region, &seen.row)
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
    let mut path = Vec::new();
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == at) {
            path.push(at);
            return path[start..].iter().map(|&step| drafts[step].node).collect();
        }
        path.push(at);
        let next = drafts[at].after.iter().map(|&s| s as usize).find(|&s| waits[s] > 0);
        let Some(next) = next else { return path.iter().map(|&step| drafts[step].node).collect() };
        at = next;
    }
}
