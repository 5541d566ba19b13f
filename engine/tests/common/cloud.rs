//! A cloud in a few lines: it makes ids, insists on its rules, makes things by itself, and keeps some.

use super::tables::{ALL, change, mentions, named, references};
use iasql_engine::table::{Access, Column, Reference, Table};
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
    /// The things that its loose references led to when they were written, by column.
    tied: BTreeMap<&'static str, BTreeSet<u32>>,
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

    /// Which column of `self` refers to `other`, and whether loosely; lists of ids count.
    fn ties(&self, other: &Thing) -> impl Iterator<Item = (&'static str, bool)> {
        let near = other.region.is_empty() || other.region == self.region;
        let named = move |table: &str, column: &str, cell: &Value| {
            let this = cell == other.cell(column) && !cell.is_null();
            table == other.table.name && near && this
        };
        let references = references(self.table, &self.row);
        let references = references.filter_map(move |(column, to, cell)| {
            named(to.table, to.column, cell).then_some((column.name, to.loose))
        });
        let mentions = mentions(self.table, &self.row);
        references.chain(mentions.filter_map(move |(column, to, id)| {
            named(to.table, to.column, id).then_some((column.name, false))
        }))
    }

    /// Which column of `self` refers to `other`.
    fn refers(&self, other: &Thing) -> Option<&'static str> {
        self.ties(other).map(|(column, _)| column).next()
    }

    /// Whether `other` can't go before `self`.
    fn holds(&self, other: &Thing) -> bool {
        self.ties(other).any(|(_, loose)| !loose)
    }
}

