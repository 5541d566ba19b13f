//! The vocabulary a resource is declared with. `#[derive(Resource)]` writes these constants from a
//! struct; the DDL, the documentation, the row mapping and the plan all follow from them.

use crate::{Row, Value};
use std::iter;

/// One table, and the kind of cloud resource its rows describe.
#[derive(Debug)]
pub struct Table {
    /// The module it belongs to, `aws_ecr`.
    pub module: &'static str,
    /// Its name in SQL.
    pub name: &'static str,
    /// What a row is; becomes the table's COMMENT.
    pub doc: &'static str,
    /// Whether every region has its own.
    pub scope: Scope,
    /// The columns, `id` and `region` not among them.
    pub columns: &'static [Column],
    /// The column that is the primary key, for the few tables that have no `id serial`.
    pub primary_key: Option<&'static str>,
    /// What a user's INSERT or UPDATE has to satisfy beyond types.
    pub checks: &'static [Check],
    /// What AWS makes by itself along with a new resource of this kind.
    pub births: &'static [Birth],
    /// New ones must wait until deleted ones are gone (subnets: their ranges may overlap).
    pub exclusive: bool,
    /// A replacement can be made before the old one goes, when their keys differ.
    pub create_first: bool,
    /// The answer to a create leaves columns out: the table is listed once after the creates.
    pub read_back: bool,
    /// Rows come from the cloud and can only be deleted (images).
    pub import_only: bool,
    /// What it is can't be changed, only followed by the next revision of it, under the same name
    /// and for the same row (task definitions). People see that as an update.
    pub revises: bool,
    /// For a table of parts: the column that says which row of the owner's a part belongs to.
    pub owner: Option<&'static str>,
}

/// A table is its name.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

/// Where a resource lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In one region; the table has a `region` column.
    Regional,
    /// In the account as a whole.
    Global,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its SQL type; for an enum, the name of the type that [`crate::ddl`] creates.
    pub sql: &'static str,
    /// How its values are compared.
    pub kind: Kind,
    /// Who may write it, and what a change means.
    pub access: Access,
    /// Part of the natural key.
    pub key: bool,
    /// Carries the cloud's id of the resource.
    pub id: bool,
    /// When AWS made the resource.
    pub created: bool,
    /// AWS fills it when NULL, or when there are no parts: wanted so, it equals anything.
    pub late: bool,
    /// NULL leaves the choice open, at every apply anew: what AWS says is not filled in. Such a column
    /// is `late` as well.
    pub open: bool,
    /// An SQL expression over NEW that says in AWS's terms what users have written.
    pub becomes: Option<&'static str>,
    /// Set to true it asks for something to be done once, after which it is false again.
    pub request: bool,
    /// Such a one: it asks that the resource be made anew whatever is lost by it.
    pub waiver: bool,
    /// For a column of parts: there has to be at least one.
    pub some: bool,
    /// There is no row without it: NOT NULL, whatever its type and default.
    pub required: bool,
    /// An SQL expression.
    pub default: Option<&'static str>,
    /// The labels of an enum.
    pub labels: &'static [&'static str],
    /// The table it points at.
    pub references: Option<Reference>,
    /// The table whose ids it is a list of. Users write the ids themselves; what is mentioned can't
    /// go before what mentions it.
    pub mentions: Option<Mention>,
    /// What it means; becomes the column's COMMENT.
    pub doc: &'static str,
}

/// Who may write a column, and what a change of it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Users write it, a change updates the resource.
    Settable,
    /// Users write it, a change replaces the resource.
    Fixed,
    /// AWS writes it.
    ReadOnly,
}

/// How values of a column are compared: by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As they stand.
    Plain,
    /// An array whose order and repetitions say nothing.
    Set,
    /// A map of tags; NULL is the empty map.
    Tags,
    /// A policy document: one string or a list of one, actions in any order.
    Policy,
    /// An address range in any spelling.
    Range,
    /// A port, where -1 is none.
    Port,
    /// Policy documents by name.
    Policies,
    /// Rows of another table that are part of this one, in no order. AWS knows them as one thing.
    Parts(&'static Table),
}

/// A list of ids of rows of another table.
#[derive(Debug)]
pub struct Mention {
    /// The table.
    pub table: &'static str,
    /// The column there that carries what AWS calls it.
    pub column: &'static str,
}

/// A reference to a row of another table.
#[derive(Debug)]
pub struct Reference {
    /// The table pointed at.
    pub table: &'static str,
    /// The column there that carries what AWS calls it (`vpc_id`, `repository_name`).
    pub column: &'static str,
    /// Whether the SQL column holds the row's id or the name itself.
    pub by: By,
    /// A boolean column of the other table that marks what NULL stands for (`is_default`).
    pub when_null: Option<&'static str>,
    /// Deleting the row pointed at deletes this one.
    pub cascade: bool,
    /// AWS lets what is pointed at go in spite of this: it may be made anew first.
    pub loose: bool,
    /// Only this makes what it points at fit for others to refer to (a listener its target group).
    pub enables: bool,
}

/// How a reference is written in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `vpc_id int REFERENCES vpc (id)`
    Id,
    /// `(repository_name, region) REFERENCES repository (repository_name, region)`
    Name,
}

/// A rule for what users write. Broken, the statement fails with these words.
#[derive(Debug)]
pub struct Check {
    /// A condition over `NEW`.
    pub sql: &'static str,
    /// What is wrong.
    pub message: &'static str,
    /// What to write instead.
    pub hint: &'static str,
}

