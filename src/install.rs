//! Modules come and go: install creates their tables and imports what is there, uninstall drops the
//! tables and leaves the cloud alone.

use crate::call::Call;
use crate::catalog;
use crate::error::{Error, Result};
use crate::look::{self, Reading, Regions};
use crate::memory;
use crate::spi;
use crate::store;
use crate::sync;
use crate::turn;
use iasql_engine::near::Near;
use iasql_engine::table::Table;
use iasql_engine::wire::{Identity, Job, Lists};
use iasql_engine::world::{self, Known};
use iasql_engine::{plan, print};
use iasql_modules::{MODULES, Module};
use pgrx::{PgSqlErrorCode, pg_sys};
use std::collections::BTreeSet;

/// A module, a table of it, and how many rows that has.
pub type Line = (String, String, i32);

/// Creates the tables of modules and of those they depend on, and imports what the account holds.
pub fn install(names: &[String]) -> Result<Vec<Line>> {
    let wanted = with_dependencies(&named(names)?);
    turn::take()?;
    let installed = catalog::installed()?;
    let new: Vec<_> =
        wanted.iter().copied().filter(|m| !installed.iter().any(|i| i.name == m.name)).collect();
    if !new.is_empty() {
        let schema = catalog::schema()?;
        nothing_in_the_way(&schema, &new)?;
        // AWS is read while the tables are made.
        let reading = begin("install", &catalog::tables(&new))?;
        for module in &new {
            create(&schema, module)?;
        }
        import(&new, reading)?;
    }
    lines(&wanted)
}

/// Drops the tables of modules.
pub fn uninstall(names: &[String]) -> Result<Vec<Line>> {
    let going = named(names)?;
    turn::take()?;
    let installed = catalog::installed()?;
    for module in &going {
        if !installed.iter().any(|other| other.name == module.name) {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("module \"{}\" is not installed", module.name),
            ));
        }
        let needs = |other: &&&Module| {
            other.depends.contains(&module.name) && !going.iter().any(|g| g.name == other.name)
        };
        if let Some(dependant) = installed.iter().find(needs) {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!(
                    "module \"{}\" is needed by \"{}\", which is installed",
                    module.name, dependant.name
                ),
            )
            .hint(format!(
                "SELECT * FROM iasql_uninstall('{}', '{}') drops both.",
                dependant.name, module.name
            )));
        }
    }
    let tables = catalog::tables(&going);
    nothing_pending(&tables, None, "uninstalled")?;
    let going: Vec<_> = catalog::in_order(&going).into_iter().rev().collect();
    let lines = lines(&going)?;
    let schema = spi::name(&catalog::schema()?);
    for module in going {
        let tables: Vec<_> = module.tables().collect();
        for table in tables.iter().rev() {
            let name = spi::name(table.name);
            spi::write(&format!("DROP TABLE {schema}.{name}"), &[])?;
            for column in table.columns.iter().filter(|c| !c.labels.is_empty()) {
                spi::write(&format!("DROP TYPE {schema}.{}", spi::name(column.sql)), &[])?;
            }
            spi::write("DELETE FROM iasql.base WHERE table_name = $1", &[table.name])?;
            spi::write("DELETE FROM iasql.unrepresented WHERE table_name = $1", &[table.name])?;
        }
        for table in &tables {
            drop_triggers(table)?;
        }
        spi::write("DELETE FROM iasql.module WHERE name = $1", &[module.name])?;
    }
    Ok(lines)
}

/// Drops the functions of a table's triggers, which went with their tables.
fn drop_triggers(table: &Table) -> Result<()> {
    let sql = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'iasql'::regnamespace \
               AND proname IN ($1 || '_guard', $1 || '_follow')";
    for name in spi::select(sql, &[table.name])?.into_iter().flatten().flatten() {
        spi::write(&format!("DROP FUNCTION iasql.{}()", spi::name(&name)), &[])?;
    }
    Ok(())
}

