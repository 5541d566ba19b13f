//! What a column can hold. A field's type decides its SQL type, how its values are compared, and
//! whether it may be NULL; `#[derive(Resource)]` puts the fields together to a [`Table`] and rows.
//!
//! | type | SQL | compared |
//! |---|---|---|
//! | `String`, `bool`, `i32`, `i64` | `text`, `boolean`, `integer`, `bigint` | as they stand |
//! | [`Timestamp`] | `timestamptz` | as it stands |
//! | [`Range`] | `address_range` | as addresses |
//! | [`Port`] | `integer` | -1 is none |
//! | [`Set`] | `text[]` | without order |
//! | [`List`] | `text[]` | in order |
//! | [`Tags`], [`Pairs`] | `jsonb` | as a map |
//! | [`Json`] | `jsonb` | as it stands |
//! | [`Policy`], [`Policies`] | `jsonb` | by meaning |
//! | [`Ref`] | `integer` | the row pointed at, by its `id` |
//! | [`Named`] | `text` | the row pointed at, by its name |
//! | [`Ids`] | `text[]` | without order; what is listed can't go before what lists it |
//! | [`Parts`] | a table of its own | without order |
//! | `Option` of these | nullable | |

use crate::cloud::failure::{Error, Result};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use iasql_engine::compare;
use iasql_engine::table::{By, Kind, Mention, Reference, Table};
use iasql_engine::{Row, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A struct that is a table; written by `#[derive(Resource)]`.
pub trait Cells: Sized {
    /// The table.
    const TABLE: &'static Table;
    /// The IAM actions that listing takes.
    const READS: &'static [&'static str];
    /// The IAM actions that creating, changing and deleting take besides.
    const WRITES: &'static [&'static str];

    /// Its cells, in cloud terms.
    fn into_row(self) -> Row;
    /// The resource that a row describes.
    fn from_row(row: &Row) -> Result<Self>;
}

