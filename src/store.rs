//! Writes rows and base rows, one statement per table and kind. Only [`crate::look`],
//! [`crate::agreed`] and this file name the columns of users' tables.
//!
//! Users' tables are written as their owner: a trigger that a user put on one must not run with the
//! rights of the extension.

use crate::agreed;
use crate::catalog;
use crate::error::{Error, Result};
use crate::spi;
use iasql_engine::Value;
use iasql_engine::table::{Column, Table};
use iasql_engine::wire::Scope;
use iasql_engine::world::{World, plain};
use iasql_engine::writes::{Writes, Written};
use pgrx::pg_sys::{self, Oid};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::iter;

/// So many rows are made at a time, and go into one statement: it holds them several times over, as
/// text, JSON and values.
pub const PORTION: usize = 1000;

thread_local! {
    /// The depth of triggers at which the engine writes, while it does.
    static BY_ENGINE: Cell<Option<i32>> = const { Cell::new(None) };
}

/// Whether a row is being written by us; the guards on users' tables ask. What a user's trigger
/// writes in turn is the user's.
pub fn by_engine() -> bool {
    BY_ENGINE.get().is_some_and(|depth| depth == trigger_depth())
}

fn trigger_depth() -> i32 {
    // SAFETY: takes no arguments and returns an int.
    unsafe { pgrx::direct_function_call::<i32>(pg_sys::pg_trigger_depth, &[]) }.unwrap_or_default()
}

/// Runs `work` with another role's rights; as the engine, if `engine` says so.
pub fn as_role<T>(role: Oid, engine: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Was(Option<i32>);
    impl Drop for Was {
        fn drop(&mut self) {
            BY_ENGINE.set(self.0);
        }
    }
    let _was = Was(BY_ENGINE.replace(engine.then(trigger_depth)));
    let (mut own, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: the pattern of every place in PostgreSQL that acts as a table's owner. The nest level
    // takes back what a trigger of theirs may set, the search path above all. After an ERROR the
    // abort does the same as the lines below.
    let level = unsafe {
        pg_sys::GetUserIdAndSecContext(&raw mut own, &raw mut context);
        // Policies are no more for the engine than for a foreign key, though the owner may be under
        // them: a row that is hidden here would look like one that is gone.
        let flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
        pg_sys::SetUserIdAndSecContext(role, context | flags as i32);
        pg_sys::NewGUCNestLevel()
    };
    let outcome = work();
    // SAFETY: as above.
    unsafe {
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(own, context);
    }
    outcome
}

/// Writes it all: deletes first and in reverse, since references point backwards.
pub fn write(world: &World, writes: &[Writes]) -> Result<()> {
    let touched = world.tables.iter().zip(writes).filter(|(_, writes)| writes.any_rows());
    let touched: Vec<&'static Table> = touched.map(|(table, _)| *table).collect();
    let owners = catalog::check(&touched)?;
    let owner = |table: &Table| owners.get(table.name).copied().unwrap_or(pg_sys::InvalidOid);
    let schema = spi::name(&catalog::schema()?);
    // Asked before anything is written: the new name of one row is written into others, too.
    let mut unedited = Vec::new();
    for (table, writes) in world.tables.iter().zip(writes) {
        let rows: Vec<&Written> = writes.update.iter().chain(&writes.delete).collect();
        unedited.push(match rows.is_empty() {
            true => HashSet::new(),
            false => as_role(owner(table), true, || hold(&schema, table, &rows))?,
        });
    }
    let held = |at: usize, rows: &'_ [Written]| -> Vec<Written> {
        let held = |row: &&Written| unedited[at].contains(&plain(&row.pk));
        rows.iter().filter(held).cloned().collect()
    };
    for (at, (table, writes)) in world.tables.iter().zip(writes).enumerate().rev() {
        let gone = held(at, &writes.delete);
        if !gone.is_empty() {
            as_role(owner(table), true, || delete(&schema, table, &gone))?;
        }
    }
    for (at, (table, writes)) in world.tables.iter().zip(writes).enumerate() {
        if writes.any_rows() {
            let changed = held(at, &writes.update);
            as_role(owner(table), true, || {
                update(&schema, table, &changed)?;
                insert(&schema, table, &writes.insert)?;
                fill(&schema, table, &writes.fill)
            })?;
            let whole: Vec<&Written> = changed.iter().chain(&writes.insert).collect();
            let filled: Vec<&Written> = writes.fill.iter().collect();
            for (at, part) in table.parts() {
                as_role(owner(part), true, || {
                    put_parts(&schema, table, at, part, &whole, true)?;
                    match table.columns[at].late {
                        true => put_parts(&schema, table, at, part, &filled, false),
                        false => Ok(()),
                    }
                })?;
            }
        }
        forget(table, &writes.forget)?;
        agree(&schema, table, &writes.agree)?;
    }
    Ok(())
}

