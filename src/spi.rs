//! The only file that runs SQL. Everything goes in as text and comes out as text; JSON carries what
//! has structure, so that no tuple outlives its query.

use crate::error::{Error, Result};
use pgrx::PgSqlErrorCode;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use pgrx::spi::{Spi, SpiError, SpiTupleTable};
use std::borrow::Cow;

/// One row of text columns.
pub type Texts = Vec<Option<String>>;

impl From<SpiError> for Error {
    fn from(error: SpiError) -> Self {
        Self::internal(format!("reading or writing tables failed: {error}"))
    }
}

/// Runs a query that changes nothing; every column of it must be text.
pub fn select(sql: &str, args: &[&str]) -> Result<Vec<Texts>> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    Spi::connect(|client| texts(client.select(sql, None, &datums(args))?))
}

/// Runs a query over many rows, in bounded memory.
pub fn each(sql: &str, args: &[&str], mut row: impl FnMut(Texts) -> Result<()>) -> Result<()> {
    const BATCH: i64 = 2000;
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    Spi::connect(|client| {
        let mut cursor = client.open_cursor(sql, &datums(args));
        loop {
            let batch = texts(cursor.fetch(BATCH)?)?;
            // SAFETY: all of it has been copied. Left alone it stays until the query has ended.
            unsafe { pg_sys::SPI_freetuptable(pg_sys::SPI_tuptable) };
            if batch.is_empty() {
                return Ok(());
            }
            batch.into_iter().try_for_each(&mut row)?;
        }
    })
}

/// Runs a statement that writes, and gives back what it returns; columns must be text.
pub fn write(sql: &str, args: &[&str]) -> Result<Vec<Texts>> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    Spi::connect_mut(|client| texts(client.update(sql, None, &datums(args))?))
}

/// Runs a statement that writes many rows. Its parameters are lists of texts, one of the rows' cells in
/// each column.
pub fn write_lists(sql: &str, lists: &[Vec<Option<Cow<'_, str>>>]) -> Result<()> {
    if lists.iter().flatten().flatten().any(|cell| cell.contains('\0')) {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            "a text with a zero byte can't be written",
        ));
    }
    let datum = |list: &Vec<Option<Cow<'_, str>>>| {
        let list: Vec<Option<&str>> = list.iter().map(Option::as_deref).collect();
        // SAFETY: strs become a datum of type text[].
        unsafe { DatumWithOid::new(list, pg_sys::TEXTARRAYOID) }
    };
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    Spi::connect_mut(|client| {
        // Made in here they go when the statement is done, and not when the caller is.
        let datums: Vec<_> = lists.iter().map(datum).collect();
        client.update(sql, None, &datums).map(drop)
    })?;
    Ok(())
}

/// The first column of the first row.
pub fn one(sql: &str, args: &[&str]) -> Result<Option<String>> {
    Ok(select(sql, args)?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
}

/// A name, quoted where SQL needs it.
pub fn name(identifier: &str) -> String {
    pgrx::spi::quote_identifier(identifier)
}

fn datums<'a>(args: &[&'a str]) -> Vec<DatumWithOid<'a>> {
    let text = |arg: &&'a str| {
        // SAFETY: a str becomes a datum of type text.
        unsafe { DatumWithOid::new(*arg, pg_sys::TEXTOID) }
    };
    args.iter().map(text).collect()
}

fn texts(table: SpiTupleTable<'_>) -> Result<Vec<Texts>> {
    // A statement that returns nothing has no columns to count.
    let Ok(columns) = table.columns() else { return Ok(Vec::new()) };
    table.map(|row| (1..=columns).map(|at| Ok(row.get::<String>(at)?)).collect()).collect()
}
