//! Carrying out steps: in the order they allow, side by side where nothing forbids it.
//!
//! Invariants:
//! - A mutating call is sent only after its intent stands in the journal, and once begun it is
//!   awaited (up to [`Stop::grace`]) and its outcome written down, even if that is "unknown".
//! - Nothing is made again before it has been looked for, if the first call may have made it.
//! - A step that fails takes those with it that wait for it, and nobody else: nor those whose call it
//!   shared.

use super::aws::Aws;
use super::failpoint;
use super::failure::{Error, Result};
use super::pace::{Cost, Trace};
use super::read::Lookup;
use super::{Erased, Which};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use iasql_engine::table::{Access, Column, Table};
use iasql_engine::wire::{Action, Failure, Report, Scope, Step, Trouble, awaits};
use iasql_engine::{Row, Value, compare};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// How long after something was made or removed AWS may not have heard of it everywhere: a role
/// takes up to two minutes to be known, and so do the network interfaces of a load balancer to go.
const LAG: Duration = Duration::from_secs(120);
/// How long "not found" may mean "not yet" for something that refers to what was just made.
const NOT_YET: Duration = Duration::from_secs(30);
/// How long calls that get into each other's way are put off.
const CONFLICT: Duration = Duration::from_secs(60);
/// How long an endpoint may refuse connections.
const AWAY: Duration = Duration::from_secs(15);
/// The pauses before each look for what a lost call may have made.
const LOOKS: &[Duration] = &[millis(0), millis(1000), millis(2000), millis(4000)];
/// The pause before the one look at what a lost update has changed.
const LOOK: &[Duration] = &[millis(1000)];
/// The pauses before each look for what AWS makes along with its parent.
const BIRTHS: &[Duration] = &[millis(0), millis(250), millis(500), millis(1000), millis(2000)];
/// How often something is sent whose answers get lost.
const SENDS: u32 = 3;
/// Steps of one table and region that are begun at once. Bounds memory; the pace is set elsewhere.
const ABREAST: usize = 64;
/// Steps that go in one call at most. AWS publishes no number; a request has to stay small.
const TOGETHER: usize = 100;

/// The first pause of a back-off, and what it doubles to at most.
const PAUSE: Duration = millis(500);
const LONGEST_PAUSE: u32 = 32;

/// Tests have no time to lose.
const fn millis(ms: u64) -> Duration {
    Duration::from_millis(if cfg!(test) { ms / 50 } else { ms })
}

/// Where it is written down what is about to be done and what came of it. Durable when it returns;
/// an error means that it is not, and nothing more will be begun.
pub trait Journal {
    /// These are about to be sent.
    fn intend(&self, intents: &[Intent]) -> Result<(), String>;
    /// These have ended.
    fn settle(&self, outcomes: &[Outcome]) -> Result<(), String>;
}

/// A step that is about to be sent.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its number.
    pub step: u32,
    /// The table.
    pub table: String,
    /// The region, or nothing.
    pub region: String,
    /// The primary key of the row it is done for.
    pub pk: Value,
    /// `create`, `update`, `delete`.
    pub action: &'static str,
    /// What it can be found by later; unique.
    pub mark: String,
    /// What people call the resource.
    pub label: String,
    /// Why.
    pub reason: String,
    /// What the cloud holds, as far as is known.
    pub before: Option<Row>,
    /// What it is to hold.
    pub after: Option<Row>,
    /// The cloud's id, unless it is yet to be made.
    pub cloud_id: Option<String>,
}

/// What came of a step.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its number.
    pub step: u32,
    /// The mark of its intent.
    pub mark: String,
    /// How it ended.
    pub end: End,
    /// The cloud's id.
    pub cloud_id: Option<String>,
    /// What the cloud holds now.
    pub row: Option<Row>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// What it took beside its calls.
    pub cost: Cost,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is done.
    Done,
    /// It is not done, and nothing has changed.
    Failed,
    /// It may be done, in whole or in part.
    Unknown,
}

/// Asks a run to come to its end.
#[derive(Debug)]
pub struct Stop {
    asked: Cell<bool>,
    bell: Notify,
    /// How long calls that have been sent are awaited.
    pub grace: Duration,
}

impl Stop {
    /// How long calls that have been sent are awaited when the user has gone.
    pub const GRACE: Duration = Duration::from_secs(15);

    /// One that nobody has asked yet.
    pub fn new(grace: Duration) -> Rc<Self> {
        Rc::new(Self { asked: Cell::new(false), bell: Notify::new(), grace })
    }

    /// No new step begins from now on.
    pub fn ask(&self) {
        self.asked.set(true);
        self.bell.notify_waiters();
    }

    /// Whether that has been asked.
    pub fn asked(&self) -> bool {
        self.asked.get()
    }

