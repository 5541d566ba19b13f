//! How fast we may ask. Every attempt of every call passes here on its way to the network.
//!
//! Pacing costs less than being throttled: a call that is one too many costs its round trip, a
//! back-off, and slows the other tools that work in the account. So a call first takes a token from
//! the bucket that AWS keeps for its kind (`LIMITS`), then one of the places in flight, and only
//! then goes out. When AWS says "too many" all the same, the bucket is emptied and refills more
//! slowly for a while.
//!
//! It is also where it is known what was asked, of whom, and whether it left this machine: answers
//! and failures get a [`Call`] put on them here, for [`super::failure`].
//!
//! Everything here is `Send`, since the SDK asks for it and a long listing goes over several threads.

use super::answer;
use super::failpoint;
use super::failure::{Call, Lost, NO_ANSWER, causes, story, throttles, word};
use super::line::Line;
use super::share::Shared;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, ConnectorBuilder, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use iasql_engine::wire::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

/// What AWS publishes (`B` at once, `r` a second) per account and region; guesses where it
/// publishes nothing. First match counts; `*` at the end stands for anything. The bucket is one
/// per action where its name is empty, else shared by all that name it.
const LIMITS: &[Limit] = &[
    // https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
    limit("ec2", &["CreateTags", "DeleteTags"], "", 100.0, 10.0),
    limit(
        "ec2",
        &["CreateVolume", "CreateNetworkInterface", "CreateLaunchTemplateVersion"],
        "",
        100.0,
        5.0,
    ),
    limit("ec2", &["CreateNatGateway"], "", 10.0, 1.0),
    limit("ec2", &["CreateVpcEndpoint"], "", 4.0, 0.3),
    limit("ec2", &["CreateDefaultVpc", "CreateDefaultSubnet"], "", 1.0, 1.0),
    limit("ec2", &["Describe*", "Get*", "List*", "Search*"], "", 100.0, 20.0),
    limit("ec2", &["*"], "", 50.0, 5.0),
    // ELB: classes, and all of them together from the account's bucket (`TOGETHER`).
    limit("elasticloadbalancing", &["CreateLoadBalancer", "SetSubnets"], "large", 10.0, 0.2),
    limit("elasticloadbalancing", &["RegisterTargets", "DeregisterTargets"], "targets", 20.0, 4.0),
    limit("elasticloadbalancing", &["Describe*", "Get*"], "read", 40.0, 10.0),
    limit("elasticloadbalancing", &["*"], "write", 20.0, 3.0),
    // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
    limit(
        "ecs",
        &["DescribeTaskDefinition", "ListTaskDefinition*"],
        "task definition read",
        50.0,
        20.0,
    ),
    limit(
        "ecs",
        &["RegisterTaskDefinition", "De*TaskDefinition*"],
        "task definition write",
        20.0,
        1.0,
    ),
    limit("ecs", &["DescribeServices", "ListServices*"], "service read", 100.0, 20.0),
    limit("ecs", &["CreateService", "UpdateService*", "DeleteService"], "service write", 50.0, 5.0),
    limit("ecs", &["DescribeClusters", "ListClusters"], "cluster read", 50.0, 20.0),
    limit(
        "ecs",
        &["CreateCluster", "UpdateCluster*", "PutCluster*", "DeleteCluster"],
        "cluster write",
        20.0,
        1.0,
    ),
    limit("ecs", &["ListTagsForResource"], "tag read", 50.0, 20.0),
    limit("ecs", &["TagResource", "UntagResource"], "tag write", 20.0, 10.0),
    limit("ecs", &["Describe*", "List*"], "cluster resource read", 100.0, 20.0),
    limit("ecs", &["*"], "cluster resource write", 100.0, 40.0),
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    limit("logs", &["DescribeLogStreams"], "", 25.0, 25.0),
    limit("logs", &["DescribeLogGroups", "DeleteLogGroup", "CreateLogGroup"], "", 10.0, 10.0),
    limit("logs", &["*"], "", 5.0, 5.0),
    // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    limit("lambda", &["GetFunction"], "", 100.0, 100.0),
    limit("lambda", &["GetPolicy"], "", 15.0, 15.0),
    limit("lambda", &["*"], "rest", 15.0, 15.0),
    // https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html
    limit("route53", &["CreateHostedZone"], "", 40.0, 2.0),
    limit("route53", &["DeleteHostedZone"], "", 40.0, 5.0),
    limit("route53", &["*"], "", 50.0, 10.0),
    // Nothing published: what Steampipe has found to hold for IAM, an assumption for ECR.
    limit("iam", &["*"], "", 30.0, 15.0),
    limit("ecr", &["*"], "", 100.0, 20.0),
    limit("ecr-public", &["*"], "", 20.0, 10.0),
    limit("sts", &["*"], "", 600.0, 600.0),
    // A service that nobody has looked up yet.
    limit("*", &["*"], "", 50.0, 10.0),
];

/// Buckets that all calls of a service share on top of their class.
const TOGETHER: &[Limit] = &[limit("elasticloadbalancing", &["*"], "account", 40.0, 10.0)];

