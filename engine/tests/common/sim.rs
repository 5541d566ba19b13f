//! What the caller's backend and its worker do around the engine: look, plan, carry out, write back.

use super::cloud::{Cloud, Refusal, scopes, time};
use super::database::{BaseRecord, Database, Record, primary_key};
use super::tables::{ALL, change, named};
use iasql_engine::near;
use iasql_engine::plan::{self, Plan, Settled, Verb};
use iasql_engine::print::{self, Print};
use iasql_engine::sync::{self, RowChange, Sync};
use iasql_engine::table::{Access, By, Column, Table};
use iasql_engine::wire::{Action, Made, Scope, Seen, Step, awaits};
use iasql_engine::world::{Base, Known, Wanted, World, gather, plain};
use iasql_engine::{Row, Value, compare, writes};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub const REGIONS: [&str; 2] = ["r1", "r2"];

/// Random numbers that are the same every time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }
}

/// A line of the journal.
#[derive(Debug, Clone)]
struct Entry {
    transaction: u32,
    creates: bool,
    table: &'static str,
    region: String,
    pk: Value,
    cloud_id: Option<String>,
    mark: String,
    /// Which thing that was.
    thing: Option<u32>,
    row: Row,
    since: u32,
    until: u32,
    /// `done`, `failed`, or nobody knows.
    outcome: Option<bool>,
}

/// How transactions have ended, as far as the server knows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Committed,
    Aborted,
}

/// Database and cloud, and what has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Sim {
    pub db: Database,
    committed: Database,
    pub cloud: Cloud,
    journal: Vec<Entry>,
    transaction: u32,
    fates: BTreeMap<u32, Fate>,
    keys: BTreeMap<&'static str, i64>,
    marks: u32,
}

/// How an apply is to go.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Decides the order of the steps, among those allowed.
    pub seed: u64,
    /// Decides which steps fail.
    pub fail: Option<u64>,
    /// What can't be read.
    pub unread: Vec<Scope>,
    /// What was made does not show at once.
    pub lag: bool,
    /// Failures are warnings: what went well is written back.
    pub warn: bool,
}

/// How an apply went.
#[derive(Debug)]
pub struct Applied {
    pub world: World,
    pub plan: Plan,
    pub failed: Vec<(u32, String)>,
}

impl Applied {
    pub fn whole(&self) -> bool {
        self.failed.is_empty() && self.plan.problems.is_empty()
    }
}

impl Sim {
    /// A fresh account with a default net in the first region, and an empty database.
    pub fn new() -> Self {
        let mut sim = Self::default();
        sim.cloud.found_region(REGIONS[0]);
        sim
    }

    /// The same after an import.
    pub fn imported() -> Self {
        let mut sim = Self::new();
        sim.sync(&[]);
        sim.commit();
        sim
    }

    // ------------------------------------------------------------ what a user does

    pub fn new_key(&mut self, table: &'static str) -> Value {
        let key = self.keys.entry(table).or_default();
        *key += 1;
        json!(*key)
    }

    /// Does something that the database may refuse; then nothing has happened.
    pub fn attempt(&mut self, edit: impl FnOnce(&mut Self) -> Option<()>) -> bool {
        let before = self.db.clone();
        let fine = edit(self).is_some() && self.db.check().is_ok();
        if !fine {
            self.db = before;
        }
        fine
    }

    /// Adds a row; columns that are not named are NULL or have their default.
    pub fn insert(&mut self, table: &str, region: &str, cells: Value) -> Value {
        let pk = self.try_insert(table, region, &cells);
        self.db.check().expect("a row that the database takes");
        pk
    }

    pub fn try_insert(&mut self, table: &str, region: &str, cells: &Value) -> Value {
        let table = named(table);
        let row: Row = table
            .columns
            .iter()
            .map(|column| match (&cells[column.name], column.default) {
                (Value::Null, Some("'{}'")) => json!({}),
                (Value::Null, Some(default)) => {
                    serde_json::from_str(&default.replace('\'', "\"")).expect("a default")
                }
                (cell, _) => cell.clone(),
            })
            .collect();
        let pk = match table.primary_key {
            Some(_) => primary_key(table, &Value::Null, &row),
            None => self.new_key(table.name),
        };
        let region = if table.regional() { region.to_owned() } else { String::new() };
        self.db.rows.insert((table.name, plain(&pk)), Record { pk: pk.clone(), region, row });
        pk
    }

    /// Changes a cell of a row, and what follows by ON UPDATE CASCADE.
    pub fn edit(&mut self, table: &str, pk: &Value, column: &str, value: Value) {
        let table = named(table);
        let at = (table.name, plain(pk));
        let Some(mut record) = self.db.rows.get(&at).cloned() else { return };
        if column == "region" {
            record.region = plain(&value);
        } else {
            record.row[table.position(column).expect("a column")] = value;
        }
        record.pk = primary_key(table, &record.pk, &record.row);
        self.db.set(&at, record);
    }

