//! The functions that sql/iasql--*.sql names. Each calls what does the work, and raises what that
//! returns as an error.
#![expect(
    clippy::type_complexity,
    reason = "the macro of pgrx wants each table of columns spelled out"
)]

use crate::error::{Error, Result};
use crate::{apply, install, memory, report, store, sync};
use iasql_modules::MODULES;
use pgrx::prelude::*;

fn raised<T>(outcome: Result<T>) -> T {
    memory::give_back();
    outcome.unwrap_or_else(|error: Error| error.raise())
}

/// The four that return what changes, or would.
macro_rules! changes {
    ($($name:ident = $work:path;)*) => { $(
        #[pg_extern]
        fn $name() -> TableIterator<
            'static,
            (
                name!(action, String),
                name!(table_name, String),
                name!(id, Option<i32>),
                name!(description, String),
            ),
        > {
            TableIterator::new(raised($work()))
        }
    )* };
}

changes! {
    iasql_plan_apply = apply::preview;
    iasql_apply = apply::apply;
    iasql_plan_sync = sync::preview;
    iasql_sync = sync::sync;
}

#[pg_extern]
fn iasql_plan() -> TableIterator<
    'static,
    (
        name!(step, i32),
        name!(action, String),
        name!(table_name, String),
        name!(region, Option<String>),
        name!(name, String),
        name!(cloud_id, Option<String>),
        name!(columns, Option<Vec<String>>),
        name!(before, Option<pgrx::JsonB>),
        name!(after, Option<pgrx::JsonB>),
        name!(reason, String),
        name!(waits_for, Vec<i32>),
    ),
> {
    TableIterator::new(raised(report::plan()))
}

#[pg_extern]
fn iasql_drift() -> TableIterator<
    'static,
    (
        name!(change, String),
        name!(table_name, String),
        name!(region, Option<String>),
        name!(id, Option<i32>),
        name!(name, String),
        name!(cloud_id, Option<String>),
        name!(columns, Option<Vec<String>>),
        name!(agreed, Option<pgrx::JsonB>),
        name!(seen, Option<pgrx::JsonB>),
    ),
> {
    TableIterator::new(raised(report::drift()))
}

#[pg_extern]
fn iasql_install(
    modules: Vec<Option<String>>,
) -> TableIterator<
    'static,
    (name!(module_name, String), name!(created_table_name, String), name!(record_count, i32)),
> {
    TableIterator::new(raised(install::install(&given(modules))))
}

#[pg_extern]
fn iasql_uninstall(
    modules: Vec<Option<String>>,
) -> TableIterator<
    'static,
    (name!(module_name, String), name!(dropped_table_name, String), name!(record_count, i32)),
> {
    TableIterator::new(raised(install::uninstall(&given(modules))))
}

fn given(modules: Vec<Option<String>>) -> Vec<String> {
    modules.into_iter().flatten().collect()
}

#[pg_extern]
fn iasql_modules_list() -> TableIterator<
    'static,
    (name!(module_name, String), name!(module_version, String), name!(dependencies, Vec<String>)),
> {
    TableIterator::new(MODULES.iter().map(|module| {
        let depends = module.depends.iter().map(|name| (*name).to_owned());
        (module.name.to_owned(), module.version.to_owned(), depends.collect())
    }))
}

#[pg_extern]
fn iasql_whoami() -> TableIterator<
    'static,
    (
        name!(account, String),
        name!(arn, String),
        name!(region, String),
        name!(credential_source, String),
        name!(endpoint, Option<String>),
    ),
> {
    let (who, _) = raised(install::identify(false));
    TableIterator::once((who.account, who.arn, who.region, who.source, who.endpoint))
}

#[pg_extern]
fn set_default_aws_region(region: String) -> String {
    raised(install::set_default_region(&region))
}

#[pg_extern]
fn delete_all_records() {
    raised(install::delete_all_records());
}

#[pg_extern]
fn iasql_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Whether a row is being written by us; guards on tables ask.
#[pg_extern]
fn by_engine() -> bool {
    store::by_engine()
}

/// Takes a region's rows out of the database.
#[pg_extern]
fn leave_region(region: String) -> bool {
    raised(install::leave_region(&region));
    true
}
