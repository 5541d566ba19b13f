//! The threads that read AWS. Hundreds of answers may come at once, and to make sense of them takes
//! longer than to wait for them: so a region is listed on one thread, and another one beside it on the
//! next. They keep one pace, and never enter PostgreSQL: what they find is passed on by the worker's own
//! thread.

use crate::runtime;
use futures_util::future::join_all;
use iasql_engine::Row;
use iasql_engine::wire::{Failure, Report, Scope, Trouble};
use iasql_modules::cloud::aws::Aws;
use iasql_modules::cloud::failpoint;
use iasql_modules::cloud::read::{self, Known};
use iasql_modules::resource;
use std::thread::{JoinHandle, available_parallelism};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// So many threads list regions at most.
const MOST: usize = 4;

/// Lists as [`read::read`] does, and beside this thread on others, if there is enough to list.
pub async fn read(
    aws: &Aws,
    scopes: &[Scope],
    like: &[(Scope, Vec<Row>)],
    known: &Known,
    report: &dyn Fn(Report),
) {
    let cores = available_parallelism().map_or(1, usize::from);
    let mut shares = read::shares(scopes, cores.saturating_sub(1).min(MOST));
    let here = shares.pop().unwrap_or_default();
    let others: Vec<_> = shares.into_iter().map(|it| Reader::begin(aws, it, known)).collect();
    let there = join_all(others.into_iter().map(|reader| reader.hear(report)));
    tokio::join!(read::read(aws, &here, like, known, &resource, report), there);
}

/// A thread that lists, for as long as somebody hears what it says.
struct Reader {
    /// What it has not listed yet.
    left: Vec<Scope>,
    reports: UnboundedReceiver<Report>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn begin(aws: &Aws, scopes: Vec<Scope>, known: &Known) -> Self {
        let (say, reports) = unbounded_channel();
        let (aws, left) = (aws.beside(), scopes.clone());
        let known = scopes.iter().filter_map(|scope| known.get_key_value(scope));
        let known: Known = known.map(|(scope, rows)| (scope.clone(), rows.clone())).collect();
        let list = async move || {
            let aws = aws();
            let report = |report| {
                let _ = say.send(report);
                failpoint::fall("after the first page");
            };
            tokio::select! {
                biased;
                () = say.closed() => (),
                () = read::read(&aws, &scopes, &[], &known, &resource, &report) => (),
            }
        };
        Self { left, reports, thread: runtime::aside(list).ok() }
    }

    /// Passes on what it says, until it has said all.
    async fn hear(mut self, report: &dyn Fn(Report)) {
        while let Some(said) = self.reports.recv().await {
            if let Report::Read { scope, .. } = &said {
                self.left.retain(|left| left != scope);
            }
            report(said);
        }
        // It broke off, or never began: what it has not read is unread.
        for scope in std::mem::take(&mut self.left) {
            let message = "the thread that was to list it has ended".to_owned();
            let failure = Failure { kind: Trouble::Internal, message, ..Failure::default() };
            report(Report::Read { scope, failure: Some(failure) });
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reports.close();
        // If it broke off, the server log says why.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
