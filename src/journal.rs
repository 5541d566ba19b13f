//! The journal: what is about to be done in the cloud, written down and flushed before it is done,
//! and what came of it. The worker writes it in transactions of its own, so it stands whatever
//! happens to the caller.

use crate::error::Result;
use crate::spi;
use iasql_engine::wire::{Caller, Made, Scope};
use iasql_engine::{Row, Value};
use iasql_modules::cloud::pace::Cost;
use iasql_modules::cloud::run::{self, End, Intent, Outcome};
use iasql_modules::cloud::young::{Change, YOUNG};
use iasql_modules::resource;
use pgrx::pg_sys;
use pgrx::pg_sys::PgTryBuilder;
use pgrx::pg_sys::panic::CaughtError;
use serde_json::{Map, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// The journal of one call.
pub struct Journal {
    call: String,
    caller: Caller,
    /// The entries that have no outcome yet, by mark: where each stands, and its table.
    open: RefCell<HashMap<String, (String, String)>>,
}

impl Journal {
    /// For a call of a user.
    pub fn new(call: &str, caller: &Caller) -> Self {
        Self { call: call.to_owned(), caller: caller.clone(), open: RefCell::default() }
    }
}

impl run::Journal for Journal {
    fn intend(&self, intents: &[Intent]) -> std::result::Result<(), String> {
        let entry = |intent: &Intent| {
            json!({
                "call": self.call, "caller_pid": self.caller.pid, "session_user_name": self.caller.session_user,
                "role_name": self.caller.role, "application_name": self.caller.application,
                "caller_xid": self.caller.xid, "system_id": system_id(),
                "action": intent.action, "table_name": intent.table, "region": intent.region,
                "row_key": (!intent.pk.is_null()).then(|| iasql_engine::world::plain(&intent.pk)),
                "label": intent.label, "cloud_id": intent.cloud_id, "mark": intent.mark, "reason": intent.reason,
                "before": named(&intent.table, intent.before.as_ref()),
                "after": named(&intent.table, intent.after.as_ref()),
            })
        };
        let entries = Value::Array(intents.iter().map(entry).collect()).to_string();
        let columns = "call, caller_pid, session_user_name, role_name, application_name, caller_xid, system_id, \
                       action, table_name, region, row_key, label, cloud_id, mark, reason, before, after";
        let sql = format!(
            "INSERT INTO iasql.journal ({columns}) SELECT {columns} \
             FROM json_populate_recordset(null::iasql.journal, $1::json) RETURNING id::text, table_name, mark"
        );
        let rows = transaction(|| spi::write(&sql, &[&entries]))?;
        let places = rows.into_iter().filter_map(|row| match &row[..] {
            [Some(id), Some(table), Some(mark)] => {
                Some((mark.clone(), (id.clone(), table.clone())))
            }
            _ => None,
        });
        self.open.borrow_mut().extend(places);
        Ok(())
    }

    fn settle(&self, outcomes: &[Outcome]) -> std::result::Result<(), String> {
        // What settles after it stands is heard of twice.
        let open = self.open.borrow();
        let entry = |outcome: &Outcome| {
            let (id, table) = open.get(&outcome.mark).cloned().unzip();
            let word = match outcome.end {
                End::Done => "done",
                End::Failed => "failed",
                End::Unknown => "unknown",
            };
            let failure = outcome.failure.as_ref();
            let Cost { retries, reasons, waited } = &outcome.cost;
            let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
            json!({
                "id": id, "outcome": word, "cloud_id": outcome.cloud_id,
                "after": named(&table.unwrap_or_default(), outcome.row.as_ref()), "error": failure.map(|f| &f.message),
                "retries": retries, "retry_reason": (*retries > 0).then(|| reasons.join(", ")),
                "waited_seconds": waited.as_secs_f64(),
            })
        };
        let entries = Value::Array(outcomes.iter().map(entry).collect()).to_string();
        let ids = outcomes.iter().filter_map(|outcome| Some(open.get(&outcome.mark)?.0.as_str()));
        let ids = format!("{{{}}}", ids.collect::<Vec<_>>().join(","));
        // The ids once more: how many rows come out of JSON no planner knows, and guessing too many it
        // would read the whole journal.
        let sql = "UPDATE iasql.journal j \
                   SET ended_at = clock_timestamp(), outcome = v.outcome, error = v.error, \
                       cloud_id = coalesce(v.cloud_id, j.cloud_id), after = coalesce(v.after, j.after), \
                       retries = v.retries, retry_reason = v.retry_reason, waited_seconds = v.waited_seconds \
                   FROM json_populate_recordset(null::iasql.journal, $1::json) AS v \
                   WHERE j.id = v.id AND j.id = ANY ($2::bigint[])";
        transaction(|| spi::write(sql, &[&entries, &ids])).map(|_| ())
    }
}

/// What this database made in some scopes for transactions that have not committed: creates whose
/// rows may know nothing of them.
pub fn made(scopes: &[Scope]) -> std::result::Result<Vec<Made>, String> {
    // What became of a transaction is noted while the server still knows. Ids of transactions mean
    // nothing in another cluster, where this database may have been restored.
    let note = "UPDATE iasql.journal SET fate = pg_xact_status(caller_xid::xid8) \
                WHERE fate IS NULL AND caller_xid IS NOT NULL AND system_id = $1 \
                  AND CASE WHEN caller_xid::xid8 < pg_snapshot_xmax(pg_current_snapshot()) \
                           THEN pg_xact_status(caller_xid::xid8) IN ('committed', 'aborted') END";
    // A minute for clocks that differ: `at` is held against the time AWS gives.
    // An id that no answer confirmed proves nothing (that of what a create follows, which stands in
    // `before`); the mark does. What failed in the middle of its making has an id all the same.
    let read = "SELECT json_build_array(j.table_name, j.region, j.row_key, \
                       CASE WHEN j.outcome IS NOT DISTINCT FROM 'done' OR j.before IS NULL THEN j.cloud_id END, \
                       j.mark, j.fate = 'aborted', \
                       to_char((coalesce(j.ended_at, j.started_at) + interval '1 minute') AT TIME ZONE 'UTC', \
                               'YYYY-MM-DD\"T\"HH24:MI:SS\"+00:00\"'), \
                       j.outcome IS NOT DISTINCT FROM 'done', \
                       to_char((j.started_at - interval '1 minute') AT TIME ZONE 'UTC', \
                               'YYYY-MM-DD\"T\"HH24:MI:SS\"+00:00\"'), j.after)::text \
                FROM iasql.journal j \
                WHERE j.action = 'create' AND j.outcome IS DISTINCT FROM 'failed' AND (j.fate IS NULL OR j.fate = 'aborted') \
                  AND j.table_name IN (SELECT json_array_elements_text($1::json)) \
                  AND NOT EXISTS (SELECT FROM iasql.journal d \
                                  WHERE d.table_name = j.table_name AND d.region = j.region AND d.cloud_id = j.cloud_id \
                                    AND d.action = 'delete' AND d.outcome = 'done' AND d.id > j.id) \
                ORDER BY j.id";
    let mut tables: Vec<&str> = scopes.iter().map(|scope| scope.table.as_str()).collect();
    tables.sort_unstable();
    tables.dedup();
    let tables = serde_json::to_string(&tables).unwrap_or_default();
    if scopes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = transaction(|| {
        if !there()? {
            return Ok(Vec::new());
        }
        spi::write(note, &[&system_id()])?;
        spi::select(read, &[&tables])
    })?;
    let parse = |row: spi::Texts| -> Option<Made> {
        type Entry = (
            String,
            String,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<bool>,
            String,
            bool,
            String,
            Option<Map<String, Value>>,
        );
        let (table, region, pk, cloud_id, mark, aborted, at, answered, since, after): Entry =
            serde_json::from_str(row.first()?.as_deref()?).ok()?;
        let row = resource(&table)?.table().unnamed(after.unwrap_or_default());
        Some(Made {
            table,
            region,
            pk: pk.map_or(Value::Null, Value::from),
            cloud_id,
            mark: mark.unwrap_or_default(),
            aborted: aborted.unwrap_or_default(),
            row,
            answered,
            since,
            at,
        })
    };
    Ok(rows.into_iter().filter_map(parse).collect())
}

/// What was changed so lately that a list of AWS may not show it yet, the oldest first.
pub fn young() -> std::result::Result<Vec<Change>, String> {
    // For what was made there may be a row, too, in a transaction that has not ended.
    let read = "SELECT json_build_array(j.table_name, j.region, coalesce(j.mark, ''), \
                       CASE WHEN j.action <> 'create' THEN j.before END, CASE WHEN j.action <> 'delete' THEN j.after END, \
                       extract(epoch FROM now() - j.ended_at)::float8, \
                       j.fate IS NULL OR EXISTS (SELECT FROM iasql.base b \
                                                 WHERE b.table_name = j.table_name AND b.row_key = j.row_key))::text \
                FROM iasql.journal j \
                WHERE j.action IN ('create', 'update', 'delete') AND j.outcome = 'done' \
                  AND j.ended_at > now() - $1::interval \
                ORDER BY j.ended_at, j.id";
    let period = format!("{} s", YOUNG.as_secs());
    let rows =
        transaction(|| if there()? { spi::select(read, &[&period]) } else { Ok(Vec::new()) })?;
    let parse = |row: spi::Texts| -> Option<Change> {
        type Named = Option<Map<String, Value>>;
        let (table, region, mark, before, after, age, wanted): (_, _, _, Named, Named, f64, _) =
            serde_json::from_str(row.first()?.as_deref()?).ok()?;
        let scope = Scope { table, region };
        let def = resource(&scope.table)?.table();
        let unnamed = |row: Named| row.map(|row| def.unnamed(row));
        let (before, after) = (unnamed(before), unnamed(after));
        let age = Duration::try_from_secs_f64(age).unwrap_or_default();
        Some(Change { scope, mark, before, after, age, wanted })
    };
    Ok(rows.into_iter().filter_map(parse).collect())
}

/// Who has locked the journal. It may be the caller itself, which waits for this worker: no deadlock
/// that PostgreSQL could see.
pub fn locked_by() -> std::result::Result<Option<String>, String> {
    let sql = "SELECT min(pid)::text FROM pg_locks WHERE relation = to_regclass('iasql.journal') AND granted \
               AND pid <> pg_backend_pid() \
               AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')";
    transaction(|| spi::one(sql, &[]))
}

/// Whether there is a journal to write to: not while the transaction that creates the extension is
/// still open.
pub fn is_there() -> std::result::Result<bool, String> {
    transaction(there)
}

fn there() -> Result<bool> {
    Ok(spi::one("SELECT to_regclass('iasql.journal')::text", &[])?.is_some())
}

/// Waits for nothing: whether no earlier worker is still about to finish a last call. The lock is
/// held until this worker ends.
pub fn alone() -> std::result::Result<bool, String> {
    // "iasq", 1
    let sql = "SELECT pg_try_advisory_lock(1767994225, 1)::text";
    Ok(transaction(|| spi::one(sql, &[]))?.as_deref() == Some("true"))
}

/// Closes what was left open by workers that died. Nobody is at it any more, and when it ended
/// nobody knows.
pub fn close() -> std::result::Result<(), String> {
    let sql = "UPDATE iasql.journal SET outcome = 'unknown', \
                      error = 'the server or its worker ended before an answer came' \
               WHERE outcome IS NULL";
    transaction(|| spi::write(sql, &[])).map(|_| ())
}

/// Makes the worker's own transactions what they have to be.
pub fn prepare() -> std::result::Result<(), String> {
    // An intent has to be on disk before its call. Nobody else locks the journal for long.
    let sql = "SELECT set_config('synchronous_commit', 'local', false), \
                      set_config('search_path', 'pg_catalog', false), \
                      set_config('lock_timeout', '10s', false), \
                      set_config('statement_timeout', '0', false), \
                      set_config('timezone', 'UTC', false)";
    transaction(|| spi::select(sql, &[])).map(|_| ())
}

/// A transaction of the worker's own. An ERROR in it is what it returns.
fn transaction<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    let inside = AssertUnwindSafe(|| {
        // SAFETY: the worker is connected and in no transaction.
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        }
        let done = work().map_err(|error| format!("{error:?}"))?;
        // SAFETY: as above.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        Ok(done)
    });
    // SAFETY: a plain counter of this process; an ERROR sets it to zero.
    let held = unsafe { pg_sys::InterruptHoldoffCount };
    let outcome = PgTryBuilder::new(inside)
        .catch_others(|error| match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
                Err(report.message().to_owned())
            }
            CaughtError::RustPanic { ereport, .. } => Err(ereport.message().to_owned()),
        })
        .execute();
    // SAFETY: as above.
    unsafe {
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        pg_sys::InterruptHoldoffCount = held;
        pg_sys::pgstat_report_stat(false);
    }
    outcome
}

fn system_id() -> String {
    // SAFETY: reads shared memory.
    unsafe { pg_sys::GetSystemIdentifier() }.to_string()
}

/// A row as an object, for people.
fn named(table: &str, row: Option<&Row>) -> Option<Map<String, Value>> {
    let table = resource(table)?.table();
    row.map(|row| table.named(row))
}
