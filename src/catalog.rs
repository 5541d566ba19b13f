//! What this database has: modules, regions, and tables that must be what the modules declare.

use crate::error::{Error, Result};
use crate::spi;
use iasql_engine::table::Table;
use iasql_modules::{MODULES, Module};
use pgrx::pg_sys::Oid;
use pgrx::{PgSqlErrorCode, pg_sys};
use std::collections::HashMap;

/// The schema that the functions and the module tables are in.
pub fn schema() -> Result<String> {
    let sql = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
               WHERE e.extname = 'iasql'";
    spi::one(sql, &[])?.ok_or_else(|| Error::internal("the extension iasql is not there"))
}

/// The modules installed, each after those it depends on.
pub fn installed() -> Result<Vec<&'static Module>> {
    fitting()?;
    let names = spi::select("SELECT name FROM iasql.module", &[])?;
    let mut modules = Vec::new();
    for name in names.into_iter().flatten().flatten() {
        let module = MODULES.iter().find(|module| module.name == name).ok_or_else(|| {
            Error::not_ready(format!(
                "module \"{name}\" is installed, but this build of iasql lacks it"
            ))
            .hint("Install a build of iasql that has the module.")
        })?;
        modules.push(module);
    }
    Ok(in_order(&modules))
}

/// Refuses to work on tables and functions of another version than this library's.
fn fitting() -> Result<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let sql = "SELECT extversion FROM pg_extension WHERE extname = 'iasql'";
    match spi::one(sql, &[])? {
        Some(theirs) if theirs != ours => Err(Error::not_ready(format!(
            "the server runs the library of iasql {ours}, but this database has iasql {theirs}"
        ))
        .detail("Nothing was read or changed. What the journal says is under way waits there.")
        .hint(format!(
            "If {ours} is the newer one, ALTER EXTENSION iasql UPDATE; else install the library of \
             {theirs}. A session that loaded the library before has to connect again."
        ))),
        _ => Ok(()),
    }
}

/// Modules, each after those it depends on.
pub fn in_order(modules: &[&'static Module]) -> Vec<&'static Module> {
    let mut left: Vec<_> = modules.to_vec();
    left.sort_by_key(|module| module.name);
    let mut done: Vec<&'static Module> = Vec::new();
    while !left.is_empty() {
        let waits =
            |module: &&Module| module.depends.iter().any(|d| left.iter().any(|m| m.name == *d));
        let ready = left.iter().position(|module| !waits(module)).unwrap_or(0);
        done.push(left.remove(ready));
    }
    done
}

/// The primary key of a table.
pub fn key(table: &Table) -> String {
    spi::name(table.primary_key.unwrap_or("id"))
}

/// The tables of modules.
pub fn tables(modules: &[&Module]) -> Vec<&'static Table> {
    modules.iter().flat_map(|module| module.resources.iter().map(|r| r.table())).collect()
}

/// The regions that are read, the default one first.
pub fn regions() -> Result<Vec<String>> {
    let sql = "SELECT region FROM aws_regions WHERE is_enabled ORDER BY is_default DESC, region";
    Ok(spi::select(sql, &[])?.into_iter().flatten().flatten().collect())
}

/// The default region, if one is set.
pub fn default_region() -> Result<Option<String>> {
    spi::one("SELECT region FROM aws_regions WHERE is_default", &[])
}

/// The account that this database describes, once that is known.
pub fn account() -> Result<Option<String>> {
    spi::one("SELECT account_id FROM iasql.account", &[])
}

/// The owners of tables, by name. Refuses when a table is not what its module declares: what can't
/// be read as it should be must not look like something to delete.
pub fn check(tables: &[&'static Table]) -> Result<HashMap<&'static str, Oid>> {
    let parts = tables.iter().flat_map(|table| table.parts().map(|(_, part)| part));
    let tables: Vec<&'static Table> = tables.iter().copied().chain(parts).collect();
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    let names = serde_json::to_string(&names).unwrap_or_default();
    let sql = "SELECT c.relname::text, c.relkind::text, c.relowner::text, a.attname::text, \
                      CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(a.atttypid, a.atttypmod) \
                           ELSE t.typname::text END \
               FROM pg_class c JOIN pg_extension e ON e.extname = 'iasql' AND e.extnamespace = c.relnamespace \
               LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               LEFT JOIN pg_type t ON t.oid = a.atttypid \
               WHERE c.relname::text IN (SELECT json_array_elements_text($1::json))";
    let mut columns: HashMap<(String, String), String> = HashMap::new();
    let mut kinds: HashMap<String, (String, Oid)> = HashMap::new();
    for row in spi::select(sql, &[&names])? {
        let [Some(table), Some(kind), Some(owner), column, column_type] = &row[..] else {
            continue;
        };
        kinds.insert(table.clone(), (kind.clone(), owner.parse().map_or(pg_sys::InvalidOid, oid)));
        if let (Some(column), Some(column_type)) = (column, column_type) {
            columns.insert((table.clone(), column.clone()), column_type.clone());
        }
    }
    let mut owners = HashMap::new();
    for table in tables {
        let altered = |what: String| {
            Error::new(PgSqlErrorCode::ERRCODE_INVALID_TABLE_DEFINITION, format!("table \"{}\" {what}", table.name))
                .hint("Undo that change, or uninstall and install its module: the rows can be read from AWS again.")
        };
        match kinds.get(table.name) {
            None => return Err(altered("of an installed module is gone".into())),
            Some((kind, _)) if kind != "r" => {
                return Err(altered("is no ordinary table any more".into()));
            }
            Some((_, owner)) => owners.insert(table.name, *owner),
        };
        for column in table.sql_columns() {
            match columns.get(&(table.name.to_owned(), column.name.to_owned())) {
                None => return Err(altered(format!("lacks its column \"{}\"", column.name))),
                Some(found) if !same_type(found, column.sql) => {
                    return Err(altered(format!(
                        "has \"{}\" as {found} instead of {}",
                        column.name, column.sql
                    )));
                }
                Some(_) => {}
            }
        }
    }
    Ok(owners)
}

fn oid(number: u32) -> Oid {
    Oid::from(number)
}

/// The catalog's name of a type against ours.
fn same_type(catalog: &str, ours: &str) -> bool {
    let long = match ours {
        "timestamptz" => "timestamp with time zone",
        "int" => "integer",
        other => other,
    };
    catalog == long
}