/// After a throttling answer a bucket refills at half the pace, and at double that again after this.
const SLOW_FOR: Duration = Duration::from_secs(20);
/// Answers to calls that were in flight together are one complaint, not many.
const ONE_COMPLAINT: Duration = Duration::from_secs(1);
/// No bucket gets slower than this part of what is published.
const SLOWEST: f64 = 1.0 / 16.0;
/// What a call may take longer to get there than the one before it: so much of a bucket that has been
/// drawn from is left in it. Going too fast by a moment costs half the pace for `SLOW_FOR`, going too slow by one costs it once.
const HEADWAY: Duration = Duration::from_millis(100);
/// A refusal for other reasons than throttling is worth this many attempts of a read.
const READ_ATTEMPTS: u32 = 3;
/// More than patience ever allows, yet no number to count up to: the SDK does so for every attempt.
const MANY_ATTEMPTS: u32 = 1000;
/// No answer of a control plane is larger; a lying endpoint must not eat the server's memory.
const LARGEST_ANSWER: usize = 64 << 20;
/// A name that can't be resolved, or a host that does not answer the first packet.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

struct Limit {
    service: &'static str,
    actions: &'static [&'static str],
    bucket: &'static str,
    burst: f64,
    refill: f64,
}

const fn limit(
    service: &'static str,
    actions: &'static [&'static str],
    bucket: &'static str,
    burst: f64,
    refill: f64,
) -> Limit {
    Limit { service, actions, bucket, burst, refill }
}

impl Limit {
    fn covers(&self, call: &Call) -> bool {
        fits(self.service, &call.service) && self.actions.iter().any(|a| fits(a, &call.operation))
    }
}

/// `*` stands for anything, once.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, "")) => name.starts_with(start),
        Some((start, end)) => {
            let end = end.trim_end_matches('*');
            name.strip_prefix(start).is_some_and(|rest| rest.contains(end))
        }
        None => pattern == name,
    }
}

/// By service, region and name.
type Buckets = HashMap<(String, String, String), Arc<Bucket>>;

/// The pace of one user's call: what is in flight, what waits, what AWS has said of it.
#[derive(Debug)]
pub struct Pace {
    room: Arc<Semaphore>,
    buckets: Arc<Mutex<Buckets>>,
    tally: Arc<Mutex<Tally>>,
    /// Calls wait while this is set: whoever takes our rows has no room for more.
    held: watch::Sender<bool>,
    /// Nothing new is to be begun.
    ending: watch::Sender<bool>,
    shared: Shared,
    line: Arc<Line>,
    call_timeout: Duration,
    patience: Duration,
}

/// What there is to tell about the calls so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests sent.
    pub calls: u64,
    /// Answers that said "too many".
    pub throttled: u64,
    /// Time that calls stood in line, added up.
    pub waited: Duration,
    /// Requests that have no answer yet.
    pub in_flight: usize,
    /// What stands in line, by `service operation`.
    pub waiting: BTreeMap<String, usize>,
}

