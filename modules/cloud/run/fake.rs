//! A cloud in memory, whose answers go wrong as a script says.

use crate::cloud::aws::Aws;
use crate::cloud::failure::{Api, Error, Lost, Result};
use crate::cloud::run::{End, Intent, Journal, Outcome};
use crate::cloud::{Erased, Sink, Which};
use futures_util::future::LocalBoxFuture;
use iasql_engine::table::{Access, By, Column, Kind, Reference, Scope, Table};
use iasql_engine::wire::Seen;
use iasql_engine::{Row, Value};
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happened, in order: calls as `create vpc main`, and the journal's lines.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// How a call goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The service says no.
    Refuse(&'static str),
    /// It is carried out, and the answer gets lost.
    LoseAnswer,
    /// It gets lost on its way.
    LoseCall,
    /// It can't be sent.
    Unsent,
    /// It is never answered.
    Hang,
}

/// A table of the fake cloud: `id` (the cloud's), `name` (the key), `parent` (a reference to its own
/// or another table's `id`), `size` (settable), `late` (settable, filled by the cloud).
pub(crate) struct Fake {
    pub(crate) table: &'static Table,
    pub(crate) rows: Mutex<Vec<Seen>>,
    /// The pages of the next listings, instead of the rows.
    pub(crate) pages: Mutex<Option<Vec<Vec<Row>>>>,
    faults: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    log: Log,
    made: Mutex<u32>,
    pub(crate) busy: Mutex<(usize, usize)>,
}

/// The tables `vpc`, `subnet` (whose parent is a `vpc`), `echo` (whose creates can't set the size, and
/// answer too little), `deed` (which is revised, and takes a while to settle) and `rule` (those of one
/// parent go in one call).
pub(crate) struct World {
    pub(crate) log: Log,
    tables: [&'static Fake; 5],
}

impl World {
    pub(crate) fn new() -> Self {
        let log = Log::default();
        let tables = ["vpc", "subnet", "echo", "deed", "rule"];
        let tables = tables.map(|name| Fake::new(name, log.clone()));
        Self { log, tables }
    }

    pub(crate) fn table(&self, name: &str) -> &'static Fake {
        self.tables.iter().find(|fake| fake.table.name == name).unwrap()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static dyn Erased> {
        let fake = *self.tables.iter().find(|fake| fake.table.name == name)?;
        Some(fake)
    }