/// A type of column.
pub trait Cell: Sized {
    /// Its SQL type.
    const SQL: &'static str;
    /// How its values are compared.
    const KIND: Kind = Kind::Plain;
    /// Whether it is NOT NULL.
    const REQUIRED: bool = true;
    /// What NULL stands for, unless the column says otherwise.
    const DEFAULT: Option<&'static str> = None;
    /// The table it points at, and how.
    const TO: Option<(&'static Table, By)> = None;
    /// The table whose ids it lists.
    const MENTIONS: Option<&'static Table> = None;

    /// The value that PostgreSQL's `to_json` would write for it.
    fn into_value(self) -> Value;
    /// What such a value means; if nothing, why.
    fn from_value(value: &Value) -> std::result::Result<Self, String>;
}

/// A cell of a row; for the code that the derive writes.
pub fn take<C: Cell>(row: &Row, at: usize, column: &str) -> Result<C> {
    C::from_value(row.get(at).unwrap_or(&Value::Null)).map_err(|why| Error::row(column, why))
}

/// The reference of a column; for the constants that the derive writes.
pub const fn reference<C: Cell>(
    when_null: Option<&'static str>,
    cascade: bool,
    loose: bool,
    enables: bool,
) -> Option<Reference> {
    match C::TO {
        Some((table, by)) => {
            let column = match by {
                By::Id => id_of(table),
                By::Name => name_of(table),
            };
            Some(Reference { table: table.name, column, by, when_null, cascade, loose, enables })
        }
        None => {
            assert!(
                when_null.is_none() && !cascade && !loose && !enables,
                "only references have `when_null`, `cascade`, `loose` and `enables`"
            );
            None
        }
    }
}

/// The table whose ids a column lists; for the constants that the derive writes.
pub const fn mention<C: Cell>() -> Option<Mention> {
    match C::MENTIONS {
        Some(table) => Some(Mention { table: table.name, column: id_of(table) }),
        None => None,
    }
}

const fn id_of(table: &'static Table) -> &'static str {
    let mut at = 0;
    while at < table.columns.len() {
        if table.columns[at].id {
            return table.columns[at].name;
        }
        at += 1;
    }
    panic!("a `Ref` needs a table with an `id` column")
}

const fn name_of(table: &'static Table) -> &'static str {
    let (mut at, mut name) = (0, None);
    while at < table.columns.len() {
        if table.columns[at].key {
            assert!(name.is_none(), "a `Named` needs a table whose key is a single column");
            name = Some(table.columns[at].name);
        }
        at += 1;
    }
    match name {
        Some(name) => name,
        None => panic!("a `Named` needs a table with a key"),
    }
}

/// The module a resource belongs to: `aws_ecr` of `iasql_modules::aws_ecr::repository`.
pub const fn module_of(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let (mut start, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        if bytes[at] == b':' {
            if start > 0 {
                return path.split_at(at).0.split_at(start).1;
            }
            at += 1;
            start = at + 1;
        }
        at += 1;
    }
    path.split_at(start).1
}

impl Cell for String {
    const SQL: &'static str = "text";

    fn into_value(self) -> Value {
        Value::String(self)
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| not("text", value))
    }
}

impl Cell for bool {
    const SQL: &'static str = "boolean";

    fn into_value(self) -> Value {
        Value::Bool(self)
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        value.as_bool().ok_or_else(|| not("true or false", value))
    }
}

impl Cell for i32 {
    const SQL: &'static str = "integer";

    fn into_value(self) -> Value {
        self.into()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        i64::from_value(value)?.try_into().map_err(|_| not("an integer", value))
    }
}

impl Cell for i64 {
    const SQL: &'static str = "bigint";

    fn into_value(self) -> Value {
        self.into()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        value.as_i64().ok_or_else(|| not("an integer", value))
    }
}

impl<C: Cell> Cell for Option<C> {
    const SQL: &'static str = C::SQL;
    const KIND: Kind = C::KIND;
    const REQUIRED: bool = false;
    const TO: Option<(&'static Table, By)> = C::TO;
    const MENTIONS: Option<&'static Table> = C::MENTIONS;

    fn into_value(self) -> Value {
        self.map_or(Value::Null, C::into_value)
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        if value.is_null() { Ok(None) } else { C::from_value(value).map(Some) }
    }
}

fn not(what: &str, value: &Value) -> String {
    format!("{value} is not {what}")
}

/// A moment, spelled as PostgreSQL's `to_json` does under `TimeZone = UTC`, so that a moment read
/// from AWS and the same one read from a table are equal to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp(String);

impl Timestamp {
    /// Of milliseconds since 1970.
    pub fn from_millis(millis: i64) -> Self {
        DateTime::from_millis(millis).into()
    }
}

impl From<DateTime> for Timestamp {
    fn from(moment: DateTime) -> Self {
        // To the microsecond: PostgreSQL keeps no more, and JSON brings moments as floating point.
        let nanos = (moment.as_nanos() + 500).div_euclid(1_000) * 1_000;
        let text = DateTime::from_nanos(nanos).ok().and_then(|it| it.fmt(Format::DateTime).ok());
        // Beyond the year 9999 there is no such spelling; nothing AWS made is that young.
        Self(text.map(|text| text.replace('Z', "+00:00")).unwrap_or_default())
    }
}

impl Cell for Timestamp {
    const SQL: &'static str = "timestamptz";

    fn into_value(self) -> Value {
        if self.0.is_empty() { Value::Null } else { self.0.into() }
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        value.as_str().map(|text| Self(text.to_owned())).ok_or_else(|| not("a time", value))
    }
}

/// A range of addresses in the one spelling that AWS uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(String);

impl From<String> for Range {
    fn from(text: String) -> Self {
        match compare::canonical(Kind::Range, &Value::String(text)) {
            Value::String(text) => Self(text),
            _ => Self(String::new()),
        }
    }
}

impl Deref for Range {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Cell for Range {
    const SQL: &'static str = "address_range";
    const KIND: Kind = Kind::Range;

    fn into_value(self) -> Value {
        self.0.into()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        value
            .as_str()
            .map(|text| text.to_owned().into())
            .ok_or_else(|| not("an address range", value))
    }
}

/// A port, or an ICMP type or code; -1 means all of them, as no port at all does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub i32);

impl Cell for Port {
    const SQL: &'static str = "integer";
    const KIND: Kind = Kind::Port;

    fn into_value(self) -> Value {
        self.0.into()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        i32::from_value(value).map(Self)
    }
}

/// Texts in no order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set(pub BTreeSet<String>);

impl FromIterator<String> for Set {
    fn from_iter<I: IntoIterator<Item = String>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl Deref for Set {
    type Target = BTreeSet<String>;

    fn deref(&self) -> &BTreeSet<String> {
        &self.0
    }
}

impl Cell for Set {
    const SQL: &'static str = "text[]";
    const KIND: Kind = Kind::Set;

    fn into_value(self) -> Value {
        self.0.into_iter().collect()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        Ok(Self::items(value)?.into_iter().collect())
    }
}

impl Set {
    fn items(value: &Value) -> std::result::Result<Vec<String>, String> {
        let items = value.as_array().ok_or_else(|| not("an array", value))?;
        items.iter().map(String::from_value).collect()
    }
}

/// Texts in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl Cell for List {
    const SQL: &'static str = "text[]";

    fn into_value(self) -> Value {
        self.0.into()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        Set::items(value).map(Self)
    }
}

/// The ids of rows of another table, in no order.
pub struct Ids<T>(Set, PhantomData<fn() -> T>);

impl<T> FromIterator<String> for Ids<T> {
    fn from_iter<I: IntoIterator<Item = String>>(items: I) -> Self {
        Self(items.into_iter().collect(), PhantomData)
    }
}

impl<T> Deref for Ids<T> {
    type Target = BTreeSet<String>;

    fn deref(&self) -> &BTreeSet<String> {
        &self.0
    }
}

impl<T> Clone for Ids<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<T> PartialEq for Ids<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> fmt::Debug for Ids<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Cells> Cell for Ids<T> {
    const SQL: &'static str = Set::SQL;
    const KIND: Kind = Kind::Set;
    const MENTIONS: Option<&'static Table> = Some(T::TABLE);

    fn into_value(self) -> Value {
        self.0.into_value()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        Set::from_value(value).map(|ids| Self(ids, PhantomData))
    }
}

/// What a resource consists of, each a row of a table of its own. AWS knows them as one thing, so
/// they are read and written along with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts<P>(pub Vec<P>);

impl<P> FromIterator<P> for Parts<P> {
    fn from_iter<I: IntoIterator<Item = P>>(parts: I) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl<P> Deref for Parts<P> {
    type Target = [P];

    fn deref(&self) -> &[P] {
        &self.0
    }
}

impl<P: Cells> Cell for Parts<P> {
    const SQL: &'static str = "json";
    const KIND: Kind = Kind::Parts(P::TABLE);

    fn into_value(self) -> Value {
        self.0.into_iter().map(|part| Value::Array(part.into_row())).collect()
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        let part = |row: &Value| {
            let row = row.as_array().ok_or_else(|| not("a row", row))?;
            P::from_row(row).map_err(|error| error.to_string())
        };
        value.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(part).collect()
    }
}

/// The tag that a resource without a natural key is made with, so that it is found again when the
/// answer to its creation is lost.
pub const MARK: &str = "iasql:mark";

/// Tags: names and values. Those of AWS's own (`aws:`) and of ours (`iasql:`) are not users' business
/// and are never in here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// What to set and which names to remove to get here from `was`.
    pub fn diff(&self, was: &Self) -> (Self, Vec<String>) {
        let set = self.0.iter().filter(|(name, value)| was.0.get(*name) != Some(*value));
        let remove = was.0.keys().filter(|name| !self.0.contains_key(*name));
        (
            Self(set.map(|(name, value)| (name.clone(), value.clone())).collect()),
            remove.cloned().collect(),
        )
    }

    /// These and the mark, for a call that creates.
    pub fn marked(&self, mark: &str) -> BTreeMap<String, String> {
        let mark = (MARK.to_owned(), mark.to_owned());
        self.0.clone().into_iter().chain([mark]).collect()
    }

    /// These.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }

    /// As the services with maps want them; nothing for none, which some of them insist on.
    pub fn to_map(&self) -> Option<HashMap<String, String>> {
        (!self.0.is_empty()).then(|| self.0.clone().into_iter().collect())
    }

    /// Tag by tag, for the services with lists.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, String)> for Tags {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(tags: I) -> Self {
        let users = |name: &str| !name.starts_with("aws:") && !name.starts_with("iasql:");
        Self(tags.into_iter().filter(|(name, _)| users(name)).collect())
    }
}

impl Cell for Tags {
    const SQL: &'static str = "jsonb";
    const KIND: Kind = Kind::Tags;
    const DEFAULT: Option<&'static str> = Some("'{}'");

    fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        Ok(pairs("a map of tags", value)?.into_iter().collect())
    }
}

/// Names and texts, such as the variables of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub BTreeMap<String, String>);

impl Cell for Pairs {
    const SQL: &'static str = "jsonb";
    const KIND: Kind = Kind::Tags;
    const DEFAULT: Option<&'static str> = Some("'{}'");

    fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().map(|(name, value)| (name, value.into())).collect())
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        pairs("a map of texts", value).map(Self)
    }
}

