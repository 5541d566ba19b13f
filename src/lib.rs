//! `iasql`: a PostgreSQL extension that exposes an AWS account as ordinary tables.
//!
//! # Four rings, one direction
//!
//! ```text
//! src/      everything that touches PostgreSQL            (this crate)
//! modules/  everything that touches AWS
//! engine/   rows wanted, rows seen -> changes             (no AWS, no PostgreSQL, no I/O)
//! tests/    a client like any user's: SQL over a connection
//! ```
//!
//! A call of a user, say `iasql_apply()`, runs in the user's backend ([`apply`]). It starts a worker
//! for the call ([`call`], [`worker`]), reads the rows while the worker lists the cloud ([`look`]),
//! has the engine plan, sends the worker the steps, and writes what came of them back ([`store`]).
//! The worker reads AWS on several threads ([`readers`]), writes the journal ([`journal`]) and never
//! touches a user's table; the backend never touches the network.
//!
//! # Architecture invariants (checked by tests/test_architecture.py)
//!
//! - `src/` names no AWS service; `modules/` and `engine/` do not depend on pgrx; `engine/` depends
//!   on nothing asynchronous and does no I/O.
//! - Only `spi.rs` runs SQL. Only `runtime.rs` makes runtimes and threads and touches signals. Only
//!   `engine/src/ddl.rs` writes `CREATE TABLE` for a module.
//! - Only `call.rs` and `worker.rs` know how backend and worker talk.
//! - The engine does not fail on data: it returns changes and problems.
//! - A call that changes the cloud stands in the journal, flushed, before it is sent.
//! - Nothing is deleted in the cloud without a base row, or a journal row of an aborted transaction.
#![allow(unsafe_code, reason = "the one ring that speaks with C; every use says why it is sound")]

mod agreed;
mod apply;
mod call;
mod catalog;
mod error;
mod install;
mod journal;
mod look;
mod memory;
mod readers;
mod report;
mod runtime;
mod settings;
mod spi;
mod store;
mod surface;
mod sync;
mod turn;
mod worker;

pgrx::pg_module_magic!();

#[cfg(not(panic = "unwind"))]
compile_error!("an ERROR of PostgreSQL travels as a panic: build with panic = \"unwind\"");

/// Runs when the library is loaded into a process: defines settings, and does nothing else.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
}
