//! The background worker of one call: it does all network I/O, keeps the journal, and ends with the
//! call.
//!
//! PostgreSQL acts on no interrupt while the runtime is on the stack: a terminate there would leave
//! it without unwinding. The flag is polled instead, and acted on when the runtime is off.

use crate::journal::{self, Journal};
use crate::{readers, runtime};
use iasql_engine::frame::{Inbox, frame};
use iasql_engine::wire::{Failure, Job, Order, Report, Scope, Step, Trouble};
use iasql_modules::cloud::aws::Aws;
use iasql_modules::cloud::read::{Known, weigh};
use iasql_modules::cloud::run::{Stop, run};
use iasql_modules::cloud::young::{Listed, Young};
use iasql_modules::resource;
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::iter;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::sleep;

/// How often the terminate flag is looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a shutdown waits for calls that are out.
const LAST_MOMENT: Duration = Duration::from_millis(600);
/// How often a listing that takes long is heard of.
const TELL: Duration = Duration::from_secs(1);
/// As much as this may wait to be sent to the caller before listing pauses.
const FULL: usize = 8 << 20;

/// Where a worker begins.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn iasql_worker(database: pg_sys::Datum) {
    runtime::hear_sigterm();
    // SAFETY: the beginning of a background worker, as PostgreSQL wants it. No role is named: the
    // worker runs nothing but the statements of journal.rs, all on tables of the extension.
    unsafe {
        pg_sys::BackgroundWorkerInitializeConnectionByOid(
            database.value().try_into().map_or(pg_sys::InvalidOid, |oid: u32| oid.into()),
            pg_sys::InvalidOid,
            0,
        );
        let name = CStr::from_ptr((*pg_sys::MyBgworkerEntry).bgw_name.as_ptr());
        pg_sys::pgstat_report_appname(name.as_ptr());
    }
    // SAFETY: as above; the text was put there by call.rs.
    let address = unsafe { CStr::from_ptr((*pg_sys::MyBgworkerEntry).bgw_extra.as_ptr()) };
    let Ok(stream) = std::os::unix::net::UnixStream::connect(address.to_string_lossy().as_ref())
    else {
        return; // The caller has gone already.
    };
    let Ok(runtime) = runtime::new() else { return };
    // SAFETY: a plain counter of this process, which PostgreSQL's own macros treat the same way.
    unsafe { pg_sys::InterruptHoldoffCount += 1 };
    #[expect(
        clippy::disallowed_methods,
        reason = "the worker's whole life, with the terminate flag polled"
    )]
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = converse(stream) => (),
            () = terminated() => (),
        }
    });
    // A name that is being looked up may take its time; nobody waits for it.
    runtime.shutdown_background();
    // SAFETY: as above.
    unsafe { pg_sys::InterruptHoldoffCount -= 1 };
    pgrx::check_for_interrupts!();
}

/// Until a terminate or a shutdown, and a moment more for calls that are out.
async fn terminated() {
    // SAFETY: a plain flag of this process.
    while unsafe { pg_sys::ProcDiePending } == 0 {
        sleep(GLANCE).await;
    }
    sleep(LAST_MOMENT).await;
}

/// The caller's end of the conversation.
#[derive(Default)]
struct Caller {
    orders: RefCell<VecDeque<Order>>,
    reports: RefCell<Vec<u8>>,
    gone: Cell<bool>,
    /// Part of what was said is on its way.
    speaking: Cell<bool>,
    /// Rung when an order has come, a report is to go, or the caller has gone.
    heard: Notify,
    said: Notify,
    aws: RefCell<Option<Rc<Aws>>>,
}

impl Caller {
    fn say(&self, report: &Report) {
        if let Report::Progress(text) = report {
            show(text);
        }
        let broken = |why| -> Report { Report::Broken(internal(why)) };
        let bytes = frame(report).or_else(|why| frame(&broken(why)));
        self.reports.borrow_mut().extend(bytes.unwrap_or_default());
        self.said.notify_one();
        self.hold_back();
    }

    /// Lists no faster than the caller listens.
    fn hold_back(&self) {
        if let Some(aws) = &*self.aws.borrow() {
            aws.pace().hold(self.reports.borrow().len() > FULL);
        }
    }

    /// The next order; nothing when the caller has gone.
    async fn order(&self) -> Option<Order> {
        loop {
            if let Some(order) = self.orders.borrow_mut().pop_front() {
                return Some(order);
            }
            if self.gone.get() {
                return None;
            }
            self.heard.notified().await;
        }
    }

    fn hear(&self, order: Order) {
        self.orders.borrow_mut().push_back(order);
        self.heard.notify_one();
    }

    async fn gone(&self) {
        while !self.gone.get() {
            self.heard.notified().await;
        }
    }

