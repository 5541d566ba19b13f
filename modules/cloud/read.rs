//! Listing: all tables in all regions at once, page by page.
//!
//! A scope that could not be read to its end says so, and its rows so far are not to be used; the
//! others go on. How many calls are out at once is [`super::pace`]'s business, and so is waiting
//! when nobody takes the rows: [`Pace::hold`](super::pace::Pace::hold) keeps the next page back.

use super::aws::Aws;
use super::failure::{Error, Result};
use super::{Erased, Sink, Which};
use futures_util::future::try_join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use iasql_engine::Row;
use iasql_engine::print::Print;
use iasql_engine::table::Table;
use iasql_engine::wire::{Action, Report, Scope, Seen, Step};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use tokio::task::yield_now;

/// Where to find what is known of a table.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<&'static dyn Erased>;

/// So many pages in a row without anything new are no coincidence: the service hands out the same
/// ones again. (Items that move while a list is read make one such page at most.)
const STALE_PAGES: u32 = 3;
/// Empty pages are legal, and a token that leads from one to the next for ever is not.
const EMPTY_PAGES: u32 = 1000;

/// What need not be asked for again, by scope and the cloud's id.
pub type Known = HashMap<Scope, HashMap<String, Row>>;

/// What each thread is to list, if there are so many for regions. What an account has once goes first and
/// alone: it is the longest list, whose pages have to follow each other, and nothing is in its way. A region
/// stays whole, since its tables share lists.
pub fn shares(scopes: &[Scope], threads: usize) -> Vec<Vec<Scope>> {
    let (once, regional): (Vec<_>, Vec<_>) =
        scopes.iter().cloned().partition(|scope| scope.region.is_empty());
    let mut regions: Vec<&str> = regional.iter().map(|scope| scope.region.as_str()).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut shares = vec![Vec::new(); threads.min(regions.len()).max(1)];
    for scope in &regional {
        let at = regions.binary_search(&scope.region.as_str()).unwrap_or_default() % shares.len();
        shares[at].push(scope.clone());
    }
    if !once.is_empty() {
        shares.insert(0, once);
    }
    shares
}

/// Lists the scopes, of those in `like` what these rows could be, and reports rows as they come. The
/// caller sends [`Report::ReadAll`].
pub async fn read(
    aws: &Aws,
    scopes: &[Scope],
    like: &[(Scope, Vec<Row>)],
    known: &Known,
    resource: Lookup<'_>,
    report: &dyn Fn(Report),
) {
    let _shared = aws.pace().share();
    let whole = scopes.iter().map(|scope| (scope, None));
    let narrow = like.iter().map(|(scope, rows)| (scope, Some(rows.as_slice())));
    let mut to_begin = whole.chain(narrow).map(|(scope, like)| async move {
        (scope, list(aws, scope, like, known, resource, report).await)
    });
    let mut all: FuturesUnordered<_> = to_begin.by_ref().take(1).collect();
    let mut left = scopes.len() + like.len();
    let mut to_come = left - all.len();
    while left > 0 {
        tokio::select! {
            biased;
            Some((scope, outcome)) = all.next() => {
                let failure = outcome.err().map(|error| error.failure());
                report(Report::Read { scope: scope.clone(), failure });
                left -= 1;
            }
            // A request takes a millisecond to be put together: one goes out before the next is begun.
            () = yield_now(), if to_come > 0 => {
                all.extend(to_begin.next());
                to_come -= 1;
            }
        }
    }
}

/// Asks what steps would lose that remove something which is then made anew, and reports that. What
/// can't be asked may be lost, too.
pub async fn weigh(aws: &Aws, steps: &[Step], resource: Lookup<'_>, report: &dyn Fn(Report)) {
    let asked = steps.iter().map(|step| async move {
        let (Some(resource), Action::Delete { was }) = (resource(&step.table), &step.action) else {
            return;
        };
        let lost = resource.loses(aws, &step.region, was).await;
        let words = match lost {
            Ok(words) => words.into_iter().map(str::to_owned).collect(),
            Err(error) if error.not_found() => Vec::new(),
            Err(error) => vec![format!("what could not be read ({})", error.failure().message)],
        };
        for what in words {
            report(Report::Loses { step: step.number, what });
        }
    });
    asked.collect::<FuturesUnordered<_>>().collect::<()>().await;
    report(Report::Weighed);
}