    /// What the log says of calls and journal, without looks.
    pub(crate) fn told(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| !line.starts_with("find")).cloned().collect()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

/// `[id, name, parent, size, late]` with nothing but a name and a size.
pub(crate) fn row(name: &str, size: i64) -> Row {
    vec![Value::Null, json!(name), Value::Null, json!(size), Value::Null]
}

pub(crate) fn child(name: &str, parent: Value) -> Row {
    vec![Value::Null, json!(name), parent, json!(1), Value::Null]
}

impl Fake {
    fn new(name: &'static str, log: Log) -> &'static Self {
        let rules = name == "rule";
        let column = |name, access| Column {
            name,
            sql: "text",
            kind: Kind::Plain,
            access,
            key: name == "name" || rules && name == "parent",
            id: name == "id",
            created: false,
            late: name == "late",
            open: false,
            becomes: None,
            request: false,
            waiver: false,
            some: false,
            required: false,
            default: None,
            labels: &[],
            references: (name == "parent").then_some(Reference {
                table: "vpc",
                column: "id",
                by: By::Id,
                when_null: None,
                cascade: false,
                loose: false,
                enables: false,
            }),
            mentions: None,
            doc: "",
        };
        let columns = vec![
            column("id", Access::ReadOnly),
            column("name", Access::Settable),
            column("parent", Access::Fixed),
            column("size", Access::Settable),
            column("late", Access::Settable),
        ];
        let table = Table {
            module: "aws_fake",
            name,
            doc: "",
            scope: Scope::Regional,
            columns: Box::leak(columns.into_boxed_slice()),
            primary_key: None,
            checks: &[],
            births: &[],
            exclusive: false,
            create_first: false,
            read_back: name == "echo",
            import_only: false,
            revises: name == "deed",
            owner: None,
        };
        Box::leak(Box::new(Self {
            table: Box::leak(Box::new(table)),
            rows: Mutex::default(),
            pages: Mutex::default(),
            faults: Mutex::default(),
            log,
            made: Mutex::default(),
            busy: Mutex::default(),
        }))
    }

    /// The next calls of a kind go wrong like this.
    pub(crate) fn fail(&self, verb: &'static str, faults: &[Fault]) {
        self.faults.lock().unwrap().entry(verb).or_default().extend(faults.iter().cloned());
    }

    pub(crate) fn hold(&self, rows: &[Row]) {
        let seen = rows.iter().map(|row| Seen { row: row.clone().into(), ..Seen::default() });
        self.rows.lock().unwrap().extend(seen);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let rows = self.rows.lock().unwrap();
        rows.iter().map(|seen| self.table.label(&seen.row)).collect()
    }

    fn note(&self, verb: &str, rows: &[&Row]) {
        let names: Vec<String> = rows.iter().map(|row| self.table.label(row)).collect();
        let mut line = format!("{verb} {} {}", self.table.name, names.join(","));
        if let Some(row) = rows.first()
            && let Some(parent) = self.table.cell(row, "parent").as_str()
        {
            line.push_str(&format!(" in {parent}"));
        }
        self.log.lock().unwrap().push(line);
    }

    /// Calls take a moment, and go wrong as the script says: before `act` or after it.
    async fn call<T>(
        &self,
        verb: &'static str,
        row: &Row,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.call_for(verb, &[row], act).await
    }

    async fn call_for<T>(
        &self,
        verb: &'static str,
        rows: &[&Row],
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.note(verb, rows);
        {
            let mut busy = self.busy.lock().unwrap();
            busy.0 += 1;
            busy.1 = busy.1.max(busy.0);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        let fault = self.faults.lock().unwrap().get_mut(verb).and_then(VecDeque::pop_front);
        let lost = |sent| Err(Error::Unreachable(Box::new(Lost { sent, ..Lost::default() })));
        let outcome = match fault {
            None => act(),
            Some(Fault::Refuse(code)) => Err(refusal(code)),
            Some(Fault::LoseCall) => lost(true),
            Some(Fault::Unsent) => lost(false),
            Some(Fault::LoseAnswer) => act().and_then(|_| lost(true)),
            Some(Fault::Hang) => std::future::pending().await,
        };
        self.busy.lock().unwrap().0 -= 1;
        outcome
    }

    fn make(&self, row: &Row, mark: &str) -> Row {
        let mut made = self.made.lock().unwrap();
        *made += 1;
        let mut row = row.clone();
        row[0] = json!(format!("{}-{made}", self.table.name));
        if row[4].is_null() {
            row[4] = json!("filled");
        }
        if self.table.read_back {
            row[3] = json!(0);
        }
        let mark = Some(mark.to_owned());
        self.rows.lock().unwrap().push(Seen { row: row.clone().into(), mark, ..Seen::default() });
        row
    }

    fn position(&self, row: &Row) -> Option<usize> {
        let name = self.table.label(row);
        self.rows.lock().unwrap().iter().position(|seen| self.table.label(&seen.row) == name)
    }
}

pub(crate) fn refusal(code: &str) -> Error {
    Error::Api(Box::new(Api { code: code.to_owned(), status: 400, ..Api::default() }))
}

impl Erased for Fake {
    fn table(&self) -> &'static Table {
        self.table
    }

    fn reads(&self) -> &'static [&'static str] {
        &[]
    }

    fn writes(&self) -> &'static [&'static str] {
        &[]
    }