    /// Until it is asked.
    pub async fn wait(&self) {
        let bell = self.bell.notified();
        if !self.asked() {
            bell.await;
        }
    }
}

/// Carries out `steps` and reports each one's beginning and end, then [`Report::RanAll`].
pub async fn run(
    aws: &Aws,
    steps: Vec<Step>,
    resource: Lookup<'_>,
    journal: &dyn Journal,
    report: &dyn Fn(Report),
    stop: &Stop,
) {
    let total = steps.len();
    let mut order = Order::new(&steps, resource);
    let steps: HashMap<u32, Step> = steps.into_iter().map(|step| (step.number, step)).collect();
    let run = Run {
        aws,
        steps: &steps,
        resource,
        stop,
        made: RefCell::default(),
        standing: RefCell::default(),
        stands: Notify::new(),
        created: Cell::new(None),
        released: Cell::new(None),
    };
    let mut underway = FuturesUnordered::new();
    let mut begun: BTreeMap<u32, Begun> = BTreeMap::new();
    let mut read_back: BTreeMap<Scope, Vec<Row>> = BTreeMap::new();
    let mut broken: Option<u32> = None;
    let mut deadline: Option<Instant> = None;
    let mut ended = 0;
    let mut told = Instant::now();
    let mut beat = interval(Duration::from_secs(1));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);

    loop {
        let mut ends: Vec<Ended> = Vec::new();
        if !stop.asked() && broken.is_none() {
            let (calls, misfits) = run.prepare(order.take());
            ends.extend(misfits);
            let mut jobs = calls.iter().flatten();
            match announce(journal, jobs.clone()) {
                Ok(()) => {
                    for job in jobs {
                        report(Report::Began { step: job.step.number });
                        begun.insert(job.step.number, Begun::new(job));
                    }
                    underway.extend(calls.into_iter().map(|jobs| run.follow(jobs)));
                }
                Err(why) => {
                    let why = format!("the journal can't be written: {why}");
                    let never =
                        |job: &Job<'_>| Ended::never(job.step.number, Error::Internal(why.clone()));
                    ends.extend(jobs.clone().map(never));
                    broken = jobs.next().map(|job| job.step.number);
                }
            }
        }
        if ends.is_empty() && underway.is_empty() {
            break;
        }
        if ends.is_empty() {
            tokio::select! {
                biased;
                Some(more) = underway.next() => ends.extend(more),
                () = run.stands.notified() => (),
                () = stop.wait(), if deadline.is_none() => {
                    aws.pace().end();
                    deadline = Some(Instant::now() + stop.grace);
                }
                () = until(deadline), if deadline.is_some() => break,
                _ = beat.tick() => (),
            }
        }
        // What has ended at the same moment is written down together.
        while let Some(Some(more)) = underway.next().now_or_never() {
            ends.extend(more);
        }

        let standing = run.standing.take();
        let stands = |&step: &u32| {
            let row = run.made.borrow().get(&step).cloned();
            Ended { step, result: Ok(row), changed: true }
        };
        let stand: Vec<Ended> = standing.iter().map(stands).collect();
        let outcome = |end: &Ended| Some(end.outcome(&run, begun.get(&end.step)?));
        let so_far =
            stand.iter().filter_map(outcome).map(|outcome| match run.strips(outcome.step) {
                // Whoever comes after a crash finds that something may be left to remove.
                true => Outcome { end: End::Unknown, ..outcome },
                false => outcome,
            });
        let outcomes: Vec<Outcome> = so_far.chain(ends.iter().filter_map(outcome)).collect();
        if note(journal, &outcomes).is_err() {
            broken = broken.or(stand.iter().chain(&ends).map(|end| end.step).next());
        }
        standing.into_iter().for_each(|step| order.free(step));
        for end in ends {
            failpoint::pass("before event");
            ended += 1;
            begun.remove(&end.step);
            match end.result {
                Ok(row) => {
                    order.done(end.step);
                    if let Some((scope, row)) = run.to_read_back(end.step).zip(row.clone()) {
                        read_back.entry(scope).or_default().push(row);
                    }
                    report(Report::Ended { step: end.step, row });
                }
                Err(error) => {
                    // Without credentials everything else would fail the same way.
                    if error.expired() || matches!(error, Error::Credentials { .. }) {
                        broken = broken.or(Some(end.step));
                    }
                    report(Report::Failed { step: end.step, failure: error.failure() });
                    for step in order.failed(end.step) {
                        ended += 1;
                        report(Report::Skipped { step, because: end.step });
                    }
                }
            }
        }
        if told.elapsed() >= Duration::from_secs(1)
            && let Some((step, oldest)) = begun.iter().min_by_key(|(_, it)| it.since)
        {
            told = Instant::now();
            report(Report::Progress(run.progress(ended, total, *step, oldest.since)));
        }
    }

    // What was sent and not answered in time: the next call finds out what became of it.
    drop(underway);
    let lost: Vec<Ended> = begun
        .keys()
        .map(|&step| Ended { step, result: Err(Error::Cancelled), changed: true })
        .collect();
    let outcomes: Vec<Outcome> =
        lost.iter().filter_map(|end| Some(end.outcome(&run, begun.get(&end.step)?))).collect();
    // If this fails, the intents stand without an outcome, which says the same.
    let _ = note(journal, &outcomes);
    for end in &lost {
        let failure = Failure {
            kind: Trouble::Cancelled,
            message: "cancelled while AWS was at it; the next call finds out what became of it"
                .into(),
            ..Failure::default()
        };
        report(Report::Failed { step: end.step, failure });
    }
    for step in order.left() {
        report(match broken {
            Some(because) => Report::Skipped { step, because },
            None if stop.asked() => Report::Failed { step, failure: Error::Cancelled.failure() },
            None => {
                let error = Error::Internal("the step waits for itself".into());
                Report::Failed { step, failure: error.failure() }
            }
        });
    }
    if !stop.asked() {
        join_all(read_back.iter().map(|(scope, made)| run.read_back(scope, made, report))).await;
    }
    report(Report::RanAll);
}

