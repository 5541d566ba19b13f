//! What the caller's backend and its worker say to each other. The worker knows nothing of plans:
//! it lists scopes, carries out steps in the order they allow, and reports.

use crate::print::Print;
use crate::{Row, Shared, Value};
use serde::{Deserialize, Deserializer, Serialize};

/// From the backend to its worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first message: who asks, whose cloud, and what to list.
    Job(Box<Job>),
    /// Part of the steps to carry out; may come in several messages.
    Steps(Vec<Step>),
    /// What would be lost by these steps, which remove what is then made anew?
    Weigh(Vec<Step>),
    /// All steps have been sent: begin.
    Run,
    /// Nothing more is wanted.
    Done,
}

/// One call of a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// `apply`, `plan_sync`, ...: for the process title and the history.
    pub call: String,
    /// Who asks; stands in the journal.
    pub caller: Caller,
    /// Which identity and endpoint to use, and how hard to push.
    pub settings: Settings,
    /// The account this database belongs to, if that is known yet.
    pub account: Option<String>,
    /// Whether the account's regions are asked for.
    pub regions: bool,
    /// What to list at once.
    pub lists: Lists,
    /// Whether steps will follow, so that an earlier worker's last call has to be waited for.
    pub changes: bool,
}

/// What to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lists {
    /// Whole tables.
    pub scopes: Vec<Scope>,
    /// Tables where the worker is at home: in the region that requests go to unless a row says otherwise.
    pub home: Vec<String>,
    /// Where just what these rows could be is to be listed.
    pub like: Vec<(Scope, Vec<Row>)>,
    /// What is known already of what never changes: it need not be asked for again.
    pub known: Vec<(Scope, Row)>,
}

/// Who asks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Caller {
    /// The backend's process id.
    pub pid: i32,
    /// The role that logged in.
    pub session_user: String,
    /// The role it acts as.
    pub role: String,
    /// `application_name`.
    pub application: String,
    /// The (sub)transaction that a result is written back in, when there is one.
    pub xid: Option<String>,
}

/// Where requests go, under which identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The database's default region; without it, the one of the environment or profile.
    pub region: Option<String>,
    /// Instead of AWS's own endpoints.
    pub endpoint_url: Option<String>,
    /// A profile of the shared configuration.
    pub profile: Option<String>,
    /// A role to take on.
    pub assume_role_arn: Option<String>,
    /// What that role's owner may ask for besides.
    pub external_id: Option<String>,
    /// Calls in flight at once.
    pub max_parallel: usize,
    /// Seconds one call may take.
    pub call_timeout: u64,
    /// Seconds that throttling, and states that AWS takes its time for, are waited out.
    pub patience: u64,
}

/// A table in a region; the region is empty for a global one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The table.
    pub table: String,
    /// The region, or nothing.
    pub region: String,
}

/// From the worker to its backend, which leaves `Rows` unread for a while.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report<Rows = Vec<Seen>> {
    /// Whose credentials these are.
    Identity(Identity),
    /// The account's regions, and whether it has them switched on.
    Regions(Vec<(String, bool)>),
    /// What this database made and may not know of.
    Made(Vec<Made>),
    /// Part of a listing.
    Rows { scope: Scope, rows: Rows },
    /// Something the table cannot hold.
    Unrepresented { scope: Scope, id: String, reason: String },
    /// A scope has been read to its end, or not.
    Read { scope: Scope, failure: Option<Failure> },
    /// Everything asked for has been listed.
    ReadAll,
    /// Something that a step would lose, and that no column or row stands for; in words.
    Loses { step: u32, what: String },
    /// All that would be lost has been said.
    Weighed,
    /// A step has begun.
    Began { step: u32 },
    /// A step is done: what the cloud holds now, for all but deletes.
    Ended { step: u32, row: Option<Row> },
    /// A step could not be done.
    Failed { step: u32, failure: Failure },
    /// A step was left out since this one failed.
    Skipped { step: u32, because: u32 },
    /// Rows listed after the creates, for tables whose creates answer too little.
    After { scope: Scope, rows: Vec<Seen> },
    /// All steps have an end.
    RanAll,
    /// For the user's eyes, now.
    Progress(String),
    /// The call can't go on.
    Broken(Failure),
}

