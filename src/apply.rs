//! Apply and its plan: the cloud is made to match the rows.

use crate::call::Call;
use crate::catalog;
use crate::error::{Error, Result, notice, sqlstate};
use crate::look::{self, Ask, Look};
use crate::settings::{self, OnError, Refresh};
use crate::store;
use crate::turn;
use iasql_engine::near::{self, Near};
use iasql_engine::plan::{self, Plan, Settled, Verb};
use iasql_engine::table::Table;
use iasql_engine::wire::{Failure, Order, Report, Step};
use iasql_engine::world::World;
use iasql_engine::{Row, Value, writes};
use iasql_modules::cloud::failpoint;
use pgrx::{PgLogLevel, PgXactCallbackEvent, register_xact_callback};
use std::collections::{BTreeMap, HashMap};
use std::mem;

/// One line of what apply and sync return: action, table, row id, description.
pub type Line = (String, String, Option<i32>, String);

/// What apply would do.
pub fn preview() -> Result<Vec<Line>> {
    let Some((_, look, plan)) = planned("plan_apply", false)? else { return Ok(Vec::new()) };
    Ok(lines(&look.world, &plan, &HashMap::new()))
}

/// The plan and the world it is made for, and the worker that is to carry it out; nothing when no
/// module is installed.
pub fn planned(call: &str, changes: bool) -> Result<Option<(Call, Look, Plan)>> {
    turn::on_primary()?;
    let tables = catalog::tables(&catalog::installed()?);
    if tables.is_empty() {
        return Ok(None);
    }
    catalog::check(&tables)?;
    let regions = catalog::regions()?;
    let (tables, scopes, near) = match settings::refresh() {
        Refresh::Full => {
            let scopes = look::scopes(&tables, &regions);
            (tables, scopes, Near::default())
        }
        Refresh::Changed => {
            let edited = look::edited(&tables)?;
            let mut near = near::near(&look::rows_alone(&edited)?, &regions);
            say_what_is_left_out(&tables, &near);
            (edited, mem::take(&mut near.whole).into_iter().collect(), near)
        }
    };
    let (mut worker, look) = look::look(&Ask { call, tables: &tables, scopes, near, changes })?;
    look::warn(&look.unread);
    let mut plan = plan::plan(&look.world);
    weigh(&mut worker, &look.world, &mut plan)?;
    objections(&look.world, &plan)?;
    Ok(Some((worker, look, plan)))
}

/// Asks what replacements would lose that no column or row stands for. It may not be lost unless the
/// row says so.
fn weigh(worker: &mut Call, world: &World, plan: &mut Plan) -> Result<()> {
    let remakes = plan.remakes(world);
    if remakes.is_empty() || !plan.problems.is_empty() {
        return Ok(());
    }
    let steps = remakes.iter().map(|(_, step)| plan.steps[*step as usize].clone());
    worker.send(&Order::Weigh(steps.collect()))?;
    let mut lost: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    loop {
        match worker.next()? {
            Report::Loses { step, what } => {
                let node = remakes.iter().find(|(_, at)| *at == step).map(|(node, _)| *node);
                lost.entry(node.unwrap_or_default()).or_default().push(what);
            }
            Report::Progress(text) => notice(text),
            Report::Broken(failure) => return Err(failure.into()),
            Report::Weighed => break,
            _ => {}
        }
    }
    for (node, what) in lost {
        let words = format!("making it anew loses {}, which no column stands for", what.join(", "));
        if world.waives(node) {
            let (table, label) = (world.table(node).name, world.label(node));
            notice(format!("{table} {label}: {words}"));
        } else {
            let words = format!("{words}: UPDATE it to replace_anyway = true if that may be");
            plan.problems.push((node, words));
        }
    }
    Ok(())
}

/// Makes the cloud match the rows.
pub fn apply() -> Result<Vec<Line>> {
    turn::take()?;
    let Some((mut worker, look, plan)) = planned("apply", true)? else { return Ok(Vec::new()) };
    let world = &look.world;
    let outcome = run(&mut worker, world, &plan)?;
    failpoint::pass("before write-back");
    store::write(world, &writes::of_apply(world, &plan, &outcome.ended))?;
    failpoint::pass("after write-back");
    if cfg!(feature = "failpoints") {
        use PgXactCallbackEvent::{Commit, PreCommit};
        register_xact_callback(PreCommit, || failpoint::pass("before commit"));
        register_xact_callback(Commit, || failpoint::pass("after commit"));
    }
    say_what_stays(world, &plan);
    if !outcome.failed.is_empty() {
        let error = report_failures(&plan, &outcome);
        match settings::on_error() {
            OnError::Raise => return Err(error),
            OnError::Warn => error.report(PgLogLevel::WARNING),
        }
    }
    let lines = lines(world, &plan, &outcome.ended);
    let done = plan
        .changes
        .iter()
        .map(|change| change.steps.iter().all(|step| outcome.ended.contains_key(step)));
    Ok(lines.into_iter().zip(done).filter_map(|(line, done)| done.then_some(line)).collect())
}

/// Tells of rows that are back since AWS does not let go of what they describe.
fn say_what_stays(world: &World, plan: &Plan) {
    let mut kept: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for &(node, _) in plan.settled.iter().filter(|(_, settled)| *settled == Settled::Kept) {
        let why = world.nodes[node].seen.as_ref().and_then(|seen| seen.kept.as_deref());
        let key = (world.table(node).name, why.unwrap_or_default());
        kept.entry(key).or_default().push(world.label(node));
    }
    for ((table, why), names) in kept {
        notice(format!("{table} {} stays in the cloud and in the table: {why}", names.join(", ")));
    }
}