/// Why the cloud refuses.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    InUse(Vec<u32>),
    Exists(u32),
    Overlaps(u32),
    NoSuch(&'static str, Value),
    /// There is nothing of this id.
    NoSuchId(String),
    /// No listener leads there.
    NotEnabled(String),
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
            row: self.shown(thing).into(),
            mark: thing.mark.clone(),
            kept: thing.kept().map(str::to_owned),
            print: None,
        };
        self.things.values().filter(here).map(seen).collect()
    }

    /// What a cell of a thing leads to.
    pub fn lead(&self, thing: &Thing, to: &Reference, cell: &Value) -> Option<u32> {
        let leads = |other: &Thing| {
            let near = other.region.is_empty() || other.region == thing.region;
            other.table.name == to.table && near && other.cell(to.column) == cell
        };
        self.things.iter().find(|(_, other)| leads(other)).map(|(&at, _)| at)
    }

    /// A row as the cloud tells it. What a loose reference led to may be gone, and another one be
    /// there under its name.
    pub fn shown(&self, thing: &Thing) -> Row {
        let mut row = thing.row.clone();
        let there: Vec<u32> = thing.tied.values().flatten().copied().collect();
        change(thing.table, &mut row, |_, to, cell| {
            let led = || self.lead(thing, to, cell).is_some_and(|at| there.contains(&at));
            if to.loose && cell.is_string() && !led() {
                *cell = json!(format!("gone {}", cell.as_str().unwrap_or_default()));
            }
        });
        row
    }

    /// Things that no row can stand for: what they refer to is gone, or is such a thing.
    pub fn homeless(&self) -> BTreeSet<u32> {
        let mut homeless = BTreeSet::new();
        loop {
            let lost = |(&at, thing): (&u32, &Thing)| {
                let row = self.shown(thing);
                let lost = references(thing.table, &row).any(|(_, to, cell)| {
                    let to = self.lead(thing, to, cell);
                    !cell.is_null() && to.is_none_or(|to| homeless.contains(&to))
                });
                (lost && !homeless.contains(&at)).then_some(at)
            };
            let more: Vec<u32> = self.things.iter().filter_map(lost).collect();
            if more.is_empty() {
                return homeless;
            }
            homeless.extend(more);
        }
    }

    /// Remembers what the loose references of a column lead to.
    fn tie(&self, thing: &mut Thing, column: &'static Column) {
        let here = references(thing.table, &thing.row);
        let led = here
            .filter(|(at, to, cell)| at.name == column.name && to.loose && !cell.is_null())
            .filter_map(|(_, to, cell)| self.lead(thing, to, cell))
            .collect();
        thing.tied.insert(column.name, led);
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
                tied: BTreeMap::new(),
            };
            self.fill(&mut thing, 0)?;
            self.check(&thing)?;
            return Err(Refusal::Nonsense("the name default is taken".into()));
        }
        let marks = matches!(table.name, "net" | "grp" | "rule" | "part" | "host" | "task");
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
        let (region, tied) = (region.to_owned(), BTreeMap::new());
        let mut thing = Thing { table, region, row, mark, opaque: false, tied };
        self.fill(&mut thing, number)?;
        self.check(&thing)?;
        table.columns.iter().for_each(|column| self.tie(&mut thing, column));
        let clash = match table.keys().next() {
            Some(_) => self.find_key(table, &thing.region, &thing.row),
            None => self.find(table.name, &thing.region, thing.id()).filter(|_| table.import_only),
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
        for (column, cell) in thing.table.columns.iter().zip(&thing.row) {
            if cell.is_null() && column.required && column.access != Access::ReadOnly {
                return Err(Refusal::Nonsense(format!("{} is missing", column.name)));
            }
        }
        for (_, to, cell) in references(thing.table, &thing.row) {
            if !cell.is_null() && self.lead(thing, to, cell).is_none() {
                return Err(Refusal::NoSuch(to.table, cell.clone()));
            }
        }
        for (_, to, id) in mentions(thing.table, &thing.row) {
            let id = id.as_str().unwrap_or_default();
            if self.find(to.table, &thing.region, id).is_none() {
                return Err(Refusal::NoSuchId(id.to_owned()));
            }
        }
        // A service can't use what no listener leads to.
        if thing.table.name == "service"
            && let Value::String(target) = thing.cell("target_name")
        {
            let led = |other: &Thing| {
                other.table.name == "listener"
                    && other.region == thing.region
                    && other.cell("target_name") == target.as_str()
            };
            if !self.things.values().any(led) {
                return Err(Refusal::NotEnabled(target.clone()));
            }
        }
        Ok(())
    }

    /// Changes what is to be other than it was, as far as that can be changed; that something else
    /// should change is a mistake of the plan.
    pub fn update(&mut self, at: u32, was: &Row, row: &Row) -> Result<(), Refusal> {
        let Some(thing) = self.things.get(&at) else {
            return Err(Refusal::NoSuch("thing", json!(at)));
        };
        let mut thing = thing.clone();
        for place in compare::differing(thing.table, row, was) {
            let column = &thing.table.columns[place];
            assert!(
                !column.replaces(),
                "{} {} can't be changed in place",
                thing.table.name,
                column.name
            );
            thing.row[place] = row[place].clone();
            self.tie(&mut thing, column);
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
                    "listener" => parent == "balancer_name",
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
            let used = going.iter().any(|to| other.holds(&self.things[to]));
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
        matches!(thing.table.name, "rule" | "policy" | "listener") || thing.kept().is_some()
    }

    /// What directly refers to a thing, and has to let go of it before it can go.
    pub fn referring(&self, at: u32) -> Vec<u32> {
        let Some(to) = self.things.get(&at) else { return Vec::new() };
        self.things.iter().filter(|(_, other)| other.holds(to)).map(|(&number, _)| number).collect()
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
            let mut thing = thing.clone();
            thing.row[place] = value;
            self.tie(&mut thing, definition);
            if !(required || definition.late && thing.row[place].is_null())
                && self.check(&thing).is_ok()
            {
                self.things.insert(at, thing);
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
        let gist = |at: Option<u32>| at.map(|at| self.gist_of(&self.things[&at], depth - 1));
        let mut row = self.shown(thing);
        change(thing.table, &mut row, |_, to, cell| {
            if let Some(gist) = gist(self.lead(thing, to, cell)) {
                *cell = json!(format!("({gist})"));
            }
        });
        let cell = |(column, cell): (&Column, &Value)| {
            if let (Some(to), Value::Array(ids)) = (&column.mentions, cell) {
                let find = |id: &Value| self.find(to.table, &thing.region, id.as_str()?);
                let ids = ids.iter().map(|id| gist(find(id)).map_or(id.clone(), Value::from));
                let ids = compare::canonical(column.kind, &ids.collect());
                return Some(format!("{}={ids}", column.name));
            }
            let said = column.access != Access::ReadOnly || column.references.is_some();
            said.then(|| format!("{}={}", column.name, compare::canonical(column.kind, cell)))
        };
        let cells: Vec<_> = thing.table.columns.iter().zip(&row).filter_map(cell).collect();
        format!("{} {} {}", thing.table.name, thing.region, cells.join(" "))
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