    /// Removes a row and all that refer to it.
    pub fn delete(&mut self, table: &str, pk: &Value) {
        let key = (named(table).name, plain(pk));
        let Some(old) = self.db.rows.get(&key).cloned() else { return };
        // Of what is only referred to by a part, the part goes.
        let to = named(table);
        for (name, pk) in self.db.referring(&key) {
            let record = self.db.rows.get_mut(&(name, pk)).expect("a row");
            let region = record.region.clone();
            for (column, cell) in named(name).columns.iter().zip(&mut record.row) {
                if let (Some(part), Value::Array(parts)) = (column.parts(), cell) {
                    let keeps = |row: &Value| {
                        let row = row.as_array().expect("a part").clone();
                        let record = Record { pk: Value::Null, region: region.clone(), row };
                        !Database::refers(part, &record, to, &old)
                    };
                    parts.retain(keeps);
                }
            }
        }
        let referring = self.db.referring(&key);
        self.db.rows.remove(&key);
        for (table, pk) in referring {
            self.delete(table, &json!(pk));
        }
    }

    pub fn cell(&self, table: &str, pk: &Value, column: &str) -> Value {
        let record = &self.db.rows[&(named(table).name, plain(pk))];
        named(table).cell(&record.row, column).clone()
    }

    /// The primary key of the row with this cell.
    pub fn pk(&self, table: &str, column: &str, value: &Value) -> Value {
        let like = |record: &&Record| named(table).cell(&record.row, column) == value;
        self.db.of(table).find(like).map(|record| record.pk.clone()).unwrap_or_default()
    }

    pub fn commit(&mut self) {
        self.committed = self.db.clone();
        self.fates.insert(self.transaction, Fate::Committed);
        self.transaction += 1;
    }

    /// Rolls back; `known` if the server can still tell.
    pub fn rollback(&mut self, known: bool) {
        self.db = self.committed.clone();
        if known {
            self.fates.insert(self.transaction, Fate::Aborted);
        }
        self.transaction += 1;
    }

    /// Another server takes over from a dump: it knows nothing of transactions.
    pub fn dump_and_restore(&mut self) {
        self.commit();
        self.fates.retain(|_, fate| *fate == Fate::Committed);
        let text = |row: &Row| serde_json::to_string(row).expect("JSON");
        let again = |row: &mut Row| *row = serde_json::from_str(&text(row)).expect("JSON");
        self.db.rows.values_mut().for_each(|record| again(&mut record.row));
        self.db.base.values_mut().for_each(|record| again(&mut record.row));
    }

    // ------------------------------------------------------------ what backend and worker do

    fn made(&self) -> Vec<Made> {
        let creates = self.journal.iter().enumerate().filter(|(_, entry)| entry.creates);
        let open = creates.filter(|(at, entry)| {
            let gone = |later: &Entry| {
                let same = (later.table, &later.region, &later.cloud_id)
                    == (entry.table, &entry.region, &entry.cloud_id);
                !later.creates && later.outcome == Some(true) && same && entry.cloud_id.is_some()
            };
            // A row that was committed knows what was made for it, unless nobody knows.
            let known = self.fates.get(&entry.transaction) == Some(&Fate::Committed);
            (entry.outcome.is_none() || (entry.outcome == Some(true) && !known))
                && !self.journal[at + 1..].iter().any(gone)
        });
        open.map(|(_, entry)| Made {
            table: entry.table.to_owned(),
            region: entry.region.clone(),
            pk: entry.pk.as_str().map_or(json!(plain(&entry.pk)), |pk| json!(pk)),
            cloud_id: entry.cloud_id.clone().filter(|_| entry.outcome == Some(true)),
            mark: entry.mark.clone(),
            aborted: self.fates.get(&entry.transaction) == Some(&Fate::Aborted),
            row: entry.row.clone(),
            answered: entry.outcome == Some(true),
            since: time(entry.since),
            at: time(entry.until),
        })
        .collect()
    }

    pub fn known(&self, unread: &[Scope]) -> Known {
        let mut known = Known { tables: ALL.to_vec(), made: self.made(), ..Known::default() };
        for table in ALL {
            known.wanted.push(self.db.wanted(table.name));
            known.base.push(self.db.base(table.name));
            let mut seen = Vec::new();
            for (other, region) in scopes(&REGIONS) {
                let scope = Scope { table: other.name.to_owned(), region };
                if other.name == table.name && !unread.contains(&scope) {
                    let list = self.cloud.list(table.name, &scope.region);
                    seen.extend(list.into_iter().map(|seen| (scope.region.clone(), seen)));
                }
            }
            known.seen.push(seen);
        }
        known.unread = unread.iter().cloned().collect();
        for thing in self.cloud.things.values().filter(|thing| thing.opaque) {
            let scope = Scope { table: thing.table.name.to_owned(), region: thing.region.clone() };
            if !unread.contains(&scope) {
                known.opaque.insert((scope, thing.id().to_owned()));
            }
        }
        known
    }

    pub fn world(&self, unread: &[Scope]) -> World {
        gather(self.known(unread))
    }

    /// The same without the tables that nothing concerns, going by prints alone.
    pub fn concerned(&self, unread: &[Scope]) -> World {
        gather(concerned(self.known(unread), |known, at| {
            let seen = as_seen(&known.base[at], &known.seen[at]);
            let read = !unread.iter().any(|scope| scope.table == ALL[at].name);
            !(as_agreed(&known.wanted[at], &known.base[at]) && seen && read)
        }))
    }

    pub fn plan(&self) -> (World, Plan) {
        let world = self.world(&[]);
        let plan = plan::plan(&world);
        let concerned = self.concerned(&[]);
        assert_eq!(said(&concerned, &plan::plan(&concerned)), said(&world, &plan));
        (world, plan)
    }