/// Lists one scope, or what some rows of it could be.
async fn list(
    aws: &Aws,
    scope: &Scope,
    like: Option<&[Row]>,
    known: &Known,
    resource: Lookup<'_>,
    report: &dyn Fn(Report),
) -> Result<()> {
    let resource = resource(&scope.table)
        .ok_or_else(|| Error::Internal(format!("no table \"{}\" in this build", scope.table)))?;
    let told = RefCell::default();
    let one = async |like: Option<&Row>| {
        let pages = Pages::new(resource.table(), &told);
        let rows = |page: Vec<Seen>| {
            let rows = pages.fresh(page);
            if !rows.is_empty() {
                report(Report::Rows { scope: scope.clone(), rows });
            }
        };
        let cannot = |id: String, reason: String| {
            if pages.fresh_id(&id) {
                report(Report::Unrepresented { scope: scope.clone(), id, reason });
            }
        };
        // Credentials that expire in the middle are loaded anew, once.
        loop {
            let used = aws.loaded();
            let sink = Sink { rows: &rows, cannot: &cannot, known: known.get(scope) };
            let which = like.map_or(Which::All, Which::Like);
            match pages.guard(resource.list(aws, &scope.region, which, sink)).await {
                Err(error) if error.expired() && aws.renew(used).await? => pages.again(),
                Err(error) if error.not_found() && like.is_some() => return Ok(()),
                outcome => return outcome,
            }
        }
    };
    match like {
        None => one(None).await,
        Some(rows) => try_join_all(rows.iter().map(|row| one(Some(row)))).await.map(drop),
    }
}

/// What the pages of one listing have brought so far.
struct Pages<'a> {
    table: &'static Table,
    /// What has been reported of the scope.
    told: &'a RefCell<HashSet<Print>>,
    seen: RefCell<HashSet<Print>>,
    stale: Cell<u32>,
    empty: Cell<u32>,
}

impl<'a> Pages<'a> {
    fn new(table: &'static Table, told: &'a RefCell<HashSet<Print>>) -> Self {
        Self { table, told, seen: RefCell::default(), stale: Cell::new(0), empty: Cell::new(0) }
    }

    /// The listing begins once more. What has been reported is not reported again.
    fn again(&self) {
        self.seen.take();
        self.stale.set(0);
        self.empty.set(0);
    }

    /// The rows of a page that no earlier page had.
    fn fresh(&self, mut page: Vec<Seen>) -> Vec<Seen> {
        let (mut seen, mut told) = (self.seen.borrow_mut(), self.told.borrow_mut());
        let (size, mut news) = (page.len(), 0);
        page.retain(|found| {
            let identity = identity(self.table, &found.row);
            news += u32::from(seen.insert(identity));
            told.insert(identity)
        });
        self.stale.set(if size > 0 && news == 0 { self.stale.get() + 1 } else { 0 });
        self.empty.set(if size == 0 { self.empty.get() + 1 } else { 0 });
        page
    }

    /// Whether something that is no row is reported for the first time.
    fn fresh_id(&self, id: &str) -> bool {
        self.told.borrow_mut().insert(Print::of_text(&format!("\0{}", id_name(id))))
    }

    /// Runs a listing until it ends or goes in circles.
    async fn guard(&self, listing: impl Future<Output = Result<()>>) -> Result<()> {
        let mut listing = pin!(listing);
        poll_fn(|context| {
            let polled = listing.as_mut().poll(context);
            match (self.stale.get(), self.empty.get()) {
                (STALE_PAGES.., _) => {
                    Poll::Ready(Err(Error::Endless("the same page again".into())))
                }
                (_, EMPTY_PAGES..) => Poll::Ready(Err(Error::Endless("empty pages only".into()))),
                _ => polled,
            }
        })
        .await
    }
}

/// What tells a row from all others of its scope: all its names, since not every id is unique by
/// itself.
fn identity(table: &Table, row: &Row) -> Print {
    Print::of_text(&names(table, row).collect::<String>())
}

/// What a row goes by: the cloud's id, unless it is not known yet, and the natural key, if it has one.
pub(super) fn names(table: &Table, row: &Row) -> impl Iterator<Item = String> {
    let id = table.cloud_id(row).map(id_name);
    let mut keys = table.keys().filter_map(|at| row.get(at)).peekable();
    let key = keys.peek().is_some().then(|| keys.map(|cell| format!("{cell}\n")).collect());
    id.into_iter().chain(key)
}