/// A resource that AWS makes along with another.
#[derive(Debug)]
pub struct Birth {
    /// The table of the child.
    pub table: &'static str,
    /// The column of the child that points at its parent.
    pub parent: &'static str,
    /// Its other key columns, as JSON; a column not named is NULL.
    pub cells: &'static [(&'static str, &'static str)],
    /// AWS does not let it be deleted on its own.
    pub kept: bool,
}

impl Table {
    /// The position of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }

    /// The cell of a column; NULL for one that is not there.
    pub fn cell<'a>(&self, row: &'a Row, column: &str) -> &'a Value {
        self.position(column).and_then(|at| row.get(at)).unwrap_or(&Value::Null)
    }

    /// The position of the column with the cloud's id.
    pub fn id(&self) -> usize {
        self.columns.iter().position(|c| c.id).unwrap_or(0)
    }

    /// The cloud's id of a resource, if it has one yet.
    pub fn cloud_id<'a>(&self, row: &'a Row) -> Option<&'a str> {
        row.get(self.id()).and_then(Value::as_str)
    }

    /// The positions of the natural key.
    pub fn keys(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.columns.len()).filter(|&at| self.columns[at].key)
    }

    /// The columns that SQL knows; the other ones are tables of parts.
    pub fn sql_columns(&self) -> impl Iterator<Item = &'static Column> + use<> {
        let columns: &'static [Column] = self.columns;
        columns.iter().filter(|column| column.parts().is_none())
    }

    /// The tables of its parts, with the positions of their columns.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &'static Table)> + use<> {
        let columns: &'static [Column] = self.columns;
        columns.iter().enumerate().filter_map(|(at, column)| Some((at, column.parts()?)))
    }

    /// The column that its parts refer to it by: its name, if that is what it is known by.
    pub fn known_by(&self) -> &'static str {
        let columns: &'static [Column] = self.columns;
        let mut keys = columns.iter().filter(|column| column.key);
        match (keys.next(), keys.next()) {
            (Some(name), None) => name.name,
            _ => "id",
        }
    }

    /// The tables that it refers to, those of its parts included.
    pub fn refers_to(&self) -> impl Iterator<Item = &'static str> + use<> {
        let columns: &'static [Column] = self.columns;
        let parts = |column: &Column| column.parts().map_or(&[][..], |part| part.columns);
        let all = columns.iter().flat_map(move |column| iter::once(column).chain(parts(column)));
        let of = |column: &'static Column| {
            let references = column.references.as_ref().map(|reference| reference.table);
            references.or(column.mentions.as_ref().map(|mention| mention.table))
        };
        all.filter_map(of)
    }

    /// A row as people read it: cells by the names of their columns, parts as a list of such.
    pub fn named(&self, row: &Row) -> serde_json::Map<String, Value> {
        let named = |(column, cell): (&Column, &Value)| {
            let value = match (column.parts(), cell) {
                (Some(part), Value::Array(rows)) => {
                    let rows = rows.iter().filter_map(Value::as_array);
                    rows.map(|row| Value::Object(part.named(row))).collect()
                }
                _ => cell.clone(),
            };
            (column.name.to_owned(), value)
        };
        self.columns.iter().zip(row).map(named).collect()
    }

    /// The row that [`Table::named`] has made this of.
    pub fn unnamed(&self, mut named: serde_json::Map<String, Value>) -> Row {
        let cell = |column: &Column| match (column.parts(), named.remove(column.name)) {
            (Some(part), Some(Value::Array(rows))) => {
                let rows = rows.into_iter().filter_map(|row| match row {
                    Value::Object(named) => Some(Value::Array(part.unnamed(named))),
                    _ => None,
                });
                rows.collect()
            }
            (_, cell) => cell.unwrap_or_default(),
        };
        self.columns.iter().map(cell).collect()
    }

    /// Whether rows have a region.
    pub fn regional(&self) -> bool {
        self.scope == Scope::Regional
    }

    /// What people call the resource: the first of its key that is text, else its cloud id.
    pub fn label(&self, row: &Row) -> String {
        let named = self
            .keys()
            .filter(|&at| !matches!(&self.columns[at].references, Some(r) if r.by == By::Id))
            .find_map(|at| row.get(at).and_then(Value::as_str).filter(|s| !s.is_empty()));
        named.or_else(|| self.cloud_id(row)).unwrap_or_default().to_owned()
    }
}

impl Birth {
    /// A cell of the child; that of its parent is not known here.
    pub fn cell(&self, column: &str) -> Value {
        let cell = self.cells.iter().find(|(name, _)| *name == column);
        cell.and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or(Value::Null)
    }
}

impl Column {
    /// Whether users write it.
    pub fn settable(&self) -> bool {
        self.access != Access::ReadOnly
    }

    /// Whether an apply writes it: AWS has the last word, or it is a wish that has come true.
    pub fn written_back(&self) -> bool {
        !self.settable() || (self.late && !self.open) || self.request
    }

    /// The table of its parts, if that is what it stands for.
    pub fn parts(&self) -> Option<&'static Table> {
        match self.kind {
            Kind::Parts(table) => Some(table),
            _ => None,
        }
    }

    /// Whether a change of it needs another resource in place of this one.
    pub fn replaces(&self) -> bool {
        self.access == Access::Fixed || (self.key && self.access == Access::Settable)
    }
}