    /// The plan of what was edited, when nothing else is looked at.
    pub fn planned_nearby(&self) -> Vec<String> {
        let all = scopes(&REGIONS).into_iter();
        let all = all.map(|(table, region)| Scope { table: table.name.to_owned(), region });
        let edited = |known: &Known, at: usize| !as_agreed(&known.wanted[at], &known.base[at]);
        let unread = concerned(self.known(&all.clone().collect::<Vec<_>>()), edited);
        let near = near::near(&gather(unread), &REGIONS.map(str::to_owned));
        let rest: Vec<Scope> = all.filter(|scope| !near.whole.contains(scope)).collect();
        let mut known = self.known(&rest);
        for (scope, like) in &near.like {
            let at = ALL.iter().position(|table| table.name == scope.table).expect("a table");
            let list = self.cloud.list(&scope.table, &scope.region).into_iter();
            let keyless = ALL[at].keys().next().is_none();
            let met = list.filter(|seen| {
                keyless || like.iter().any(|row| compare::same_key(ALL[at], row, &seen.row))
            });
            known.seen[at].extend(met.map(|seen| (scope.region.clone(), seen)));
        }
        known.asked = near.asked;
        let world = gather(concerned(known, edited));
        said(&world, &plan::plan(&world))
    }

    /// The plan in words.
    pub fn planned(&self) -> Vec<String> {
        let (world, plan) = self.plan();
        said(&world, &plan)
    }

    pub fn apply(&mut self, how: &How) -> Applied {
        let world = self.concerned(&how.unread);
        let plan = plan::plan(&world);
        let whole = self.world(&how.unread);
        assert_eq!(said(&world, &plan), said(&whole, &plan::plan(&whole)));
        check_plan(&world, &plan, &how.unread);
        if !plan.problems.is_empty() {
            return Applied { world, plan, failed: Vec::new() };
        }
        let before = self.db.clone();
        let mut work = Work {
            sim: self,
            world: &world,
            plan: &plan,
            how,
            ended: HashMap::new(),
            thing: None,
            refused: Vec::new(),
        };
        let failed = work.carry_out();
        let (mut ended, refused) = (work.ended, work.refused);
        for table in ALL.into_iter().filter(|table| table.read_back) {
            let lags = how.lag && table.name == "person";
            let home: &[&str] = if table.regional() { &REGIONS } else { &[""] };
            for region in home.iter().filter(|_| !lags) {
                writes::fill_in(
                    &plan,
                    &mut ended,
                    table,
                    region,
                    self.cloud.list(table.name, region),
                );
            }
        }
        let writes = writes::of_apply(&world, &plan, &ended);
        self.db.write(&world, &writes);
        self.rows_stand(&before);
        if !(how.warn || failed.is_empty() && refused.is_empty()) {
            self.rollback(true);
        }
        let failed = failed.into_iter().chain(refused).collect();
        Applied { world, plan, failed }
    }

    /// Applies with nothing in the way.
    pub fn apply_all(&mut self) -> Applied {
        self.apply(&How::default())
    }

    /// What users have written is still there.
    fn rows_stand(&self, before: &Database) {
        for (key, old) in &before.rows {
            let new =
                self.db.rows.get(key).unwrap_or_else(|| panic!("apply has removed row {key:?}"));
            assert_eq!(new.region, old.region, "{key:?}");
            for (place, column) in named(key.0).columns.iter().enumerate() {
                let mine = column.settable() && !(column.late && old.row[place].is_null());
                assert!(
                    !mine || new.row[place] == old.row[place],
                    "apply has changed {key:?} {}",
                    column.name
                );
            }
        }
    }

    pub fn plan_sync(&self, unread: &[Scope]) -> (World, Sync) {
        let world = self.concerned(unread);
        let sync = sync::sync(&world);
        let whole = self.world(unread);
        assert_eq!(synced(&world, &sync), synced(&whole, &sync::sync(&whole)));
        (world, sync)
    }

    pub fn sync(&mut self, unread: &[Scope]) -> (World, Sync) {
        let (world, sync) = self.plan_sync(unread);
        let creates = sync
            .changes
            .iter()
            .filter(|change| change.verb == Verb::Create)
            .map(|change| change.node);
        let mut keys = HashMap::new();
        for node in writes::newcomers(&world, creates) {
            keys.insert(node, self.new_key(world.table(node).name));
        }
        let before = self.db.clone();
        for part in sync.parts(2) {
            self.db.write(&world, &writes::of_sync(&world, &part, &keys));
        }
        self.discards_are_said(&before, &world, &sync);
        for scope in unread {
            self.scope_stands(&before, scope);
        }
        (world, sync)
    }

    /// Each edit that is gone after a sync stands in its result.
    fn discards_are_said(&self, before: &Database, world: &World, sync: &Sync) {
        let said = |table: &str, pk: &Value| {
            sync.changes.iter().any(|change| {
                let it = &world.nodes[change.node];
                let pks = [it.wanted.as_ref().map(|w| &w.pk), it.base.as_ref().map(|b| &b.pk)];
                let this = pks.into_iter().flatten().any(|it| plain(it) == plain(pk));
                change.discards && world.table(change.node).name == table && this
            })
        };
        for (key, old) in &before.rows {
            let (table, base) = (named(key.0), before.agreed(key, old));
            let follows = table.columns.iter().any(by_name);
            let edited = |at: usize| {
                let column = &table.columns[at];
                let other =
                    |base: &BaseRecord| compare::differs(column, &old.row[at], &base.row[at]);
                !by_name(column) && base.is_none_or(other)
            };
            let moved = !follows && base.is_some_and(|base| base.region != old.region);
            let lost = match self.db.rows.get(key) {
                None => base.is_none() || moved || (0..table.columns.len()).any(edited),
                Some(new) => {
                    let lost = |at: usize| {
                        compare::differs(&table.columns[at], &old.row[at], &new.row[at])
                    };
                    let moved_back = moved && new.region != old.region;
                    moved_back || (0..table.columns.len()).any(|at| edited(at) && lost(at))
                }
            };
            assert!(!lost || said(key.0, &old.pk), "the edit of {key:?} is gone without a word");
        }
    }

