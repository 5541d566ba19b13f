//! What every resource has in common, on the AWS side.
//!
//! A resource file declares a struct and implements [`Cloud`]; [`Erased`] is what the rest of the
//! program sees of it. Listing is in [`read`], what lists do not show yet in [`young`], carrying out
//! steps in [`run`], clients and identity in [`aws`], pacing in [`pace`], what answers say of
//! themselves in `answer` and the line that they wait in in `line`, lists that tables share in
//! [`share`], errors in [`failure`], column types in [`cell`], and where tests have all this break off
//! in [`failpoint`].

mod answer;
pub mod aws;
pub mod cell;
pub mod failpoint;
pub mod failure;
mod line;
pub mod pace;
pub mod read;
pub mod run;
pub mod share;
#[cfg(any(feature = "aws_cloudwatch", feature = "aws_elb"))]
pub mod tagging;
pub mod wait;
pub mod young;

use aws::{Aws, Service};
use cell::Cells;
use failure::{Error, Result};
use futures_util::future::LocalBoxFuture;
use iasql_engine::table::Table;
use iasql_engine::wire::Seen;
use iasql_engine::{Row, Value, compare};
use std::collections::HashMap;
use std::marker::PhantomData;

/// A kind of resource: `#[derive(Resource)]` writes [`Cells`] (the table and the row mapping), the
/// file of the resource writes this.
#[expect(async_fn_in_trait, reason = "a future stays on its thread: none needs to be Send")]
pub trait Cloud: Cells + Clone + 'static {
    /// The SDK client it talks to.
    type Client: Service;

    /// Lists what the cloud holds, page by page, into `found`.
    ///
    /// `which` narrows it down where the API can; listing more than asked for is always right.
    async fn list(
        aws: &Self::Client,
        which: Which<'_, Self>,
        found: &Found<'_, Self>,
    ) -> Result<()>;

    /// Makes it, in one call, and answers with what is there now: where the call can't set all that
    /// is wanted, with the values it left, and [`Cloud::update`] follows. `mark` goes on it as a tag in
    /// the same call where the API has no idempotency token and no unique name, so that it is found
    /// again if the answer is lost.
    async fn create(&self, aws: &Self::Client, mark: &str) -> Result<Self>;

    /// Makes the revision that follows `was`, for a table that `revises`. It begins with what `was`
    /// has in the cloud, so that nothing is lost that has no column here.
    async fn revise(&self, was: &Self, aws: &Self::Client, mark: &str) -> Result<Self> {
        let _ = was;
        self.create(aws, mark).await
    }

    /// Whether there is something to [`Cloud::settle`].
    const SETTLES: bool = false;

    /// Waits until AWS has finished with what was just made or changed, and answers with what is
    /// there then. What refers to it goes on meanwhile.
    async fn settle(self, aws: &Self::Client) -> Result<Self> {
        let _ = aws;
        Ok(self)
    }

    /// Brings it from `was` to `self`, with calls for what differs only.
    async fn update(&self, was: &Self, aws: &Self::Client) -> Result<()>;

    /// Removes it. That it is gone already is no error: [`failure::Error::not_found`] is success.
    async fn delete(&self, aws: &Self::Client) -> Result<()>;

    /// The columns in which resources agree that one call can make, or remove. There are none if it
    /// takes a call each.
    const TOGETHER: &'static [&'static str] = &[];

    /// Makes several that agree in [`Cloud::TOGETHER`], in one call that makes all of them or none, and
    /// answers in their order. Otherwise as [`Cloud::create`].
    async fn create_all(many: &[Self], aws: &Self::Client, marks: &[&str]) -> Result<Vec<Self>> {
        let _ = (many, aws, marks);
        Err(Error::Internal(format!("{} takes a call each", Self::TABLE.name)))
    }

    /// Removes several that agree in [`Cloud::TOGETHER`], in one call that removes all of them or none.
    async fn delete_all(many: &[Self], aws: &Self::Client) -> Result<()> {
        let _ = (many, aws);
        Err(Error::Internal(format!("{} takes a call each", Self::TABLE.name)))
    }

    /// What of it no column or row stands for, in words: making it anew would lose that. Asked before
    /// a replacement; a resource that has an answer has a `waiver` column, too.
    async fn loses(&self, aws: &Self::Client) -> Result<Vec<&'static str>> {
        let _ = aws;
        Ok(Vec::new())
    }

    /// Why AWS does not let it be deleted, if so.
    fn kept(&self) -> Option<&'static str> {
        None
    }
}