/// New primary keys for nodes that have none.
pub fn new_keys(world: &World, nodes: &[usize]) -> Result<HashMap<usize, Value>> {
    let schema = catalog::schema()?;
    let mut keys = HashMap::new();
    let mut by_table: HashMap<&str, Vec<usize>> = HashMap::new();
    for &node in nodes {
        by_table.entry(world.table(node).name).or_default().push(node);
    }
    for (table, nodes) in by_table {
        // The sequence is looked up once, not for each row.
        let sql = "SELECT nextval(of)::text \
                   FROM (SELECT pg_get_serial_sequence(format('%I.%I', $1, $2), 'id')::regclass AS of OFFSET 0) s, \
                        generate_series(1, $3::int)";
        let rows = spi::write(sql, &[&schema, table, &nodes.len().to_string()])?;
        for (node, row) in nodes.into_iter().zip(rows) {
            let key = row.into_iter().next().flatten().and_then(|text| text.parse::<i64>().ok());
            keys.insert(node, key.map_or(Value::Null, Value::from));
        }
    }
    Ok(keys)
}

/// Notes what a read could not represent or reach, in place of what was noted before of the same
/// scopes.
pub fn note_unrepresented(
    scopes: &[Scope],
    notes: &[(Scope, Option<String>, String)],
) -> Result<()> {
    let read = json(
        scopes.iter().map(|scope| serde_json::json!({ "t": scope.table, "r": scope.region })),
    )?;
    spi::write(
        "DELETE FROM iasql.unrepresented u USING json_to_recordset($1::json) AS v(t text, r text) \
         WHERE u.table_name = v.t AND u.region = v.r",
        &[&read],
    )?;
    let notes = json(notes.iter().map(
        |(scope, id, why)| serde_json::json!({ "t": scope.table, "r": scope.region, "id": id, "why": why }),
    ))?;
    spi::write(
        "INSERT INTO iasql.unrepresented (table_name, region, cloud_id, reason) \
         SELECT t, r, id, why FROM json_to_recordset($1::json) AS v(t text, r text, id text, why text)",
        &[&notes],
    )?;
    Ok(())
}

/// Locks the rows that have not been written since they were read, and says which.
fn hold(schema: &str, table: &Table, rows: &[&Written]) -> Result<HashSet<String>> {
    let sql = format!(
        "SELECT v.key_::text FROM {schema}.{} t \
         JOIN json_to_recordset($1::json) AS v(key_ {}, version_ bigint) ON t.{} = v.key_ \
         WHERE {} = v.version_ FOR UPDATE OF t",
        spi::name(table.name),
        key_type(table),
        catalog::key(table),
        agreed::of_row(schema, table)
    );
    let mut held = HashSet::new();
    for portion in rows.chunks(PORTION) {
        let row = |row: &&Written| serde_json::json!({ "key_": row.pk, "version_": row.version });
        let rows = spi::write(&sql, &[&json(portion.iter().map(row))?])?;
        held.extend(rows.into_iter().flatten().flatten());
    }
    Ok(held)
}

fn update(schema: &str, table: &Table, rows: &[Written]) -> Result<()> {
    let sets: Vec<String> = columns(table).map(|c| format!("{c} = v.{c}")).collect();
    let sql = format!(
        "UPDATE {schema}.{name} t SET {sets} FROM {input} WHERE t.{key} = v.key_",
        name = spi::name(table.name),
        sets = sets.join(", "),
        input = input(table, "v", &[]),
        key = catalog::key(table),
    );
    run(&sql, table, rows)
}