    /// Rows of a scope that was not read stay as they are.
    fn scope_stands(&self, before: &Database, scope: &Scope) {
        let here = |key: &&'static str, record: &Record| {
            *key == scope.table && record.region == scope.region
        };
        for (key, old) in before.rows.iter().filter(|((table, _), record)| here(table, record)) {
            // One that was somewhere else before it was edited may be set back there.
            if before.base.get(key).is_some_and(|base| base.region != scope.region) {
                continue;
            }
            let mut new = self.db.rows.get(key).cloned().expect("a row that was not read stays");
            for (at, column) in named(key.0).columns.iter().enumerate() {
                if by_name(column) {
                    new.row[at].clone_from(&old.row[at]);
                    new.region.clone_from(&old.region);
                }
            }
            assert_eq!(&new, old, "{key:?} was changed unread");
        }
    }

    // ------------------------------------------------------------ what has to be true

    /// The plan has nothing to do and nothing to write down.
    #[track_caller]
    pub fn settled(&self) {
        let (world, plan) = self.plan();
        assert_eq!(said(&world, &plan), Vec::<String>::new(), "the plan is not empty");
        assert!(plan.steps.is_empty() && plan.changes.is_empty() && plan.problems.is_empty());
        let left = |world: &World, plan: &Plan| -> Vec<_> {
            let line = |(n, s): &(usize, Settled)| (world.table(*n).name, world.label(*n), *s);
            plan.settled.iter().map(line).collect()
        };
        // A list may tell more than the answer to a change did; that it is as agreed is noted once.
        let noted = |(node, _): &(usize, Settled)| world.unprinted(*node);
        if plan.settled.iter().all(noted) && !plan.settled.is_empty() {
            let mut later = self.clone();
            later.apply_all();
            let (world, plan) = later.plan();
            assert_eq!(left(&world, &plan), [], "not noted");
        } else {
            assert_eq!(left(&world, &plan), [], "not settled");
        }
    }

    /// Sync has nothing to do either.
    #[track_caller]
    pub fn in_sync(&self) {
        let (world, sync) = self.plan_sync(&[]);
        let lines: Vec<_> = sync
            .changes
            .iter()
            .map(|c| {
                format!(
                    "{} {} {} {:?}",
                    c.verb.word(),
                    world.table(c.node).name,
                    world.label(c.node),
                    c.columns
                )
            })
            .collect();
        assert!(lines.is_empty(), "sync is not empty: {lines:?}");
        let agreed: Vec<_> =
            sync.agreed.iter().map(|&n| (world.table(n).name, world.label(n))).collect();
        assert!(agreed.is_empty(), "not agreed: {agreed:?}");
        assert!(sync.forgotten.is_empty(), "not forgotten");
    }

    /// Each row has its thing, cell by cell. Found without the engine's help.
    #[track_caller]
    pub fn rows_match_cloud(&self, all: bool) {
        let mut met = BTreeSet::new();
        for record in self.db.rows.iter() {
            let ((name, key), record) = record;
            let table = named(name);
            let Some(id) = table.cloud_id(&record.row) else { panic!("{name} {key} has no id") };
            let Some(at) = self.cloud.find(name, &record.region, id) else {
                // What comes from the cloud and has gone from there: a sync takes the row away.
                assert!(table.import_only, "{name} {key} {id} is not in the cloud");
                continue;
            };
            assert!(met.insert(at), "{name} {key}: two rows for {id}");
            let seen = self.cloud.shown(&self.cloud.things[&at]);
            let mut row = record.row.clone();
            change(table, &mut row, |_, to, cell| {
                if to.by == By::Id && !cell.is_null() {
                    let table = named(to.table);
                    let other = &self.db.rows[&(table.name, plain(cell))];
                    *cell = table.cell(&other.row, to.column).clone();
                }
            });
            for ((column, cell), seen) in table.columns.iter().zip(&row).zip(&seen) {
                let fine = compare::equal(column.kind, cell, seen);
                assert!(fine, "{name} {key} {}: row {cell}, cloud {seen}", column.name);
            }
            let base = self.db.base.get(&(table.name, key.clone()));
            let base = base.unwrap_or_else(|| panic!("nothing is agreed on {name} {key}"));
            assert_eq!(
                (base.cloud_id.as_str(), &base.region),
                (id, &record.region),
                "{name} {key}"
            );
        }
        for key in self.db.base.keys() {
            assert!(self.db.rows.contains_key(key), "a base row without a row: {key:?}");
        }
        if all {
            met.append(&mut self.cloud.homeless());
            let strays = self.cloud.things.keys().filter(|at| !met.contains(at)).count();
            assert_eq!(strays, 0, "things without a row");
        }
    }

    /// Things that no row of this database has ever stood for, and no failed transaction has made.
    pub fn unmanaged(&self) -> BTreeSet<u32> {
        let ours = |at: &u32| self.has_base(*at) || self.is_orphan(*at);
        self.cloud.things.keys().copied().filter(|at| !ours(at)).collect()
    }

    /// What it all comes to, but for what is not ours.
    pub fn gist(&self) -> Vec<String> {
        let strangers = self.unmanaged();
        self.cloud.gist(|at| !strangers.contains(&at))
    }

    /// Nothing is left over: what is nobody's was so before, or AWS has made it and keeps it.
    #[track_caller]
    pub fn nothing_left_over(&self, before: &Cloud) {
        for at in self.unmanaged() {
            let thing = &self.cloud.things[&at];
            let parent =
                self.cloud.things.values().find(|it| it.cell("grp_id") == thing.cell("grp_id"));
            let kept = thing.kept().is_some()
                || (thing.table.name == "rule" && parent.is_some_and(|it| it.kept().is_some()));
            let fine = before.things.contains_key(&at) || kept;
            assert!(fine, "left over: {} {:?}", thing.table.name, thing.row);
        }
    }

    /// What this database has made for rows that were committed has a row, or is gone.
    #[track_caller]
    pub fn nothing_forgotten(&self) {
        let homeless = self.cloud.homeless();
        for at in self.unmanaged().into_iter().filter(|at| !homeless.contains(at)) {
            let thing = &self.cloud.things[&at];
            let ours = self.journal.iter().any(|entry| {
                entry.creates
                    && entry.outcome == Some(true)
                    && entry.thing == Some(at)
                    && self.fates.get(&entry.transaction) == Some(&Fate::Committed)
            });
            assert!(!ours, "forgotten: {thing:?}");
        }
    }

    fn has_base(&self, at: u32) -> bool {
        let thing = &self.cloud.things[&at];
        self.db.base.iter().any(|((table, _), base)| {
            // One whose id nobody had told goes by its key.
            let nameless =
                base.cloud_id.is_empty() && compare::same_key(thing.table, &base.row, &thing.row);
            *table == thing.table.name
                && base.region == thing.region
                && (base.cloud_id == thing.id() || nameless)
        })
    }

    /// Whether it came along with something of which nobody knows whether it was finished.
    fn is_born_of_unfinished(&self, at: u32) -> bool {
        let thing = &self.cloud.things[&at];
        let unfinished =
            |entry: &Entry| entry.creates && entry.outcome.is_none() && entry.table == "grp";
        thing.table.name == "rule"
            && thing.cell("range") == "0.0.0.0/0"
            && self.journal.iter().filter(|entry| unfinished(entry)).any(|entry| {
                let mut parents = self.cloud.things.values().filter(|it| it.table.name == "grp");
                parents.any(|it| {
                    it.mark.as_ref() == Some(&entry.mark) && it.id() == thing.cell("grp_id")
                })
            })
    }

    /// Whether the journal proves that this was made to follow what a row stands for.
    pub fn is_revision(&self, at: u32) -> bool {
        let thing = &self.cloud.things[&at];
        self.journal.iter().any(|entry| {
            entry.creates
                && thing.table.revises
                && thing.mark.as_ref() == Some(&entry.mark)
                && self.db.rows.contains_key(&(entry.table, plain(&entry.pk)))
        })
    }

    /// Whether the journal proves that this was made for nothing.
    pub fn is_orphan(&self, at: u32) -> bool {
        let thing = &self.cloud.things[&at];
        let made_at = thing.cell("made_at").as_str();
        self.journal.iter().any(|entry| {
            let this = (entry.table, &entry.region) == (thing.table.name, &thing.region);
            let marked = thing.mark.as_ref() == Some(&entry.mark);
            let named =
                entry.outcome == Some(true) && entry.cloud_id.as_deref() == Some(thing.id());
            let then = made_at.is_some_and(|at| {
                time(entry.since).as_str() <= at && at <= time(entry.until).as_str()
            });
            let later = made_at.is_some_and(|at| at > time(entry.until).as_str());
            let nameless = match entry.outcome {
                Some(done) => done && entry.cloud_id.is_none(),
                None => true,
            };
            let like = nameless && compare::same_key(thing.table, &entry.row, &thing.row);
            let aborted = self.fates.get(&entry.transaction) == Some(&Fate::Aborted);
            entry.creates && this && aborted && (marked || (named && !later) || (like && then))
        })
    }
}

