//! What AWS's lists do not show yet. For a while after a change a list may leave out what was made,
//! show what was changed as it was before, and still show what was removed. So lists are held against
//! what the journal knows of the last minutes, and what contradicts it is asked for again before
//! anybody hears of it. Not for ever: somebody else may have put it back, and the lists be right.

use super::aws::Aws;
use super::failure::Result;
use super::read::{Lookup, names};
use super::{Sink, Which};
use futures_util::future::join_all;
use iasql_engine::table::Table;
use iasql_engine::wire::{Report, Scope, Seen};
use iasql_engine::{Row, compare};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How old a change may be for a list that contradicts it to be asked again.
pub const YOUNG: Duration = Duration::from_secs(120);
/// How old it may be for that to happen more than once.
const FRESH: Duration = Duration::from_secs(5);
/// The first pause between two questions; each one after it is twice as long.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 250 });

/// A change that this database made a moment ago. Rows are in cloud terms.
#[derive(Debug, Clone)]
pub struct Change {
    /// Where.
    pub scope: Scope,
    /// The mark it carries, if it was made and can carry one.
    pub mark: String,
    /// As it was; nothing if it was made.
    pub before: Option<Row>,
    /// As it is; nothing if it was removed.
    pub after: Option<Row>,
    /// How long ago that was.
    pub age: Duration,
    /// Whether there may be a row for it.
    pub wanted: bool,
}

/// What became of one thing.
#[derive(Debug)]
struct Thing {
    scope: Scope,
    table: &'static Table,
    mark: String,
    /// All that it was of late.
    was: Vec<Row>,
    /// What it is; nothing if it was removed.
    now: Option<Row>,
    /// It was made of late for a row, so that a list without it means nothing.
    made: bool,
    since: Instant,
}

/// What this database changed a moment ago.
#[derive(Debug, Default)]
pub struct Young {
    things: Vec<Thing>,
    /// Their places there, by scope and each of their names.
    places: HashMap<Scope, HashMap<String, usize>>,
}

impl Young {
    /// Of changes, the oldest first.
    pub fn new(changes: Vec<Change>, resource: Lookup<'_>) -> Self {
        let mut young = Self::default();
        for change in changes {
            if let Some(resource) = resource(&change.scope.table) {
                young.learn(change, resource.table());
            }
        }
        young
    }

    /// Whether anything of a scope is among it.
    pub fn knows(&self, scope: &Scope) -> bool {
        self.places.contains_key(scope)
    }

    fn learn(&mut self, change: Change, table: &'static Table) {
        let Change { scope, mark, before, after, age, wanted } = change;
        let since = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
        let made = before.is_none();
        let Some(row) = after.as_ref().or(before.as_ref()) else { return };
        let place = self.place(&scope, table, row);
        let at = place.unwrap_or(self.things.len());
        let places = self.places.entry(scope.clone()).or_default();
        places.extend(names(table, row).map(|name| (name, at)));
        match self.things.get_mut(at) {
            Some(thing) => {
                thing.was.extend(before);
                thing.made = wanted && (made || thing.made);
                thing.mark = if made { mark } else { std::mem::take(&mut thing.mark) };
                (thing.now, thing.since) = (after, since);
            }
            None => {
                let (was, made) = (before.into_iter().collect(), made && wanted);
                self.things.push(Thing { scope, table, mark, was, now: after, made, since });
            }
        }
    }

    /// Where something stands that goes by the names of this row. What has an id is not what has
    /// another one.
    fn place(&self, scope: &Scope, table: &Table, row: &Row) -> Option<usize> {
        let places = self.places.get(scope)?;
        let same = |at: &usize| match (table.cloud_id(row), self.things[*at].id()) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        names(table, row).filter_map(|name| places.get(&name).copied()).find(same)
    }

    fn find(&self, scope: &Scope, table: &Table, row: &Row) -> Option<&Thing> {
        self.things.get(self.place(scope, table, row)?)
    }
}

impl Thing {
    /// It, or what it was last.
    fn row(&self) -> Option<&Row> {
        self.now.as_ref().or(self.was.last())
    }

    fn id(&self) -> Option<&str> {
        self.table.cloud_id(self.row()?)
    }