/// Empties every module table, the ones that refer to others first.
pub fn delete_all_records() -> Result<()> {
    let tables = catalog::tables(&catalog::installed()?);
    let owners = catalog::check(&tables)?;
    let schema = spi::name(&catalog::schema()?);
    for table in iasql_engine::world::sorted(&tables).into_iter().rev() {
        let owner = owners.get(table.name).copied().unwrap_or(pg_sys::InvalidOid);
        let sql = format!("DELETE FROM {schema}.{}", spi::name(table.name));
        store::as_role(owner, false, || spi::write(&sql, &[]))?;
    }
    Ok(())
}

/// Takes a region's rows out of the database; the cloud keeps what they describe.
pub fn leave_region(region: &str) -> Result<()> {
    turn::take()?;
    let tables: Vec<_> =
        catalog::tables(&catalog::installed()?).into_iter().filter(|t| t.regional()).collect();
    nothing_pending(&tables, Some(region), "taken out of this database")?;
    let owners = catalog::check(&tables)?;
    let schema = spi::name(&catalog::schema()?);
    for table in iasql_engine::world::sorted(&tables).into_iter().rev() {
        let owner = owners.get(table.name).copied().unwrap_or(pg_sys::InvalidOid);
        let sql = format!("DELETE FROM {schema}.{} WHERE region = $1", spi::name(table.name));
        store::as_role(owner, true, || spi::write(&sql, &[region]))?;
    }
    spi::write("DELETE FROM iasql.base WHERE region = $1", &[region])?;
    spi::write("DELETE FROM iasql.unrepresented WHERE region = $1", &[region])?;
    Ok(())
}

/// Sets the region of rows that name none.
pub fn set_default_region(region: &str) -> Result<String> {
    if catalog::regions()?.is_empty() {
        turn::take()?;
        begin("default_aws_region", &[])?;
    }
    let known = spi::one("SELECT region FROM aws_regions WHERE region = $1", &[region])?;
    if known.is_none() {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("region \"{region}\" does not exist in this account"),
        )
        .hint("SELECT region FROM aws_regions lists those that do."));
    }
    spi::write(
        "UPDATE aws_regions SET is_default = true, is_enabled = true WHERE region = $1",
        &[region],
    )?;
    Ok(region.to_owned())
}

/// Asks AWS whose account this is and which regions it has.
pub fn identify(regions: bool) -> Result<(Identity, Regions)> {
    turn::on_primary()?;
    // Whoever it is: this is how to find out.
    let job = Job { account: None, ..look::job("whoami", Lists::default(), false, regions)? };
    let mut reading = Reading::new(Call::start(job)?);
    while !reading.whole() {
        reading.hear()?;
    }
    let (identity, found) = reading.found;
    Ok((identity.unwrap_or_default(), found.unwrap_or_default()))
}

