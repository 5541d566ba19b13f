//! Sync and its plan: the rows are made to match the cloud. Import is a sync of new tables.

use crate::apply::{Line, row_id};
use crate::catalog;
use crate::error::Result;
use crate::look::{self, Ask, Look};
use crate::store;
use crate::turn;
use iasql_engine::near::Near;
use iasql_engine::plan::Verb;
use iasql_engine::sync::{self, RowChange, Sync};
use iasql_engine::wire::Scope;
use iasql_engine::world::{World, plain};
use iasql_engine::{Row, Value, writes};
use std::collections::HashMap;

/// What sync would do.
pub fn preview() -> Result<Vec<Line>> {
    turn::on_primary()?;
    let tables = catalog::tables(&catalog::installed()?);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    catalog::check(&tables)?;
    let scopes = look::scopes(&tables, &catalog::regions()?);
    let (_, look) = look::look(&Ask {
        call: "plan_sync",
        tables: &tables,
        scopes,
        near: Near::default(),
        changes: false,
    })?;
    look::warn(&look.unread);
    let plan = sync::sync(&look.world);
    Ok(lines(&look.world, &plan, &HashMap::new()))
}

/// Makes the rows match the cloud.
pub fn sync() -> Result<Vec<Line>> {
    turn::take()?;
    let tables = catalog::tables(&catalog::installed()?);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let scopes = look::scopes(&tables, &catalog::regions()?);
    catalog::check(&tables)?;
    let ask = Ask {
        call: "sync",
        tables: &tables,
        scopes: scopes.clone(),
        near: Near::default(),
        changes: false,
    };
    let (_, look) = look::look(&ask)?;
    look::warn(&look.unread);
    let (world, plan, keys) = bring_in(look, &scopes)?;
    Ok(lines(&world, &plan, &keys))
}

/// Writes what was read of some scopes into the rows.
pub fn bring_in(look: Look, scopes: &[Scope]) -> Result<(World, Sync, HashMap<usize, Value>)> {
    let plan = sync::sync(&look.world);
    let creates =
        plan.changes.iter().filter(|change| change.verb == Verb::Create).map(|change| change.node);
    let keys = store::new_keys(&look.world, &writes::newcomers(&look.world, creates))?;
    for part in plan.parts(store::PORTION) {
        store::write(&look.world, &writes::of_sync(&look.world, &part, &keys))?;
    }
    store::note_discarded(
        plan.changes.iter().filter(|c| c.discards).map(|c| discarded(&look.world, c)).collect(),
    )?;
    store::note_unrepresented(scopes, &notes(&look, &plan))?;
    Ok((look.world, plan, keys))
}

/// What has no row, and why.
fn notes(look: &Look, plan: &Sync) -> Vec<(Scope, Option<String>, String)> {
    let unread = look.unread.iter().map(|(scope, failure)| {
        (scope.clone(), None, format!("could not be read: {}", failure.message))
    });
    let reported = look
        .unrepresented
        .iter()
        .map(|(scope, id, why)| (scope.clone(), Some(id.clone()), why.clone()));
    let homeless = plan.unrepresented.iter().map(|(node, why)| {
        let scope = Scope {
            table: look.world.table(*node).name.to_owned(),
            region: look.world.nodes[*node].region.clone(),
        };
        (scope, look.world.cloud_id(*node).map(str::to_owned), why.clone())
    });
    unread.chain(reported).chain(homeless).collect()
}

/// A discarded edit, as the history keeps it: what the row said, and what it says now.
fn discarded(world: &World, change: &RowChange) -> Value {
    let it = &world.nodes[change.node];
    let table = world.table(change.node);
    let row = |row: &Row| table.named(&world.readable(change.node, row));
    serde_json::json!({
        "table_name": table.name,
        "region": it.wanted.as_ref().map_or(&it.region, |w| &w.region),
        "row_key": plain(&world.pk(change.node)),
        "label": world.label(change.node),
        "cloud_id": world.cloud_id(change.node),
        "reason": "edit discarded by sync",
        "before": it.wanted.as_ref().map(|w| row(&w.row)),
        "after": it.seen.as_ref().map(|s| row(&s.row)),
        "outcome": "done",
    })
}

fn lines(world: &World, plan: &Sync, keys: &HashMap<usize, Value>) -> Vec<Line> {
    let line = |change: &RowChange| {
        let pk = keys.get(&change.node).cloned().unwrap_or_else(|| world.pk(change.node));
        let id = if change.verb == Verb::Delete { None } else { row_id(&pk) };
        let description =
            world.cloud_id(change.node).map_or_else(|| world.label(change.node), str::to_owned);
        (change.verb.word().to_owned(), world.table(change.node).name.to_owned(), id, description)
    };
    plan.changes.iter().map(line).collect()
}
