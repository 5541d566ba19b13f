//! What holds for every module and every table, whichever there are.

use super::*;
use iasql_engine::ddl;
use iasql_engine::table::{Access, By, Kind, Table};
use std::collections::HashSet;
use std::path::Path;

fn tables() -> Vec<&'static Table> {
    resources().map(|resource| resource.table()).collect()
}

fn snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The committed SQL of each module is what its structs say. `UPDATE_EXPECT=1` rewrites it.
#[test]
fn schema_is_fresh() {
    let all = tables();
    for module in MODULES.iter().filter(|module| !module.resources.is_empty()) {
        let own: Vec<_> = module.resources.iter().map(|resource| resource.table()).collect();
        let sql = ddl::module(&own, &all);
        if sql == module.schema {
            continue;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(module.name).join("schema.sql");
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        assert!(update, "{} is stale: UPDATE_EXPECT=1 cargo test schema_is_fresh", path.display());
        std::fs::write(&path, sql).expect("the schema can be written");
    }
}

#[test]
fn modules_and_tables_have_names_of_their_own() {
    assert!(MODULES.is_sorted_by(|a, b| a.name < b.name), "in the order of their names");
    let mut names = HashSet::new();
    for module in MODULES {
        assert!(snake_case(module.name) && !module.doc.is_empty(), "{}", module.name);
        for resource in module.resources {
            let table = resource.table();
            assert_eq!(table.module, module.name, "{}", table.name);
            assert!(snake_case(table.name) && names.insert(table.name), "{}", table.name);
        }
    }
}

#[test]
fn every_table_says_what_it_is_and_which_column_is_which() {
    for table in tables() {
        let name = table.name;
        assert!(table.doc.ends_with('.'), "{name}: the doc is a sentence");
        assert_eq!(table.columns.iter().filter(|c| c.id).count(), 1, "{name}: one id");
        let mut names = HashSet::from(["id", "region"]);
        for column in table.columns {
            let at = format!("{name}.{}", column.name);
            assert!(
                snake_case(column.name) && names.insert(column.name),
                "{at}: a name of its own"
            );
            assert!(column.doc.ends_with('.'), "{at}: the doc is a sentence");
            assert!(
                !column.key || column.required || column.access != Access::ReadOnly,
                "{at}: a key has values"
            );
            assert!(
                column.kind != Kind::Tags || column.default.is_some(),
                "{at}: no tags are an empty map"
            );
            let labels: HashSet<_> = column
                .labels
                .iter()
                .map(|l| l.replace(|c: char| !c.is_alphanumeric(), "_"))
                .collect();
            assert_eq!(labels.len(), column.labels.len(), "{at}: labels that ORMs can tell apart");
            assert!(
                column.labels.iter().all(|l| l.starts_with(|c: char| c.is_ascii_alphabetic())),
                "{at}"
            );
        }
        for check in table.checks {
            assert!(check.sql.contains("NEW."), "{name}: {} is about the row", check.sql);
            assert!(
                check.message.starts_with(|c: char| !c.is_uppercase()),
                "{name}: {}",
                check.message
            );
            assert!(!check.message.ends_with('.'), "{name}: {}", check.message);
            assert!(check.hint.ends_with('.'), "{name}: {}", check.hint);
        }
    }
}

/// Tables are created in the order they are listed in, modules in the order of their dependencies.
#[test]
fn references_point_at_tables_that_come_before() {
    fn all_before(module: &Module, before: &mut Vec<&'static Table>) {
        for name in module.depends {
            all_before(super::module(name).expect("a module in this build"), before);
        }
        for resource in module.resources {
            let table = resource.table();
            for column in table.columns {
                let Some(reference) = &column.references else { continue };
                let at = format!("{}.{}", table.name, column.name);
                let to = before.iter().find(|other| other.name == reference.table);
                let to = to.unwrap_or_else(|| {
                    panic!("{at} points at {}, which comes later", reference.table)
                });
                let named =
                    to.columns.iter().find(|c| c.name == reference.column).expect("a column");
                assert!(if reference.by == By::Id { named.id } else { named.key }, "{at}");
                assert!(to.regional() <= table.regional(), "{at}: which region of {}?", to.name);
                let marker = reference.when_null.map(|marker| to.position(marker));
                assert_ne!(marker, Some(None), "{at}: what does NULL stand for?");
            }
            before.push(table);
        }
    }
    for module in MODULES {
        all_before(module, &mut Vec::new());
    }
}

#[test]
fn births_describe_rows_of_tables_that_exist() {
    let all = tables();
    for table in &all {
        for birth in table.births {
            let child = all.iter().find(|other| other.name == birth.table).expect("a table");
            let parent = child.columns.iter().find(|c| c.name == birth.parent).expect("a column");
            assert_eq!(parent.references.as_ref().map(|to| to.table), Some(table.name));
            for (name, json) in birth.cells {
                assert!(
                    child.columns.iter().any(|c| c.name == *name && c.key),
                    "{}.{name}",
                    child.name
                );
                serde_json::from_str::<serde_json::Value>(json).expect("JSON");
            }
        }
    }
}

#[test]
fn every_resource_says_what_it_may_do() {
    for resource in resources() {
        let (name, reads, writes) = (resource.table().name, resource.reads(), resource.writes());
        assert!(!reads.is_empty() && !writes.is_empty(), "{name}");
        for list in [reads, writes] {
            assert!(
                list.is_sorted() && list.iter().all(|action| action.contains(':')),
                "{name}: {list:?}"
            );
        }
    }
}