/// Begins to read tables. The first of all reads fills in what every install starts from: the account,
/// its regions, the default one; as long as no region is known, that is where it reads.
fn begin(call: &str, tables: &[&'static Table]) -> Result<Reading> {
    turn::on_primary()?;
    let regions = catalog::regions()?;
    // What others refer to is read first, since it is written first.
    let tables = &world::sorted(tables);
    let lists = match regions.is_empty() {
        true => {
            let home = tables.iter().map(|table| table.name.to_owned()).collect();
            Lists { home, ..Lists::default() }
        }
        false => Lists { scopes: look::scopes(tables, &regions), ..Lists::default() },
    };
    let known = catalog::account()?.is_some() && !regions.is_empty();
    let mut reading = Reading::begin(call, lists, !known)?;
    if known {
        return Ok(reading);
    }
    loop {
        if let (Some(identity), Some(regions)) = &reading.found {
            introduce(identity, regions)?;
            return Ok(reading);
        }
        reading.hear()?;
    }
}

fn introduce(identity: &Identity, regions: &Regions) -> Result<()> {
    spi::write(
        "INSERT INTO iasql.account (account_id) VALUES ($1) ON CONFLICT DO NOTHING",
        &[&identity.account],
    )?;
    let mut names: BTreeSet<&str> =
        regions.iter().filter(|(_, on)| *on).map(|(name, _)| name.as_str()).collect();
    names.insert(&identity.region);
    let names = serde_json::to_string(&names)?;
    // SAFETY: nothing; the role stays who it is, only the guard is told that this is us.
    let owner = unsafe { pg_sys::GetUserId() };
    store::as_role(owner, true, || {
        spi::write(
            "INSERT INTO aws_regions (region, is_default, is_enabled) \
             SELECT r, r = $2 AND NOT EXISTS (SELECT FROM aws_regions WHERE is_default), r = $2 \
             FROM json_array_elements_text($1::json) r ON CONFLICT DO NOTHING",
            &[&names, &identity.region],
        )
    })?;
    Ok(())
}

/// The modules that were named, without their versions.
fn named(names: &[String]) -> Result<Vec<&'static Module>> {
    let find = |given: &String| {
        let name = given.split('@').next().unwrap_or_default();
        MODULES.iter().find(|module| module.name == name).ok_or_else(|| {
            let error = Error::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, unknown(name));
            error.hint("SELECT * FROM iasql_modules_list() shows them all.")
        })
    };
    names.iter().map(find).collect()
}

fn unknown(name: &str) -> String {
    // Whatever it is, it is no name; PostgreSQL cuts its own off there, too.
    let name: &str = &name.chars().take(63).collect::<String>();
    let near = MODULES
        .iter()
        .map(|module| (strsim::damerau_levenshtein(name, module.name), module.name))
        .min();
    match near {
        Some((distance, near)) if distance <= 5 => {
            format!("there is no module \"{name}\". Did you mean \"{near}\"?")
        }
        _ => format!("there is no module \"{name}\""),
    }
}