/// Makes the parts of rows what they are to be: some go, the others are put in place. If it is not to
/// `replace` them, those of rows that have none.
fn put_parts(
    schema: &str,
    table: &Table,
    at: usize,
    part: &Table,
    rows: &[&Written],
    replace: bool,
) -> Result<()> {
    let owner = spi::name(part.owner.unwrap_or_default());
    let region = |alias: &str| match table.regional() {
        true => format!(", {alias}.region"),
        false => String::new(),
    };
    let names: Vec<String> = part.sql_columns().map(|column| spi::name(column.name)).collect();
    let keys = || part.keys().map(|at| names[at].clone());
    let each = |alias: &str, names: &[String]| -> String {
        names.iter().map(|name| format!("{alias}.{name}")).collect::<Vec<_>>().join(", ")
    };
    let key: Vec<String> = keys().collect();
    let types: Vec<String> = part
        .sql_columns()
        .zip(&names)
        .map(|(column, name)| format!("{name} {}", column.sql))
        .collect();
    let (part_name, types) = (spi::name(part.name), types.join(", "));
    let input = format!(
        "json_to_recordset($1::json) AS v(owner_ {}, region text, parts_ json)",
        if table.known_by() == "id" { "int" } else { "text" }
    );
    let remove = format!(
        "DELETE FROM {schema}.{part_name} p USING {input} \
         WHERE ROW(p.{owner}{region}) = ROW(v.owner_{v_region}) AND NOT EXISTS ( \
           SELECT FROM json_to_recordset(v.parts_) AS k({types}) \
           WHERE ROW({new}) IS NOT DISTINCT FROM ROW({old}))",
        region = region("p"),
        v_region = region("v"),
        new = each("k", &key),
        old = each("p", &key),
    );
    let put = format!(
        "INSERT INTO {schema}.{part_name} AS p ({columns}, {owner}{to_region}) \
         SELECT {values}, v.owner_{from_region} FROM {input}, json_to_recordset(v.parts_) AS k({types}) \
         WHERE $2::boolean OR NOT EXISTS ( \
           SELECT FROM {schema}.{part_name} p WHERE ROW(p.{owner}{p_region}) = ROW(v.owner_{from_region})) \
         ON CONFLICT ({owner}, {key}{to_region}) DO UPDATE SET {sets} \
         WHERE ROW({old}) IS DISTINCT FROM ROW({new})",
        columns = names.join(", "),
        values = each("k", &names),
        to_region = if table.regional() { ", region" } else { "" },
        from_region = region("v"),
        p_region = region("p"),
        key = key.join(", "),
        sets = names
            .iter()
            .map(|name| format!("{name} = excluded.{name}"))
            .collect::<Vec<_>>()
            .join(", "),
        old = each("p", &names),
        new = each("excluded", &names),
    );
    let known_by = table.position(table.known_by());
    #[derive(Serialize)]
    struct Owner<'a> {
        owner_: &'a Value,
        region: &'a str,
        parts_: Vec<Named<'a>>,
    }
    for portion in rows.chunks(PORTION) {
        let rows = json(portion.iter().map(|written| {
            let parts =
                written.row.get(at).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let parts = parts.iter().filter_map(Value::as_array);
            Owner {
                owner_: known_by.map_or(&written.pk, |at| &written.row[at]),
                region: &written.region,
                parts_: parts.map(|row| Named(part, row)).collect(),
            }
        }))?;
        if replace {
            spi::write(&remove, &[&rows])?;
        }
        spi::write(&put, &[&rows, if replace { "true" } else { "false" }])?;
    }
    Ok(())
}

fn insert(schema: &str, table: &Table, rows: &[Written]) -> Result<()> {
    let id = table.primary_key.is_none().then_some(("id".to_owned(), "v.key_".to_owned()));
    let columns = columns(table).map(|c| (c.clone(), format!("v.{c}")));
    let (to, from): (Vec<String>, Vec<String>) = id.into_iter().chain(columns).unzip();
    let sql = format!(
        "INSERT INTO {schema}.{} ({}) SELECT {} FROM {}",
        spi::name(table.name),
        to.join(", "),
        from.join(", "),
        input(table, "v", &[])
    );
    run(&sql, table, rows)
}