/// Writes down what is about to be sent.
fn announce<'a>(
    journal: &dyn Journal,
    jobs: impl Iterator<Item = &'a Job<'a>>,
) -> Result<(), String> {
    let intents: Vec<Intent> = jobs.map(Job::intent).collect();
    if intents.is_empty() {
        return Ok(());
    }
    failpoint::pass("before intent");
    journal.intend(&intents)?;
    failpoint::pass("after intent");
    Ok(())
}

/// Writes down what came of it.
fn note(journal: &dyn Journal, outcomes: &[Outcome]) -> Result<(), String> {
    if outcomes.is_empty() {
        return Ok(());
    }
    failpoint::pass("before outcome");
    journal.settle(outcomes)?;
    failpoint::pass("after outcome");
    Ok(())
}

/// What all steps of a run share.
struct Run<'a> {
    aws: &'a Aws,
    steps: &'a HashMap<u32, Step>,
    resource: Lookup<'a>,
    stop: &'a Stop,
    /// What the cloud holds of each step that is done.
    made: RefCell<HashMap<u32, Row>>,
    /// The steps of which that is so while AWS is not done with it, or not rid of what it made along:
    /// what waits for them may go on.
    standing: RefCell<Vec<u32>>,
    stands: Notify,
    /// When something was last made.
    created: Cell<Option<Instant>>,
    /// When something was last removed or changed, and so no longer stands in another's way.
    released: Cell<Option<Instant>>,
}

/// A step with its cells filled in.
struct Job<'a> {
    step: &'a Step,
    resource: &'static dyn Erased,
    mark: String,
    was: Option<Row>,
    row: Option<Row>,
    trace: Arc<Trace>,
}

/// What is kept of a job while it is carried out.
struct Begun {
    mark: String,
    since: Instant,
    trace: Arc<Trace>,
}

impl Begun {
    fn new(job: &Job<'_>) -> Self {
        Self { mark: job.mark.clone(), since: Instant::now(), trace: job.trace.clone() }
    }
}

/// What AWS says of a job: what is there now, if it made something.
type Answer = Result<Option<Row>>;

/// A step that has come to its end.
struct Ended {
    step: u32,
    result: Result<Option<Row>>,
    /// Something in the cloud may have changed.
    changed: bool,
}

impl Ended {
    /// A step that could not even be begun.
    fn never(step: u32, error: Error) -> Self {
        Self { step, result: Err(error), changed: false }
    }

    fn outcome(&self, run: &Run<'_>, begun: &Begun) -> Outcome {
        // A create that failed after it had made something (its tags, what it strips) left a row.
        let made = run.made.borrow().get(&self.step).cloned();
        let (end, row, failure) = match &self.result {
            Ok(row) => (End::Done, row.clone(), None),
            Err(error) => {
                let unknown = self.changed || error.unknown_outcome() || made.is_some();
                let end = if unknown { End::Unknown } else { End::Failed };
                (end, made, Some(error.failure()))
            }
        };
        let table = run.steps.get(&self.step).and_then(|step| (run.resource)(&step.table));
        let cloud_id = table
            .zip(row.as_ref())
            .and_then(|(resource, row)| resource.table().cloud_id(row).map(str::to_owned));
        let (mark, cost) = (begun.mark.clone(), begun.trace.cost());
        Outcome { step: self.step, mark, end, cloud_id, row, failure, cost }
    }
}

