//! Looks at both sides: rows and base rows through SPI, the cloud through a worker, and puts them
//! together as a world that the engine can plan on.

use crate::agreed::{self, Prints};
use crate::call::Call;
use crate::catalog;
use crate::error::{Error, Result, notice};
use crate::settings;
use crate::spi;
use iasql_engine::near::Near;
use iasql_engine::print::{self, Print};
use iasql_engine::table::{Column, Table};
use iasql_engine::wire::{Caller, Failure, Identity, Job, Lists, Made, Report, Scope, Seen};
use iasql_engine::world::{self, Base, Known, Rows, Wanted, World};
use iasql_engine::{Row, Value};
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::{Borrow, Cow};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

/// What a look found.
pub struct Look {
    /// Both sides, put together.
    pub world: World,
    /// The scopes that could not be read, and why.
    pub unread: Vec<(Scope, Failure)>,
    /// What no row can stand for: scope, id, reason.
    pub unrepresented: Vec<(Scope, String, String)>,
}

/// Regions of the account, and whether it has them switched on.
pub type Regions = Vec<(String, bool)>;

/// What to look at, and what for.
pub struct Ask<'a> {
    /// The function that was called, for process titles and the history.
    pub call: &'a str,
    /// The tables whose rows are loaded.
    pub tables: &'a [&'static Table],
    /// The scopes that are read; others of these tables count as unread.
    pub scopes: Vec<Scope>,
    /// What is asked for beside that, thing by thing.
    pub near: Near,
    /// Whether changes of the cloud may follow.
    pub changes: bool,
}

/// Every scope of some tables.
pub fn scopes(tables: &[&Table], regions: &[String]) -> Vec<Scope> {
    let scope = |table: &Table, region: &str| Scope {
        table: table.name.to_owned(),
        region: region.to_owned(),
    };
    tables
        .iter()
        .flat_map(|table| match table.regional() {
            true => regions.iter().map(|region| scope(table, region)).collect(),
            false => vec![scope(table, "")],
        })
        .collect()
}