fn fill(schema: &str, table: &Table, rows: &[Written]) -> Result<()> {
    let owned = table.sql_columns().filter(|c| c.written_back()).map(|column| {
        let name = spi::name(column.name);
        // A user may have filled in, meanwhile, what AWS would have.
        let value = match (column.settable() && !column.request, column.default) {
            (true, _) => format!("coalesce(t.{name}, v.{name})"),
            // What is never NULL has its default until AWS has said something.
            (false, Some(default)) => format!("coalesce(v.{name}, {default})"),
            (false, None) => format!("v.{name}"),
        };
        (name, value)
    });
    let owned: Vec<(String, String)> = owned.collect();
    if owned.is_empty() {
        return Ok(());
    }
    let join = |parts: Vec<String>| parts.join(", ");
    let sql = format!(
        "UPDATE {schema}.{name} t SET {sets} FROM {input} \
         WHERE t.{key} = v.key_ AND ROW({old}) IS DISTINCT FROM ROW({new})",
        name = spi::name(table.name),
        sets = join(owned.iter().map(|(c, v)| format!("{c} = {v}")).collect()),
        input = input(table, "v", &[]),
        key = catalog::key(table),
        old = join(owned.iter().map(|(c, _)| format!("t.{c}")).collect()),
        new = join(owned.iter().map(|(_, v)| v.clone()).collect()),
    );
    run(&sql, table, rows)
}

fn delete(schema: &str, table: &Table, rows: &[Written]) -> Result<()> {
    let sql = format!(
        "DELETE FROM {schema}.{} t USING {} WHERE t.{} = v.key_",
        spi::name(table.name),
        input(table, "v", &[]),
        catalog::key(table)
    );
    run(&sql, table, rows)
}

fn forget(table: &Table, keys: &[Value]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys = json(keys.iter().map(plain))?;
    spi::write(
        "DELETE FROM iasql.base WHERE table_name = $1 AND row_key IN (SELECT json_array_elements_text($2::json))",
        &[table.name, &keys],
    )?;
    Ok(())
}

fn agree(schema: &str, table: &Table, rows: &[(String, Written)]) -> Result<()> {
    let extra = [("cloud_id_", "text"), ("data_", "jsonb"), ("seen_print_", "text")];
    let sql = format!(
        "INSERT INTO iasql.base (table_name, row_key, region, cloud_id, data, row_print, seen_print) \
         SELECT '{name}', t.key_::text, {region}, t.cloud_id_, t.data_, {print}, decode(t.seen_print_, 'hex') \
         FROM {input} \
         ON CONFLICT (table_name, row_key) DO UPDATE \
         SET region = excluded.region, cloud_id = excluded.cloud_id, data = excluded.data, \
             row_print = excluded.row_print, seen_print = excluded.seen_print",
        name = table.name,
        region = if table.regional() { "t.region" } else { "''" },
        print = agreed::of_base(schema, table),
        input = input(table, "t", &extra),
    );
    for portion in rows.chunks(PORTION) {
        let mut lists = lists(table, portion.iter().map(|(_, written)| written));
        lists.push(portion.iter().map(|(id, _)| Some(Cow::from(id))).collect());
        let data =
            portion.iter().map(|(_, written)| serde_json::to_string(&Named(table, &written.row)));
        lists.push(data.map(|data| Ok(Some(data?.into()))).collect::<Result<_>>()?);
        let print = |(_, written): &(_, Written)| Some(written.print?.to_string().into());
        lists.push(portion.iter().map(print).collect());
        spi::write_lists(&sql, &lists)?;
    }
    Ok(())
}

/// Runs a statement over rows, in portions that bound memory.
fn run(sql: &str, table: &Table, rows: &[Written]) -> Result<()> {
    for portion in rows.chunks(PORTION) {
        spi::write_lists(sql, &lists(table, portion.iter()))?;
    }
    Ok(())
}

