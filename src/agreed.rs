//! Whether a table is still as it was agreed on, told by prints: PostgreSQL holds the rows against the
//! base rows, what comes from AWS is held against what the base rows say of it, and nothing is taken
//! apart for that. Of an account in which nothing has changed this is all that is done.

use crate::catalog;
use crate::error::{Error, Result};
use crate::spi;
use iasql_engine::print::Print;
use iasql_engine::table::{Column, Table};
use std::collections::HashMap;

/// What was seen of a table when its rows were agreed on, by region.
pub type Prints = HashMap<String, Vec<Print>>;

/// The prints of what each row of a table says all of; nothing if any row is not what was agreed on.
pub fn prints(schema: &str, table: &Table) -> Result<Option<Prints>> {
    let sql = format!(
        "SELECT coalesce(b.region, ''), \
                bool_and(coalesce(b.row_print = t.print_ AND b.seen_print IS NOT NULL, false))::text, \
                encode(string_agg(b.seen_print, ''::bytea), 'hex') \
         FROM (SELECT row_key, region, row_print, seen_print FROM iasql.base WHERE table_name = $1) b \
         FULL JOIN (SELECT t.{key}::text AS key_, {print} AS print_ FROM {schema}.{name} t) t \
                ON t.key_ = b.row_key \
         GROUP BY 1",
        key = catalog::key(table),
        print = of_row(schema, table),
        name = spi::name(table.name),
    );
    let mut prints = Prints::new();
    for row in spi::select(&sql, &[table.name])? {
        let [Some(region), Some(agreed), digits] = &row[..] else { return Ok(None) };
        if agreed != "true" {
            return Ok(None);
        }
        let digits = digits.as_deref().unwrap_or_default().as_bytes().chunks(32);
        let print = |digits: &[u8]| String::from_utf8_lossy(digits).parse();
        let known: std::result::Result<Vec<Print>, _> = digits.map(print).collect();
        prints.insert(region.clone(), known.map_err(|why| Error::internal(why.to_string()))?);
    }
    Ok(Some(prints))
}

/// The print of a row `t`, as SQL. It tells whether the row has been written, too.
pub fn of_row(schema: &str, table: &Table) -> String {
    print(table, |_, part| {
        let (owner, key) = (spi::name(part.owner.unwrap_or_default()), table.known_by());
        let here = if table.regional() { " AND p.region = t.region" } else { "" };
        let (part, key) = (spi::name(part.name), spi::name(key));
        format!("{schema}.{part} p WHERE p.{owner} = t.{key}{here}")
    })
}

/// The print of a row that is agreed on: `t`, with its parts as JSON.
pub fn of_base(schema: &str, table: &Table) -> String {
    print(table, |at, part| {
        let parts = spi::name(table.columns[at].name);
        let fields = part.columns.iter().enumerate().filter(|(_, c)| c.parts().is_none());
        let fields = fields.map(|(at, column)| format!("'{}', part -> {at}", column.name));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let list = format!("CASE jsonb_typeof(t.{parts}) WHEN 'array' THEN t.{parts} END");
        let record = format!("NULL::{schema}.{}", spi::name(part.name));
        format!(
            "jsonb_array_elements({list}) AS k (part), jsonb_populate_record({record}, jsonb_build_object({fields})) p"
        )
    })
}

/// The print of a record `t` and its parts `p`, whatever order those are in. PostgreSQL's own hash: what
/// users write they do not hide from themselves.
fn print(table: &Table, parts: impl Fn(usize, &Table) -> String) -> String {
    // The oid of a label is another one in each database.
    let cells = |table: &Table, record: &str| -> Vec<String> {
        let cell = |column: &Column| {
            let cast = if column.labels.is_empty() { "" } else { "::text" };
            format!("{record}.{}{cast}", spi::name(column.name))
        };
        table.sql_columns().map(cell).collect()
    };
    let of_part = |(at, part): (usize, &'static Table)| {
        let cells = cells(part, "p").join(", ");
        format!("(SELECT sum(hash_record_extended(ROW({cells}), 0)) FROM {})", parts(at, part))
    };
    let region = table.regional().then(|| "t.region".to_owned());
    let cells = cells(table, "t").into_iter().chain(region).chain(table.parts().map(of_part));
    let cells: Vec<String> = cells.collect();
    format!("hash_record_extended(ROW({}), 0)", cells.join(", "))
}