/// Looks. The worker is still there for what may follow.
pub fn look(ask: &Ask<'_>) -> Result<(Call, Look)> {
    let like = ask.near.like.clone().into_iter().collect();
    let known = revisions(ask.tables)?;
    let lists = Lists { scopes: ask.scopes.clone(), like, known, ..Lists::default() };
    let worker = Call::start(job(ask.call, lists, ask.changes, false)?)?;
    let mut reading = Reading::new(worker);
    let mut agreed = Agreed::new(ask)?;
    let mut known = Known::default();
    // Rows are of the moment when the call begins. Whoever edits one later finds his edit untouched.
    let mut load: fn(&[&'static Table], &mut Known) -> Result<()> = rows;
    loop {
        agreed.hold_against(&reading)?;
        let changed = |table: &Table| agreed.changed(table) || reading.late.contains(table.name);
        let concerned = print::concerned(ask.tables, changed);
        let more: Vec<_> =
            concerned.into_iter().filter(|table| !known.tables.contains(table)).collect();
        load(&more, &mut known)?;
        load = rows_as_agreed;
        if reading.whole() {
            break;
        }
        reading.hear()?;
    }
    let look = reading.put_together(known, &ask.scopes, &ask.near)?;
    Ok((reading.call, look))
}

/// The tables that are as they were agreed on, as far as is known by now. What is asked for thing by
/// thing says nothing of the rest.
struct Agreed<'a> {
    /// The scopes of each table that is to be held against what comes, and the prints of its rows.
    to_see: Vec<(&'static Table, Vec<&'a Scope>, Prints)>,
    same: Vec<&'static Table>,
}

impl<'a> Agreed<'a> {
    fn new(ask: &'a Ask<'_>) -> Result<Self> {
        let mut agreed = Self { to_see: Vec::new(), same: Vec::new() };
        if ask.near.asked.is_empty() {
            let schema = spi::name(&catalog::schema()?);
            for &table in ask.tables {
                let scopes = ask.scopes.iter().filter(|scope| scope.table == table.name).collect();
                let prints = agreed::prints(&schema, table)?;
                agreed.to_see.extend(prints.map(|prints| (table, scopes, prints)));
            }
        }
        Ok(agreed)
    }

    /// Whether there is more to a table than what was agreed on.
    fn changed(&self, table: &Table) -> bool {
        !self.same.contains(&table) && !self.to_see.iter().any(|(other, ..)| *other == table)
    }

    /// Looks at the tables that have been read meanwhile.
    fn hold_against(&mut self, reading: &Reading) -> Result<()> {
        let read = self.to_see.extract_if(.., |(_, scopes, _)| reading.has(scopes));
        for (table, scopes, mut prints) in read.collect::<Vec<_>>() {
            let mut same = true;
            for scope in scopes {
                let known = prints.remove(&scope.region).unwrap_or_default();
                same = same
                    && !reading.unread.iter().any(|(unread, _)| unread == scope)
                    && print::same(known, reading.prints(scope)?);
            }
            self.same.extend(same.then_some(table));
        }
        Ok(())
    }
}

/// What a worker lists, as it comes.
pub struct Reading {
    call: Call,
    /// Pages stay as they came until it is their table's turn: as JSON they take a fifth of the room.
    pages: BTreeMap<Scope, Vec<Box<RawValue>>>,
    /// The scopes that have been read, well or not.
    read: HashSet<Scope>,
    /// The tables of which something was said after that: it had to be asked for again.
    late: HashSet<String>,
    whole: bool,
    /// Whose account it is, and its regions, where that was asked.
    pub found: (Option<Identity>, Option<Regions>),
    made: Vec<Made>,
    unread: Vec<(Scope, Failure)>,
    unrepresented: Vec<(Scope, String, String)>,
}

impl Reading {
    /// Has a worker list something, and say which regions there are if asked to.
    pub fn begin(call: &str, lists: Lists, regions: bool) -> Result<Self> {
        Ok(Self::new(Call::start(job(call, lists, false, regions)?)?))
    }

    /// What a worker says that has its job.
    pub fn new(call: Call) -> Self {
        Self {
            call,
            pages: BTreeMap::new(),
            read: HashSet::new(),
            late: HashSet::new(),
            whole: false,
            found: (None, None),
            made: Vec::new(),
            unread: Vec::new(),
            unrepresented: Vec::new(),
        }
    }

    /// Whether there is nothing more to hear.
    pub fn whole(&self) -> bool {
        self.whole
    }

    /// Whether these scopes have been read, well or not.
    pub fn has(&self, scopes: &[impl Borrow<Scope>]) -> bool {
        self.whole || scopes.iter().all(|scope| self.read.contains(scope.borrow()))
    }

    /// Whether anything has come of a table, if only that it could not be read.
    pub fn brings(&self, table: &Table) -> bool {
        let of_it = |scope: &Scope| scope.table == table.name;
        self.pages.keys().any(of_it)
            || self.unread.iter().any(|(scope, _)| of_it(scope))
            || self.unrepresented.iter().any(|(scope, ..)| of_it(scope))
    }

    /// The prints of what has come of a scope.
    fn prints(&self, scope: &Scope) -> Result<Vec<Print>> {
        #[derive(Deserialize)]
        struct Seen<'a> {
            #[serde(borrow)]
            row: &'a RawValue,
        }
        let mut prints = Vec::new();
        for page in self.pages.get(scope).into_iter().flatten() {
            let seen: Vec<Seen<'_>> = serde_json::from_str(page.get())?;
            prints.extend(seen.iter().map(|seen| Print::of_text(seen.row.get())));
        }
        Ok(prints)
    }

    /// Waits for something, if there is more to hear, and hears all that has come by then.
    pub fn hear(&mut self) -> Result<()> {
        while !self.whole {
            match self.call.next_page()? {
                Report::Made(made) => self.made.extend(made),
                Report::Rows { scope, rows } => {
                    self.late.extend(self.read.contains(&scope).then(|| scope.table.clone()));
                    self.pages.entry(scope).or_default().push(rows);
                }
                Report::Unrepresented { scope, id, reason } => {
                    self.unrepresented.push((scope, id, reason));
                }
                Report::Read { scope, failure } => {
                    if let Some(failure) = failure {
                        self.pages.remove(&scope);
                        self.unread.push((scope.clone(), failure));
                    }
                    if let Some(again) = self.read.replace(scope) {
                        self.late.insert(again.table);
                    }
                }
                Report::Progress(text) => notice(text),
                Report::Broken(failure) => return Err(failure.into()),
                Report::Identity(identity) => self.found.0 = Some(identity),
                Report::Regions(regions) => self.found.1 = Some(regions),
                Report::ReadAll => self.whole = true,
                _ => {}
            }
            if !self.whole && !self.call.has_more()? {
                break;
            }
        }
        Ok(())
    }

    /// Both sides, as far as these scopes of the tables at hand go.
    pub fn put_together(
        &mut self,
        mut known: Known,
        scopes: &[Scope],
        near: &Near,
    ) -> Result<Look> {
        let asked: HashSet<&Scope> = scopes.iter().collect();
        let of_these = |scope: &Scope| asked.contains(scope) || near.like.contains_key(scope);
        let unread: Vec<_> = self.unread.extract_if(.., |(scope, _)| of_these(scope)).collect();
        let unrepresented: Vec<_> =
            self.unrepresented.extract_if(.., |(scope, ..)| of_these(scope)).collect();
        // What was not asked for is as unknown as what could not be had.
        let all = every_scope(&known);
        known.unread = all.into_iter().filter(|scope| !asked.contains(scope)).collect();
        known.unread.extend(unread.iter().map(|(scope, _)| scope.clone()));
        let failed = |table: &str| unread.iter().any(|(scope, _)| scope.table == table);
        known.asked = near.asked.iter().filter(|(table, _)| !failed(table)).cloned().collect();
        known.opaque =
            unrepresented.iter().map(|(scope, id, _)| (scope.clone(), id.clone())).collect();
        known.made = std::mem::take(&mut self.made);
        let tables = known.tables.clone();
        let broken = RefCell::new(None);
        let parse = |page: &RawValue| {
            let failed = |error| _ = broken.replace(Some(error));
            serde_json::from_str::<Vec<Seen>>(page.get()).map_err(failed).unwrap_or_default()
        };
        let world = world::gather_with(known, |at| {
            let here = |scope: &Scope, _: &mut _| scope.table == tables[at].name && of_these(scope);
            let pages: Vec<_> = self.pages.extract_if(.., here).collect();
            pages.into_iter().flat_map(|(scope, pages)| {
                let rows = pages.into_iter().flat_map(|page| parse(&page));
                rows.map(move |seen| (scope.region.clone(), seen))
            })
        });
        match broken.into_inner() {
            None => Ok(Look { world, unread, unrepresented }),
            Some(error) => Err(error.into()),
        }
    }
}

