//! One apply or sync at a time in a database: the turn lasts to the end of the transaction, since no
//! other session could see this one's rows before that.

use crate::error::{Error, Result, notice};
use crate::spi;
use pgrx::{PgSqlErrorCode, pg_sys};

/// Waits for its turn, under `lock_timeout` and saying for whom. Under REPEATABLE READ and
/// SERIALIZABLE it fails, before any call to the cloud, when another was faster.
pub fn take() -> Result<()> {
    on_primary()?;
    if spi::write("SELECT ''::text FROM iasql.turn FOR UPDATE SKIP LOCKED", &[])?.is_empty()
        && let Some(holder) = holder()?
    {
        notice(format!("waiting for {holder} to finish"));
    }
    spi::write("UPDATE iasql.turn SET taken = taken + 1", &[])?;
    Ok(())
}

/// Refuses on a standby, which can neither write rows nor start a worker's journal.
pub fn on_primary() -> Result<()> {
    // SAFETY: reads shared memory.
    if unsafe { pg_sys::RecoveryInProgress() } {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_READ_ONLY_SQL_TRANSACTION,
            "iasql does not work on a standby: it reads and writes through the primary",
        )
        .hint("Connect to the primary server."));
    }
    Ok(())
}

fn holder() -> Result<Option<String>> {
    let sql = "SELECT format('process %s (%s, in its transaction since %s)', a.pid, a.usename, \
                             to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ')) \
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
               WHERE l.relation = 'iasql.turn'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted \
                 AND l.pid <> pg_backend_pid() \
                 AND NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted) \
               ORDER BY a.xact_start LIMIT 1";
    spi::one(sql, &[])
}