/// The name that the cloud's id gives.
pub(super) fn id_name(id: &str) -> String {
    format!("\0{id}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::run::fake::{Fault, World, row};
    use iasql_engine::wire::Settings;

    fn scope(table: &str) -> Scope {
        Scope { table: table.to_owned(), region: "us-east-1".to_owned() }
    }

    async fn read_all(world: &World, tables: &[&str]) -> Vec<Report> {
        let scopes: Vec<Scope> = tables.iter().map(|table| scope(table)).collect();
        read_some(world, &scopes, &[]).await
    }

    async fn read_some(world: &World, scopes: &[Scope], like: &[(Scope, Vec<Row>)]) -> Vec<Report> {
        let reports = RefCell::new(Vec::new());
        let keep = |report| reports.borrow_mut().push(report);
        let region = Some("us-east-1".to_owned());
        let aws = Aws::offline(&Settings { region, ..Settings::default() });
        read(&aws, scopes, like, &Known::new(), &|table| world.find(table), &keep).await;
        reports.into_inner()
    }

    fn names(reports: &[Report]) -> Vec<String> {
        let rows = reports.iter().filter_map(|report| match report {
            Report::Rows { rows, .. } => Some(rows),
            _ => None,
        });
        rows.flatten().filter_map(|seen| Some(seen.row[1].as_str()?.to_owned())).collect()
    }

    fn failures(reports: &[Report]) -> Vec<(&str, Option<&str>)> {
        let mut read: Vec<_> = reports
            .iter()
            .filter_map(|report| match report {
                Report::Read { scope, failure } => Some((
                    scope.table.as_str(),
                    failure.as_ref().map(|failure| failure.message.as_str()),
                )),
                _ => None,
            })
            .collect();
        read.sort_unstable();
        read
    }

    #[tokio::test]
    async fn scopes_are_read_side_by_side_and_fail_alone() {
        let world = World::new();
        world.table("vpc").hold(&[row("a", 1), row("b", 1)]);
        world.table("subnet").fail("list", &[Fault::Refuse("AccessDenied")]);
        let reports = read_all(&world, &["vpc", "subnet", "nonsense"]).await;
        assert_eq!(names(&reports), ["a", "b"]);
        let told = [
            ("nonsense", Some("no table \"nonsense\" in this build")),
            ("subnet", Some("AWS refused: AccessDenied")),
            ("vpc", None),
        ];
        assert_eq!(failures(&reports), told);
    }

    #[test]
    fn threads_share_regions_and_what_an_account_has_once_is_alone() {
        let of =
            |(table, region): &(&str, &str)| Scope { region: (*region).into(), ..scope(table) };
        let scopes = [("vpc", "b"), ("role", ""), ("subnet", "a"), ("subnet", "b"), ("vpc", "c")];
        let scopes: Vec<Scope> = scopes.iter().map(of).collect();
        let shared = |threads| -> Vec<Vec<String>> {
            let regions = |share: Vec<Scope>| share.into_iter().map(|it| it.region).collect();
            shares(&scopes, threads).into_iter().map(regions).collect()
        };
        assert_eq!(shared(0), [vec![""], vec!["b", "a", "b", "c"]]);
        assert_eq!(shared(2), [vec![""], vec!["a", "c"], vec!["b", "b"]]);
        assert_eq!(shared(9), [vec![""], vec!["a"], vec!["b", "b"], vec!["c"]]);
        assert_eq!(shares(&[], 4), [[]]);
    }

    #[tokio::test]
    async fn what_two_pages_show_is_reported_once() {
        let world = World::new();
        let pages =
            vec![vec![row("a", 1), row("b", 1)], vec![row("b", 1), row("c", 1)], vec![row("c", 1)]];
        *world.table("vpc").pages.lock().unwrap() = Some(pages);
        let reports = read_all(&world, &["vpc"]).await;
        assert_eq!(names(&reports), ["a", "b", "c"]);
        assert_eq!(failures(&reports), [("vpc", None)]);
    }

    #[tokio::test]
    async fn what_several_rows_lead_to_is_reported_once_and_may_be_gone() {
        let world = World::new();
        world.table("vpc").hold(&[row("a", 1), row("b", 1)]);
        let like = [(scope("vpc"), vec![row("a", 1), row("b", 1), row("c", 1), row("d", 1)])];
        let reports = read_some(&world, &[], &like).await;
        assert_eq!((names(&reports).len(), failures(&reports)), (2, vec![("vpc", None)]));

        world.table("vpc").fail("list", &[Fault::Refuse("InvalidVpcID.NotFound")]);
        let reports = read_some(&world, &[], &like).await;
        assert_eq!((names(&reports).len(), failures(&reports)), (2, vec![("vpc", None)]));
    }

    #[tokio::test]
    async fn a_listing_that_goes_in_circles_is_no_listing() {
        for (page, why) in
            [(vec![row("a", 1)], "the same page again"), (vec![], "empty pages only")]
        {
            let world = World::new();
            *world.table("vpc").pages.lock().unwrap() = Some(vec![page; 5_000]);
            let reports = read_all(&world, &["vpc"]).await;
            let why = format!("the listing goes in circles: {why}");
            assert_eq!(failures(&reports), [("vpc", Some(why.as_str()))]);
        }
    }

    #[tokio::test]
    async fn credentials_that_expire_in_the_middle_are_loaded_anew_once() {
        let world = World::new();
        world.table("vpc").hold(&[row("a", 1), row("b", 1)]);
        world.table("vpc").fail("list", &[Fault::Refuse("ExpiredToken")]);
        let reports = read_all(&world, &["vpc"]).await;
        assert_eq!((names(&reports).len(), failures(&reports)), (2, vec![("vpc", None)]));

        world
            .table("vpc")
            .fail("list", &[Fault::Refuse("ExpiredToken"), Fault::Refuse("ExpiredToken")]);
        let reports = read_all(&world, &["vpc"]).await;
        assert_eq!(failures(&reports), [("vpc", Some("AWS refused: ExpiredToken"))]);
    }
}