fn pairs(what: &str, value: &Value) -> std::result::Result<BTreeMap<String, String>, String> {
    match &unwrapped(value)? {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(pairs) => pairs
            .iter()
            .map(|(name, value)| Ok((name.clone(), String::from_value(value)?)))
            .collect(),
        other => Err(not(what, other)),
    }
}

/// A structure that people rarely need, as AWS writes it in its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub Value);

impl Cell for Json {
    const SQL: &'static str = "jsonb";

    fn into_value(self) -> Value {
        self.0
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        unwrapped(value).map(Self)
    }
}

/// Policy documents by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies(pub BTreeMap<String, Policy>);

impl Policies {
    /// What to put and which names to remove to get here from `was`.
    pub fn diff<'a>(&'a self, was: &'a Self) -> (Vec<(&'a String, &'a Policy)>, Vec<&'a String>) {
        let put =
            self.0.iter().filter(|(name, it)| !was.0.get(*name).is_some_and(|was| it.means(was)));
        let remove = was.0.keys().filter(|name| !self.0.contains_key(*name));
        (put.collect(), remove.collect())
    }
}

impl Cell for Policies {
    const SQL: &'static str = "jsonb";
    const KIND: Kind = Kind::Policies;
    const DEFAULT: Option<&'static str> = Some("'{}'");