    /// Whether a row that is seen of it shows it as it was before, in one column at least.
    fn outdates(&self, seen: &Row) -> bool {
        let Some(now) = &self.now else { return true };
        self.table.columns.iter().enumerate().any(|(at, column)| {
            let says = |row: &Row| {
                let cells = row.get(at).zip(seen.get(at));
                cells.is_some_and(|(one, other)| compare::equal(column.kind, one, other))
            };
            column.settable() && !says(now) && self.was.iter().any(says)
        })
    }

    /// Whether it is this one that is seen.
    fn is(&self, seen: &Seen) -> bool {
        match self.id() {
            Some(id) => self.table.cloud_id(&seen.row) == Some(id),
            None => {
                let marked = seen.mark.as_ref().is_some_and(|mark| *mark == self.mark);
                marked
                    || self.row().is_some_and(|row| compare::same_key(self.table, row, &seen.row))
            }
        }
    }

    /// What AWS has of it now, asked for just that.
    async fn look(&self, aws: &Aws, resource: Lookup<'_>) -> Result<Option<Seen>> {
        let Some(resource) = resource(&self.scope.table) else { return Ok(None) };
        let found = RefCell::new(None);
        let keep = |page: Vec<Seen>| {
            let mut found = found.borrow_mut();
            *found = found.take().or_else(|| page.into_iter().find(|seen| self.is(seen)));
        };
        let sink = Sink { rows: &keep, cannot: &|_, _| (), known: None };
        let which = self.row().map_or(Which::All, Which::Like);
        match resource.list(aws, &self.scope.region, which, sink).await {
            Err(error) if !error.not_found() => Err(error),
            _ => Ok(found.into_inner()),
        }
    }

    /// Asks again for what a list does not show, or shows as it was before (`seen`), and says what is
    /// to be believed.
    async fn ask(
        &self,
        seen: Option<Seen>,
        aws: &Aws,
        resource: Lookup<'_>,
        report: &dyn Fn(Report),
    ) {
        let fresh = FRESH.min(Duration::from_secs(aws.settings().patience));
        let mut pause = PAUSE;
        let found = loop {
            let found = match self.look(aws, resource).await {
                Ok(found) => found,
                Err(error) => {
                    let failure = Some(error.failure());
                    return report(Report::Read { scope: self.scope.clone(), failure });
                }
            };
            let shown = found.as_ref().map(|seen| !self.outdates(&seen.row));
            if shown.unwrap_or(self.now.is_none()) || self.since.elapsed() >= fresh {
                break found;
            }
            sleep(pause).await;
            pause *= 2;
        };
        // What a list has shown and nobody finds is there, unless it was removed.
        let found = found.or(seen.filter(|_| self.now.is_some()));
        if let Some(seen) = found {
            report(Report::Rows { scope: self.scope.clone(), rows: vec![seen] });
        }
    }
}

/// What the lists brought: the names of things, what shows them as they were before, and the scopes
/// that could not be read.
#[derive(Default)]
pub struct Listed {
    names: HashMap<Scope, HashSet<String>>,
    outdated: Vec<(Scope, Seen)>,
    failed: HashSet<Scope>,
}

impl Listed {
    /// Takes note of a report, and gives back as much of it as can be believed.
    pub fn note(&mut self, report: Report, young: &Young, resource: Lookup<'_>) -> Report {
        match report {
            Report::Rows { scope, rows } => {
                let Some(resource) = resource(&scope.table) else {
                    return Report::Rows { scope, rows };
                };
                // Of what is old, no name need be kept in mind.
                if !young.knows(&scope) {
                    return Report::Rows { scope, rows };
                }
                let table = resource.table();
                let listed = self.names.entry(scope.clone()).or_default();
                listed.extend(rows.iter().flat_map(|seen| names(table, &seen.row)));
                let outdated = |seen: &Seen| {
                    let thing = young.find(&scope, table, &seen.row);
                    thing.is_some_and(|thing| thing.outdates(&seen.row))
                };
                let (outdated, rows): (Vec<_>, _) = rows.into_iter().partition(outdated);
                self.outdated.extend(outdated.into_iter().map(|seen| (scope.clone(), seen)));
                Report::Rows { scope, rows }
            }
            Report::Unrepresented { scope, id, reason } => {
                self.names.entry(scope.clone()).or_default().insert(super::read::id_name(&id));
                Report::Unrepresented { scope, id, reason }
            }
            Report::Read { scope, failure: Some(failure) } => {
                self.failed.insert(scope.clone());
                Report::Read { scope, failure: Some(failure) }
            }
            other => other,
        }
    }

