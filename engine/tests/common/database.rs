//! A database in a few lines: rows and base rows, under the constraints that the DDL states.

use super::tables::{ALL, change, named, references};
use iasql_engine::print::Print;
use iasql_engine::table::{By, Reference, Table};
use iasql_engine::world::{Base, Wanted, World, plain};
use iasql_engine::writes::{Writes, Written};
use iasql_engine::{Row, Value, compare};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub pk: Value,
    pub region: String,
    pub row: Row,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BaseRecord {
    pub pk: Value,
    pub region: String,
    pub cloud_id: String,
    pub row: Row,
    pub print: Option<Print>,
}

/// Rows and base rows by table and primary key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Database {
    pub rows: BTreeMap<(&'static str, String), Record>,
    pub base: BTreeMap<(&'static str, String), BaseRecord>,
}

impl Database {
    pub fn of(&self, table: &str) -> impl Iterator<Item = &Record> {
        self.rows.iter().filter(move |((of, _), _)| *of == table).map(|(_, record)| record)
    }

    pub fn wanted(&self, table: &str) -> Vec<Wanted> {
        let wanted = |it: &Record| Wanted {
            pk: it.pk.clone(),
            version: "1".into(),
            region: it.region.clone(),
            row: it.row.clone().into(),
        };
        self.of(table).map(wanted).collect()
    }

    pub fn base(&self, table: &str) -> Vec<Base> {
        let base = |it: &BaseRecord| Base {
            pk: it.pk.clone(),
            cloud_id: it.cloud_id.clone(),
            region: it.region.clone(),
            row: it.row.clone().into(),
            print: it.print,
        };
        self.base
            .iter()
            .filter(|((of, _), _)| *of == table)
            .map(|(_, record)| base(record))
            .collect()
    }

    /// Whether a record refers to another, or a part of it does.
    pub fn refers(from: &'static Table, record: &Record, to: &Table, other: &Record) -> bool {
        let mut references = references(from, &record.row);
        references.any(|(_, reference, cell)| leads(reference, cell, &record.region, to, other))
    }

    /// The keys of the rows that refer to a row.
    pub fn referring(&self, key: &(&'static str, String)) -> Vec<(&'static str, String)> {
        let Some(to) = self.rows.get(key) else { return Vec::new() };
        let refers = |((table, _), record): &(&(&'static str, String), &Record)| {
            Self::refers(named(table), record, named(key.0), to)
        };
        self.rows.iter().filter(refers).map(|(key, _)| key.clone()).collect()
    }

    /// What was agreed on a row; one that was removed and added again is agreed on as before.
    pub fn agreed(&self, key: &(&'static str, String), record: &Record) -> Option<&BaseRecord> {
        let again = |((table, _), base): &(&(&str, String), &BaseRecord)| {
            let same = compare::same_key(named(key.0), &base.row, &record.row);
            *table == key.0 && same && base.region == record.region
        };
        self.base.get(key).or_else(|| self.base.iter().find(again).map(|(_, base)| base))
    }

    /// Changes a row, and what refers to it by name: ON UPDATE CASCADE. Its primary key may change.
    pub fn set(&mut self, key: &(&'static str, String), record: Record) {
        let referring = self.referring(key);
        let Some(old) = self.rows.remove(key) else { return };
        self.rows.insert((key.0, plain(&record.pk)), record.clone());
        let table = named(key.0);
        for child in referring.into_iter().filter(|child| child != key) {
            let mut row = self.rows[&child].clone();
            let mut follows = false;
            change(named(child.0), &mut row.row, |_, to, cell| {
                if to.by == By::Name
                    && to.table == table.name
                    && cell == table.cell(&old.row, to.column)
                {
                    *cell = table.cell(&record.row, to.column).clone();
                    follows = true;
                }
            });
            if follows && table.regional() {
                row.region.clone_from(&record.region);
            }
            if row != self.rows[&child] {
                self.set(&child, row);
            }
        }
    }

    /// What the DDL demands.
    pub fn check(&self) -> Result<(), String> {
        for table in ALL {
            let mut keys = BTreeMap::new();
            for record in self.of(table.name) {
                let at = format!("{} {}", table.name, record.pk);
                if record.pk.is_null() {
                    return Err(format!("{at}: no primary key"));
                }
                if record.region.is_empty() == table.regional() {
                    return Err(format!("{at}: its region is {:?}", record.region));
                }
                if table.primary_key.is_some_and(|key| table.cell(&record.row, key) != &record.pk) {
                    return Err(format!("{at}: the primary key is another column"));
                }
                let cells = |places: Vec<usize>| {
                    let cells: Vec<&Value> = places.iter().map(|&at| &record.row[at]).collect();
                    serde_json::to_string(&(&places, &record.region, cells)).expect("JSON")
                };
                let key: Vec<usize> = table.keys().collect();
                let same = key == [table.id()];
                if !key.is_empty() && keys.insert(cells(key), ()).is_some() {
                    return Err(format!("{at}: its key is taken"));
                }
                if !same
                    && !record.row[table.id()].is_null()
                    && keys.insert(cells(vec![table.id()]), ()).is_some()
                {
                    return Err(format!("{at}: its id is taken"));
                }
                for (column, cell) in table.columns.iter().zip(&record.row) {
                    let at = format!("{at}: {}", column.name);
                    if cell.is_null() {
                        if column.required && column.settable() {
                            return Err(format!("{at} is NULL"));
                        }
                        continue;
                    }
                    if cell.is_object() && column.sql != "jsonb" {
                        return Err(format!("{at} is {cell}"));
                    }
                    let Some(part) = column.parts() else { continue };
                    let Some(rows) = cell.as_array() else { return Err(format!("{at} is {cell}")) };
                    let mut keys = BTreeSet::new();
                    for row in rows {
                        let cells =
                            row.as_array().ok_or_else(|| format!("{at} has a part {row}"))?;
                        let key: Vec<String> =
                            part.keys().map(|at| cells[at].to_string()).collect();
                        if !keys.insert(key) {
                            return Err(format!("{at} has two parts of one key"));
                        }
                        for (column, cell) in part.columns.iter().zip(cells) {
                            if column.required && cell.is_null() || cell.is_object() {
                                return Err(format!("{at}: {} is {cell}", column.name));
                            }
                        }
                    }
                }
                for (column, reference, cell) in references(table, &record.row) {
                    let to = named(reference.table);
                    let one = |other: &Record| leads(reference, cell, &record.region, to, other);
                    if !cell.is_null() && !self.of(to.name).any(one) {
                        return Err(format!("{at}: {} points at no {}", column.name, to.name));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what the engine says, in the order of the store: deletes from the last table to the
    /// first, then the rest.
    pub fn write(&mut self, world: &World, writes: &[Writes]) {
        for (table, writes) in world.tables.iter().zip(writes).rev() {
            for written in &writes.delete {
                let gone = self.rows.remove(&(table.name, plain(&written.pk)));
                assert!(
                    gone.is_some(),
                    "deletes {} {}, which is not there",
                    table.name,
                    written.pk
                );
            }
        }
        for (table, writes) in world.tables.iter().zip(writes) {
            // Two rows that exchange their names get in each other's way unless they are out of it first.
            let mut parked = Vec::new();
            for written in &writes.update {
                let at = (table.name, plain(&written.pk));
                let there = self.rows.get(&at).cloned();
                let mut there =
                    there.unwrap_or_else(|| panic!("updates {at:?}, which is not there"));
                if let Some(name) = table.position("name")
                    && there.row[name] != written.row[name]
                {
                    there.row[name] = Value::from(format!("parked {}", written.pk));
                    there.pk = primary_key(table, &there.pk, &there.row);
                    self.set(&at, there.clone());
                }
                parked.push((table.name, plain(&there.pk)));
            }
            for (written, at) in writes.update.iter().zip(&parked) {
                let mut record = record(table, written);
                // The row still has the key that it is addressed by, and takes its new name from its cells.
                record.pk = primary_key(table, &record.pk, &record.row);
                self.set(at, record);
            }
            for written in &writes.insert {
                let before =
                    self.rows.insert((table.name, plain(&written.pk)), record(table, written));
                assert!(before.is_none(), "inserts {} {} again", table.name, written.pk);
            }
            for written in &writes.fill {
                let at = (table.name, plain(&written.pk));
                let record = self.rows.get_mut(&at).expect("a row to fill");
                assert_eq!(written.row.len(), table.columns.len());
                for (place, column) in table.columns.iter().enumerate() {
                    if !column.settable() || (column.late && record.row[place].is_null()) {
                        record.row[place] = written.row[place].clone();
                    } else {
                        let (old, new) = (&record.row[place], &written.row[place]);
                        assert!(
                            compare::equal(column.kind, old, new),
                            "{} {}",
                            table.name,
                            column.name
                        );
                    }
                }
            }
            for pk in &writes.forget {
                self.base.remove(&(table.name, plain(pk)));
            }
            for (cloud_id, written) in &writes.agree {
                let base = BaseRecord {
                    pk: written.pk.clone(),
                    region: written.region.clone(),
                    cloud_id: cloud_id.clone(),
                    row: Row::clone(&written.row),
                    print: written.print,
                };
                assert!(!base.pk.is_null(), "a base row of {} without a key", table.name);
                self.base.insert((table.name, plain(&written.pk)), base);
            }
        }
        if let Err(why) = self.check() {
            let named = world.tables.iter().map(|table| table.name).zip(writes);
            let writes: Vec<_> = named.filter(|(_, writes)| writes.any_rows()).collect();
            panic!("the database refuses what the engine writes: {why}\n{writes:?}");
        }
    }
}

/// Whether a reference leads to a row.
fn leads(reference: &Reference, cell: &Value, region: &str, to: &Table, other: &Record) -> bool {
    let near = other.region.is_empty() || other.region == region;
    let this = match reference.by {
        By::Id => *cell == other.pk,
        By::Name => near && cell == to.cell(&other.row, reference.column),
    };
    reference.table == to.name && !cell.is_null() && this
}

/// The primary key of a row: its own, or the name that is one.
pub fn primary_key(table: &Table, own: &Value, row: &Row) -> Value {
    table.primary_key.map_or(own, |name| table.cell(row, name)).clone()
}

fn record(table: &Table, written: &Written) -> Record {
    assert_eq!(written.row.len(), table.columns.len(), "{}", table.name);
    assert_eq!(
        written.region.is_empty(),
        !table.regional(),
        "{} in {:?}",
        table.name,
        written.region
    );
    Record { pk: written.pk.clone(), region: written.region.clone(), row: Row::clone(&written.row) }
}