    fn into_value(self) -> Value {
        Value::Object(self.0.into_iter().map(|(name, it)| (name, it.into_value())).collect())
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        match &unwrapped(value)? {
            Value::Null => Ok(Self::default()),
            Value::Object(documents) => {
                let document =
                    |(name, it): (&String, &Value)| Ok((name.clone(), Policy::from_value(it)?));
                documents.iter().map(document).collect::<std::result::Result<_, _>>().map(Self)
            }
            other => Err(not("a map of policy documents", other)),
        }
    }
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Value);

impl Policy {
    /// Of the text that a service answers with.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|_| Error::missing("a policy document in JSON"))
    }

    /// The text that a service takes.
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// Whether another says the same, however it is spelled.
    pub fn means(&self, other: &Self) -> bool {
        compare::equal(Self::KIND, &self.0, &other.0)
    }
}

impl Cell for Policy {
    const SQL: &'static str = "jsonb";
    const KIND: Kind = Kind::Policy;

    fn into_value(self) -> Value {
        self.0
    }

    fn from_value(value: &Value) -> std::result::Result<Self, String> {
        match unwrapped(value)? {
            document @ Value::Object(_) => Ok(Self(document)),
            other => Err(not("a policy document", &other)),
        }
    }
}

/// JSON in a JSON string, as some ORMs send it, is the JSON in there.
fn unwrapped(value: &Value) -> std::result::Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str(text).map_err(|_| not("JSON", value)),
        other => Ok(other.clone()),
    }
}