/// The parameters of a statement as a table of rows: key, cells, region, and what else there is.
fn input(table: &Table, alias: &str, extra: &[(&str, &str)]) -> String {
    let key = [("key_", key_type(table))];
    let parts = |column: &Column| if column.parts().is_some() { "jsonb" } else { column.sql };
    let cells = table.columns.iter().map(|column| (column.name, parts(column)));
    let region = table.regional().then_some(("region", "text"));
    let all = key.into_iter().chain(cells).chain(region).chain(extra.iter().copied());
    let (mut types, mut names, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (name, sql)) in all.enumerate() {
        let name = spi::name(name);
        types.push(format!("{name}::{sql}"));
        lists.push(format!("${}::text[]", at + 1));
        names.push(name);
    }
    format!(
        "(SELECT {} FROM unnest({}) AS l({})) AS {alias}",
        types.join(", "),
        lists.join(", "),
        names.join(", ")
    )
}

/// The cells of a column.
type List<'a> = Vec<Option<Cow<'a, str>>>;

/// What [`input`] begins with, column by column. PostgreSQL takes longer to take JSON apart.
fn lists<'a>(table: &Table, rows: impl Iterator<Item = &'a Written> + Clone) -> Vec<List<'a>> {
    let keys = rows.clone().map(|written| text(&written.pk, key_type(table))).collect();
    let cells = table.columns.iter().enumerate().map(|(at, column)| {
        let cell = |written: &'a Written| text(written.row.get(at)?, column.sql);
        rows.clone().map(cell).collect()
    });
    let mut lists: Vec<List<'_>> = iter::once(keys).chain(cells).collect();
    if table.regional() {
        lists.push(rows.map(|written| Some(Cow::from(&written.region))).collect());
    }
    lists
}

/// A cell as PostgreSQL reads it.
fn text<'a>(cell: &'a Value, sql: &str) -> Option<Cow<'a, str>> {
    match cell {
        Value::Null => None,
        Value::String(text) if sql != "jsonb" => Some(text.into()),
        Value::Array(cells) if sql.ends_with("[]") => {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let cell = |cell: &Value| {
                text(cell, "").map_or("NULL".into(), |it| format!("\"{}\"", quoted(&it)))
            };
            Some(format!("{{{}}}", cells.iter().map(cell).collect::<Vec<_>>().join(",")).into())
        }
        cell => Some(cell.to_string().into()),
    }
}

/// A row as an object, its cells as they are.
struct Named<'a>(&'a Table, &'a [Value]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let Self(table, row) = self;
        to.collect_map(table.columns.iter().zip(*row).map(|(column, cell)| (column.name, cell)))
    }
}

fn columns(table: &Table) -> impl Iterator<Item = String> + '_ {
    let region = table.regional().then_some("region");
    table.sql_columns().map(|column| column.name).chain(region).map(spi::name)
}

fn key_type(table: &Table) -> &'static str {
    if table.primary_key.is_some() { "text" } else { "int" }
}

fn json(rows: impl Iterator<Item: Serialize>) -> Result<String> {
    Ok(serde_json::to_string(&rows.collect::<Vec<_>>())?)
}

/// Discarded edits, for the history.
pub fn note_discarded(rows: Vec<Value>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    spi::write(
        "INSERT INTO iasql.journal (call, ended_at, caller_pid, session_user_name, role_name, application_name, \
                                    system_id, fate, action, table_name, region, row_key, label, cloud_id, reason, \
                                    before, after, outcome) \
         SELECT 'sync', clock_timestamp(), pg_backend_pid(), session_user, \
                coalesce(nullif(current_setting('role'), 'none'), session_user::text), \
                current_setting('application_name'), '', 'committed', 'discard', v.* \
         FROM json_to_recordset($1::json) AS v(table_name text, region text, row_key text, label text, \
                                               cloud_id text, reason text, before jsonb, after jsonb, outcome text)",
        &[&json(rows.into_iter())?],
    )?;
    Ok(())
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(format!("JSON makes no sense: {error}"))
    }
}