    /// Asks again for what was listed as it was before, and for what is missing from the lists of
    /// whole scopes.
    pub async fn settle(
        self,
        aws: &Aws,
        scopes: &[Scope],
        young: &Young,
        resource: Lookup<'_>,
        report: &dyn Fn(Report),
    ) {
        let whole: HashSet<&Scope> = scopes.iter().collect();
        let missing = young.things.iter().filter(|thing| {
            let listed = self.names.get(&thing.scope);
            let has = |name| listed.is_some_and(|listed| listed.contains(&name));
            let name = thing.row().and_then(|row| names(thing.table, row).next());
            let known = name.is_some_and(has) || self.failed.contains(&thing.scope);
            thing.made && thing.now.is_some() && whole.contains(&thing.scope) && !known
        });
        let mut questions: Vec<(&Thing, Option<Seen>)> =
            missing.map(|thing| (thing, None)).collect();
        for (scope, seen) in self.outdated {
            let table = resource(&scope.table).map(super::Erased::table);
            match table.and_then(|table| young.find(&scope, table, &seen.row)) {
                _ if self.failed.contains(&scope) => (),
                Some(thing) => questions.push((thing, Some(seen))),
                // It has grown up meanwhile.
                None => report(Report::Rows { scope, rows: vec![seen] }),
            }
        }
        join_all(questions.into_iter().map(|(thing, seen)| thing.ask(seen, aws, resource, report)))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::read::{Known, read};
    use crate::cloud::run::fake::{World, row};
    use iasql_engine::Value;
    use iasql_engine::wire::Settings;
    use serde_json::json;
    use std::slice::from_ref;

    fn scope() -> Scope {
        Scope { table: "vpc".to_owned(), region: "us-east-1".to_owned() }
    }

    fn named(id: &str, name: &str, size: i64) -> Row {
        let mut row = row(name, size);
        row[0] = json!(id);
        row
    }

    fn change(before: Option<Row>, after: Option<Row>, seconds: u64) -> Change {
        let (mark, age) = (String::new(), Duration::from_secs(seconds));
        Change { scope: scope(), mark, before, after, age, wanted: true }
    }

    /// What is believed of a world whose lists show `listed`, once changes have been made.
    async fn believed(world: &World, listed: &[Row], changes: Vec<Change>) -> Vec<(String, Value)> {
        *world.table("vpc").pages.lock().unwrap() = Some(vec![listed.to_vec()]);
        let region = Some("us-east-1".to_owned());
        let aws = Aws::offline(&Settings { region, patience: 1, ..Settings::default() });
        let resource = |table: &str| world.find(table);
        let young = Young::new(changes, &resource);
        let (listed, told) = (RefCell::new(Listed::default()), RefCell::new(Vec::new()));
        let keep = |report| told.borrow_mut().push(report);
        let note = |report| {
            let believed = listed.borrow_mut().note(report, &young, &resource);
            // The lists have caught up by now, if the world says so.
            world.table("vpc").pages.lock().unwrap().take();
            keep(believed);
        };
        read(&aws, &[scope()], &[], &Known::new(), &resource, &note).await;
        listed.into_inner().settle(&aws, &[scope()], &young, &resource, &keep).await;
        let rows = told.into_inner().into_iter().filter_map(|report| match report {
            Report::Rows { rows, .. } => Some(rows),
            _ => None,
        });
        let mut rows: Vec<_> = rows
            .flatten()
            .map(|seen| (seen.row[1].as_str().unwrap_or_default().to_owned(), seen.row[3].clone()))
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    fn is(name: &str, size: i64) -> (String, Value) {
        (name.to_owned(), json!(size))
    }

    #[tokio::test]
    async fn what_a_list_shows_as_it_was_before_is_asked_for_again() {
        let (old, new) = (named("v-1", "a", 1), named("v-1", "a", 2));
        let world = World::new();
        world.table("vpc").hold(&[new.clone(), named("v-2", "b", 1)]);
        let listed = [old.clone(), named("v-2", "b", 1)];
        let changes = vec![change(Some(old.clone()), Some(new.clone()), 0)];
        assert_eq!(believed(&world, &listed, changes).await, [is("a", 2), is("b", 1)]);
        // What it was before last is old as well.
        let between = named("v-1", "a", 3);
        let changes = vec![
            change(Some(old.clone()), Some(between.clone()), 1),
            change(Some(between), Some(new), 0),
        ];
        assert_eq!(believed(&world, &listed, changes).await, [is("a", 2), is("b", 1)]);
    }

    #[tokio::test]
    async fn what_somebody_else_has_changed_is_believed() {
        let (old, new, other) = (named("v-1", "a", 1), named("v-1", "a", 2), named("v-1", "a", 7));
        let world = World::new();
        world.table("vpc").hold(from_ref(&other));
        let changes = || vec![change(Some(old.clone()), Some(new.clone()), 0)];
        assert_eq!(believed(&world, &[other], changes()).await, [is("a", 7)]);
        assert_eq!(world.count("list"), 1, "nothing to ask again");
        // It was put back, and stays so.
        let world = World::new();
        world.table("vpc").hold(from_ref(&old));
        let began = Instant::now();
        assert_eq!(believed(&world, from_ref(&old), changes()).await, [is("a", 1)]);
        assert!(world.count("list") > 2 && began.elapsed() < Duration::from_secs(3));
        // Of a change that is not so fresh any more, the second answer is taken.
        let world = World::new();
        world.table("vpc").hold(from_ref(&old));
        let changes = vec![change(Some(old.clone()), Some(new.clone()), 60)];
        assert_eq!(believed(&world, from_ref(&old), changes).await, [is("a", 1)]);
        assert_eq!(world.count("list"), 2);
    }

    #[tokio::test]
    async fn what_was_removed_and_is_listed_all_the_same_is_no_row() {
        let old = named("v-1", "a", 1);
        let world = World::new();
        let changes = || vec![change(Some(old.clone()), None, 0)];
        assert_eq!(believed(&world, from_ref(&old), changes()).await, []);
        // Somebody has made it anew, and it has another id.
        let world = World::new();
        let new = named("v-2", "a", 1);
        world.table("vpc").hold(from_ref(&new));
        assert_eq!(believed(&world, from_ref(&new), changes()).await, [is("a", 1)]);
        assert_eq!(world.count("list"), 1);
        // We have made it anew, and it has not: what it was before it was removed is old.
        let world = World::new();
        let again = named("v-1", "a", 2);
        world.table("vpc").hold(from_ref(&again));
        let mut changes = changes();
        changes.push(change(None, Some(again), 0));
        assert_eq!(believed(&world, from_ref(&old), changes).await, [is("a", 2)]);
    }

    #[tokio::test]
    async fn what_was_made_and_is_not_listed_is_asked_for() {
        let new = named("v-1", "a", 1);
        let world = World::new();
        world.table("vpc").hold(from_ref(&new));
        let made = || vec![change(None, Some(new.clone()), 0)];
        assert_eq!(believed(&world, &[], made()).await, [is("a", 1)]);
        // It is gone after all.
        let world = World::new();
        assert_eq!(believed(&world, &[], made()).await, []);
        assert!(world.count("list") > 2);
        // Nobody misses what has no row.
        let world = World::new();
        world.table("vpc").hold(from_ref(&new));
        let unwanted = vec![Change { wanted: false, ..made().remove(0) }];
        assert_eq!(believed(&world, &[], unwanted).await, []);
        // An answer without an id: it goes by its key.
        let nameless = vec![change(None, Some(row("a", 1)), 0)];
        assert_eq!(believed(&world, &[], nameless.clone()).await, [is("a", 1)]);
        assert_eq!(believed(&world, from_ref(&new), nameless).await, [is("a", 1)]);
    }
}