impl Pace {
    /// As the user's settings want it.
    pub fn new(settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(settings.max_parallel.clamp(1, 1000))),
            buckets: Arc::default(),
            tally: Arc::default(),
            held: watch::Sender::new(false),
            ending: watch::Sender::new(false),
            shared: Shared::default(),
            line: Arc::default(),
            call_timeout: Duration::from_secs(settings.call_timeout.max(1)),
            patience: Duration::from_secs(settings.patience),
        })
    }

    /// The same pace for another thread, which has lists and a line of answers of its own.
    pub(super) fn beside(&self) -> Arc<Self> {
        Arc::new(Self {
            room: self.room.clone(),
            buckets: self.buckets.clone(),
            tally: self.tally.clone(),
            held: self.held.clone(),
            ending: self.ending.clone(),
            shared: Shared::default(),
            line: Arc::default(),
            call_timeout: self.call_timeout,
            patience: self.patience,
        })
    }

    /// From now on, until what it answers is dropped, no list is fetched twice.
    pub fn share(&self) -> impl Drop + use<'_> {
        self.shared.open()
    }

    /// Lets no further call out while it is held. Since every page of a listing is a call, this is
    /// what bounds the memory of a listing whose rows are not taken as fast as they come.
    pub fn hold(&self, hold: bool) {
        self.held.send_if_modified(|held| std::mem::replace(held, hold) != hold);
    }

    /// From now on a step that has not sent anything yet sends nothing, and nothing waits for AWS
    /// to be less busy. What a step has begun it may finish.
    pub fn end(&self) {
        self.ending.send_replace(true);
        self.held.send_replace(false);
    }

    /// What there is to tell.
    pub fn tally(&self) -> Tally {
        locked(&self.tally).clone()
    }

    /// For the progress line: "3 calls, waiting for logs ListTagsForResource".
    pub fn note(&self) -> String {
        let tally = self.tally();
        let mut note = match tally.in_flight {
            1 => "1 call".to_owned(),
            many => format!("{many} calls"),
        };
        if let Some((call, _)) = tally.waiting.iter().max_by_key(|(_, many)| **many) {
            note.push_str(&format!(", waiting for {call}"));
        }
        if tally.throttled > 0 {
            note.push_str(&format!(", throttled {} times", tally.throttled));
        }
        note
    }

    /// An HTTP client for the SDK that keeps this pace.
    pub(super) fn client(self: &Arc<Self>) -> SharedHttpClient {
        self.over(plain(), secure())
    }

    /// The same, over other clients than hyper's.
    fn over(
        self: &Arc<Self>,
        plain: SharedHttpClient,
        secure: SharedHttpClient,
    ) -> SharedHttpClient {
        SharedHttpClient::new(Client { plain, secure, pace: self.clone() })
    }

    /// What the SDK has to tell us about each call: what it is, and how it went.
    pub(super) fn interceptor(self: &Arc<Self>, writes: bool) -> Interceptor {
        Interceptor { pace: self.clone(), writes }
    }

    /// Sends a request when its turn has come.
    async fn carry(
        &self,
        call: Call,
        trace: Option<Arc<Trace>>,
        inner: SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let endpoint = endpoint(request.uri());
        let buckets = self.buckets(&call, of_aws(&endpoint));
        // However it ends: nobody else waits for it then.
        let _arrived = on_drop(|| buckets.iter().for_each(|bucket| bucket.arrived()));
        let begun = trace.as_ref().is_none_or(|trace| trace.begun());
        let room = {
            let _queued = self.queue(&call, trace.clone());
            let turn = async {
                open(&self.held).await;
                for bucket in &buckets {
                    bucket.turn().await;
                }
                self.room.acquire().await.ok()
            };
            tokio::select! {
                biased;
                () = ended(&self.ending), if !begun => {
                    let why = "the call is ending".to_owned();
                    let lost = Lost { call, endpoint, held: true, sent: false, why };
                    return Err(ConnectorError::other(lost.into(), None));
                }
                room = turn => room,
            }
        };
        let flight = self.fly(trace.filter(|_| call.writes));
        if call.writes {
            failpoint::pass("before call");
        }
        let answer = self.exchange(&call, endpoint, inner, request).await;
        if call.writes {
            failpoint::pass("after call");
        }
        drop(room);
        match &answer {
            Ok(answer) if throttled(answer) => {
                flight.refused();
                locked(&self.tally).throttled += 1;
                buckets.iter().for_each(|bucket| bucket.complain());
            }
            Ok(answer) if (300..500).contains(&answer.status().as_u16()) => flight.refused(),
            Err(error) if !sent(error) => flight.refused(),
            _ => (),
        }
        drop(flight);
        if let Some(body) = answer.as_ref().ok().and_then(|answer| answer.body().bytes()) {
            self.line.turn(body).await;
        }
        answer
    }

    /// One request and its whole answer, within the time one call may take. Read to its end here, so
    /// that a body that never ends is bounded too and the code in it can be seen.
    async fn exchange(
        &self,
        call: &Call,
        endpoint: String,
        inner: SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let asked = answer::token(request.body().bytes().unwrap_or_default());
        let whole = async {
            let mut answer = inner.call(request).await?;
            let body = read(answer.take_body()).await?;
            if asked.is_some_and(|asked| asked == answer::next(&body)) {
                // The SDK would take it for the end of the list.
                let why = "the listing goes in circles: the same page token again";
                return Err(ConnectorError::other(why.into(), None));
            }
            if answer.status().is_success()
                && answer::hides_error(answer.headers(), &body)
                && let Ok(status) = StatusCode::try_from(500)
            {
                // The SDK would take it for an empty list.
                *answer.status_mut() = status;
            }
            if answer.status().as_u16() >= 400 {
                let status = answer.status().as_u16();
                let code = answer::code(answer.headers().get("x-amzn-errortype"), &body);
                let throttled = throttles(&code, status);
                answer.add_extension(Refusal { word: word(&code, status), throttled });
            }
            *answer.body_mut() = SdkBody::from(body);
            answer.add_extension(call.clone());
            Ok(answer)
        };
        let lost = |sent, why| Lost { call: call.clone(), endpoint, sent, held: false, why };
        match timeout(self.call_timeout, whole).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let lost = lost(sent(&error), reason(&error));
                // The kind decides whether the SDK tries a read again.
                Err(match () {
                    () if error.is_timeout() => ConnectorError::timeout(lost.into()),
                    () if error.is_io() => ConnectorError::io(lost.into()),
                    () if error.is_user() => ConnectorError::user(lost.into()),
                    () => ConnectorError::other(lost.into(), error.as_other()),
                })
            }
            Err(_) => {
                let why = format!("nothing within {} s", self.call_timeout.as_secs());
                Err(ConnectorError::timeout(lost(true, why).into()))
            }
        }
    }

    fn buckets(&self, call: &Call, of_aws: bool) -> Vec<Arc<Bucket>> {
        let mut all = locked(&self.buckets);
        let class = LIMITS.iter().find(|limit| limit.covers(call));
        let together = TOGETHER.iter().filter(|limit| limit.covers(call));
        together
            .chain(class)
            .map(|limit| {
                let name = if limit.bucket.is_empty() { &call.operation } else { limit.bucket };
                let key = (call.service.clone(), call.region.clone(), name.to_owned());
                all.entry(key).or_insert_with(|| Arc::new(Bucket::new(limit, of_aws))).clone()
            })
            .collect()
    }

    /// Stands in line, until dropped.
    fn queue<'a>(&'a self, call: &Call, trace: Option<Arc<Trace>>) -> impl Drop + use<'a> {
        let (name, since) = (call.to_string(), Instant::now());
        *locked(&self.tally).waiting.entry(name.clone()).or_default() += 1;
        on_drop(move || {
            if let Some(trace) = &trace {
                locked(&trace.cost).waited += since.elapsed();
            }
            let mut tally = locked(&self.tally);
            tally.waited += since.elapsed();
            if let Some(many) = tally.waiting.get_mut(&name) {
                *many -= 1;
                if *many == 0 {
                    tally.waiting.remove(&name);
                }
            }
        })
    }

    /// Is in flight, until dropped.
    fn fly(&self, trace: Option<Arc<Trace>>) -> Flight<'_> {
        let mut tally = locked(&self.tally);
        tally.calls += 1;
        tally.in_flight += 1;
        if let Some(trace) = &trace {
            trace.sent.fetch_add(1, Relaxed);
        }
        Flight { tally: &self.tally, trace }
    }
}

