//! The SQL of a table: the only place that writes `CREATE TABLE`. What it writes is committed as
//! `modules/<module>/schema.sql`, and is the very text that `iasql_install` executes.
//!
//! Names are unqualified: install sets the search path to the extension's schema. Guards live in
//! schema `iasql`, out of the users' way.

use crate::table::{Access, By, Column, Kind, Mention, Reference, Table};
use std::fmt::Write;
use std::iter;

/// The schema of a module: its enum types, tables, indexes, comments and guards. `all` are the tables
/// of every module, since references cross them.
pub fn module(tables: &[&Table], all: &[&Table]) -> String {
    let mut sql =
        String::from("-- Generated from the structs beside this file by `make schema`.\n");
    for &table in tables {
        one(&mut sql, table, None, all);
        for (_, part) in table.parts() {
            one(&mut sql, part, Owner::of(part, table).as_ref(), all);
        }
    }
    sql
}

fn one(sql: &mut String, table: &Table, owner: Option<&Owner<'_>>, all: &[&Table]) {
    enums(sql, table);
    create(sql, table, owner, all);
    comments(sql, table, owner);
    guard(sql, table, owner);
    if let Some(owner) = owner.filter(|owner| owner.by_id() && table.regional()) {
        follow(sql, table, owner);
    }
}

/// What the rows of a table are parts of.
struct Owner<'a> {
    /// The column that says which.
    column: &'static str,
    table: &'a Table,
    /// The column there that it names.
    to: &'static str,
}

impl<'a> Owner<'a> {
    fn of(part: &Table, table: &'a Table) -> Option<Self> {
        Some(Self { column: part.owner?, table, to: table.known_by() })
    }

    fn by_id(&self) -> bool {
        self.to == "id"
    }
}

/// Every `write!` below goes to a String, which cannot fail.
macro_rules! put {
    ($sql:expr, $($text:tt)*) => { let _ = writeln!($sql, $($text)*); };
}

fn enums(sql: &mut String, table: &Table) {
    for column in table.columns.iter().filter(|c| !c.labels.is_empty()) {
        let labels: Vec<String> = column.labels.iter().map(|label| quote(label)).collect();
        put!(sql, "\nCREATE TYPE {} AS ENUM ({});", column.sql, labels.join(", "));
        put!(sql, "COMMENT ON TYPE {} IS {};", column.sql, quote(column.doc));
    }
}

fn create(sql: &mut String, table: &Table, owner: Option<&Owner<'_>>, all: &[&Table]) {
    let mut lines = Vec::new();
    if table.primary_key.is_none() {
        lines.push("id serial PRIMARY KEY".to_owned());
    }
    lines.extend(owner.map(|owner| match owner.by_id() {
        true => format!(
            "{} integer NOT NULL REFERENCES {} (id) ON DELETE CASCADE",
            owner.column, owner.table.name
        ),
        false => format!("{} text NOT NULL", owner.column),
    }));
    for column in table.sql_columns() {
        lines.push(definition(table, column));
    }
    if table.regional() {
        lines.push("region text NOT NULL DEFAULT default_aws_region()".to_owned());
    }
    lines.extend(uniques(table, owner, all));
    if let Some(owner) = owner.filter(|owner| !owner.by_id()) {
        let region = if owner.table.regional() { "region, " } else { "" };
        lines.push(format!(
            "FOREIGN KEY ({region}{}) REFERENCES {} ({region}{}) ON UPDATE CASCADE ON DELETE CASCADE",
            owner.column, owner.table.name, owner.to
        ));
    }
    for column in table.columns {
        if let Some(reference) = &column.references
            && reference.by == By::Name
        {
            lines.push(named_reference(table, column, reference, all));
        }
    }
    if table.regional() {
        // The last word on the region: Django takes each key for one of its first column.
        lines.push("FOREIGN KEY (region) REFERENCES aws_regions (region)".to_owned());
    }
    put!(sql, "\nCREATE TABLE {} (\n  {}\n);", table.name, lines.join(",\n  "));
    for column in table.columns.iter().filter(|c| c.references.is_some()) {
        // PostgreSQL indexes only the side pointed at; without this every delete there scans here.
        put!(sql, "CREATE INDEX ON {} ({});", table.name, column.name);
    }
}

fn definition(table: &Table, column: &Column) -> String {
    let mut line = format!("{} {}", column.name, column.sql);
    if table.primary_key == Some(column.name) {
        line += " PRIMARY KEY";
    } else if not_null(column) {
        line += " NOT NULL";
    }
    if let Some(default) = column.default {
        let _ = write!(line, " DEFAULT {default}");
    }
    if let Some(reference) = &column.references
        && reference.by == By::Id
    {
        let _ = write!(line, " REFERENCES {} (id){}", reference.table, cascade(reference));
    }
    line
}