/// Whose credentials these are, and where they lead.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// The user or role.
    pub arn: String,
    /// The region requests go to unless a row says otherwise.
    pub region: String,
    /// Where the credentials were found.
    pub source: String,
    /// The endpoint, unless it is AWS's own.
    pub endpoint: Option<String>,
}

/// A resource as the cloud holds it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Its cells, in cloud terms.
    #[serde(deserialize_with = "tight")]
    pub row: Shared,
    /// The mark of the journal's intent it was made with, if it carries one.
    pub mark: Option<String>,
    /// Why AWS does not let go of it.
    pub kept: Option<String>,
    /// The print of its row, taken while that is in cloud terms.
    #[serde(skip)]
    pub print: Option<Print>,
}

/// A row without the room that reading leaves for more.
fn tight<'a, D: Deserializer<'a>>(from: D) -> Result<Shared, D::Error> {
    let mut row = Row::deserialize(from)?;
    row.shrink_to_fit();
    Ok(row.into())
}

/// A create in the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Made {
    /// The table.
    pub table: String,
    /// The region, or nothing.
    pub region: String,
    /// The primary key of the row it was made for.
    pub pk: Value,
    /// The cloud's id, when the outcome is known.
    pub cloud_id: Option<String>,
    /// The mark it carries, where it can carry one.
    pub mark: String,
    /// Whether the transaction that wanted it is known to have been rolled back.
    pub aborted: bool,
    /// What was to be made, in cloud terms.
    pub row: Row,
    /// Whether the call was answered.
    pub answered: bool,
    /// When the intent was written down, a moment before, `2026-01-31T12:00:00+00:00`.
    pub since: String,
    /// When the outcome was written down, and a moment more.
    pub at: String,
}

/// One thing to do in the cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// Its number, the place in the plan.
    pub number: u32,
    /// Steps that must have ended well before.
    pub after: Vec<u32>,
    /// The table.
    pub table: String,
    /// The region, or nothing.
    pub region: String,
    /// The primary key of the row it is done for; NULL where there is none any more.
    pub pk: Value,
    /// What people call the resource.
    pub label: String,
    /// What to do.
    pub action: Action,
    /// Why; stands in the history.
    pub reason: String,
}

/// What to do. Cells are in cloud terms; one that only an earlier step will know is `{"step": n}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Action {
    /// Make it. `born`: AWS has made it along with its parent, look for it first. `strip`: what AWS
    /// makes along with it and nobody wants, table and cells. `was`: it is the next revision of this.
    Create { row: Row, born: bool, strip: Vec<(String, Row)>, was: Option<Row> },
    /// Bring it from what was seen to what is wanted.
    Update { was: Row, row: Row },
    /// Remove it.
    Delete { was: Row },
}

impl Action {
    /// The verb that people see.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
        }
    }
}

/// The cell that stands for what an earlier step will make.
pub fn pending(step: u32) -> Value {
    serde_json::json!({ "step": step })
}

/// The step that a cell waits for.
pub fn awaits(cell: &Value) -> Option<u32> {
    let step = cell.as_object().filter(|cell| cell.len() == 1)?.get("step")?.as_u64()?;
    u32::try_from(step).ok()
}

/// Why something went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of thing; decides the SQLSTATE.
    pub kind: Trouble,
    /// One line for people.
    pub message: String,
    /// The service, or nothing.
    pub service: String,
    /// The operation, or nothing.
    pub operation: String,
    /// The service's own code, or nothing.
    pub code: String,
    /// The request's id, or nothing.
    pub request_id: String,
    /// What to do.
    pub hint: String,
}

/// The kinds of failure that a caller can tell apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The service refused: a bad value, a conflict, a limit.
    #[default]
    Refused,
    /// What the call is about is not there.
    NotFound,
    /// The identity may not do this.
    Denied,
    /// No credentials, wrong ones, or ones that have expired.
    Credentials,
    /// A setting makes no sense, or is missing.
    Setting,
    /// No answer: nothing there, connection lost, time out.
    Unreachable,
    /// Too many calls.
    Throttled,
    /// Something else has to be so first: the right account, a committed extension.
    NotReady,
    /// The row holds something that the cloud's side cannot make sense of.
    Row,
    /// A state was waited for and did not come.
    TooSlow,
    /// The call was cancelled before the step's turn.
    Cancelled,
    /// Our own fault.
    Internal,
}