/// What refers by name follows it by itself, and so do parts that do.
fn by_name(column: &Column) -> bool {
    let own = |column: &Column| column.references.as_ref().is_some_and(|to| to.by == By::Name);
    own(column) || column.parts().is_some_and(|part| part.columns.iter().any(own))
}

/// A plan in words: verb, table, label, columns, reason; then its problems.
pub fn said(world: &World, plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &plan.changes {
        let (table, label) = (world.table(change.node).name, world.label(change.node));
        let columns = change.columns.join(", ");
        let reason = plan::reason(world, change.reason);
        lines.push(format!("{} {table} {label} [{columns}] {reason}", change.word(world)));
    }
    for (node, words) in &plan.problems {
        lines.push(format!("problem: {} {} {words}", world.table(*node).name, world.label(*node)));
    }
    lines
}

/// A sync in words.
pub fn synced(world: &World, sync: &Sync) -> Vec<String> {
    let line = |change: &RowChange| {
        let (table, label) = (world.table(change.node).name, world.label(change.node));
        let columns = change.columns.join(", ");
        format!("{} {table} {label} [{columns}] {}", change.verb.word(), change.discards)
    };
    let lost = |(node, why): &(usize, String)| {
        format!("{} {}: {why}", world.table(*node).name, world.label(*node))
    };
    sync.changes.iter().map(line).chain(sync.unrepresented.iter().map(lost)).collect()
}