/// NULL stands for the default, and the guard sees to it. A client that has to fill in a text, a label
/// or a list itself would write an empty text there (Django), so these allow NULL.
fn not_null(column: &Column) -> bool {
    let textual = !column.labels.is_empty() || column.sql.starts_with("text");
    let filled = column.default.is_some() && !textual;
    filled || column.required && (column.settable() || column.default.is_some())
}

/// The natural key, and the cloud's id: each is unique in its region. NULLs are equal in a key, as
/// they are for AWS.
fn uniques(table: &Table, owner: Option<&Owner<'_>>, all: &[&Table]) -> Vec<String> {
    let with_region = |names: Vec<&str>| {
        let region = table.regional().then_some("region");
        // Prisma wants the order of the foreign keys that lead here.
        region.into_iter().chain(names).collect::<Vec<_>>().join(", ")
    };
    let keys: Vec<&str> = table.keys().map(|at| table.columns[at].name).collect();
    if let Some(owner) = owner {
        let keys = iter::once(owner.column).chain(keys).collect();
        return vec![format!("UNIQUE ({})", with_region(keys))];
    }
    let id = table.columns[table.id()].name;
    let mut lines = Vec::new();
    let primary = keys.len() == 1 && table.primary_key == Some(keys[0]);
    if !keys.is_empty() && !primary {
        // A unique constraint that a foreign key points at has to be a plain one.
        let nullable = table.keys().any(|at| !table.columns[at].required);
        let target = all.iter().any(|other| {
            let parts = other.parts().flat_map(|(_, part)| part.columns);
            other.columns.iter().chain(parts).any(
                |c| matches!(&c.references, Some(r) if r.table == table.name && r.by == By::Name),
            )
        }) || table.parts().next().is_some();
        let nulls = if nullable && !target { " NULLS NOT DISTINCT" } else { "" };
        lines.push(format!("UNIQUE{nulls} ({})", with_region(keys.clone())));
    }
    if keys != [id] && table.primary_key != Some(id) {
        // Checked at the end of a statement: two rows may swap what they stand for.
        lines.push(format!("UNIQUE ({}) DEFERRABLE", with_region(vec![id])));
    }
    lines
}

fn named_reference(table: &Table, column: &Column, to: &Reference, all: &[&Table]) -> String {
    let target_regional = all.iter().any(|other| other.name == to.table && other.regional());
    let region = if table.regional() && target_regional { "region, " } else { "" };
    format!(
        "FOREIGN KEY ({region}{}) REFERENCES {} ({region}{}) ON UPDATE CASCADE{}",
        column.name,
        to.table,
        to.column,
        cascade(to)
    )
}

fn cascade(reference: &Reference) -> &'static str {
    if reference.cascade { " ON DELETE CASCADE" } else { "" }
}

fn comments(sql: &mut String, table: &Table, owner: Option<&Owner<'_>>) {
    put!(sql, "COMMENT ON TABLE {} IS {};", table.name, quote(table.doc));
    if table.primary_key.is_none() {
        put!(
            sql,
            "COMMENT ON COLUMN {}.id IS 'The row, for references within the database.';",
            table.name
        );
    }
    if let Some(owner) = owner {
        let doc = quote(&format!("The {} that it is part of.", owner.table.name));
        put!(sql, "COMMENT ON COLUMN {}.{} IS {doc};", table.name, owner.column);
    }
    for column in table.sql_columns() {
        put!(sql, "COMMENT ON COLUMN {}.{} IS {};", table.name, column.name, quote(column.doc));
    }
    if table.regional() {
        put!(sql, "COMMENT ON COLUMN {}.region IS 'The region it lives in.';", table.name);
    }
}

