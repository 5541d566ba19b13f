//! A cloud in a few lines: it makes ids, insists on its rules, makes things by itself, and keeps some.

use super::tables::{ALL, named};
use iasql_engine::table::{Access, Table};
use iasql_engine::wire::Seen;
use iasql_engine::{Row, Value, compare};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Something in the cloud. Its row is in cloud terms.
#[derive(Clone)]
pub struct Thing {
    pub table: &'static Table,
    pub region: String,
    pub row: Row,
    pub mark: Option<String>,
    /// It has become something that no row can stand for.
    pub opaque: bool,
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.table.name, self.region, Value::from(self.row.clone()))
    }
}

impl PartialEq for Thing {
    fn eq(&self, other: &Self) -> bool {
        (self.table.name, &self.region, &self.row) == (other.table.name, &other.region, &other.row)
    }
}

impl Thing {
    pub fn id(&self) -> &str {
        self.table.cloud_id(&self.row).unwrap_or_default()
    }

    pub fn cell(&self, column: &str) -> &Value {
        self.table.cell(&self.row, column)
    }

    /// Why it can't be deleted.
    pub fn kept(&self) -> Option<&'static str> {
        match self.table.name {
            "grp" if self.cell("name") == "default" => Some("it comes with its net"),
            "net" if self.cell("is_default") == true => Some("it comes with the region"),
            _ => None,
        }
    }

    /// Which column of `self` refers to `other`.
    fn refers(&self, other: &Thing) -> Option<&'static str> {
        self.table.columns.iter().enumerate().find_map(|(at, column)| {
            let reference = column.references.as_ref()?;
            let near = other.region.is_empty() || other.region == self.region;
            let named = self.row[at] == *other.cell(reference.column) && !self.row[at].is_null();
            (reference.table == other.table.name && near && named).then_some(column.name)
        })
    }
}

/// Why the cloud refuses.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    InUse(Vec<u32>),
    Exists(u32),
    Overlaps(u32),
    NoSuch(&'static str, Value),
    Kept(&'static str),
    Born,
    Nonsense(String),
}

/// All there is. What a thing is filed under never changes and is never given to another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    pub things: BTreeMap<u32, Thing>,
    next: u32,
}

impl Cloud {
    /// How much has been made so far.
    pub fn now(&self) -> u32 {
        self.next
    }

    pub fn find(&self, table: &str, region: &str, id: &str) -> Option<u32> {
        let like =
            |thing: &Thing| thing.table.name == table && thing.region == region && thing.id() == id;
        self.things.iter().find(|(_, thing)| like(thing)).map(|(&at, _)| at)
    }

    /// What has this key, in cloud terms.
    pub fn find_key(&self, table: &Table, region: &str, row: &Row) -> Option<u32> {
        let like = |thing: &Thing| {
            thing.table.name == table.name
                && thing.region == region
                && compare::same_key(table, &thing.row, row)
        };
        self.things.iter().find(|(_, thing)| like(thing)).map(|(&at, _)| at)
    }

    pub fn list(&self, table: &str, region: &str) -> Vec<Seen> {
        let here =
            |thing: &&Thing| thing.table.name == table && thing.region == region && !thing.opaque;
        let seen = |thing: &Thing| Seen {
            row: thing.row.clone(),
            mark: thing.mark.clone(),
            kept: thing.kept().map(str::to_owned),
        };
        self.things.values().filter(here).map(seen).collect()
    }

    /// The default net of a region and what comes with it.
    pub fn found_region(&mut self, region: &str) {
        let row = json!([null, "172.31.0.0/16", true, null, {}]);
        let Value::Array(row) = row else { return };
        self.make(&super::tables::NET, region, row, None).expect("a default net");
    }

    pub fn create(
        &mut self,
        table: &Table,
        region: &str,
        row: &Row,
        mark: &str,
    ) -> Result<u32, Refusal> {
        if table.import_only {
            return Err(Refusal::Nonsense(format!("{} can't be made like this", table.name)));
        }
        if table.name == "grp" && table.cell(row, "name") == "default" {
            // There is one in every net.
            let mut thing = Thing {
                table: named("grp"),
                region: region.to_owned(),
                row: row.clone(),
                mark: None,
                opaque: false,
            };
            self.fill(&mut thing, 0)?;
            self.check(&thing)?;
            return Err(Refusal::Nonsense("the name default is taken".into()));
        }
        let marks = !matches!(table.name, "repo" | "policy" | "tree" | "person" | "pool");
        self.make(named(table.name), region, row.clone(), marks.then(|| mark.to_owned()))
    }

    /// An image arrives.
    pub fn push_image(&mut self, region: &str, repo: &str, tag: &str) -> Result<u32, Refusal> {
        let row = vec![json!(format!("{repo}:{tag}")), json!(repo), json!(tag)];
        self.make(&super::tables::IMAGE, region, row, None)
    }