    fn list<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        _: Which<'a, Row>,
        sink: Sink<'a>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let pages = self.pages.lock().unwrap().clone();
            let seen = |row: &Row| Seen { row: row.clone().into(), ..Seen::default() };
            match pages {
                Some(pages) => {
                    for page in pages {
                        (sink.rows)(page.iter().map(seen).collect());
                        tokio::task::yield_now().await;
                    }
                }
                None => (sink.rows)(self.rows.lock().unwrap().clone()),
            }
            self.call("list", &vec![], || Ok(())).await
        })
    }

    fn find<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move {
            let look = || {
                let rows = self.rows.lock().unwrap();
                let marked = rows.iter().find(|seen| seen.mark.as_deref() == Some(mark));
                Ok(marked.map(|seen| seen.row.to_vec()))
            };
            let named = |found: Option<Row>| {
                found.or_else(|| {
                    self.position(row).map(|at| self.rows.lock().unwrap()[at].row.to_vec())
                })
            };
            self.call("find", row, look).await.map(named)
        })
    }

    fn create<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        was: Option<&'a Row>,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Row>> {
        Box::pin(async move {
            let make = || {
                if was.is_none() && self.position(row).is_some() {
                    return Err(refusal("VpcAlreadyExists"));
                }
                Ok(self.make(row, mark))
            };
            self.call("create", row, make).await
        })
    }

    fn loses<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        _: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Vec<&'static str>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn together(&self) -> &'static [&'static str] {
        if self.table.name == "rule" { &["parent", "size"] } else { &[] }
    }

    fn create_all<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        many: &'a [(&'a Row, &'a str)],
    ) -> LocalBoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let rows: Vec<&Row> = many.iter().map(|(row, _)| *row).collect();
            let make = || {
                if rows.iter().any(|row| self.position(row).is_some()) {
                    return Err(refusal("InvalidPermission.Duplicate"));
                }
                Ok(many.iter().map(|(row, mark)| self.make(row, mark)).collect())
            };
            self.call_for("create", &rows, make).await
        })
    }

    fn delete_all<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        many: &'a [&'a Row],
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let remove = || {
                if many.iter().any(|row| self.position(row).is_none()) {
                    return Err(refusal("InvalidPermission.NotFound"));
                }
                let keep = |seen: &Seen| many.iter().all(|row| row[1] != seen.row[1]);
                self.rows.lock().unwrap().retain(keep);
                Ok(())
            };
            self.call_for("delete", many, remove).await
        })
    }

    fn settles(&self) -> bool {
        self.table.revises
    }

    fn settle<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Row>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut row = row.clone();
            row[0] = json!("settled");
            self.call("settle", &row.clone(), || Ok(row)).await
        })
    }

    fn update<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        was: &'a Row,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let change = || {
                let at = self.position(was).ok_or_else(|| refusal("VpcNotFound"))?;
                Arc::make_mut(&mut self.rows.lock().unwrap()[at].row)[3] = row[3].clone();
                Ok(())
            };
            self.call("update", row, change).await
        })
    }

    fn delete<'a>(
        &'a self,
        _: &'a Aws,
        _: &'a str,
        was: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let remove = || {
                let at = self.position(was).ok_or_else(|| refusal("VpcNotFound"))?;
                self.rows.lock().unwrap().remove(at);
                Ok(())
            };
            self.call("delete", was, remove).await
        })
    }
}

/// A journal that writes into the log.
pub(crate) struct Book {
    pub(crate) log: Log,
    pub(crate) intents: Mutex<Vec<Intent>>,
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    pub(crate) full: bool,
}

impl Book {
    pub(crate) fn new(log: &Log) -> Self {
        let (intents, outcomes) = (Mutex::default(), Mutex::default());
        Self { log: log.clone(), intents, outcomes, full: false }
    }

    pub(crate) fn ends(&self) -> Vec<(u32, End)> {
        let outcomes = self.outcomes.lock().unwrap();
        let mut ends: Vec<_> = outcomes.iter().map(|outcome| (outcome.step, outcome.end)).collect();
        ends.sort_by_key(|(step, _)| *step);
        ends
    }
}

fn numbers(steps: impl Iterator<Item = u32>) -> String {
    let mut steps: Vec<u32> = steps.collect();
    steps.sort_unstable();
    steps.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl Journal for Book {
    fn intend(&self, intents: &[Intent]) -> Result<(), String> {
        if self.full {
            return Err("no space left".into());
        }
        let steps = numbers(intents.iter().map(|intent| intent.step));
        self.log.lock().unwrap().push(format!("intend {steps}"));
        self.intents.lock().unwrap().extend_from_slice(intents);
        Ok(())
    }

    fn settle(&self, outcomes: &[Outcome]) -> Result<(), String> {
        let steps = numbers(outcomes.iter().map(|outcome| outcome.step));
        self.log.lock().unwrap().push(format!("settle {steps}"));
        self.outcomes.lock().unwrap().extend_from_slice(outcomes);
        Ok(())
    }
}