/// What is known of the tables that changes in some of them concern; `changed` takes their places.
fn concerned(mut known: Known, changed: impl Fn(&Known, usize) -> bool) -> Known {
    let at = |table: &Table| ALL.iter().position(|other| *other == table).expect("a table");
    let tables = print::concerned(&ALL, |table| changed(&known, at(table)));
    let places: Vec<usize> = tables.iter().map(|table| at(table)).collect();
    known.tables = tables;
    known.wanted = places.iter().map(|&at| std::mem::take(&mut known.wanted[at])).collect();
    known.base = places.iter().map(|&at| std::mem::take(&mut known.base[at])).collect();
    known.seen = places.iter().map(|&at| std::mem::take(&mut known.seen[at])).collect();
    known
}

/// Whether the rows of a table are what was agreed on, and all that was seen then.
fn as_agreed(wanted: &[Wanted], base: &[Base]) -> bool {
    let says = |it: &Wanted| {
        let same = |base: &&Base| base.pk == it.pk && base.region == it.region;
        base.iter().find(same).is_some_and(|base| base.row == it.row)
    };
    let known = base.iter().all(|base| base.print.is_some());
    wanted.len() == base.len() && wanted.iter().all(says) && known
}

/// Whether what is seen is what was seen when it was agreed on.
fn as_seen(base: &[Base], seen: &[(String, Seen)]) -> bool {
    let same = |region: &str| {
        let known = base.iter().filter(|it| it.region == region).filter_map(|it| it.print);
        let met = seen.iter().filter(|(at, _)| at == region);
        print::same(known.collect(), met.map(|(_, seen)| Print::of(&seen.row)).collect())
    };
    REGIONS.iter().copied().chain([""]).all(same)
}

/// What holds for every plan, whatever becomes of it.
pub fn check_plan(world: &World, plan: &Plan, unread: &[Scope]) {
    if !plan.problems.is_empty()
        && plan.problems.iter().any(|(_, words)| words.contains("waits for itself"))
    {
        assert!(plan.steps.is_empty() && plan.changes.is_empty(), "a circle has no steps");
    }
    let mut of_steps = BTreeSet::new();
    for change in &plan.changes {
        let it = &world.nodes[change.node];
        assert!(!it.unread, "what was not read is left alone");
        of_steps.extend(change.steps.iter().copied());
        if matches!(change.verb, Verb::Delete | Verb::Replace) && plan.problems.is_empty() {
            let revises = change.verb == Verb::Replace && world.table(change.node).revises;
            let ours = it.base.is_some() || it.orphan || revises;
            assert!(ours, "{change:?} of what nobody asked to go");
        }
        let steps: Vec<_> = change.steps.iter().map(|&n| &plan.steps[n as usize]).collect();
        assert!(!steps.is_empty() && steps.len() <= 2, "{change:?}");
    }
    assert_eq!(of_steps.len(), plan.steps.len(), "each step belongs to a change");
    for (at, step) in plan.steps.iter().enumerate() {
        assert_eq!(step.number as usize, at);
        assert!(
            step.after.iter().all(|&before| before < step.number),
            "steps stand in their order"
        );
        let scope = Scope { table: step.table.clone(), region: step.region.clone() };
        assert!(!unread.contains(&scope), "{scope:?} was not read, and is to be changed");
    }
}

/// The worker.
struct Work<'a> {
    sim: &'a mut Sim,
    world: &'a World,
    plan: &'a Plan,
    how: &'a How,
    ended: HashMap<u32, Option<Row>>,
    /// What the last step has made.
    thing: Option<u32>,
    /// What the cloud had a right to refuse.
    refused: Vec<(u32, String)>,
}

