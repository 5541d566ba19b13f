//! What every resource file needs.
#![allow(unused_imports, dead_code, reason = "a build of a few modules needs only some of it")]

pub use crate::cloud::cell::{
    Ids, Json, List, Named, Pairs, Parts, Policies, Policy, Port, Range, Ref, Set, Tags, Timestamp,
};
pub use crate::cloud::failure::{Done, Error, Result};
pub use crate::cloud::wait::until;
pub use crate::cloud::{Cloud, Found, Which};
pub use iasql_derive::Resource;
pub use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

/// How many calls a page has under way when each of its items takes one. The pace is kept further
/// down; this bounds what waits for it.
const AT_ONCE: usize = 16;

/// Makes rows of a page whose items take a call each, several at once. An item that is not found has
/// gone since the page was read, and is left out.
pub async fn each<T, R>(page: Vec<T>, row: impl AsyncFn(T) -> Result<R>) -> Result<Vec<R>> {
    stream::iter(page)
        .map(|item| row(item))
        .buffer_unordered(AT_ONCE)
        .map(|row| match row {
            Err(error) if error.not_found() => Ok(None),
            row => row.map(Some),
        })
        .try_filter_map(async |row| Ok(row))
        .try_collect()
        .await
}

/// What an answer has to hold.
pub trait Must<T> {
    /// The value, or an error that says AWS left it out.
    fn must(self, what: &str) -> Result<T>;
}

impl<T> Must<T> for Option<T> {
    fn must(self, what: &str) -> Result<T> {
        self.ok_or_else(|| Error::missing(what))
    }
}