    async fn listen(&self, mut socket: OwnedReadHalf, stop: &Stop) {
        let (mut inbox, mut piece) = (Inbox::default(), vec![0; 65536]);
        while let Ok(read @ 1..) = socket.read(&mut piece).await {
            inbox.put(&piece[..read]);
            let mut orders = iter::from_fn(|| inbox.take().transpose());
            if let Err(why) = orders.try_for_each(|order| order.map(|order| self.hear(order))) {
                // What follows can't be understood either; the caller hears of it and goes.
                self.say(&Report::Broken(internal(why)));
                stop.ask();
                while let Ok(1..) = socket.read(&mut piece).await {}
            }
        }
        self.gone.set(true);
        stop.ask();
        self.heard.notify_waiters();
        self.heard.notify_one();
        std::future::pending().await
    }

    async fn speak(&self, mut socket: OwnedWriteHalf) {
        loop {
            let portion = std::mem::take(&mut *self.reports.borrow_mut());
            self.speaking.set(!portion.is_empty());
            if portion.is_empty() {
                self.said.notified().await;
                continue;
            }
            if socket.write_all(&portion).await.is_err() {
                std::future::pending().await
            }
            self.hold_back();
        }
    }

    /// Until everything said has gone out, or the caller has.
    async fn finish(&self) {
        while (self.speaking.get() || !self.reports.borrow().is_empty()) && !self.gone.get() {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Talks with the caller until its work is done.
async fn converse(stream: std::os::unix::net::UnixStream) {
    if stream.set_nonblocking(true).is_err() {
        return;
    }
    let Ok(stream) = UnixStream::from_std(stream) else { return };
    let (from, to) = stream.into_split();
    let caller = Caller::default();
    let stop = Stop::new(Stop::GRACE);
    tokio::select! {
        biased;
        () = work(&caller, &stop) => (),
        () = caller.speak(to) => (),
        () = caller.listen(from, &stop) => (),
    }
}

async fn work(caller: &Caller, stop: &Rc<Stop>) {
    let Some(Order::Job(job)) = caller.order().await else { return };
    let first = async {
        let aws = connect(caller, &job).await?;
        list(caller, &job, &aws).await?;
        Ok(aws)
    };
    let Some(aws) = heard(caller, first).await else { return };
    let mut steps: Vec<Step> = Vec::new();
    while let Some(order) = caller.order().await {
        match order {
            Order::Steps(more) => steps.extend(more),
            Order::Weigh(steps) => weigh(&aws, &steps, &resource, &|it| caller.say(&it)).await,
            Order::Run => {
                let journal = Journal::new(&job.call, &job.caller);
                show(&format!("0 of {}: starting", steps.len()));
                run(
                    &aws,
                    std::mem::take(&mut steps),
                    &resource,
                    &journal,
                    &|report| caller.say(&report),
                    stop,
                )
                .await;
            }
            Order::Done | Order::Job(_) => break,
        }
    }
    caller.finish().await;
}

/// What comes of something, while there is a caller to hear of it. A failure ends the call.
async fn heard<T>(caller: &Caller, work: impl Future<Output = Result<T, Failure>>) -> Option<T> {
    let outcome = tokio::select! {
        biased;
        () = caller.gone() => return None,
        outcome = work => outcome,
    };
    match outcome {
        Ok(outcome) => Some(outcome),
        Err(failure) => {
            caller.say(&Report::Broken(failure));
            caller.finish().await;
            None
        }
    }
}

/// Waits a moment for whoever has locked the journal.
async fn await_journal(caller: i32) -> Result<(), Failure> {
    let broken =
        |message: String| Failure { kind: Trouble::NotReady, message, ..Failure::default() };
    let mut holder = None;
    for _ in 0..20 {
        holder = journal::locked_by().map_err(broken)?;
        if holder.is_none() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(broken(match holder.unwrap_or_default() {
        pid if pid == caller.to_string() => {
            "this transaction has dropped or locked iasql's journal: commit it first".to_owned()
        }
        pid => {
            format!("process {pid} has dropped or locked iasql's journal: it has to commit first")
        }
    }))
}

/// What every call begins with.
async fn connect(caller: &Caller, job: &Job) -> Result<Rc<Aws>, Failure> {
    journal::prepare().map_err(internal)?;
    let session = format!("iasql-{}", job.caller.role);
    let aws =
        Rc::new(Aws::connect(&job.settings, &session).await.map_err(|error| error.failure())?);
    *caller.aws.borrow_mut() = Some(aws.clone());
    if job.changes {
        if !journal::is_there().map_err(internal)? {
            return Err(Failure {
                kind: Trouble::NotReady,
                message:
                    "the extension was created in this transaction: commit before the first apply"
                        .to_owned(),
                hint:
                    "The journal of changes has to be there whatever becomes of this transaction."
                        .to_owned(),
                ..Failure::default()
            });
        }
        await_earlier(caller).await.map_err(internal)?;
        journal::close().map_err(internal)?;
    }
    Ok(aws)
}

/// Whose account it is.
async fn identify(caller: &Caller, job: &Job, aws: &Aws) -> Result<(), Failure> {
    let known = async {
        let identity = aws.identity().await.map_err(|error| error.failure())?;
        if job.account.as_ref().is_some_and(|account| *account != identity.account) {
            return Err(other_account(job, &identity.account));
        }
        caller.say(&Report::Identity(identity));
        Ok(())
    };
    let regions = async {
        if job.regions {
            caller.say(&Report::Regions(regions(aws).await?));
        }
        Ok(())
    };
    // Who may not do anything hears of that, not that one thing is not allowed.
    match tokio::join!(known, regions) {
        (Ok(()), regions) => regions,
        (unknown, _) => unknown,
    }
}

/// What the account holds, once it is sure to be the right one.
async fn list(caller: &Caller, job: &Job, aws: &Aws) -> Result<(), Failure> {
    let lists = &job.lists;
    let home = lists.home.iter().filter_map(|name| {
        let regional = resource(name)?.table().regional();
        let region = if regional { aws.default_region() } else { "" };
        Some(Scope { table: name.clone(), region: region.to_owned() })
    });
    let whole: Vec<Scope> = lists.scopes.iter().cloned().chain(home).collect();
    show(&format!("reading {} tables", whole.len()));
    let say = |report: Report| caller.say(&report);
    let mut known = Known::new();
    for (scope, row) in &lists.known {
        let id = resource(&scope.table).and_then(|it| it.table().cloud_id(row));
        if let Some(id) = id {
            known.entry(scope.clone()).or_default().insert(id.to_owned(), row.clone());
        }
    }
    await_journal(job.caller.pid).await?;
    let listed = RefCell::new(Listed::default());
    let young = || Ok(Young::new(journal::young()?, &resource));
    let before = young().map_err(internal)?;
    let doubtful = RefCell::new(Vec::new());
    let done = Cell::new(0);
    let note = |report: Report| {
        done.set(done.get() + usize::from(matches!(report, Report::Read { .. })));
        match report {
            // There may be more of it to come.
            Report::Read { scope, failure: None } if before.knows(&scope) => {
                doubtful.borrow_mut().push(scope);
            }
            report => caller.say(&listed.borrow_mut().note(report, &before, &resource)),
        }
    };
    let read = async {
        readers::read(aws, &whole, &lists.like, &known, &note).await;
        Ok(())
    };
    let total = whole.len() + lists.like.len();
    let tell = async {
        loop {
            sleep(TELL).await;
            let (done, note) = (done.get(), aws.pace().note());
            caller.say(&Report::Progress(format!("{done} of {total} lists read: {note}")));
        }
    };
    tokio::select! {
        biased;
        // A wrong identity ends the call at once, whatever else is still being read.
        outcome = async { tokio::try_join!(identify(caller, job, aws), read) } => { outcome?; }
        () = tell => (),
    }
    // The journal is read once more: it may have been written while the cloud was.
    await_journal(job.caller.pid).await?;
    let narrow = lists.like.iter().map(|(scope, _)| scope);
    let scopes: Vec<Scope> = whole.iter().chain(narrow).cloned().collect();
    let made = journal::made(&scopes).map_err(internal)?;
    listed.into_inner().settle(aws, &whole, &young().map_err(internal)?, &resource, &say).await;
    doubtful.into_inner().into_iter().for_each(|scope| say(Report::Read { scope, failure: None }));
    caller.say(&Report::Made(made));
    caller.say(&Report::ReadAll);
    Ok(())
}

/// Waits until a worker whose caller has gone has finished its last call.
async fn await_earlier(caller: &Caller) -> Result<(), String> {
    let mut said = false;
    while !journal::alone()? {
        if !said {
            caller.say(&Report::Progress(
                "waiting for the last call of an apply that was broken off".to_owned(),
            ));
            said = true;
        }
        sleep(GLANCE).await;
    }
    Ok(())
}

#[cfg(feature = "aws_account")]
async fn regions(aws: &Aws) -> Result<Vec<(String, bool)>, Failure> {
    iasql_modules::aws_account::regions(aws).await.map_err(|error| error.failure())
}

/// Without the module that can ask, the one region is all there is.
#[cfg(not(feature = "aws_account"))]
async fn regions(aws: &Aws) -> Result<Vec<(String, bool)>, Failure> {
    Ok(vec![(aws.default_region().to_owned(), true)])
}

/// Our own fault.
fn internal(message: String) -> Failure {
    Failure { kind: Trouble::Internal, message, ..Failure::default() }
}

fn other_account(job: &Job, found: &str) -> Failure {
    let known = job.account.as_deref().unwrap_or_default();
    Failure {
        kind: Trouble::NotReady,
        message: format!(
            "this database describes AWS account {known}, but the credentials are for {found}: nothing was taken from there or changed"
        ),
        hint: format!(
            "Give the server credentials for {known}, or install iasql in a new database for {found}."
        ),
        ..Failure::default()
    }
}

/// Shows other sessions what the worker is at.
fn show(text: &str) {
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    // SAFETY: copies the text into shared memory.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr()) };
}