impl Job<'_> {
    fn intent(&self) -> Intent {
        let Step { number, table, region, pk, label, reason, action, .. } = self.step;
        let known = self.was.as_ref().and_then(|was| self.resource.table().cloud_id(was));
        Intent {
            step: *number,
            table: table.clone(),
            region: region.clone(),
            pk: pk.clone(),
            action: action.verb(),
            mark: self.mark.clone(),
            label: label.clone(),
            reason: reason.clone(),
            before: self.was.clone(),
            after: self.row.clone(),
            cloud_id: known.map(str::to_owned),
        }
    }
}

impl<'a> Run<'a> {
    /// Fills in the cells that earlier steps have made known. A step for which that can't be done
    /// has failed.
    fn prepare(&self, calls: Vec<Vec<u32>>) -> (Vec<Vec<Job<'a>>>, Vec<Ended>) {
        let mut misfits = Vec::new();
        let mut job = |number| match self.job(number) {
            Ok(job) => Some(job),
            Err(error) => {
                misfits.push(Ended::never(number, error));
                None
            }
        };
        let calls = calls.into_iter().map(|steps| steps.into_iter().filter_map(&mut job).collect());
        let calls = calls.filter(|jobs: &Vec<_>| !jobs.is_empty()).collect();
        (calls, misfits)
    }

