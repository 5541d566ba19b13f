//! The way of a call through the front: record, latency, fault, rules, emulator, mending, pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::ecr_public::{self, PublicRegistries};
use crate::fault::{Action, Faults, Moment, Strike};
use crate::history::History;
use crate::page::{self, Pages};
use crate::pending::Pending;
use crate::record::{Entry, Place, Record};
use crate::request::Call;
use crate::rules;
use crate::rules::ecs::Times;
use crate::shape::{Answer, Failure};
use crate::upstream::Upstream;
use crate::xml;

/// What tests can set; absent members of a new setting keep their value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// No list comes in pages larger than this.
    pub page_size: Option<usize>,
    /// Waited before every call.
    pub latency_ms: u64,
    /// How long a new VPC, subnet or load balancer is not ready, and a service of ECS takes to have
    /// its tasks running.
    pub pending_ms: u64,
}

/// Everything the front knows. The emulator's state is not among it, and no lock here is held over
/// an await, except the [`Front::turn`]s.
pub struct Front {
    pub upstream: Upstream,
    pub record: Mutex<Record>,
    pub faults: Mutex<Faults>,
    pub settings: Mutex<Settings>,
    pub pages: Mutex<Pages>,
    pub pending: Mutex<Pending>,
    pub times: Mutex<Times>,
    pub history: Mutex<History>,
    pub public_registries: Mutex<PublicRegistries>,
    /// The customer's own addresses that load balancers are made with, by ARN.
    pub pools: Mutex<HashMap<String, String>>,
    /// The account of each access key, as the emulator says.
    accounts: Mutex<HashMap<String, String>>,
    /// One turn per access key, region and service: mutating calls are checked and carried out one
    /// by one, else a check could be outdated when the call that it allowed arrives.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// What the client gets.
pub enum Outcome {
    Answer(Answer),
    /// Half of the answer, then the connection is closed.
    Half(Answer),
    /// The connection is closed.
    Close,
    /// Nothing, ever.
    Hang,
}

/// Locks; a poisoned lock is used all the same, for no invariant spans a panic here.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Front {
    pub fn new(upstream: &str) -> Self {
        Self {
            upstream: Upstream::new(upstream),
            record: Mutex::default(),
            faults: Mutex::default(),
            settings: Mutex::default(),
            pages: Mutex::default(),
            pending: Mutex::default(),
            times: Mutex::default(),
            history: Mutex::default(),
            public_registries: Mutex::default(),
            pools: Mutex::default(),
            accounts: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Forgets everything but where the emulator is.
    pub fn reset(&self) {
        lock(&self.record).reset();
        *lock(&self.faults) = Faults::default();
        *lock(&self.settings) = Settings::default();
        *lock(&self.pages) = Pages::default();
        *lock(&self.pending) = Pending::default();
        *lock(&self.times) = Times::default();
        *lock(&self.history) = History::default();
        *lock(&self.public_registries) = PublicRegistries::default();
        lock(&self.accounts).clear();
    }

    /// Carries a call through everything.
    pub async fn serve(&self, call: Call) -> Outcome {
        if call.is_observer() {
            return Outcome::Answer(self.carry_out(call, None).await);
        }
        let place = lock(&self.record).begin(&call);
        let (latency, limit) = {
            let settings = lock(&self.settings);
            (settings.latency_ms, settings.page_size)
        };
        let strike = lock(&self.faults).strike(&call);
        let delay = strike.as_ref().map_or(Duration::ZERO, |strike| strike.delay);
        let wait = Duration::from_millis(latency) + delay;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let outcome = self.suffer(call, strike, place, limit).await;
        let answer = match &outcome {
            Outcome::Answer(answer) | Outcome::Half(answer) => Some(answer),
            // It has no end to note.
            Outcome::Hang => return outcome,
            Outcome::Close => None,
        };
        lock(&self.record).finish(place, answer);
        outcome
    }

    /// Carries a call out under a fault.
    async fn suffer(
        &self,
        call: Call,
        strike: Option<Strike>,
        place: Place,
        limit: Option<usize>,
    ) -> Outcome {
        let note = |change: &dyn Fn(&mut Entry)| {
            if let Some(entry) = lock(&self.record).entry(place) {
                change(entry);
            }
        };
        let Some(Strike { action, .. }) = strike else {
            return Outcome::Answer(self.carry_out(call, Some((place, limit))).await);
        };
        note(&|entry| entry.fault = Some(action.name()));
        // What needs no answer of the emulator.
        match &action {
            Action::Hang(Moment::Before) => return Outcome::Hang,
            Action::Drop(Moment::Before) => return Outcome::Close,
            Action::Fail(failure) => return Outcome::Answer(Answer::failure(&call, failure)),
            Action::Html => return Outcome::Answer(bad_gateway()),
            Action::Stale(age) => {
                if let Some(old) = lock(&self.history).before(&call, *age) {
                    return Outcome::Answer(old);
                }
            }
            Action::RepeatToken => {
                if let Some(first) = lock(&self.history).endless(&call) {
                    return Outcome::Answer(first);
                }
            }
            _ => {}
        }
        let asked = call.clone();
        let answer = self.carry_out(call, Some((place, limit))).await;
        match action {
            Action::Hang(_) => Outcome::Hang,
            Action::Drop(_) => Outcome::Close,
            Action::Truncate => Outcome::Half(answer),
            Action::Replace(from, to) => {
                let body = answer.text().replace(&from, &to);
                Outcome::Answer(Answer { body: body.into(), ..answer })
            }
            Action::RepeatToken => {
                let first = page::with_endless_token(&asked, &answer);
                lock(&self.history).keep_endless(&asked, &first);
                Outcome::Answer(first)
            }
            _ => Outcome::Answer(answer),
        }
    }

    /// Does what AWS would do with the call. `seen` is where to record it and the page size in
    /// force; nothing for an observer.
    async fn carry_out(&self, mut call: Call, seen: Option<(Place, Option<usize>)>) -> Answer {
        let turn = call.is_mutating().then(|| self.turn(&call));
        let _turn = match &turn {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        let asked = call.clone();
        let place = seen.map(|(place, _)| place);
        let result = self.decide(&mut call, seen.and_then(|(_, limit)| limit), place).await;
        match result {
            Ok(answer) => {
                if place.is_some() && answer.is_ok() && !asked.is_mutating() {
                    lock(&self.history).keep(&asked, &answer);
                }
                answer
            }
            Err(failure) => Answer::failure(&asked, &failure),
        }
    }

    async fn decide(
        &self,
        call: &mut Call,
        limit: Option<usize>,
        place: Option<Place>,
    ) -> Result<Answer, Failure> {
        let note = |change: &dyn Fn(&mut Entry)| {
            if let Some(place) = place
                && let Some(entry) = lock(&self.record).entry(place)
            {
                change(entry);
            }
        };
        let refused = |failure| {
            note(&|entry| entry.refused = true);
            failure
        };
        let plan = lock(&self.pages).plan(call, limit).map_err(refused)?;
        if let Some(plan) = &plan
            && let Some(kept) = plan.kept()
        {
            return Ok(lock(&self.pages).cut(plan, kept));
        }
        let made = match call.service.as_str() {
            "ecr-public" => Some(ecr_public::answer(self, call).await.map_err(refused)?),
            _ => rules::check(self, call).await.map_err(refused)?,
        };
        note(&|entry| entry.carried_out = true);
        let mut answer = match made {
            Some(answer) => answer,
            None => self.upstream.forward(call).await?,
        };
        if answer.is_emulator_page() {
            return Err(Failure::not_implemented(call));
        }
        rules::mend(self, call, &mut answer).await?;
        self.delay_states(call, &mut answer);
        Ok(match plan {
            Some(plan) => lock(&self.pages).cut(&plan, &answer),
            None => answer,
        })
    }

    fn delay_states(&self, call: &Call, answer: &mut Answer) {
        let pending = Duration::from_millis(lock(&self.settings).pending_ms);
        if !pending.is_zero() {
            lock(&self.pending).apply(call, answer, pending);
        }
    }

    fn turn(&self, call: &Call) -> Arc<tokio::sync::Mutex<()>> {
        let key = format!("{} {} {}", call.access_key, call.region, call.service);
        Arc::clone(lock(&self.turns).entry(key).or_default())
    }

    /// The account that a call acts in.
    pub async fn account(&self, call: &Call) -> Result<String, Failure> {
        let header = call.headers.get("x-moto-account-id").and_then(|value| value.to_str().ok());
        if let Some(account) = header {
            return Ok(account.to_owned());
        }
        if let Some(account) = lock(&self.accounts).get(&call.access_key) {
            return Ok(account.clone());
        }
        let answer = self.upstream.ask_query(call, "sts", "GetCallerIdentity", &[]).await?;
        let account = xml::between(answer.text(), "<Account>", "</Account>");
        let account = account.unwrap_or("123456789012").to_owned();
        lock(&self.accounts).insert(call.access_key.clone(), account.clone());
        Ok(account)
    }
}

/// What a proxy on the way says when it cannot go on.
fn bad_gateway() -> Answer {
    const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                        <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
    Answer::new(StatusCode::BAD_GATEWAY, "text/html", PAGE)
}