/// What a listing is for.
#[derive(Debug)]
pub enum Which<'a, R> {
    /// All there is.
    All,
    /// Just what this could be: the same key, the same parent. Cells AWS fills are not set.
    Like(&'a R),
    /// These, as they were made a moment ago: all that is missing is what AWS has filled in.
    Made(&'a [R]),
}

impl<'a, R> Which<'a, R> {
    /// What is looked for, unless it is all there is.
    pub fn like(&self) -> Option<&'a R> {
        match self {
            Self::Like(like) => Some(like),
            Self::All | Self::Made(_) => None,
        }
    }
}

/// Where a listing puts what it finds.
pub struct Found<'a, R> {
    sink: Sink<'a>,
    of: PhantomData<fn(R)>,
}

impl<'a, R: Cloud> Found<'a, R> {
    /// A page's worth.
    pub fn add(&self, page: impl IntoIterator<Item = R>) {
        self.add_marked(page.into_iter().map(|row| (row, None)));
    }

    /// A page's worth, of things that may carry the mark they were made with.
    pub fn add_marked(&self, page: impl IntoIterator<Item = (R, Option<String>)>) {
        let seen = page.into_iter().map(|(resource, mark)| Seen {
            kept: resource.kept().map(str::to_owned),
            row: resource.into_row().into(),
            mark,
            print: None,
        });
        let known = seen.filter(|seen| match strange(R::TABLE, &seen.row) {
            Some(why) => {
                self.cannot(R::TABLE.cloud_id(&seen.row).unwrap_or_default(), why);
                false
            }
            None => true,
        });
        (self.sink.rows)(known.collect());
    }

    /// Something that the table cannot hold: it will be neither imported nor changed.
    pub fn cannot(&self, id: impl Into<String>, reason: impl Into<String>) {
        (self.sink.cannot)(id.into(), reason.into());
    }

    /// What is known already of something that never changes: it need not be asked for again.
    pub fn known(&self, id: &str) -> Option<R> {
        self.sink.known.and_then(|known| R::from_row(known.get(id)?).ok())
    }
}

/// What AWS says that no row can: a label that the enum of a column does not have, since AWS has learnt
/// something new, or a zero byte.
fn strange(table: &Table, row: &Row) -> Option<String> {
    table.columns.iter().zip(row).find_map(|(column, cell)| {
        let name = column.name;
        if holds_zero(cell) {
            return Some(format!("its {name} holds a zero byte, which no text in PostgreSQL can"));
        }
        let label = cell
            .as_str()
            .filter(|label| !column.labels.is_empty() && !column.labels.contains(label))?;
        Some(format!("its {name} is \"{label}\", which this version does not know"))
    })
}

fn holds_zero(cell: &Value) -> bool {
    match cell {
        Value::String(text) => text.contains('\0'),
        Value::Array(cells) => cells.iter().any(holds_zero),
        Value::Object(fields) => {
            fields.iter().any(|(name, cell)| name.contains('\0') || holds_zero(cell))
        }
        _ => false,
    }
}

/// Where an erased listing puts what it finds.
pub struct Sink<'a> {
    /// Rows, a page at a time.
    pub rows: &'a dyn Fn(Vec<Seen>),
    /// What the table cannot hold: id and reason.
    pub cannot: &'a dyn Fn(String, String),
    /// What is known already, by the cloud's id, of a table whose resources never change.
    pub known: Option<&'a HashMap<String, Row>>,
}

/// A resource without its type: rows in, rows out.
pub trait Erased: Sync {
    /// The table.
    fn table(&self) -> &'static Table;
    /// The IAM actions that listing takes.
    fn reads(&self) -> &'static [&'static str];
    /// The IAM actions that creating, changing and deleting take besides.
    fn writes(&self) -> &'static [&'static str];
    /// See [`Cloud::list`].
    fn list<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        which: Which<'a, Row>,
        sink: Sink<'a>,
    ) -> LocalBoxFuture<'a, Result<()>>;
    /// The one resource that has this row's mark, or else its key.
    fn find<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Row>>>;
    /// See [`Cloud::create`], and [`Cloud::revise`] if there is something to follow.
    fn create<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: Option<&'a Row>,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Row>>;
    /// See [`Cloud::TOGETHER`].
    fn together(&self) -> &'static [&'static str];
    /// See [`Cloud::create_all`]; each row with its mark.
    fn create_all<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        many: &'a [(&'a Row, &'a str)],
    ) -> LocalBoxFuture<'a, Result<Vec<Row>>>;
    /// See [`Cloud::delete_all`].
    fn delete_all<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        many: &'a [&'a Row],
    ) -> LocalBoxFuture<'a, Result<()>>;
    /// Whether AWS takes its time after a create or an update.
    fn settles(&self) -> bool;
    /// See [`Cloud::settle`].
    fn settle<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Row>>;
    /// See [`Cloud::update`].
    fn update<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`Cloud::loses`].
    fn loses<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Vec<&'static str>>>;
    /// See [`Cloud::delete`].
    fn delete<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>>;
}