    fn job(&self, number: u32) -> Result<Job<'a>> {
        let step = self.steps.get(&number).ok_or_else(|| Error::Internal("no such step".into()))?;
        let resource = self.resource_of(&step.table)?;
        let resolved = |row: &Row| self.resolve(resource.table(), row);
        let (was, row) = match &step.action {
            Action::Create { row, was, .. } => {
                (was.as_ref().map(resolved).transpose()?, Some(resolved(row)?))
            }
            Action::Update { was, row } => (Some(resolved(was)?), Some(resolved(row)?)),
            Action::Delete { was } => (Some(resolved(was)?), None),
        };
        Ok(Job { step, resource, mark: mark(), was, row, trace: Arc::default() })
    }

    fn resource_of(&self, table: &str) -> Result<&'static dyn Erased> {
        (self.resource)(table)
            .ok_or_else(|| Error::Internal(format!("no table \"{table}\" in this build")))
    }

    /// Puts in place of each `{"step": n}` what that step's resource is called.
    fn resolve(&self, table: &Table, row: &Row) -> Result<Row> {
        let cells = row.iter().enumerate();
        cells.map(|(at, cell)| self.resolve_cell(table, at, cell)).collect()
    }

    fn resolve_cell(&self, table: &Table, at: usize, cell: &Value) -> Result<Value> {
        let column = table.columns.get(at);
        if let (Some(part), Value::Array(rows)) = (column.and_then(Column::parts), cell) {
            let rows = rows.iter().filter_map(Value::as_array);
            let rows = rows.map(|row| Ok(Value::Array(self.resolve(part, row)?)));
            return Ok(Value::Array(rows.collect::<Result<_>>()?));
        }
        let Some(awaited) = awaits(cell) else { return Ok(cell.clone()) };
        let name = column.map(|column| column.name).unwrap_or_default();
        let nothing =
            || Error::row(name, format!("step {awaited}, which it refers to, left nothing"));
        let reference = column.and_then(|column| column.references.as_ref()).ok_or_else(nothing)?;
        let made = self.made.borrow();
        let step = self.steps.get(&awaited).ok_or_else(nothing)?;
        let other = self.resource_of(&step.table)?.table();
        match other.cell(made.get(&awaited).ok_or_else(nothing)?, reference.column) {
            Value::Null => Err(nothing()),
            cell => Ok(cell.clone()),
        }
    }

    /// Carries out jobs that go in one call, or the one that does not, and keeps account of what each
    /// sent.
    async fn follow(&self, jobs: Vec<Job<'a>>) -> Vec<Ended> {
        let answers = match jobs.len() {
            1 => vec![None],
            _ => self.together(&jobs, Instant::now()).await.into_iter().map(Some).collect(),
        };
        let ends = jobs.iter().zip(answers).map(async |(job, answer)| {
            let result = Box::pin(job.trace.follow(self.carry_out(job, answer))).await;
            Ended { step: job.step.number, result, changed: job.trace.changed() }
        });
        join_all(ends).await
    }

    /// Sends several jobs in one call. What AWS refuses it refuses as a whole, and what is wrong with
    /// one of them is no reason not to do the others: the halves are sent then, down to that one. What
    /// was worth waiting for has been waited for since the first call.
    fn together<'b>(
        &'b self,
        jobs: &'b [Job<'a>],
        began: Instant,
    ) -> LocalBoxFuture<'b, Vec<Answer>> {
        Box::pin(async move {
            let Some(first) = jobs.first() else { return Vec::new() };
            let trace = Arc::new(Trace::default());
            let answer =
                trace.follow(self.patiently(first, began, || self.send(first, jobs))).await;
            if matches!(&answer, Err(error) if error.blames()) && jobs.len() > 1 {
                let (some, others) = jobs.split_at(jobs.len() / 2);
                let halves = join(self.together(some, began), self.together(others, began)).await;
                return halves.0.into_iter().chain(halves.1).collect();
            }
            jobs.iter().for_each(|job| job.trace.join(&trace));
            match answer {
                Ok(rows) => rows.into_iter().map(Ok).collect(),
                Err(error) => jobs.iter().map(|_| Err(error.clone())).collect(),
            }
        })
    }

    /// Sends jobs in one call: all of them make something, or all remove something.
    async fn send(&self, first: &Job<'a>, jobs: &[Job<'a>]) -> Result<Vec<Option<Row>>> {
        let (resource, region) = (first.resource, &first.step.region);
        let wanted = jobs.iter().filter_map(|job| Some((job.row.as_ref()?, job.mark.as_str())));
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() {
            let gone: Vec<&Row> = jobs.iter().filter_map(|job| job.was.as_ref()).collect();
            resource.delete_all(self.aws, region, &gone).await?;
            return Ok(vec![None; jobs.len()]);
        }
        let made = resource.create_all(self.aws, region, &wanted).await?;
        match made.len() == jobs.len() {
            true => Ok(made.into_iter().map(Some).collect()),
            false => Err(Error::missing("a part of what it made")),
        }
    }

    /// What is left to do of a job: everything, unless it has had an answer already.
    async fn carry_out(&self, job: &Job<'a>, answer: Option<Answer>) -> Result<Option<Row>> {
        let number = job.step.number;
        match (&job.step.action, &job.was, &job.row) {
            (Action::Create { born, strip, .. }, _, Some(row)) => {
                let answer = answer.map(|it| it?.ok_or_else(|| Error::missing("what it made")));
                let made = self.create(job, row, *born, answer).await?;
                self.made.borrow_mut().insert(number, made.clone());
                self.created.set(Some(Instant::now()));
                if !strip.is_empty() {
                    self.stand(number);
                }
                for (table, row) in strip {
                    self.strip(job, table, row).await?;
                }
                self.settle(job, made).await.map(Some)
            }
            (_, Some(was), Some(row)) => {
                let now = self.update(job, was, row).await?;
                self.made.borrow_mut().insert(number, now.clone());
                self.released.set(Some(Instant::now()));
                self.settle(job, now).await.map(Some)
            }
            (_, Some(was), None) => {
                self.delete(job, job.resource, was, answer.map(|it| it.map(drop))).await?;
                self.released.set(Some(Instant::now()));
                Ok(None)
            }
            _ => Err(Error::Internal("a step without rows".into())),
        }
    }

    /// What waits for a step may go on, though there is something left to do.
    fn stand(&self, step: u32) {
        self.standing.borrow_mut().push(step);
        self.stands.notify_one();
    }

    /// Waits until AWS is done with what stands already, while all that waited for it goes on.
    async fn settle(&self, job: &Job<'a>, row: Row) -> Result<Row> {
        if !job.resource.settles() {
            return Ok(row);
        }
        self.stand(job.step.number);
        tokio::select! {
            biased;
            () = self.stop.wait() => Ok(row),
            settled = job.resource.settle(self.aws, &job.step.region, &row) => {
                // A change of one column may have emptied another that AWS fills.
                let wanted = job.row.as_ref().unwrap_or(&row);
                Ok(merged(job.resource.table(), wanted, &settled?))
            }
        }
    }

    async fn create(
        &self,
        job: &Job<'a>,
        row: &Row,
        born: bool,
        mut answer: Option<Result<Row>>,
    ) -> Result<Row> {
        let Job { resource, mark, step, .. } = job;
        if born && let Some(seen) = self.look(job, *resource, row, "", BIRTHS).await? {
            return self.align(job, seen, row).await;
        }
        let mut lost: Option<Error> = None;
        for _ in 0..SENDS {
            lost.iter().for_each(|lost| Trace::again(&lost.word(), Duration::ZERO));
            let was = job.was.as_ref();
            let send = async || resource.create(self.aws, &step.region, was, row, mark).await;
            let answer = match answer.take() {
                Some(answer) => answer,
                None => self.patiently(job, Instant::now(), send).await,
            };
            let error = match answer {
                Ok(made) => {
                    // What a create can't set is set now; a create is one call, so that it may be
                    // repeated when it was refused.
                    self.made.borrow_mut().insert(step.number, made.clone());
                    self.created.set(Some(Instant::now()));
                    return self.align(job, made, row).await;
                }
                Err(error) => error,
            };
            // That it exists is good news if it can only have been us.
            let ours = error.already_exists() && (lost.is_some() || job.trace.changed());
            if !error.unknown_outcome() && !ours {
                return Err(error);
            }
            match self.look(job, *resource, row, mark, LOOKS).await {
                Ok(Some(seen)) => return self.align(job, seen, row).await,
                Ok(None) if !ours && !self.stop.asked() => lost = Some(error),
                // Not to be seen, or nobody to ask: it stays unknown.
                _ => return Err(lost.unwrap_or(error)),
            }
        }
        Err(lost.unwrap_or(Error::Cancelled))
    }

    /// Brings what exists in line with what is wanted.
    async fn align(&self, job: &Job<'a>, seen: Row, row: &Row) -> Result<Row> {
        let table = job.resource.table();
        let mut differing = compare::differing(table, row, &seen).into_iter();
        // What is wished of a resource that is there already is not wished of a new one.
        match differing.all(|at| table.columns[at].request) {
            true => Ok(merged(table, row, &seen)),
            false => self.update(job, &seen, row).await,
        }
    }

    async fn update(&self, job: &Job<'a>, was: &Row, row: &Row) -> Result<Row> {
        let Job { resource, mark, step, .. } = job;
        let mut was = was.clone();
        let mut lost = Error::Cancelled;
        for tries in 0..SENDS {
            if tries > 0 {
                Trace::again(&lost.word(), Duration::ZERO);
            }
            let send = async || resource.update(self.aws, &step.region, &was, row).await;
            match self.patiently(job, Instant::now(), send).await {
                Ok(()) => return Ok(merged(resource.table(), row, &was)),
                Err(error) if error.unknown_outcome() => lost = error,
                Err(error) => return Err(error),
            }
            match self.look(job, *resource, row, mark, LOOK).await {
                Ok(Some(seen)) if compare::differing(resource.table(), row, &seen).is_empty() => {
                    return Ok(merged(resource.table(), row, &seen));
                }
                Ok(Some(seen)) if !self.stop.asked() => was = seen,
                _ => break,
            }
        }
        Err(lost)
    }

    async fn delete(
        &self,
        job: &Job<'a>,
        resource: &'static dyn Erased,
        was: &Row,
        mut answer: Option<Result<()>>,
    ) -> Result<()> {
        let mut lost = Error::Cancelled;
        for tries in 0..SENDS {
            let send = async || resource.delete(self.aws, &job.step.region, was).await;
            let answer = match answer.take() {
                Some(answer) => answer,
                None => self.patiently(job, Instant::now(), send).await,
            };
            match answer {
                Err(error) if error.not_found() => return Ok(()),
                Err(error) if error.unknown_outcome() => lost = error,
                outcome => return outcome,
            }
            if !self.again(&lost, tries).await {
                break;
            }
        }
        Err(lost)
    }

    /// Whether AWS makes something along with what a step makes that nobody wants.
    fn strips(&self, step: u32) -> bool {
        let action = self.steps.get(&step).map(|step| &step.action);
        matches!(action, Some(Action::Create { strip, .. }) if !strip.is_empty())
    }

    /// Removes what AWS has made along with a new resource and nobody wants.
    async fn strip(&self, job: &Job<'a>, table: &str, row: &Row) -> Result<()> {
        let resource = self.resource_of(table)?;
        let row = self.resolve(resource.table(), row)?;
        match self.look(job, resource, &row, "", BIRTHS).await? {
            Some(seen) => self.delete(job, resource, &seen, None).await,
            None => Ok(()),
        }
    }

    /// Looks for a resource a few times, since what AWS has just made may not show yet.
    async fn look(
        &self,
        job: &Job<'a>,
        resource: &'static dyn Erased,
        row: &Row,
        mark: &str,
        pauses: &[Duration],
    ) -> Result<Option<Row>> {
        for pause in pauses {
            if !self.sleep(*pause).await {
                break;
            }
            let find = async || resource.find(self.aws, &job.step.region, row, mark).await;
            if let Some(seen) = self.patiently(job, Instant::now(), find).await? {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Makes a call until it works, or until waiting for that makes no more sense, `began` being when
    /// it was first made.
    async fn patiently<T>(
        &self,
        job: &Job<'a>,
        began: Instant,
        call: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        for tries in 0.. {
            let used = self.aws.loaded();
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.expired() && self.aws.renew(used).await? {
                Trace::again(&error.word(), Duration::ZERO);
                continue;
            }
            let worth = self.worth(&job.step.action, &error);
            if began.elapsed() >= worth || !self.again(&error, tries).await {
                return Err(error);
            }
        }
        Err(Error::Cancelled)
    }

    /// How long a call is worth repeating that was refused like this.
    fn worth(&self, action: &Action, error: &Error) -> Duration {
        let patience = Duration::from_secs(self.aws.settings().patience);
        let recent = |when: &Cell<Option<Instant>>| when.get().is_some_and(|at| at.elapsed() < LAG);
        let delete = matches!(action, Action::Delete { .. });
        match error {
            _ if error.throttled() => patience,
            _ if error.retry_safely() => patience.min(AWAY),
            _ if error.conflict() => patience.min(CONFLICT),
            // Only if this run has just removed what might have been in the way: then AWS is
            // clearing up. What else uses it will not go away by waiting.
            _ if error.in_use() && recent(&self.released) => patience.min(LAG),
            _ if error.not_found() && !delete && recent(&self.created) => patience.min(NOT_YET),
            _ if error.not_propagated() && !delete && recent(&self.created) => patience.min(LAG),
            _ => Duration::ZERO,
        }
    }

    /// Backs off before a call is sent again, longer each time and never all at the same moment. False
    /// if the run is ending.
    async fn again(&self, after: &Error, tries: u32) -> bool {
        let longest = PAUSE * 2_u32.saturating_pow(tries).min(LONGEST_PAUSE);
        let pause = longest.mul_f64(0.5 + random() as f64 / u64::MAX as f64 / 2.0);
        let slept = self.sleep(pause).await;
        if slept {
            Trace::again(&after.word(), pause);
        }
        slept
    }

    /// False if the run is ending.
    async fn sleep(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.wait() => false,
            () = sleep(pause) => true,
        }
    }

    /// The scope to list after the creates, if a create's answer says too little of its row.
    fn to_read_back(&self, number: u32) -> Option<Scope> {
        let step = self.steps.get(&number)?;
        let wanted = matches!(step.action, Action::Create { .. })
            && (self.resource)(&step.table)?.table().read_back;
        wanted.then(|| Scope { table: step.table.clone(), region: step.region.clone() })
    }

    async fn read_back(&self, scope: &Scope, made: &[Row], report: &dyn Fn(Report)) {
        let rows = RefCell::new(Vec::new());
        let listed = match self.resource_of(&scope.table) {
            Ok(resource) => {
                let keep = |page| rows.borrow_mut().extend::<Vec<_>>(page);
                let sink = super::Sink { rows: &keep, cannot: &|_, _| (), known: None };
                resource.list(self.aws, &scope.region, Which::Made(made), sink).await
            }
            Err(error) => Err(error),
        };
        // Columns that stay empty for want of it are filled by the next call.
        if listed.is_ok() {
            report(Report::After { scope: scope.clone(), rows: rows.into_inner() });
        }
    }

    fn progress(&self, ended: usize, total: usize, number: u32, since: Instant) -> String {
        let Some(step) = self.steps.get(&number) else { return String::new() };
        let doing = match step.action {
            Action::Create { .. } => "creating",
            Action::Update { .. } => "updating",
            Action::Delete { .. } => "deleting",
        };
        let tally = self.aws.pace().tally();
        let slow = !tally.waiting.is_empty() || tally.throttled > 0;
        let note = if slow { format!("; {}", self.aws.pace().note()) } else { String::new() };
        let (table, label, for_) = (&step.table, &step.label, since.elapsed().as_secs());
        format!("{ended} of {total}: {doing} {table} {label} ({for_} s{note})")
    }
}

/// What may begin, and what has to wait for what.
struct Order {
    /// How many steps each one still waits for. A step that has begun or ended is not here.
    waits: HashMap<u32, usize>,
    blocks: HashMap<u32, Vec<u32>>,
    lanes: HashMap<u32, Lane>,
    /// The first of those that may go in one call, for each step that is not the only one.
    calls: HashMap<u32, u32>,
    /// The calls that may begin, in the order in which the first of their steps became ready.
    ready: BTreeMap<Lane, VecDeque<u32>>,
    /// The steps of each that are ready.
    gathered: HashMap<u32, Vec<u32>>,
    busy: HashMap<Lane, usize>,
}

/// Table and region.
type Lane = Rc<(String, String)>;

impl Order {
    fn new(steps: &[Step], resource: Lookup<'_>) -> Self {
        let mut names: BTreeMap<(&str, &str), Lane> = BTreeMap::new();
        let mut order = Self {
            waits: steps.iter().map(|step| (step.number, 0)).collect(),
            blocks: HashMap::new(),
            lanes: HashMap::new(),
            calls: HashMap::new(),
            ready: BTreeMap::new(),
            gathered: HashMap::new(),
            busy: HashMap::new(),
        };
        let mut firsts: HashMap<String, u32> = HashMap::new();
        for step in steps {
            let lane = names
                .entry((&step.table, &step.region))
                .or_insert_with(|| Rc::new((step.table.clone(), step.region.clone())));
            order.lanes.insert(step.number, lane.clone());
            if let Some(kin) = resource(&step.table).and_then(|resource| kin(step, resource)) {
                let first = firsts.entry(kin).or_insert(step.number);
                order.calls.insert(step.number, *first);
            }
            let after: BTreeSet<u32> =
                step.after.iter().copied().filter(|n| order.waits.contains_key(n)).collect();
            for before in &after {
                order.blocks.entry(*before).or_default().push(step.number);
            }
            order.waits.insert(step.number, after.len());
        }
        for step in steps {
            if order.waits.get(&step.number) == Some(&0) {
                order.enter(step.number);
            }
        }
        order
    }

    /// It waits for nothing any more.
    fn enter(&mut self, step: u32) {
        let Some(lane) = self.lanes.get(&step) else { return };
        let call = self.calls.get(&step).copied().unwrap_or(step);
        let gathered = self.gathered.entry(call).or_default();
        if gathered.is_empty() {
            self.ready.entry(lane.clone()).or_default().push_back(call);
        }
        gathered.push(step);
    }

    /// What may begin now, by call. Nothing waits for others to share its call with: what is ready
    /// when its turn comes goes together.
    fn take(&mut self) -> Vec<Vec<u32>> {
        let mut begin = Vec::new();
        for (lane, ready) in &mut self.ready {
            let busy = self.busy.entry(lane.clone()).or_default();
            while *busy < ABREAST
                && let Some(call) = ready.pop_front()
            {
                let mut steps = self.gathered.remove(&call).unwrap_or_default();
                if steps.len() > TOGETHER {
                    self.gathered.insert(call, steps.split_off(TOGETHER));
                    ready.push_front(call);
                }
                *busy += steps.len();
                steps.iter().for_each(|step| _ = self.waits.remove(step));
                begin.push(steps);
            }
        }
        self.ready.retain(|_, ready| !ready.is_empty());
        begin
    }

    /// A step that had begun is over.
    fn leave(&mut self, step: u32) {
        if let Some(busy) = self.lanes.get(&step).and_then(|lane| self.busy.get_mut(lane)) {
            *busy = busy.saturating_sub(1);
        }
    }

    fn done(&mut self, step: u32) {
        self.leave(step);
        self.free(step);
    }

    /// What waits for it may go on.
    fn free(&mut self, step: u32) {
        for next in self.blocks.remove(&step).unwrap_or_default() {
            if let Some(waits) = self.waits.get_mut(&next) {
                *waits -= 1;
                if *waits == 0 {
                    self.enter(next);
                }
            }
        }
    }

    /// Takes out all that waited for it, and says which.
    fn failed(&mut self, step: u32) -> Vec<u32> {
        self.leave(step);
        let mut out = Vec::new();
        let mut heads = vec![step];
        while let Some(head) = heads.pop() {
            for next in self.blocks.remove(&head).unwrap_or_default() {
                if self.waits.remove(&next).is_some() {
                    out.push(next);
                    heads.push(next);
                }
            }
        }
        out.sort_unstable();
        out
    }

    /// What has never begun.
    fn left(&self) -> Vec<u32> {
        let mut left: Vec<u32> = self.waits.keys().copied().collect();
        left.sort_unstable();
        left
    }
}

/// What steps agree in that may go in one call; nothing for one that goes alone. Cells that wait for an
/// earlier step are the same if that is. What can be changed in place does not matter to a delete.
fn kin(step: &Step, resource: &dyn Erased) -> Option<String> {
    let table = resource.table();
    let row = match &step.action {
        Action::Create { row, born: false, strip, was: None } if strip.is_empty() => row,
        Action::Delete { was } => was,
        _ => return None,
    };
    let delete = matches!(step.action, Action::Delete { .. });
    let columns = resource.together().iter().filter_map(|name| table.position(name));
    let columns = columns.filter(|&at| !delete || table.columns[at].key);
    let cells: Vec<&Value> = columns.filter_map(|at| row.get(at)).collect();
    let kin = || json!([step.action.verb(), step.table, step.region, cells]).to_string();
    (!cells.is_empty()).then(kin)
}

/// What the cloud holds after an update: what was asked for, and of what AWS owns what was seen.
fn merged(table: &Table, row: &Row, seen: &Row) -> Row {
    let cells = table.columns.iter().zip(row).zip(seen);
    cells
        .map(|((column, wanted), seen)| match column.access {
            Access::ReadOnly => seen.clone(),
            // What was asked for has been done.
            _ if column.request => Value::Bool(false),
            _ if compare::unsaid(column, wanted) => seen.clone(),
            _ => wanted.clone(),
        })
        .collect()
}

async fn until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}

/// 128 bits that nobody has used before.
fn mark() -> String {
    format!("{:016x}{:016x}", random(), random())
}

/// From the operating system. There is none that could not give any; the clock would do for a pause.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        now.as_nanos() as u64
    })
}

#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;