/// How the steps of a plan went.
#[derive(Default)]
struct Outcome {
    ended: HashMap<u32, Option<Row>>,
    failed: Vec<(u32, Failure)>,
    skipped: Vec<(u32, u32)>,
}

fn run(worker: &mut Call, world: &World, plan: &Plan) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    if plan.steps.is_empty() {
        return Ok(outcome);
    }
    for portion in plan.steps.chunks(1000) {
        worker.send(&Order::Steps(portion.to_vec()))?;
    }
    worker.send(&Order::Run)?;
    loop {
        match worker.next()? {
            Report::Ended { step, row } => {
                failpoint::pass("after event");
                outcome.ended.insert(step, row);
            }
            Report::Failed { step, failure } => outcome.failed.push((step, failure)),
            Report::Skipped { step, because } => outcome.skipped.push((step, because)),
            Report::After { scope, rows } => {
                let table = world.tables.iter().find(|table| table.name == scope.table);
                if let Some(table) = table {
                    writes::fill_in(plan, &mut outcome.ended, table, &scope.region, rows);
                }
            }
            Report::Progress(text) => notice(text),
            Report::Broken(failure) => return Err(failure.into()),
            Report::RanAll => break,
            _ => {}
        }
    }
    worker.send(&Order::Done)?;
    Ok(outcome)
}

/// One error for all that failed: the message counts and says the first, DETAIL lists each.
fn report_failures(plan: &Plan, outcome: &Outcome) -> Error {
    let step = |number: u32| &plan.steps[number as usize];
    let said = |(number, failure): &(u32, Failure)| {
        format!("{}: {}", phrase(step(*number)), failure.message)
    };
    let mut failed = outcome.failed.clone();
    failed.sort_by_key(|(number, _)| *number);
    let mut detail: Vec<String> = failed
        .iter()
        .map(|pair| match pair.1.request_id.as_str() {
            "" => said(pair),
            id => format!("{} (request id {id})", said(pair)),
        })
        .collect();
    detail.extend(outcome.skipped.iter().map(|&(number, because)| {
        format!(
            "{}: not tried, since it waits for: {}",
            phrase(step(number)),
            phrase(step(because))
        )
    }));
    let (first, failure) = (said(&failed[0]), &failed[0].1);
    let count = format!("{} of {} changes failed", failed.len(), plan.steps.len());
    let skipped = match outcome.skipped.len() {
        0 => String::new(),
        n => format!(", {n} that wait for them were not tried"),
    };
    let hint = match failure.hint.as_str() {
        "" => String::new(),
        hint => format!("{hint} "),
    };
    Error::new(sqlstate(failure), format!("{count}{skipped}: {first}"))
        .detail(detail.join("\n"))
        .hint(format!("{hint}What went well is done; the next iasql_apply() does what is left."))
}

fn phrase(step: &Step) -> String {
    let region =
        if step.region.is_empty() { String::new() } else { format!(" in {}", step.region) };
    format!("{} {} {}{region}", step.action.verb(), step.table, step.label)
}

/// Refuses a plan that can't be carried out, before any call.
fn objections(world: &World, plan: &Plan) -> Result<()> {
    let words: Vec<String> = plan
        .problems
        .iter()
        .map(|(node, what)| format!("{} {} {what}", world.table(*node).name, world.label(*node)))
        .collect();
    match words.split_first() {
        None => Ok(()),
        Some((first, [])) => Err(Error::not_ready(format!("this can't be applied: {first}"))),
        Some((first, more)) => Err(Error::not_ready(format!(
            "this can't be applied: {first} (and {} more)",
            more.len()
        ))
        .detail(words.join("\n"))),
    }
}

/// With `iasql.refresh = changed` a plan is not all there may be to do.
fn say_what_is_left_out(tables: &[&'static Table], near: &Near) {
    let names = |read: &dyn Fn(&str) -> bool| {
        let names = tables.iter().map(|table| table.name).filter(|name| read(name));
        names.collect::<Vec<_>>().join(", ")
    };
    let whole = |name: &str| near.whole.iter().any(|scope| scope.table == name);
    let some = |name: &str| !whole(name) && near.asked.iter().any(|(table, _)| table == name);
    let none = names(&|name| !whole(name) && !some(name));
    let rest = names(&some);
    let words = match (none.is_empty(), rest.is_empty()) {
        (true, true) => return,
        (false, true) => none,
        (true, false) => format!("what was not edited of {rest}"),
        (false, false) => format!("{none}, and what was not edited of {rest}"),
    };
    notice(format!("not looked at, since iasql.refresh is changed: {words}"));
}

/// The lines of a plan, or of its outcome.
fn lines(world: &World, plan: &Plan, ended: &HashMap<u32, Option<Row>>) -> Vec<Line> {
    let line = |change: &plan::Change| {
        let made = change.steps.iter().rev().find_map(|step| ended.get(step)?.as_ref());
        let now = made.and_then(|row| world.table(change.node).cloud_id(row)).map(str::to_owned);
        let before = if change.verb == Verb::Create {
            None
        } else {
            world.cloud_id(change.node).map(str::to_owned)
        };
        let description = now.or(before).unwrap_or_else(|| world.label(change.node));
        let id = if change.verb == Verb::Delete { None } else { row_id(&world.pk(change.node)) };
        (change.word(world).to_owned(), world.table(change.node).name.to_owned(), id, description)
    };
    plan.changes.iter().map(line).collect()
}

/// The `id` of a row, for tables that have one.
pub fn row_id(pk: &Value) -> Option<i32> {
    pk.as_i64().and_then(|id| i32::try_from(id).ok())
}