fn with_dependencies(modules: &[&'static Module]) -> Vec<&'static Module> {
    let mut all: Vec<&'static Module> = Vec::new();
    let mut left = modules.to_vec();
    while let Some(module) = left.pop() {
        if !all.iter().any(|known| known.name == module.name) {
            all.push(module);
            left.extend(MODULES.iter().filter(|other| module.depends.contains(&other.name)));
        }
    }
    catalog::in_order(&all)
}

/// Names what would be in the way of new tables and types before anything is created.
fn nothing_in_the_way(schema: &str, new: &[&Module]) -> Result<()> {
    let tables: Vec<_> = new.iter().flat_map(|module| module.tables()).collect();
    let types =
        tables.iter().flat_map(|t| t.columns).filter(|c| !c.labels.is_empty()).map(|c| c.sql);
    let names: Vec<&str> = tables.iter().map(|t| t.name).chain(types).collect();
    let sql = "SELECT format('%s %I.%I', kind, $1, name), name FROM ( \
                 SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' ELSE 'table' END AS kind, \
                        relname::text AS name \
                 FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) \
                 UNION ALL \
                 SELECT 'type', typname::text FROM pg_type \
                 WHERE typnamespace = to_regnamespace(quote_ident($1)) AND typrelid = 0 AND typelem = 0) AS there \
               WHERE name IN (SELECT json_array_elements_text($2::json)) ORDER BY 1";
    let found = spi::select(sql, &[schema, &serde_json::to_string(&names)?])?;
    let found: Vec<String> =
        found.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    match found.split_first() {
        None => Ok(()),
        Some((first, more)) => {
            let others =
                if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
            Err(Error::new(
                PgSqlErrorCode::ERRCODE_DUPLICATE_TABLE,
                format!("{first} is in the way of a module's table{others}: nothing was installed"),
            )
            .detail(found.join(", "))
            .hint("Rename it, or move it to another schema."))
        }
    }
}

/// Creates the tables of a module; they belong to the caller.
fn create(schema: &str, module: &Module) -> Result<()> {
    let path = format!("{}, pg_catalog, pg_temp", spi::name(schema));
    let before = spi::one("SELECT set_config('search_path', $1, true)", &[&path])?;
    spi::write(module.schema, &[])?;
    if !module.extra.is_empty() {
        spi::write(module.extra, &[])?;
    }
    // SAFETY: reads who called this function, which runs as the extension's owner.
    let caller = unsafe { pg_sys::GetOuterUserId() };
    let caller = spi::one(
        "SELECT rolname::text FROM pg_roles WHERE oid = $1::oid",
        &[&caller.to_u32().to_string()],
    )?;
    let caller = spi::name(&caller.unwrap_or_default());
    for table in module.tables() {
        spi::write(&format!("ALTER TABLE {} OWNER TO {caller}", spi::name(table.name)), &[])?;
        for column in table.columns.iter().filter(|c| !c.labels.is_empty()) {
            spi::write(&format!("ALTER TYPE {} OWNER TO {caller}", spi::name(column.sql)), &[])?;
        }
    }
    drop(before);
    spi::one(
        "SELECT set_config('search_path', $1, true)",
        &[&format!("pg_catalog, {}, pg_temp", spi::name(schema))],
    )?;
    spi::write(
        "INSERT INTO iasql.module (name, version) VALUES ($1, $2)",
        &[module.name, module.version],
    )?;
    Ok(())
}

/// Brings in what the account holds for new modules: each table as soon as it has been read, and
/// those it refers to are in. While AWS's pages come, there is time.
fn import(new: &[&'static Module], mut reading: Reading) -> Result<()> {
    let all = catalog::tables(&catalog::installed()?);
    catalog::check(&all)?;
    let regions = catalog::regions()?;
    let mut left = world::sorted(&catalog::tables(new));
    let mut unread = Vec::new();
    while !left.is_empty() {
        let ready = |table: &&'static Table| {
            let to_come = |name: &str| left.iter().any(|other| other.name == name);
            let waits = table.refers_to().any(|name| name != table.name && to_come(name));
            reading.whole() || (reading.has(&look::scopes(&[table], &regions)) && !waits)
        };
        let Some(at) = left.iter().position(ready) else {
            reading.hear()?;
            continue;
        };
        let table = left.remove(at);
        if reading.brings(table) {
            let scopes = look::scopes(&[table], &regions);
            let mut known = Known::default();
            look::rows(&print::with_those_referred_to(&all, vec![table]), &mut known)?;
            let look = reading.put_together(known, &scopes, &Near::default())?;
            unread.extend(look.unread.iter().cloned());
            sync::bring_in(look, &scopes)?;
            memory::give_back();
        }
    }
    look::warn(&unread);
    Ok(())
}

/// Refuses while rows differ from what was last agreed on.
fn nothing_pending(tables: &[&'static Table], region: Option<&str>, what: &str) -> Result<()> {
    let world = look::rows_alone(tables)?;
    let names: BTreeSet<&str> = (0..world.nodes.len())
        .filter(|&node| region.is_none_or(|region| world.nodes[node].region == region))
        .filter(|&node| plan::pending(&world, node))
        .map(|node| world.table(node).name)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    Err(Error::not_ready(format!("edits that were not applied would be lost if this were {what}: {}", names.join(", ")))
        .hint("SELECT * FROM iasql_apply() puts them into effect; SELECT * FROM iasql_sync() discards them."))
}

fn lines(modules: &[&Module]) -> Result<Vec<Line>> {
    let schema = spi::name(&catalog::schema()?);
    let mut lines = Vec::new();
    for module in modules {
        for table in module.tables() {
            let count = spi::one(
                &format!("SELECT count(*)::text FROM {schema}.{}", spi::name(table.name)),
                &[],
            )?;
            let count = count.and_then(|text| text.parse().ok()).unwrap_or_default();
            lines.push((
                format!("{}@{}", module.name, module.version),
                table.name.to_owned(),
                count,
            ));
        }
    }
    Ok(lines)
}