/// Wraps a resource type as an [`Erased`] value for the list of its module.
pub struct Of<R>(PhantomData<fn() -> R>);

impl<R> Of<R> {
    /// For use in a `const`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R> Default for Of<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Cloud> Erased for Of<R> {
    fn table(&self) -> &'static Table {
        R::TABLE
    }

    fn reads(&self) -> &'static [&'static str] {
        R::READS
    }

    fn writes(&self) -> &'static [&'static str] {
        R::WRITES
    }

    fn list<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        which: Which<'a, Row>,
        sink: Sink<'a>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (client, found) = (aws.reader(region), Found { sink, of: PhantomData });
            match which {
                Which::All => R::list(&client, Which::All, &found).await,
                Which::Like(row) => R::list(&client, Which::Like(&R::from_row(row)?), &found).await,
                Which::Made(rows) => {
                    let made = rows.iter().map(R::from_row).collect::<Result<Vec<_>>>()?;
                    R::list(&client, Which::Made(&made), &found).await
                }
            }
        })
    }

    fn find<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<Row>>> {
        Box::pin(async move {
            let candidates = std::cell::RefCell::new(Vec::new());
            let keep = |page: Vec<Seen>| candidates.borrow_mut().extend(page);
            let sink = Sink { rows: &keep, cannot: &|_, _| (), known: None };
            self.list(aws, region, Which::Like(row), sink).await?;
            let candidates = candidates.into_inner();
            let marked = candidates.iter().find(|seen| seen.mark.as_deref() == Some(mark));
            let named =
                || candidates.iter().find(|seen| compare::same_key(R::TABLE, row, &seen.row));
            Ok(marked.or_else(named).map(|seen| Row::clone(&seen.row)))
        })
    }

    fn create<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: Option<&'a Row>,
        row: &'a Row,
        mark: &'a str,
    ) -> LocalBoxFuture<'a, Result<Row>> {
        Box::pin(async move {
            let (wanted, writer) = (R::from_row(row)?, aws.writer(region));
            let made = match was {
                Some(was) => wanted.revise(&R::from_row(was)?, &writer, mark).await?,
                None => wanted.create(&writer, mark).await?,
            };
            Ok(made.into_row())
        })
    }

    fn together(&self) -> &'static [&'static str] {
        R::TOGETHER
    }

    fn create_all<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        many: &'a [(&'a Row, &'a str)],
    ) -> LocalBoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move {
            let wanted =
                many.iter().map(|(row, _)| R::from_row(row)).collect::<Result<Vec<_>>>()?;
            let marks: Vec<&str> = many.iter().map(|(_, mark)| *mark).collect();
            let made = R::create_all(&wanted, &aws.writer(region), &marks).await?;
            Ok(made.into_iter().map(R::into_row).collect())
        })
    }

    fn delete_all<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        many: &'a [&'a Row],
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let many = many.iter().map(|row| R::from_row(row)).collect::<Result<Vec<_>>>()?;
            R::delete_all(&many, &aws.writer(region)).await
        })
    }

    fn settles(&self) -> bool {
        R::SETTLES
    }

    fn settle<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Row>> {
        Box::pin(async move { Ok(R::from_row(row)?.settle(&aws.reader(region)).await?.into_row()) })
    }

    fn update<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
        row: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(
            async move { R::from_row(row)?.update(&R::from_row(was)?, &aws.writer(region)).await },
        )
    }

    fn loses<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
    ) -> LocalBoxFuture<'a, Result<Vec<&'static str>>> {
        Box::pin(async move { R::from_row(was)?.loses(&aws.reader(region)).await })
    }

    fn delete<'a>(
        &'a self,
        aws: &'a Aws,
        region: &'a str,
        was: &'a Row,
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match R::from_row(was)?.delete(&aws.writer(region)).await {
                Err(error) if error.not_found() => Ok(()),
                outcome => outcome,
            }
        })
    }
}
