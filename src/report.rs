//! The long answers: the plan in full, and what drifted.

use crate::apply::{planned, row_id};
use crate::catalog;
use crate::error::Result;
use crate::look::{self, Ask};
use crate::turn;
use iasql_engine::near::Near;
use iasql_engine::plan::Plan;
use iasql_engine::wire::{Action, Step, awaits};
use iasql_engine::world::World;
use iasql_engine::{Row, Value, compare};
use pgrx::JsonB;

/// A line of the full plan, as `iasql_plan()` returns it.
pub type PlanLine = (
    i32,
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<Vec<String>>,
    Option<JsonB>,
    Option<JsonB>,
    String,
    Vec<i32>,
);

/// A line of `iasql_drift()`.
pub type DriftLine = (
    String,
    String,
    Option<String>,
    Option<i32>,
    String,
    Option<String>,
    Option<Vec<String>>,
    Option<JsonB>,
    Option<JsonB>,
);

/// The plan of an apply, step by step. A replacement takes two, and each says `replace`.
pub fn plan() -> Result<Vec<PlanLine>> {
    let Some((_, look, plan)) = planned("plan", false)? else { return Ok(Vec::new()) };
    Ok(plan.steps.iter().map(|step| plan_line(&look.world, &plan, step)).collect())
}

fn plan_line(world: &World, plan: &Plan, step: &Step) -> PlanLine {
    let change = plan.changes.iter().find(|change| change.steps.contains(&step.number));
    let table = world.tables.iter().find(|table| table.name == step.table);
    let show = |row: &Row| {
        let row = row.iter().map(|cell| promised(plan, cell)).collect();
        table.map(|table| JsonB(Value::Object(table.named(&row))))
    };
    let (before, after) = match &step.action {
        Action::Create { row, was, .. } => (was.as_ref().and_then(show), show(row)),
        Action::Update { was, row } => (show(was), show(row)),
        Action::Delete { was } => (show(was), None),
    };
    let columns =
        change.map(|c| c.columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let number = |n: u32| i32::try_from(n).unwrap_or_default();
    (
        number(step.number),
        change.map_or(step.action.verb(), |change| change.word(world)).to_owned(),
        step.table.clone(),
        some(&step.region),
        step.label.clone(),
        change.and_then(|change| world.cloud_id(change.node)).map(str::to_owned),
        columns.filter(|columns| !columns.is_empty()),
        before,
        after,
        step.reason.clone(),
        step.after.iter().map(|&n| number(n)).collect(),
    )
}

/// A cell, where what does not exist yet goes by its label.
fn promised(plan: &Plan, cell: &Value) -> Value {
    match (awaits(cell), cell) {
        (Some(step), _) => Value::from(plan.steps[step as usize].label.clone()),
        (None, Value::Array(items)) => items.iter().map(|item| promised(plan, item)).collect(),
        (None, cell) => cell.clone(),
    }
}

/// What changed in the cloud outside this database.
pub fn drift() -> Result<Vec<DriftLine>> {
    turn::on_primary()?;
    let tables = catalog::tables(&catalog::installed()?);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    catalog::check(&tables)?;
    let scopes = look::scopes(&tables, &catalog::regions()?);
    let (_, look) = look::look(&Ask {
        call: "drift",
        tables: &tables,
        scopes,
        near: Near::default(),
        changes: false,
    })?;
    look::warn(&look.unread);
    let world = &look.world;
    Ok((0..world.nodes.len()).filter_map(|node| drift_line(world, node)).collect())
}

fn drift_line(world: &World, node: usize) -> Option<DriftLine> {
    let it = &world.nodes[node];
    let table = world.table(node);
    let columns: Vec<String> = match (&it.base, &it.seen) {
        (Some(base), Some(seen)) => (0..table.columns.len())
            .filter(|&at| compare::differs(&table.columns[at], &base.row[at], &seen.row[at]))
            .map(|at| table.columns[at].name.to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let change = match (&it.wanted, &it.base, &it.seen) {
        _ if it.unread => return None,
        (_, Some(_), Some(_)) if !columns.is_empty() => "changed",
        (Some(_), Some(_), None) => "deleted",
        (None, None, Some(_)) if it.orphan => "orphan",
        (None, None, Some(_)) => "unmanaged",
        _ => return None,
    };
    let show = |row: &Row| JsonB(Value::Object(table.named(&world.readable(node, row))));
    Some((
        change.to_owned(),
        table.name.to_owned(),
        some(&it.region),
        row_id(&world.pk(node)),
        world.label(node),
        world.cloud_id(node).map(str::to_owned),
        (!columns.is_empty()).then_some(columns),
        it.base.as_ref().map(|base| show(&base.row)),
        it.seen.as_ref().map(|seen| show(&seen.row)),
    ))
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