/// The tables that what was edited concerns; the cloud is not asked.
pub fn edited(tables: &[&'static Table]) -> Result<Vec<&'static Table>> {
    let schema = spi::name(&catalog::schema()?);
    let mut edited = HashSet::new();
    for table in tables {
        edited.extend(agreed::prints(&schema, table)?.is_none().then_some(table.name));
    }
    Ok(print::concerned(tables, |table| edited.contains(table.name)))
}

/// The rows alone, as if nothing could be read.
pub fn rows_alone(tables: &[&'static Table]) -> Result<World> {
    let mut known = Known::default();
    rows(tables, &mut known)?;
    known.unread = every_scope(&known).into_iter().collect();
    Ok(world::gather(known))
}

/// Warns of what could not be read.
pub fn warn(unread: &[(Scope, Failure)]) {
    let mut grouped: BTreeMap<&str, (Vec<String>, &Failure)> = BTreeMap::new();
    for (scope, failure) in unread {
        let name = if scope.region.is_empty() {
            scope.table.clone()
        } else {
            format!("{} in {}", scope.table, scope.region)
        };
        grouped.entry(&failure.message).or_insert_with(|| (Vec::new(), failure)).0.push(name);
    }
    for (message, (names, failure)) in grouped {
        Error::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            format!("could not read {}: {message}", names.join(", ")),
        )
        .detail("Their rows are left as they are, and nothing of them is changed or deleted in the cloud.")
        .hint(failure.hint.clone())
        .report(PgLogLevel::WARNING);
    }
}

/// A job for a worker.
pub fn job(call: &str, lists: Lists, changes: bool, regions: bool) -> Result<Job> {
    Ok(Job {
        call: call.to_owned(),
        caller: caller(changes)?,
        settings: settings::for_worker(catalog::default_region()?),
        account: catalog::account()?,
        regions,
        lists,
        changes,
    })
}

/// What is remembered of resources that never change, such as the revisions of a task definition.
/// They refer by name alone, so that what the database calls them is what the cloud does.
fn revisions(tables: &[&'static Table]) -> Result<Vec<(Scope, Row)>> {
    let mut known = Vec::new();
    for table in tables.iter().filter(|table| table.revises) {
        base_rows(table, &Rows::new(&[]), |base, _| {
            let scope = Scope { table: table.name.to_owned(), region: base.region };
            known.push((scope, Row::clone(&base.row)));
        })?;
    }
    Ok(known)
}

/// Who calls.
fn caller(changes: bool) -> Result<Caller> {
    let sql = "SELECT session_user::text, coalesce(nullif(current_setting('role'), 'none'), session_user::text), \
                      current_setting('application_name')";
    let mut row =
        spi::select(sql, &[])?.pop().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
    let mut next = || row.next().unwrap_or_default();
    Ok(Caller {
        // SAFETY: a plain value of this process.
        pid: unsafe { pg_sys::MyProcPid },
        session_user: next(),
        role: next(),
        application: next(),
        // The id of the subtransaction, so that a rollback to a savepoint counts as one.
        // SAFETY: within a transaction, which every SQL function is.
        xid: changes.then(|| unsafe { pg_sys::GetCurrentFullTransactionId() }.value.to_string()),
    })
}

/// Adds the rows and base rows of tables.
pub fn rows(tables: &[&'static Table], known: &mut Known) -> Result<()> {
    let schema = spi::name(&catalog::schema()?);
    for &table in tables {
        let sql = select(&schema, table);
        let mut wanted = Vec::new();
        spi::each(&sql, &[], |row| {
            let mut texts = row.into_iter();
            let mut next = || texts.next().flatten().unwrap_or_default();
            let (pk, version, region) = (primary_key(table, next()), next(), next());
            let cells = table.columns.iter().zip(texts);
            let row = cells.map(|(column, text)| cell(column, text)).collect::<Result<Row>>()?;
            wanted.push(Wanted { pk, version, region, row: row.into() });
            Ok(())
        })?;
        let mut base = Vec::new();
        base_rows(table, &Rows::new(&wanted), |it, _| base.push(it))?;
        add(known, table, wanted, base);
    }
    Ok(())
}

/// The same of tables whose rows were as agreed on a moment ago.
fn rows_as_agreed(tables: &[&'static Table], known: &mut Known) -> Result<()> {
    for &table in tables {
        let (mut wanted, mut base) = (Vec::new(), Vec::new());
        base_rows(table, &Rows::new(&[]), |it, version| {
            let (pk, region, row) = (it.pk.clone(), it.region.clone(), it.row.clone());
            wanted.push(Wanted { pk, version, region, row });
            base.push(it);
        })?;
        add(known, table, wanted, base);
    }
    Ok(())
}

fn add(known: &mut Known, table: &'static Table, wanted: Vec<Wanted>, base: Vec<Base>) {
    known.tables.push(table);
    known.wanted.push(wanted);
    known.base.push(base);
}

/// What was last agreed on of a table, with the version of a row that says so.
fn base_rows(table: &Table, rows: &Rows<'_>, mut put: impl FnMut(Base, String)) -> Result<()> {
    let sql = "SELECT row_key, region, cloud_id, row_print::text, encode(seen_print, 'hex'), data::text \
               FROM iasql.base WHERE table_name = $1";
    spi::each(sql, &[table.name], |row| {
        let mut texts = row.into_iter();
        let mut next = || texts.next().flatten().unwrap_or_default();
        let (pk, region, cloud_id) = (primary_key(table, next()), next(), next());
        let (version, print) = (next(), next().parse().ok());
        let row = Cells(table).deserialize(&mut serde_json::Deserializer::from_str(&next()))?;
        let row = rows.share(&pk, row);
        put(Base { pk, cloud_id, region, row, print }, version);
        Ok(())
    })
}

/// A number for all tables but the few whose rows go by a name.
fn primary_key(table: &Table, text: String) -> Value {
    match table.primary_key {
        Some(_) => Value::from(text),
        None => text.parse::<i64>().map_or(Value::Null, Value::from),
    }
}

/// The cells of an object whose fields are named after a table's columns.
struct Cells<'a>(&'a Table);

impl<'de> DeserializeSeed<'de> for Cells<'_> {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<Row, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_> {
    type Value = Row;

    fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "a row of {}", self.0.name)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> std::result::Result<Row, M::Error> {
        let mut row = vec![Value::Null; self.0.columns.len()];
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            match self.0.position(&name) {
                Some(at) => row[at] = fields.next_value()?,
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row)
    }
}

/// Whether a column comes as it is; the others come as JSON.
fn as_it_is(column: &Column) -> bool {
    column.sql == "text" || !column.labels.is_empty()
}

fn cell(column: &Column, text: Option<String>) -> Result<Value> {
    match text {
        None => Ok(Value::Null),
        Some(text) if as_it_is(column) => Ok(Value::from(text)),
        Some(text) => Ok(serde_json::from_str(&text)?),
    }
}

/// Reads a table: primary key, version, region and cells, with the parts of each row in a list.
fn select(schema: &str, table: &Table) -> String {
    let mut joins = String::new();
    let region = |text: &str| if table.regional() { text.to_owned() } else { String::new() };
    let mut cells = Vec::new();
    for (at, column) in table.columns.iter().enumerate() {
        let Some(part) = column.parts() else {
            let name = spi::name(column.name);
            // What PostgreSQL writes of these is JSON as it is, and takes half the time.
            let plain = as_it_is(column) || ["int", "boolean", "jsonb"].contains(&column.sql);
            cells.push(if plain {
                format!("t.{name}::text")
            } else {
                format!("to_json(t.{name})::text")
            });
            continue;
        };
        let names: Vec<String> =
            part.sql_columns().map(|c| format!("p.{}", spi::name(c.name))).collect();
        let owner = spi::name(part.owner.unwrap_or_default());
        joins += &format!(
            " LEFT JOIN (SELECT p.{owner} AS owner_{}, \
                                json_agg(json_build_array({}) ORDER BY p.id) AS rows_ \
                         FROM {schema}.{} p GROUP BY p.{owner}{}) p{at} ON p{at}.owner_ = t.{}{}",
            region(", p.region"),
            names.join(", "),
            spi::name(part.name),
            region(", p.region"),
            spi::name(table.known_by()),
            region(&format!(" AND p{at}.region = t.region")),
        );
        cells.push(format!("coalesce(p{at}.rows_, '[]')::text"));
    }
    format!(
        "SELECT t.{}::text, {}::text, {}, {} FROM {schema}.{} t{joins}",
        catalog::key(table),
        agreed::of_row(schema, table),
        if table.regional() { "t.region" } else { "''" },
        cells.join(", "),
        spi::name(table.name)
    )
}

/// Every scope that a row or a base row is in.
fn every_scope(known: &Known) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for (at, table) in known.tables.iter().enumerate() {
        let wanted = known.wanted[at].iter().map(|row| &row.region);
        let base = known.base[at].iter().map(|row| &row.region);
        let mut regions: Vec<&String> = wanted.chain(base).collect();
        regions.sort_unstable();
        regions.dedup();
        scopes.extend(
            regions
                .into_iter()
                .map(|region| Scope { table: table.name.to_owned(), region: region.clone() }),
        );
    }
    scopes
}