/// A request on its way.
struct Flight<'a> {
    tally: &'a Mutex<Tally>,
    trace: Option<Arc<Trace>>,
}

impl Flight<'_> {
    /// It has surely changed nothing.
    fn refused(&self) {
        if let Some(trace) = &self.trace {
            trace.refused.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        locked(self.tally).in_flight -= 1;
    }
}

/// What one step has sent to AWS: the calls that change things, how many of them surely changed
/// nothing, and what all its calls cost.
#[derive(Debug, Default)]
pub(super) struct Trace {
    sent: AtomicU32,
    refused: AtomicU32,
    cost: Mutex<Cost>,
}

/// What a step took beside its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls that were sent again.
    pub retries: u32,
    /// What came of them before, in the words of AWS where it had any.
    pub reasons: BTreeSet<String>,
    /// Time that its calls stood in line or were put off, added up.
    pub waited: Duration,
}

tokio::task_local! {
    /// The step that is being carried out. Set while its future is polled, and so while the SDK asks
    /// the connector for it.
    static STEP: Arc<Trace>;
}

impl Trace {
    /// Keeps account of what is sent while `step` runs.
    pub(super) async fn follow<T>(self: &Arc<Self>, step: impl Future<Output = T>) -> T {
        STEP.scope(self.clone(), step).await
    }

    /// A call of the step that is being carried out is sent again, after a wait.
    pub(super) fn again(why: &str, wait: Duration) {
        let _ = STEP.try_with(|trace| {
            let mut cost = locked(&trace.cost);
            cost.retries += 1;
            cost.waited += wait;
            cost.reasons.insert(why.to_owned());
        });
    }

    /// What the step took so far.
    pub(super) fn cost(&self) -> Cost {
        locked(&self.cost).clone()
    }

    /// One call was for this step as well: what it sent counts here, too.
    pub(super) fn join(&self, call: &Self) {
        self.sent.fetch_add(call.sent.load(Relaxed), Relaxed);
        self.refused.fetch_add(call.refused.load(Relaxed), Relaxed);
        let call = call.cost();
        let mut cost = locked(&self.cost);
        cost.retries += call.retries;
        cost.waited += call.waited;
        cost.reasons.extend(call.reasons);
    }

    /// Something has been sent.
    pub(super) fn begun(&self) -> bool {
        self.sent.load(Relaxed) > 0
    }

    /// Something may have been changed: a call went through, or its answer is unknown.
    pub(super) fn changed(&self) -> bool {
        self.sent.load(Relaxed) > self.refused.load(Relaxed)
    }
}

/// A bucket of tokens, refilled at a steady pace, with a line of those who wait for one.
#[derive(Debug)]
struct Bucket {
    line: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    /// As much as AWS's own holds.
    full: f64,
    /// As much as is counted on once it has been drawn from.
    burst: f64,
    refill: f64,
    tokens: f64,
    /// Until when it has been refilled. Nothing while it is full, and until it is known that what was
    /// taken has arrived: AWS's own begins to refill then, and not when a call leaves that has a
    /// connection to open first. Whoever counts from there is the one call too fast.
    at: Option<Instant>,
    /// The part of the published pace that we go at.
    part: f64,
    complained: Option<Instant>,
    /// The published limits are AWS's. Whoever else answers is asked as fast as it will have it,
    /// until it complains.
    counts: bool,
}

impl Bucket {
    fn new(limit: &Limit, counts: bool) -> Self {
        let refill = limit.refill;
        let burst = (limit.burst - refill * HEADWAY.as_secs_f64()).max(1.0);
        let (full, at, part, complained) = (limit.burst, None, 1.0, None);
        let level = Level { full, burst, refill, tokens: full, at, part, complained, counts };
        Self { line: tokio::sync::Mutex::default(), level: Mutex::new(level) }
    }

    /// Waits for a token, first come first served. Nothing is lost when the wait is given up.
    async fn turn(&self) {
        let _first = self.line.lock().await;
        loop {
            let wait = locked(&self.level).take(Instant::now());
            match wait {
                None => return,
                Some(wait) => sleep(wait).await,
            }
        }
    }

    /// A call that took a token has had its answer, or will have none.
    fn arrived(&self) {
        locked(&self.level).at.get_or_insert_with(Instant::now);
    }

    fn complain(&self) {
        locked(&self.level).complain(Instant::now());
    }
}