    fn make(
        &mut self,
        table: &'static Table,
        region: &str,
        row: Row,
        mark: Option<String>,
    ) -> Result<u32, Refusal> {
        self.next += 1;
        let number = self.next;
        let mut thing = Thing { table, region: region.to_owned(), row, mark, opaque: false };
        self.fill(&mut thing, number)?;
        self.check(&thing)?;
        let clash = match table.keys().next() {
            Some(_) => self.find_key(table, region, &thing.row),
            None => self.find(table.name, region, thing.id()).filter(|_| table.import_only),
        };
        if let Some(other) = clash {
            return Err(Refusal::Exists(other));
        }
        if table.exclusive
            && let Some((&other, _)) = self.things.iter().find(|(_, other)| overlap(&thing, other))
        {
            return Err(Refusal::Overlaps(other));
        }
        let (id, region) = (thing.id().to_owned(), thing.region.clone());
        self.things.insert(number, thing);
        for birth in table.births {
            let child = named(birth.table);
            let cell = |name: &str| {
                let given = birth.cells.iter().find(|(cell, _)| *cell == name);
                let given = given.map(|(_, json)| serde_json::from_str(json).expect("JSON"));
                if name == birth.parent { json!(id) } else { given.unwrap_or_default() }
            };
            let row = child.columns.iter().map(|column| cell(column.name)).collect();
            self.make(child, &region, row, None)?;
        }
        Ok(number)
    }

    /// What the cloud writes by itself.
    fn fill(&self, thing: &mut Thing, number: u32) -> Result<(), Refusal> {
        let (table, region) = (thing.table, thing.region.clone());
        let name = table.cell(&thing.row, "name").as_str().unwrap_or_default().to_owned();
        for (at, column) in table.columns.iter().enumerate() {
            let cell = &mut thing.row[at];
            let owned = match (table.name, column.name) {
                ("image", _) => continue,
                ("repo", "arn") => json!(format!("arn:{region}:{name}")),
                (_, "made_at") => json!(time(number)),
                (_, "is_default") => json!(*cell == true),
                (_, _) if column.id && column.access == Access::ReadOnly => {
                    json!(format!("{}-{number}", table.name))
                }
                (_, "owner" | "registry") => json!("me"),
                _ => Value::Null,
            };
            let late = match column.name {
                "net_id" => self.default_net(&region),
                "about" => Some(json!(name)),
                "zone" => Some(json!(format!("{region}a"))),
                "size" => Some(json!("small")),
                "lock" => Some(json!("none")),
                _ => None,
            };
            if column.access == Access::ReadOnly {
                *cell = owned;
            } else if column.late && cell.is_null() {
                *cell = late.ok_or(Refusal::NoSuch("net", Value::Null))?;
            }
        }
        Ok(())
    }

    fn default_net(&self, region: &str) -> Option<Value> {
        let default = |thing: &&Thing| thing.region == region && thing.cell("is_default") == true;
        self.things.values().find(default).map(|net| net.cell("net_id").clone())
    }

    /// References lead somewhere, and what has to be there is.
    fn check(&self, thing: &Thing) -> Result<(), Refusal> {
        for (at, column) in thing.table.columns.iter().enumerate() {
            let cell = &thing.row[at];
            if cell.is_null() {
                if column.required && column.access != Access::ReadOnly {
                    return Err(Refusal::Nonsense(format!("{} is missing", column.name)));
                }
                continue;
            }
            let Some(reference) = &column.references else { continue };
            let leads = |other: &Thing| {
                other.table.name == reference.table
                    && (other.region.is_empty() || other.region == thing.region)
                    && other.cell(reference.column) == cell
            };
            if !self.things.values().any(leads) {
                return Err(Refusal::NoSuch(reference.table, cell.clone()));
            }
        }
        Ok(())
    }

    /// Changes what can be changed; that something else should change is a mistake of the plan.
    pub fn update(&mut self, at: u32, row: &Row) -> Result<(), Refusal> {
        let Some(thing) = self.things.get(&at) else {
            return Err(Refusal::NoSuch("thing", json!(at)));
        };
        let mut thing = thing.clone();
        for place in compare::differing(thing.table, row, &thing.row) {
            let column = &thing.table.columns[place];
            assert!(
                !column.replaces(),
                "{} {} can't be changed in place",
                thing.table.name,
                column.name
            );
            thing.row[place] = row[place].clone();
        }
        self.check(&thing)?;
        self.things.insert(at, thing);
        Ok(())
    }