/// A row of another table, which SQL knows by its `id` and AWS by the name in here.
pub struct Ref<T>(String, PhantomData<fn() -> T>);

/// A row of another table, which SQL and AWS both know by its name.
pub struct Named<T>(String, PhantomData<fn() -> T>);

/// What both kinds of reference are but for the way SQL writes them.
macro_rules! reference_type {
    ($Type:ident, $sql:literal, $by:expr) => {
        impl<T: Cells> Cell for $Type<T> {
            const SQL: &'static str = $sql;
            const TO: Option<(&'static Table, By)> = Some((T::TABLE, $by));

            fn into_value(self) -> Value {
                self.0.into()
            }

            fn from_value(value: &Value) -> std::result::Result<Self, String> {
                String::from_value(value).map(Self::from)
            }
        }

        impl<T> From<String> for $Type<T> {
            fn from(name: String) -> Self {
                Self(name, PhantomData)
            }
        }

        impl<T> From<&str> for $Type<T> {
            fn from(name: &str) -> Self {
                name.to_owned().into()
            }
        }

        impl<T> Deref for $Type<T> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        // Not derived: that would ask the same of `T`.
        impl<T> Clone for $Type<T> {
            fn clone(&self) -> Self {
                self.0.clone().into()
            }
        }

        impl<T> PartialEq for $Type<T> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<T> fmt::Debug for $Type<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

reference_type!(Ref, "integer", By::Id);
reference_type!(Named, "text", By::Name);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::Resource;
    use iasql_engine::table::{Access, Scope};
    use serde_json::json;

    /// A shelf
    /// of things.
    ///
    /// It stands in a region.
    #[derive(Debug, Clone, PartialEq, Resource)]
    #[resource(
        create_first,
        birth(
            table = "thing",
            parent = "shelf",
            cells(colour = "red", size = 3, odd = true),
            kept
        )
    )]
    struct Shelf {
        /// Its name.
        #[column(key)]
        #[check(sql = "NEW.name <> ''", message = "a shelf has a name", hint = "give it one")]
        name: String,
        /// What AWS calls it.
        #[column(id, read_only)]
        shelf_id: Option<String>,
        /// How it is built.
        #[column(fixed, labels("WOOD", "STEEL"), default = "'WOOD'")]
        material: String,
        /// When it was built.
        #[column(created, read_only)]
        built_at: Option<Timestamp>,
    }

    /// A thing.
    #[derive(Debug, Clone, PartialEq, Resource)]
    #[resource(
        global,
        module = "toys",
        table = "toy",
        reads("toys:List"),
        writes("toys:Make", "toys:Break")
    )]
    struct Thing {
        /// Where it lies.
        #[column(fixed, late, when_null = "is_default")]
        shelf: Option<Ref<Shelf>>,
        /// Where it lay before.
        #[column(cascade)]
        previous_shelf: Named<Shelf>,
        /// ARN, given by AWS.
        #[column(id, read_only)]
        arn: Option<String>,
        /// Tags.
        tags: Tags,
    }

    #[test]
    fn a_struct_is_a_table() {
        let table = Shelf::TABLE;
        assert_eq!((table.module, table.name, table.scope), ("cloud", "shelf", Scope::Regional));
        assert_eq!(table.doc, "A shelf of things.\n\nIt stands in a region.");
        assert!(table.create_first && !table.exclusive && !table.read_back && !table.import_only);
        assert_eq!(table.checks[0].message, "a shelf has a name");
        let birth = &table.births[0];
        assert_eq!((birth.table, birth.parent, birth.kept), ("thing", "shelf", true));
        assert_eq!(birth.cells, [("colour", "\"red\""), ("size", "3"), ("odd", "true")]);

        let [name, shelf_id, material, built_at] = table.columns else { panic!("four columns") };
        assert!(name.key && name.required && name.access == Access::Settable);
        assert!(shelf_id.id && !shelf_id.required && shelf_id.access == Access::ReadOnly);
        assert_eq!((material.sql, material.default), ("shelf_material_enum", Some("'WOOD'")));
        assert_eq!((material.labels, material.access), (&["WOOD", "STEEL"][..], Access::Fixed));
        assert_eq!((built_at.sql, built_at.created), ("timestamptz", true));
    }

    #[test]
    fn references_come_from_types() {
        let table = Thing::TABLE;
        assert_eq!((table.module, table.name, table.scope), ("toys", "toy", Scope::Global));
        assert_eq!(
            (Thing::READS, Thing::WRITES),
            (&["toys:List"][..], &["toys:Make", "toys:Break"][..])
        );
        let [by_id, by_name, _, tags] = table.columns else { panic!("four columns") };
        let to = by_id.references.as_ref().expect("a reference");
        assert_eq!((to.table, to.column, to.by), ("shelf", "shelf_id", By::Id));
        assert_eq!((to.when_null, to.cascade, by_id.sql), (Some("is_default"), false, "integer"));
        let to = by_name.references.as_ref().expect("a reference");
        assert_eq!((to.table, to.column, to.by), ("shelf", "name", By::Name));
        assert_eq!((to.when_null, to.cascade, by_name.sql), (None, true, "text"));
        assert_eq!((tags.kind, tags.default, tags.required), (Kind::Tags, Some("'{}'"), true));
    }

    #[test]
    fn rows_and_structs_are_the_same() {
        let row = vec![json!("vpc-1"), json!("old"), json!(null), json!({"a": "b"})];
        let thing = Thing::from_row(&row).expect("a thing");
        assert_eq!(thing.shelf.as_deref(), Some("vpc-1"));
        assert_eq!(thing.into_row(), row);
        assert!(Thing::from_row(&vec![json!(null), json!(7)]).is_err(), "a name is text");
    }

    #[test]
    fn moments_are_spelled_as_postgresql_does() {
        let spelled = |millis| Timestamp::from_millis(millis).into_value();
        assert_eq!(spelled(1_795_211_580_123), json!("2026-11-20T21:53:00.123+00:00"));
        assert_eq!(spelled(1_795_211_580_120), json!("2026-11-20T21:53:00.12+00:00"));
        assert_eq!(spelled(1_795_211_580_000), json!("2026-11-20T21:53:00+00:00"));
        let nanos = DateTime::from_secs_and_nanos(0, 1_234_567);
        assert_eq!(Timestamp::from(nanos).into_value(), json!("1970-01-01T00:00:00.001235+00:00"));
        assert_eq!(spelled(i64::MAX), json!(null));
    }

    #[test]
    fn ranges_are_spelled_as_aws_does() {
        assert_eq!(&*Range::from("2001:DB8:0::/32".to_owned()), "2001:db8::/32");
        assert_eq!(&*Range::from("10.0.0.1".to_owned()), "10.0.0.1/32");
    }

    #[test]
    fn tags_hide_what_is_not_the_users() {
        let tags = |list: &[(&str, &str)]| -> Tags {
            list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let was = tags(&[("a", "1"), ("b", "2"), ("aws:made", "x"), ("iasql:mark", "y")]);
        assert_eq!(was.clone().into_value(), json!({"a": "1", "b": "2"}));
        let (set, remove) = tags(&[("a", "3"), ("c", "")]).diff(&was);
        assert_eq!((set, remove), (tags(&[("a", "3"), ("c", "")]), vec!["b".to_owned()]));
        assert_eq!(tags(&[]).marked("m"), [(MARK.to_owned(), "m".to_owned())].into());
        assert_eq!(Tags::from_value(&json!("{\"a\": \"1\"}")), Ok(tags(&[("a", "1")])));
        assert!(Tags::from_value(&json!({"a": 1})).is_err());
    }

    #[test]
    fn policies_may_come_as_strings() {
        let document = json!({"Version": "2012-10-17", "Statement": []});
        let policy = Policy::from_value(&json!(document.to_string())).expect("a policy");
        assert_eq!(policy.clone().into_value(), document);
        assert_eq!(Policy::parse(&policy.to_text()).expect("a policy"), policy);
        assert!(Policy::from_value(&json!("not JSON")).is_err());
        assert!(Policy::from_value(&json!([])).is_err());
    }
}