impl Level {
    /// Takes a token, or says how long it will be until there is one.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        if !self.counts {
            return None;
        }
        let pace = self.refill * self.part;
        if let Some(at) = self.at {
            let tokens = self.tokens + pace * (now - at).as_secs_f64();
            self.tokens = tokens.min(self.burst);
            self.at = (tokens < self.full).then_some(now);
        }
        if self.complained.is_some_and(|when| now - when >= SLOW_FOR) {
            self.part = (self.part * 2.0).min(1.0);
            self.complained = (self.part < 1.0).then_some(now);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        // A moment more than the division says, lest rounding makes us wake for nothing.
        Some(Duration::from_secs_f64((1.0 - self.tokens) / pace) + Duration::from_millis(1))
    }

    /// AWS says "too many".
    fn complain(&mut self, now: Instant) {
        if self.complained.is_some_and(|when| now - when < ONE_COMPLAINT) {
            return;
        }
        self.counts = true;
        self.tokens = 0.0;
        self.at = Some(now);
        self.part = (self.part / 2.0).max(SLOWEST);
        self.complained = Some(now);
    }
}

/// Sees every execution of an operation: names the call, and decides how often it is worth trying.
///
/// "Too many" is the one answer that is tried again for reads and writes alike, as long as patience
/// lasts: nothing was done, so nothing can be done twice, and a create of several calls is not
/// broken off in its middle. A read is tried again for other reasons too, a write never:
/// [`super::run`] looks first what became of it.
#[derive(Debug, Clone)]
pub(super) struct Interceptor {
    pace: Arc<Pace>,
    writes: bool,
}

/// When the execution began.
#[derive(Debug)]
struct Begun(Instant);

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

/// On an answer that is an error.
#[derive(Debug, Clone)]
struct Refusal {
    word: String,
    /// It says "too many".
    throttled: bool,
}

fn throttled(answer: &HttpResponse) -> bool {
    answer.extension::<Refusal>().is_some_and(|refusal| refusal.throttled)
}

/// Why an attempt came to nothing, and when.
#[derive(Debug)]
struct Failed(String, Instant);

impl Storable for Failed {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Interceptor {
    fn name(&self) -> &'static str {
        "iasql"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Begun(Instant::now()));
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = bag.load::<Metadata>().map(|m| m.name().to_owned());
        context.request_mut().add_extension(Call {
            service: bag.load::<SigningName>().map(|n| n.as_ref().to_owned()).unwrap_or_default(),
            operation: operation.unwrap_or_default(),
            region: bag.load::<SigningRegion>().map(|r| r.as_ref().to_owned()).unwrap_or_default(),
            writes: self.writes,
        });
        // After an attempt that came to nothing.
        if let Some(Failed(why, since)) = bag.load::<Failed>() {
            Trace::again(why, since.elapsed());
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let throttled = context.response().is_some_and(throttled);
        let ending = *self.pace.ending.borrow();
        let patient = bag.load::<Begun>().is_some_and(|b| b.0.elapsed() < self.pace.patience);
        let attempts = match throttled {
            true if patient && !ending => MANY_ATTEMPTS,
            false if !self.writes => READ_ATTEMPTS,
            _ => 1,
        };
        let refusal = context.response().and_then(|answer| answer.extension::<Refusal>());
        let why = refusal.map_or(NO_ANSWER, |refusal| &refusal.word).to_owned();
        bag.interceptor_state().store_put(Failed(why, Instant::now()));
        let retry = bag.load::<RetryConfig>().cloned().unwrap_or_else(RetryConfig::standard);
        bag.interceptor_state().store_put(retry.with_max_attempts(attempts));
        Ok(())
    }
}

/// The HTTP client below the SDK. It does not pass on `validate_base_client_config`: the inner one
/// would build a connector, certificates and all, for each of the SDK's clients and drop it again.
#[derive(Debug, Clone)]
struct Client {
    plain: SharedHttpClient,
    secure: SharedHttpClient,
    pace: Arc<Pace>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let (settings, components) = (settings.clone(), components.clone());
        SharedHttpConnector::new(Paced { client: self.clone(), settings, components })
    }
}

#[derive(Debug)]
struct Paced {
    client: Client,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Paced {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Client { plain, secure, pace } = &self.client;
        let inner = if request.uri().starts_with("https:") { secure } else { plain };
        let inner = inner.http_connector(&self.settings, &self.components);
        // What gets credentials (STS, SSO, the instance's metadata) has clients of its own, which
        // our interceptor does not see, and time limits of its own.
        let Some(call) = request.extension::<Call>().cloned() else {
            return inner.call(request);
        };
        let pace = pace.clone();
        let trace = STEP.try_with(Arc::clone).ok();
        HttpConnectorFuture::new(async move {
            let send = |request| pace.carry(call.clone(), trace, inner, request);
            pace.shared.once(&call, request, send).await
        })
    }
}

/// hyper with rustls and ring, through the proxy that the environment names. Reads the machine's
/// root certificates at the first request.
fn secure() -> SharedHttpClient {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Builder::new().build_with_connector_fn(move |settings, components| {
        connector(settings, components).tls_provider(ring.clone()).build()
    })
}

/// hyper without certificates: a machine that has none can still talk to an emulator.
fn plain() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        connector(settings, components).build_http()
    })
}

fn connector(
    settings: Option<&HttpConnectorSettings>,
    components: Option<&RuntimeComponents>,
) -> ConnectorBuilder {
    let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
    connector.set_connector_settings(settings.cloned());
    connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
    connector
}

/// A body, to its end.
async fn read(body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
    let mut stream = ByteStream::new(body);
    let mut whole = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|error| ConnectorError::io(error.into()))?;
        if whole.len() + part.len() > LARGEST_ANSWER {
            return Err(ConnectorError::other("an answer larger than 64 MB".into(), None));
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}