    /// Removes something, and what goes along with it: parts that nothing else refers to.
    pub fn delete(&mut self, at: u32) -> Result<BTreeSet<u32>, Refusal> {
        let Some(thing) = self.things.get(&at) else { return Ok(BTreeSet::new()) };
        if let Some(why) = thing.kept() {
            return Err(Refusal::Kept(why));
        }
        let mut going = BTreeSet::from([at]);
        loop {
            let along = |(number, other): (&u32, &Thing)| {
                let parent = going.iter().find_map(|to| other.refers(&self.things[to]))?;
                let part = match other.table.name {
                    "grp" => parent == "net_id" && other.kept().is_some(),
                    "rule" => parent == "grp_id",
                    "policy" => true,
                    _ => false,
                };
                (part && !going.contains(number)).then_some(*number)
            };
            let more: Vec<u32> = self.things.iter().filter_map(along).collect();
            if more.is_empty() {
                break;
            }
            going.extend(more);
        }
        let uses = |(number, other): (&u32, &Thing)| {
            let used = going.iter().any(|to| other.refers(&self.things[to]).is_some());
            (used && !going.contains(number)).then_some(*number)
        };
        let in_use: Vec<u32> = self.things.iter().filter_map(uses).collect();
        if !in_use.is_empty() {
            return Err(Refusal::InUse(in_use));
        }
        self.things.retain(|number, _| !going.contains(number));
        Ok(going)
    }

    /// Whether it goes along with what it is part of.
    pub fn is_part(&self, at: u32) -> bool {
        let thing = &self.things[&at];
        matches!(thing.table.name, "rule" | "policy") || thing.kept().is_some()
    }

    /// What directly refers to a thing.
    pub fn referring(&self, at: u32) -> Vec<u32> {
        let Some(to) = self.things.get(&at) else { return Vec::new() };
        self.things
            .iter()
            .filter(|(_, other)| other.refers(to).is_some())
            .map(|(&number, _)| number)
            .collect()
    }

    /// Something happens to it behind everyone's back: a cell changes, but for keys, ids and references.
    pub fn drift(&mut self, at: u32, column: usize, value: Value) {
        let Some(thing) = self.things.get(&at) else { return };
        let definition = &thing.table.columns[column % thing.table.columns.len()];
        // There are kinds that can be given another name and stay who they are.
        if thing.table.name == "pool" && definition.key {
            let mut row = thing.row.clone();
            row[0] = value;
            if self.find_key(thing.table, "", &row).is_none() {
                self.things.get_mut(&at).expect("a thing").row = row;
            }
            return;
        }
        if definition.access == Access::Settable
            && !definition.key
            && definition.references.is_none()
        {
            let place = thing.table.position(definition.name).expect("a column");
            let required = definition.required && value.is_null();
            if !(required || definition.late && value.is_null()) {
                self.things.get_mut(&at).expect("a thing").row[place] = value;
            }
        }
    }

    /// What it all comes to, whatever the ids are.
    pub fn gist(&self, of: impl Fn(u32) -> bool) -> Vec<String> {
        let things = self.things.iter().filter(|(at, _)| of(**at));
        let mut gist: Vec<String> = things.map(|(_, thing)| self.gist_of(thing, 4)).collect();
        gist.sort();
        gist
    }

    fn gist_of(&self, thing: &Thing, depth: u32) -> String {
        if depth == 0 {
            return String::new();
        }
        let cells = thing.table.columns.iter().zip(&thing.row).filter_map(|(column, cell)| {
            let reference = column.references.as_ref();
            let to = reference.and_then(|reference| {
                self.things.values().find(|to| {
                    to.table.name == reference.table
                        && to.cell(reference.column) == cell
                        && thing.refers(to).is_some()
                })
            });
            match to {
                Some(to) => Some(format!("{}=({})", column.name, self.gist_of(to, depth - 1))),
                None if column.access == Access::ReadOnly => None,
                None => Some(format!("{}={}", column.name, compare::canonical(column.kind, cell))),
            }
        });
        format!("{} {} {}", thing.table.name, thing.region, cells.collect::<Vec<_>>().join(" "))
    }
}

/// A moment, by what had been made until then.
pub fn time(number: u32) -> String {
    format!("2026-01-01T{:02}:{:02}:{:02}+00:00", number / 3600, number / 60 % 60, number % 60)
}

/// Every scope there is.
pub fn scopes(regions: &[&str]) -> Vec<(&'static Table, String)> {
    let of = |table: &'static Table| -> Vec<(&'static Table, String)> {
        match table.regional() {
            true => regions.iter().map(|region| (table, (*region).to_owned())).collect(),
            false => vec![(table, String::new())],
        }
    };
    ALL.into_iter().flat_map(of).collect()
}

fn overlap(a: &Thing, b: &Thing) -> bool {
    fn bits(thing: &Thing) -> Option<(u32, u32)> {
        let (address, bits) = thing.cell("range").as_str()?.split_once('/')?;
        let address: std::net::Ipv4Addr = address.parse().ok()?;
        Some((address.into(), bits.parse().ok()?))
    }
    let (Some((x, m)), Some((y, n))) = (bits(a), bits(b)) else { return false };
    let shared = 32 - m.min(n);
    let same = |x: u32| x.checked_shr(shared).unwrap_or(0);
    a.table.name == b.table.name
        && a.region == b.region
        && a.cell("net_id") == b.cell("net_id")
        && same(x) == same(y)
}
