//! What users are told when something goes wrong: one place gives every failure its SQLSTATE.
//!
//! The message alone has to suffice, since some clients show nothing else; DETAIL and HINT add to it.

use iasql_engine::wire::{Failure, Trouble};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

/// An error on its way to the user.
#[derive(Debug)]
pub struct Error {
    code: PgSqlErrorCode,
    message: String,
    detail: String,
    hint: String,
}

/// What everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with its SQLSTATE.
    pub fn new(code: PgSqlErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: String::new(), hint: String::new() }
    }

    /// Something has to be done first.
    pub fn not_ready(message: impl Into<String>) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message)
    }

    /// Our own fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message)
    }

    /// Adds what was going on.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// Adds what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Raises it; the caller's stack unwinds.
    pub fn raise(self) -> ! {
        self.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }

    /// Shows it at another level.
    pub fn report(self, level: PgLogLevel) {
        let mut report = ErrorReport::new(self.code, self.message, "iasql");
        if !self.detail.is_empty() {
            report = report.set_detail(self.detail);
        }
        if !self.hint.is_empty() {
            report = report.set_hint(self.hint);
        }
        report.report(level);
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut detail = Vec::new();
        for (name, value) in [
            ("service", &failure.service),
            ("operation", &failure.operation),
            ("code", &failure.code),
            ("request id", &failure.request_id),
        ] {
            if !value.is_empty() {
                detail.push(format!("{name}: {value}"));
            }
        }
        Self::new(sqlstate(&failure), failure.message.clone())
            .detail(detail.join(", "))
            .hint(failure.hint)
    }
}

/// The SQLSTATE of a failure on the cloud's side.
pub fn sqlstate(failure: &Failure) -> PgSqlErrorCode {
    match failure.kind {
        Trouble::Refused => PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
        Trouble::NotFound => PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
        Trouble::Denied => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        // Not of class 28: those are about the database, and some clients then show words of their own.
        Trouble::Credentials => PgSqlErrorCode::ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
        Trouble::Unreachable => PgSqlErrorCode::ERRCODE_CONNECTION_FAILURE,
        Trouble::Throttled => PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
        Trouble::NotReady => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        Trouble::Row | Trouble::Setting => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        Trouble::TooSlow => PgSqlErrorCode::ERRCODE_SYSTEM_ERROR,
        Trouble::Cancelled => PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        Trouble::Internal => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
    }
}

/// A NOTICE.
pub fn notice(message: impl Into<String>) {
    Error::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::NOTICE);
}