/// The trigger that holds users to the rules: what AWS owns is not written, NULL means the default,
/// JSON in a string is unwrapped, and a bad value is refused with words. The engine's own writes
/// pass it by.
fn guard(sql: &mut String, table: &Table, owner: Option<&Owner<'_>>) {
    let name = table.name;
    let mut body = String::new();
    if table.import_only {
        put!(body, "  PERFORM iasql.imported_only('{name}');");
    }
    // A part is where its owner is.
    let known = |owner: &Owner<'_>| {
        let (column, table) = (owner.column, owner.table.name);
        format!("coalesce((SELECT region FROM {table} WHERE id = NEW.{column}), NEW.region)")
    };
    let region = owner.filter(|owner| owner.by_id()).map_or("NEW.region".to_owned(), known);
    if table.regional() {
        put!(body, "  NEW.region := iasql.known_region({region});");
    }
    for column in table.sql_columns().filter(|c| c.settable()) {
        let column_name = column.name;
        if let Some(default) = column.default {
            put!(
                body,
                "  IF NEW.{column_name} IS NULL THEN NEW.{column_name} := {default}; END IF;"
            );
        }
        if column.kind == Kind::Range {
            put!(body, "  NEW.{column_name} := NEW.{column_name}::cidr::text;");
        }
        if column.sql == "jsonb" {
            put!(body, "  IF jsonb_typeof(NEW.{column_name}) = 'string' THEN");
            put!(
                body,
                "    NEW.{column_name} := iasql.unwrapped(NEW.{column_name}, '{column_name}');"
            );
            put!(body, "  END IF;");
        }
        if column.sql.ends_with("[]") {
            put!(body, "  IF array_position(NEW.{column_name}, NULL) IS NOT NULL THEN");
            let hint = match &column.mentions {
                Some(Mention { table, column }) => format!(
                    "A new row of {table} has its {column} after SELECT iasql_apply(); name it then."
                ),
                None => "Leave it out.".to_owned(),
            };
            put!(
                body,
                "    RAISE check_violation USING MESSAGE = '{column_name} holds a NULL', HINT = {}, TABLE = '{name}';",
                quote(&hint)
            );
            put!(body, "  END IF;");
        }
    }
    for column in table.sql_columns() {
        if let Some(becomes) = column.becomes {
            put!(body, "  NEW.{} := {becomes};", column.name);
        }
    }
    for column in table.columns.iter().filter(|c| c.access == Access::ReadOnly) {
        let (default, column, wrong) = (
            column.default,
            column.name,
            format!("PERFORM iasql.cloud_owned('{name}', '{}')", column.name),
        );
        put!(
            body,
            "  IF TG_OP = 'UPDATE' AND NEW.{column} IS NULL THEN NEW.{column} := OLD.{column};"
        );
        if let Some(default) = default {
            put!(
                body,
                "  ELSIF NEW.{column} IS NULL OR (TG_OP = 'INSERT' AND NEW.{column} = {default}) THEN NEW.{column} := {default};"
            );
        }
        put!(
            body,
            "  ELSIF NEW.{column} IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.{column} IS DISTINCT FROM OLD.{column}) THEN"
        );
        put!(body, "    {wrong};");
        put!(body, "  END IF;");
    }
    for check in table.checks {
        put!(body, "  IF NOT ({}) THEN", check.sql);
        put!(
            body,
            "    RAISE check_violation USING MESSAGE = {}, HINT = {}, TABLE = '{name}';",
            quote(check.message),
            quote(check.hint)
        );
        put!(body, "  END IF;");
    }
    // Where it looks at another table, that is the one beside this, whoever writes.
    let path = match owner.is_some_and(Owner::by_id) {
        true => " SET search_path FROM CURRENT",
        false => "",
    };
    put!(
        sql,
        "CREATE FUNCTION iasql.{name}_guard() RETURNS trigger LANGUAGE plpgsql{path} AS $guard$\nBEGIN"
    );
    sql.push_str(&body);
    put!(sql, "  RETURN NEW;\nEND $guard$;");
    put!(
        sql,
        "COMMENT ON FUNCTION iasql.{name}_guard() IS 'Holds users'' edits of {name} to the rules.';"
    );
    put!(sql, "CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON {name}");
    put!(sql, "  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.{name}_guard();");
}

/// The trigger that takes the parts of a row along to another region. One that refers by name has that
/// from its foreign key.
fn follow(sql: &mut String, part: &Table, owner: &Owner<'_>) {
    let (name, to) = (part.name, owner.table.name);
    put!(sql, "CREATE FUNCTION iasql.{name}_follow() RETURNS trigger LANGUAGE plpgsql");
    put!(sql, "SET search_path FROM CURRENT AS $follow$\nBEGIN");
    put!(sql, "  UPDATE {name} SET region = NEW.region WHERE {} = NEW.id;", owner.column);
    put!(sql, "  RETURN NULL;\nEND $follow$;");
    put!(
        sql,
        "COMMENT ON FUNCTION iasql.{name}_follow() IS 'Takes {name} along to the region of its {to}.';"
    );
    put!(sql, "CREATE TRIGGER {name}_follow AFTER UPDATE OF region ON {to}");
    put!(
        sql,
        "  FOR EACH ROW WHEN (OLD.region <> NEW.region) EXECUTE FUNCTION iasql.{name}_follow();"
    );
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