impl Work<'_> {
    /// The steps in some order that they allow; what failed on purpose.
    fn carry_out(&mut self) -> Vec<(u32, String)> {
        let mut dice = Dice::new(self.how.seed);
        let mut left: BTreeSet<u32> = (0..self.plan.steps.len() as u32).collect();
        let mut failed = Vec::new();
        loop {
            let ready = |n: &&u32| {
                self.plan.steps[**n as usize].after.iter().all(|b| self.ended.contains_key(b))
            };
            let ready: Vec<u32> = left.iter().filter(ready).copied().collect();
            if ready.is_empty() {
                return failed;
            }
            let number = ready[dice.roll(ready.len())];
            left.remove(&number);
            let step = &self.plan.steps[number as usize];
            let luck = self.how.fail.map(|seed| Dice::new(seed ^ (u64::from(number) << 7)).roll(6));
            match luck {
                Some(0) => failed.push((number, "refused".to_owned())),
                Some(1) => {
                    if self.step(step, true, &left).is_ok() {
                        failed.push((number, "the answer was lost".to_owned()));
                        self.ended.remove(&number);
                    }
                }
                _ => {
                    let _ = self.step(step, false, &left);
                }
            }
        }
    }

    /// `lost`: the cloud does it, and nobody hears of it.
    fn step(&mut self, step: &Step, lost: bool, left: &BTreeSet<u32>) -> Result<(), ()> {
        let table = named(&step.table);
        let mark = format!("mark-{}", self.sim.marks);
        self.sim.marks += 1;
        self.thing = None;
        let since = self.sim.cloud.now();
        let (after, outcome) = match &step.action {
            Action::Create { row, born, strip, was } => {
                if let Some(was) = was {
                    let there = self.sim.cloud.find(
                        table.name,
                        &step.region,
                        table.cloud_id(was).expect("an id"),
                    );
                    assert!(table.revises && there.is_some(), "revises nothing: {step:?}");
                }
                let row = self.resolve(table, row, step);
                let outcome = self.create(step, table, &row, *born, strip, &mark, lost);
                (row, outcome)
            }
            Action::Update { was, row } => {
                let (was, row) = (self.resolve(table, was, step), self.resolve(table, row, step));
                let outcome = self.update(step, table, &was, &row);
                (row, outcome)
            }
            Action::Delete { was } => {
                let was = self.resolve(table, was, step);
                let outcome = self.delete(step, table, &was, left);
                (was, outcome)
            }
        };
        let creates = matches!(step.action, Action::Create { .. });
        let deletes = matches!(step.action, Action::Delete { .. });
        let id = match (&outcome, &step.action) {
            (_, Action::Delete { was }) => table.cloud_id(was).map(str::to_owned),
            (Ok(Some(row)), _) => table.cloud_id(row).map(str::to_owned),
            _ => None,
        };
        if creates || deletes {
            self.sim.journal.push(Entry {
                transaction: self.sim.transaction,
                creates,
                table: table.name,
                region: step.region.clone(),
                pk: step.pk.clone(),
                cloud_id: id,
                mark,
                thing: self.thing,
                row: after,
                since,
                until: self.sim.cloud.now(),
                outcome: if lost { None } else { Some(outcome.is_ok()) },
            });
        }
        match outcome {
            Ok(row) => {
                self.ended.insert(step.number, row);
                Ok(())
            }
            Err(refusal) => {
                self.judge(step, &refusal);
                self.refused.push((step.number, format!("{refusal:?}")));
                Err(())
            }
        }
    }

    /// Cells as the cloud takes them: nothing of the engine's own is left in them.
    fn resolve(&self, table: &Table, row: &Row, step: &Step) -> Row {
        assert_eq!(row.len(), table.columns.len());
        let mut row = row.clone();
        change(table, &mut row, |column, reference, cell| {
            let Some(number) = awaits(cell) else {
                let leak = !(cell.is_string() || cell.is_null());
                assert!(!leak, "{} {}: {cell} in {step:?}", table.name, column.name);
                return;
            };
            let before = &self.plan.steps[number as usize];
            assert!(
                step.after.contains(&number) || step.number == number,
                "{step:?} uses {number}"
            );
            let made =
                self.ended.get(&number).and_then(Option::as_ref).expect("a step that has ended");
            *cell = named(&before.table).cell(made, reference.column).clone();
        });
        row
    }

    #[expect(clippy::too_many_arguments, reason = "a test")]
    fn create(
        &mut self,
        step: &Step,
        table: &'static Table,
        row: &Row,
        born: bool,
        strip: &[(String, Row)],
        mark: &str,
        lost: bool,
    ) -> Result<Option<Row>, Refusal> {
        let there = if born { self.sim.cloud.find_key(table, &step.region, row) } else { None };
        assert!(!born || there.is_some(), "nothing was born: {step:?}");
        let made = match there {
            Some(at) => {
                self.thing = Some(at);
                let differing = compare::differing(table, row, &self.sim.cloud.things[&at].row);
                if differing.iter().any(|&at| table.columns[at].replaces()) {
                    return Err(Refusal::Born);
                }
                let was = self.sim.cloud.things[&at].row.clone();
                self.sim.cloud.update(at, &was, row)?;
                merged(table, row, &self.sim.cloud.things[&at].row)
            }
            None => {
                let at = self.sim.cloud.create(table, &step.region, row, mark)?;
                let made = self.sim.cloud.things[&at].row.clone();
                let id = |at: usize| table.columns[at].id && table.name != "person";
                let said = |at: usize| !table.read_back || id(at);
                self.thing = Some(at);
                made.into_iter()
                    .enumerate()
                    .map(|(at, cell)| if said(at) { cell } else { row[at].clone() })
                    .collect()
            }
        };
        // What was lost is lost before anything else is done.
        if !lost {
            self.ended.insert(step.number, Some(made.clone()));
            for (name, row) in strip {
                let child = named(name);
                let row = self.resolve(child, row, step);
                let there = self.sim.cloud.find_key(child, &step.region, &row);
                let at = there.unwrap_or_else(|| panic!("nothing to strip: {step:?}"));
                assert!(!self.sim.has_base(at));
                self.sim.cloud.delete(at)?;
            }
        }
        Ok(Some(made))
    }

    fn update(
        &mut self,
        step: &Step,
        table: &'static Table,
        was: &Row,
        row: &Row,
    ) -> Result<Option<Row>, Refusal> {
        assert!(
            self.sim.db.rows.contains_key(&(table.name, plain(&step.pk))),
            "an update without a row: {step:?}"
        );
        let id = table.cloud_id(was).expect("an id");
        let at = self
            .sim
            .cloud
            .find(table.name, &step.region, id)
            .ok_or(Refusal::NoSuch("thing", json!(id)))?;
        self.sim.cloud.update(at, was, row)?;
        Ok(Some(merged(table, row, was)))
    }

    fn delete(
        &mut self,
        step: &Step,
        table: &'static Table,
        was: &Row,
        left: &BTreeSet<u32>,
    ) -> Result<Option<Row>, Refusal> {
        let id = table.cloud_id(was).expect("an id").to_owned();
        let Some(at) = self.sim.cloud.find(table.name, &step.region, &id) else { return Ok(None) };
        let ours = self.sim.has_base(at)
            || self.sim.is_orphan(at)
            || self.sim.is_born_of_unfinished(at)
            || self.sim.is_revision(at);
        assert!(ours, "nobody asked for {} {id} to go: {step:?}", table.name);
        // Whoever refers to it and has a step of its own to let go has taken that step.
        for other in self.sim.cloud.referring(at) {
            if other == at {
                continue;
            }
            let other = &self.sim.cloud.things[&other];
            let later = left.iter().find(|&&number| {
                let step = &self.plan.steps[number as usize];
                let (Action::Delete { was } | Action::Update { was, .. }) = &step.action else {
                    return false;
                };
                let same = (step.table.as_str(), &step.region) == (other.table.name, &other.region);
                same && other.table.cloud_id(was) == Some(other.id())
            });
            assert_eq!(
                later,
                None,
                "{} {id} goes before {} {}",
                table.name,
                other.table.name,
                other.id()
            );
        }
        let before = self.sim.unmanaged();
        let things = self.sim.cloud.things.clone();
        let gone = self.sim.cloud.delete(at)?;
        let change = self
            .plan
            .changes
            .iter()
            .find(|change| change.steps.contains(&step.number))
            .expect("a change");
        if change.verb == Verb::Replace {
            for lost in gone.iter().filter(|&&lost| lost != at && before.contains(&lost)) {
                // A kept one comes again with the new one, and so does what is in it.
                let thing = &things[lost];
                let comes_again = |at: &u32| things[at].kept().is_some();
                let inside = gone.iter().filter(|at| comes_again(at)).any(|at| {
                    thing.cell("grp_id") == things[at].cell("grp_id")
                        && !thing.cell("grp_id").is_null()
                });
                assert!(
                    comes_again(lost) || inside,
                    "{} {} is lost on the way",
                    thing.table.name,
                    thing.id()
                );
            }
        }
        Ok(None)
    }

    /// Whether the cloud had a right to refuse, or the plan was wrong.
    fn judge(&self, step: &Step, refusal: &Refusal) {
        let unread = |table: &str| self.how.unread.iter().any(|scope| scope.table == table);
        let unmanaged = self.sim.unmanaged();
        let fair = match refusal {
            Refusal::InUse(by) => by
                .iter()
                .all(|at| unmanaged.contains(at) || unread(self.sim.cloud.things[at].table.name)),
            Refusal::Overlaps(other) => {
                let thing = &self.sim.cloud.things[other];
                let removal = self.plan.steps.iter().find(|step| {
                    let Action::Delete { was } = &step.action else { return false };
                    step.table == thing.table.name && thing.table.cloud_id(was) == Some(thing.id())
                });
                removal.is_none_or(|removal| self.waits_for(removal.number, step.number))
            }
            Refusal::NoSuch(table, cell) => unread(table) || cell.is_null(),
            // An id that was written down by hand may be that of nothing any more.
            Refusal::NoSuchId(id) => !self.plan.steps.iter().any(|other| {
                let Action::Delete { was } = &other.action else { return false };
                let here = other.region == step.region;
                here && named(&other.table).cloud_id(was) == Some(id)
            }),
            // A target that no listener is to lead to can't be used.
            Refusal::NotEnabled(target) => {
                !self.sim.cloud.things.values().any(|it| {
                    it.table.name == "listener"
                        && it.region == step.region
                        && it.cell("target_name") == target.as_str()
                }) && !self.plan.steps.iter().any(|other| {
                    let (Action::Create { row, .. } | Action::Update { row, .. }) = &other.action
                    else {
                        return false;
                    };
                    other.table == "listener"
                        && other.region == step.region
                        && named("listener").cell(row, "target_name") == target.as_str()
                })
            }
            // What AWS makes by itself can't be had otherwise.
            Refusal::Born => true,
            Refusal::Exists(_) | Refusal::Kept(_) | Refusal::Nonsense(_) => false,
        };
        // After failures on purpose, the cloud may be in any state.
        let lines = said(self.world, self.plan);
        assert!(
            fair || self.how.fail.is_some(),
            "the plan was wrong: {refusal:?}\n{step:#?}\n{lines:#?}"
        );
    }

    fn waits_for(&self, step: u32, before: u32) -> bool {
        step == before
            || self.plan.steps[step as usize].after.iter().any(|&next| self.waits_for(next, before))
    }
}

/// What the cloud holds after an update, as the worker says it.
fn merged(table: &Table, row: &Row, seen: &Row) -> Row {
    let cells = table.columns.iter().zip(row).zip(seen);
    cells
        .map(|((column, wanted), seen)| match column.access {
            Access::ReadOnly => seen.clone(),
            _ if column.late && wanted.is_null() => seen.clone(),
            _ => wanted.clone(),
        })
        .collect()
}