/// Whether a request may have arrived. Only what failed while connecting surely has not.
fn sent(error: &ConnectorError) -> bool {
    !causes(error).any(|cause| {
        cause.downcast_ref::<Lost>().is_some_and(|lost| !lost.sent)
            || cause
                .downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect)
    })
}

/// The last cause says what happened, those before it only where.
fn reason(error: &ConnectorError) -> String {
    causes(error).last().map(story).unwrap_or_default()
}

/// `https://host:port` of an address.
fn endpoint(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
    format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default())
}

fn of_aws(endpoint: &str) -> bool {
    let host = endpoint.rsplit("//").next().and_then(|host| host.split(':').next());
    let domains = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu"];
    host.is_some_and(|host| domains.iter().any(|domain| host.ends_with(domain)))
}

async fn open(held: &watch::Sender<bool>) {
    // The sender is our own, so this can't fail.
    let _ = held.subscribe().wait_for(|held| !held).await;
}

async fn ended(ending: &watch::Sender<bool>) {
    let _ = ending.subscribe().wait_for(|ending| *ending).await;
}

/// Nothing panics while it holds one of these locks; if it did, the numbers would still do.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn on_drop(act: impl FnMut()) -> impl Drop {
    struct OnDrop<F: FnMut()>(F);
    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    OnDrop(act)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::Aws;
    use crate::cloud::failure::Error;
    use aws_config::SdkConfig;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_runtime_api::client::http::http_client_fn;
    use iasql_engine::wire::Trouble;
    use std::collections::VecDeque;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    fn settings() -> Settings {
        Settings { max_parallel: 4, call_timeout: 1, patience: 30, ..Settings::default() }
    }

    fn call(service: &str, operation: &str) -> Call {
        let region = "us-east-1".to_owned();
        Call { service: service.into(), operation: operation.into(), region, writes: false }
    }

    fn named(service: &str, operation: &str) -> (&'static str, f64, f64) {
        let call = call(service, operation);
        let limit = LIMITS.iter().find(|limit| limit.covers(&call)).unwrap();
        (limit.bucket, limit.burst, limit.refill)
    }

    #[test]
    fn every_action_has_its_bucket() {
        assert_eq!(named("ec2", "DescribeVpcs"), ("", 100.0, 20.0));
        assert_eq!(named("ec2", "CreateVpc"), ("", 50.0, 5.0));
        assert_eq!(named("ec2", "CreateTags"), ("", 100.0, 10.0));
        assert_eq!(named("elasticloadbalancing", "CreateLoadBalancer"), ("large", 10.0, 0.2));
        assert_eq!(named("elasticloadbalancing", "DescribeTags"), ("read", 40.0, 10.0));
        assert_eq!(named("ecs", "DeregisterTaskDefinition"), ("task definition write", 20.0, 1.0));
        assert_eq!(named("ecs", "DescribeTaskDefinition"), ("task definition read", 50.0, 20.0));
        assert_eq!(named("ecs", "RunTask"), ("cluster resource write", 100.0, 40.0));
        assert_eq!(named("logs", "ListTagsForResource"), ("", 5.0, 5.0));
        assert_eq!(named("logs", "DescribeLogGroups"), ("", 10.0, 10.0));
        assert_eq!(named("newfangled", "DoIt"), ("", 50.0, 10.0));
        let pace = Pace::new(&settings());
        assert_eq!(pace.buckets(&call("elasticloadbalancing", "DescribeTags"), true).len(), 2);
        pace.buckets(&call("elasticloadbalancing", "SetSubnets"), true);
        let shared = pace.buckets.lock().unwrap();
        assert_eq!(shared.len(), 3, "one for the account, one for each class");
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_pace() {
        let mut now = Instant::now();
        let mut level =
            Bucket::new(&limit("x", &["*"], "", 3.0, 2.0), true).level.into_inner().unwrap();
        assert_eq!((0..3).filter(|_| level.take(now).is_none()).count(), 3);
        now += Duration::from_secs(1);
        assert!(level.take(now).is_some(), "the first has a connection to open still");
        level.at = Some(now);
        for _ in 0..4 {
            let wait = level.take(now).expect("the burst is used up");
            assert!(
                wait > Duration::from_millis(490) && wait < Duration::from_millis(510),
                "{wait:?}"
            );
            now += wait;
            assert_eq!(level.take(now), None);
        }
        now += Duration::from_secs(3600);
        assert_eq!((0..9).filter(|_| level.take(now).is_none()).count(), 2, "it does not overflow");
        now += Duration::from_secs(1);
        assert!(level.take(now).is_some(), "it was full: once more its first call has to arrive");
    }

    #[test]
    fn a_complaint_empties_and_slows_for_a_while() {
        let mut now = Instant::now();
        let mut level =
            Bucket::new(&limit("x", &["*"], "", 10.0, 2.0), true).level.into_inner().unwrap();
        level.complain(now);
        level.complain(now);
        let wait = level.take(now).expect("emptied");
        assert!(
            wait > Duration::from_millis(990) && wait < Duration::from_millis(1010),
            "{wait:?}"
        );
        now += ONE_COMPLAINT;
        level.complain(now);
        assert_eq!(level.part, 0.25);
        for _ in 0..100 {
            now += ONE_COMPLAINT;
            level.complain(now);
        }
        assert_eq!(level.part, SLOWEST);
        for _ in 0..4 {
            now += SLOW_FOR;
            level.take(now);
        }
        assert_eq!((level.part, level.complained), (1.0, None));
    }

    #[test]
    fn whoever_is_not_aws_is_paced_once_it_complains() {
        let mut level =
            Bucket::new(&limit("x", &["*"], "", 1.0, 1.0), false).level.into_inner().unwrap();
        assert!((0..1000).all(|_| level.take(Instant::now()).is_none()));
        level.complain(Instant::now());
        assert!(level.take(Instant::now()).is_some());
        assert!(of_aws("https://ec2.eu-west-1.amazonaws.com"));
        assert!(of_aws("https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com:443"));
        assert!(!of_aws("http://127.0.0.1:5000"));
        assert!(!of_aws("https://amazonaws.com.example.org"));
    }

    /// Answers with what is left of a script.
    #[derive(Debug, Clone)]
    struct Script(Arc<Mutex<VecDeque<(u16, &'static str)>>>);

    impl HttpConnector for Script {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let (status, body) = locked(&self.0).pop_front().unwrap_or((500, "script is over"));
            let status = StatusCode::try_from(status).unwrap();
            let mut answer = HttpResponse::new(status, SdkBody::from(body));
            answer.headers_mut().insert("x-amzn-requestid", "r-8");
            HttpConnectorFuture::ready(Ok(answer))
        }
    }

    const WHO: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/u</Arn>\
        <Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    const SLOW: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>\
        <Message>Rate exceeded</Message></Error></ErrorResponse>";
    const NO: &str = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";

    fn aws(url: &str, client: impl FnOnce(&Arc<Pace>) -> SharedHttpClient) -> Aws {
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .sleep_impl(aws_smithy_async_sleep())
            .endpoint_url(url);
        Aws::for_tests(&settings(), |pace| config.http_client(client(pace)).build())
    }

    fn aws_smithy_async_sleep() -> impl aws_sdk_sts::config::AsyncSleep + 'static {
        #[derive(Debug)]
        struct Tokio;
        impl aws_sdk_sts::config::AsyncSleep for Tokio {
            fn sleep(&self, duration: Duration) -> aws_sdk_sts::config::Sleep {
                aws_sdk_sts::config::Sleep::new(sleep(duration))
            }
        }
        Tokio
    }

    fn scripted(script: &[(u16, &'static str)]) -> (Aws, Script) {
        let script = Script(Arc::new(Mutex::new(script.iter().copied().collect())));
        let answers = script.clone();
        let inner = http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone()));
        (aws("http://script", |pace| pace.over(inner.clone(), inner)), script)
    }

    async fn who(aws: &Aws, writes: bool) -> Result<(), Error> {
        use crate::cloud::failure::Done;
        let sts: std::rc::Rc<aws_sdk_sts::Client> =
            if writes { aws.writer("us-east-1") } else { aws.reader("us-east-1") };
        sts.get_caller_identity().send().await.done()
    }

    fn refusal(outcome: Result<(), Error>) -> (String, String, u16, String) {
        match outcome {
            Err(Error::Api(api)) => (api.call.to_string(), api.code, api.status, api.request_id),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn throttling_is_waited_out_for_reads_and_writes() {
        for writes in [false, true] {
            let mut script = vec![(400, SLOW); 6];
            script.push((200, WHO));
            let (aws, _) = scripted(&script);
            who(&aws, writes).await.unwrap();
            let tally = aws.pace().tally();
            assert_eq!((tally.calls, tally.throttled, tally.in_flight), (7, 6, 0));
            assert!(tally.waiting.is_empty() && tally.waited > Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn a_step_knows_how_often_its_calls_were_repeated_and_why() {
        let (aws, _) = scripted(&[(400, SLOW), (503, ""), (200, WHO), (200, WHO)]);
        let trace = Arc::new(Trace::default());
        trace.follow(who(&aws, false)).await.unwrap();
        let cost = trace.cost();
        let reasons: Vec<&str> = cost.reasons.iter().map(String::as_str).collect();
        assert_eq!((cost.retries, reasons), (2, vec!["HTTP 503", "Throttling"]));
        assert!(cost.waited > Duration::ZERO);
        let other = Arc::new(Trace::default());
        other.follow(who(&aws, true)).await.unwrap();
        assert_eq!((other.cost().retries, trace.cost()), (0, cost));
    }

    #[tokio::test]
    async fn throttling_is_not_waited_out_when_the_call_is_ending() {
        let (aws, _) = scripted(&[(400, SLOW), (400, SLOW), (200, WHO)]);
        aws.pace().end();
        let error = who(&aws, true).await.unwrap_err();
        assert!(error.throttled());
        assert_eq!(
            error.failure().message,
            "sts GetCallerIdentity refused: Throttling: Rate exceeded"
        );
    }

    #[tokio::test]
    async fn reads_are_repeated_and_writes_are_not() {
        let (aws, left) = scripted(&[(500, "oops"), (500, "oops"), (200, WHO)]);
        who(&aws, false).await.unwrap();
        assert!(left.0.lock().unwrap().is_empty());
        let (aws, left) = scripted(&[(500, "oops"), (200, WHO)]);
        assert!(who(&aws, true).await.unwrap_err().unknown_outcome());
        assert_eq!(left.0.lock().unwrap().len(), 1);
        let (aws, left) = scripted(&[(503, ""); 9]);
        who(&aws, false).await.unwrap_err();
        assert_eq!(left.0.lock().unwrap().len(), 6, "no more than three attempts");
    }

    #[tokio::test]
    async fn answers_of_all_kinds_become_errors() {
        let said = "sts GetCallerIdentity".to_owned();
        let (aws, _) = scripted(&[(403, NO)]);
        let told = refusal(who(&aws, false).await);
        assert_eq!(told, (said.clone(), "AccessDenied".into(), 403, "r-8".into()));
        for body in ["", "<html><title>502</title></html>", "{\"a\":1}", "\u{0}", "<ErrorResponse>"]
        {
            let (aws, _) = scripted(&[(502, body); 3]);
            let error = who(&aws, false).await.unwrap_err();
            assert_eq!(error.kind(), Trouble::Unreachable, "{body}");
            assert!(error.unknown_outcome());
            assert_eq!(refusal(Err(error)), (said.clone(), String::new(), 502, "r-8".into()));
        }
        for body in ["<html>welcome</html>", "}{"] {
            let (aws, _) = scripted(&[(200, body)]);
            let told = who(&aws, true).await;
            assert!(
                told.as_ref().is_ok_and(|()| false) || told.is_err_and(|e| e.unknown_outcome()),
                "{body}"
            );
        }
    }

    #[tokio::test]
    async fn what_was_sent_is_told_from_what_was_not() {
        let unreachable = |outcome: Result<(), Error>| match outcome {
            Err(Error::Unreachable(lost)) => *lost,
            other => panic!("{other:?}"),
        };
        // Nobody there.
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("http://{closed}");
        let gone = unreachable(who(&aws(&url, Pace::client), true).await);
        assert_eq!((gone.sent, gone.endpoint.as_str()), (false, url.as_str()));
        assert_eq!(gone.why, "Connection refused (os error 111)");
        assert_eq!(gone.call.operation, "GetCallerIdentity");
        // No such name.
        let gone = unreachable(who(&aws("http://no-such-host.invalid", Pace::client), true).await);
        assert!(!gone.sent, "{gone:?}");
        // Takes the request, and hangs up or says nothing.
        for hangs in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let aws = aws(&url, Pace::client);
            let serve = async {
                let mut kept = Vec::new();
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let _ = stream.read(&mut [0; 16]).await;
                    kept.extend(hangs.then_some(stream));
                }
            };
            let lost = tokio::select! { outcome = who(&aws, true) => unreachable(outcome), () = serve => continue };
            assert!(lost.sent, "{lost:?}");
            assert_eq!(lost.why == "nothing within 1 s", hangs, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = aws(&format!("http://{}", listener.local_addr().unwrap()), Pace::client);
        let serve = async {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n").await.unwrap();
            loop {
                let _ = stream.write_all(b" ").await;
                sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            outcome = who(&aws, true) => assert!(outcome.unwrap_err().unknown_outcome()),
            () = serve => (),
        }
    }

    #[tokio::test]
    async fn a_step_that_has_sent_nothing_is_held_back_at_the_end() {
        let (aws, left) = scripted(&[(200, WHO), (200, WHO)]);
        let trace = Arc::new(Trace::default());
        trace.follow(who(&aws, true)).await.unwrap();
        assert!(trace.begun() && trace.changed());
        aws.pace().end();
        trace.follow(who(&aws, true)).await.expect("what has begun may be finished");
        let fresh = Arc::new(Trace::default());
        let held = fresh.follow(who(&aws, true)).await.unwrap_err();
        assert!(matches!(held, Error::Cancelled), "{held:?}");
        assert!(!fresh.begun() && left.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_refused_call_has_changed_nothing() {
        let (aws, _) = scripted(&[(403, NO), (500, "oops")]);
        let trace = Arc::new(Trace::default());
        trace.follow(who(&aws, true)).await.unwrap_err();
        assert!(trace.begun() && !trace.changed());
        trace.follow(who(&aws, true)).await.unwrap_err();
        assert!(trace.changed());
    }

    #[tokio::test]
    async fn calls_in_flight_are_limited_and_a_pause_holds_them_back() {
        let most = Arc::new(Mutex::new((0_usize, 0_usize)));
        #[derive(Debug, Clone)]
        struct Busy(Arc<Mutex<(usize, usize)>>);
        impl HttpConnector for Busy {
            fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
                let count = self.0.clone();
                HttpConnectorFuture::new(async move {
                    {
                        let mut count = locked(&count);
                        count.0 += 1;
                        count.1 = count.1.max(count.0);
                    }
                    sleep(Duration::from_millis(5)).await;
                    locked(&count).0 -= 1;
                    let ok = StatusCode::try_from(200).unwrap();
                    Ok(HttpResponse::new(ok, SdkBody::from(WHO)))
                })
            }
        }
        let busy = Busy(most.clone());
        let inner = http_client_fn(move |_, _| SharedHttpConnector::new(busy.clone()));
        let aws = aws("http://busy", |pace| pace.over(inner.clone(), inner));
        aws.pace().hold(true);
        let all = futures_util::future::join_all((0..20).map(|_| who(&aws, false)));
        let resumed = async {
            sleep(Duration::from_millis(20)).await;
            assert_eq!(aws.pace().note(), "0 calls, waiting for sts GetCallerIdentity");
            aws.pace().hold(false);
        };
        let (outcomes, ()) = futures_util::join!(all, resumed);
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(most.lock().unwrap().1, 4);
    }
}
