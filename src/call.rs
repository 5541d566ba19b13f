//! A call of a user, from the backend's side: starts a worker for it, and talks with it over a Unix
//! socket. This, `worker.rs` and the engine's `frame.rs` are the only files that know how messages
//! travel.
//!
//! The backend never blocks in a system call: it waits on its latch and the socket together, so that
//! a cancel, a terminate or a shutdown ends the wait at once. When the backend goes, however it
//! goes, its end of the socket closes, and the worker knows.

use crate::error::{Error, Result};
use iasql_engine::frame::{Inbox, frame};
use iasql_engine::wire::{Job, Order, Report};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::cell::Cell;
use std::ffi::{CString, c_char};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// How long a worker may take to come up. It takes milliseconds.
const STARTUP: Duration = Duration::from_secs(20);

/// A worker at work for this backend.
pub struct Call {
    stream: UnixStream,
    inbox: Inbox,
    handle: *mut pg_sys::BackgroundWorkerHandle,
    /// The worker's process: the server forgets it as soon as it has ended.
    worker: i32,
    name: String,
}

impl Call {
    /// Starts a worker and tells it its job.
    pub fn start(job: Job) -> Result<Self> {
        let address = Address::new()?;
        let name = job.call.clone();
        let handle = launch(&job.call, &address.0)?;
        let stream = accept(&address.1, handle)?;
        drop(address);
        let mut worker = 0;
        // SAFETY: the handle is of this transaction's memory, which is still there.
        unsafe { pg_sys::GetBackgroundWorkerPid(handle, &raw mut worker) };
        let mut call = Self { stream, inbox: Inbox::default(), handle, worker, name };
        call.send(&Order::Job(Box::new(job)))?;
        Ok(call)
    }

    /// Tells the worker something.
    pub fn send(&mut self, order: &Order) -> Result<()> {
        let frame = frame(order).map_err(Error::internal)?;
        let mut left = frame.as_slice();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.stream.as_raw_fd(), pg_sys::WL_SOCKET_WRITEABLE);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.lost()),
            }
        }
        Ok(())
    }

    /// What the worker says next.
    pub fn next(&mut self) -> Result<Report> {
        self.hear()
    }

    /// The same, with listed rows as they came.
    pub fn next_page(&mut self) -> Result<Report<Box<RawValue>>> {
        self.hear()
    }

    /// Whether it has said more already.
    pub fn has_more(&mut self) -> Result<bool> {
        while !self.inbox.has_one() {
            if !self.listen()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        loop {
            let astray = |why| Error::internal(format!("the worker can't be understood: {why}"));
            if let Some(report) = self.inbox.take().map_err(astray)? {
                return Ok(report);
            }
            if !self.listen()? {
                wait(self.stream.as_raw_fd(), pg_sys::WL_SOCKET_READABLE);
            }
        }
    }

    /// Takes in what has come; says whether anything has.
    fn listen(&mut self) -> Result<bool> {
        let mut chunk = [0; 65536];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(self.lost()),
            Ok(read) => {
                self.inbox.put(&chunk[..read]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(_) => Err(self.lost()),
        }
    }

    /// The worker has gone without a last word.
    fn lost(&self) -> Error {
        let mut pid = 0;
        // SAFETY: the handle is of this transaction's memory, which is still there.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.handle, &raw mut pid) };
        let state =
            if status == pg_sys::BgwHandleStatus::BGWH_STOPPED { "has ended" } else { "was lost" };
        Error::new(
            PgSqlErrorCode::ERRCODE_CONNECTION_DOES_NOT_EXIST,
            format!(
                "worker {} of this iasql {} {state} before its work was done",
                self.worker, self.name
            ),
        )
        .detail("What it did in the cloud stands in iasql_history.")
        .hint("The server log says why. Call again: it goes on from what was done.")
    }
}

/// A socket file that is gone when this is.
///
/// It lies where the server keeps its temporary files, with their prefix: only the server's user
/// gets there, backups leave it out, and a crash leaves nothing behind that the next start would
/// not remove. The path is relative to the data directory, so it is never too long for a socket.
struct Address(String, UnixListener);

impl Address {
    fn new() -> Result<Self> {
        thread_local!(static NUMBER: Cell<u32> = const { Cell::new(0) });
        let number = NUMBER.with(|n| n.replace(n.get().wrapping_add(1)));
        let path = format!("base/pgsql_tmp/pgsql_tmp_iasql.{}.{number}", std::process::id());
        let failed = |error: std::io::Error| {
            Error::new(
                PgSqlErrorCode::ERRCODE_IO_ERROR,
                format!("could not make the socket {path}: {error}"),
            )
        };
        if let Err(error) = std::fs::create_dir("base/pgsql_tmp")
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(failed(error));
        }
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self(path, listener))
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts a dynamic background worker.
fn launch(call: &str, address: &str) -> Result<*mut pg_sys::BackgroundWorkerHandle> {
    let mut worker = pg_sys::BackgroundWorker {
        bgw_flags: (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION)
            as i32,
        bgw_start_time: pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished,
        bgw_restart_time: pg_sys::BGW_NEVER_RESTART,
        // SAFETY: plain values of this process.
        bgw_main_arg: unsafe { pg_sys::MyDatabaseId }.into(),
        // SAFETY: as above.
        bgw_notify_pid: unsafe { pg_sys::MyProcPid },
        ..Default::default()
    };
    let pid = worker.bgw_notify_pid;
    put(&mut worker.bgw_name, &format!("iasql {call} for {pid}"));
    put(&mut worker.bgw_type, "iasql worker");
    put(&mut worker.bgw_library_name, "iasql");
    put(&mut worker.bgw_function_name, "iasql_worker");
    put(&mut worker.bgw_extra, address);
    let mut handle = std::ptr::null_mut();
    // SAFETY: the structure is filled in, and copied by the callee.
    if unsafe { pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, &raw mut handle) } {
        return Ok(handle);
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "no worker slot is free for this call: all of max_worker_processes are in use",
    )
    .hint("Try again when other work is done, or raise max_worker_processes (needs a restart)."))
}

/// Copies a text into a C array that stays closed by a zero.
fn put(to: &mut [c_char], text: &str) {
    let text = CString::new(text).unwrap_or_default();
    let bytes = text.as_bytes().iter().take(to.len() - 1);
    to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte.cast_signed());
}

/// Waits for the worker to come.
fn accept(
    listener: &UnixListener,
    handle: *mut pg_sys::BackgroundWorkerHandle,
) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true).map_err(|error| Error::internal(error.to_string()))?;
                return Ok(stream);
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => {
                return Err(Error::internal(format!("the worker's connection failed: {error}")));
            }
        }
        let mut pid = 0;
        // SAFETY: the handle comes from launch.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(handle, &raw mut pid) };
        if status == pg_sys::BgwHandleStatus::BGWH_STOPPED || start.elapsed() > STARTUP {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_CANNOT_CONNECT_NOW,
                "the worker for this call did not come up",
            )
            .hint("The server log says why."));
        }
        wait(listener.as_raw_fd(), pg_sys::WL_SOCKET_READABLE);
    }
}

/// Waits until a socket is ready, the latch is set, or a moment has passed; then lets an interrupt
/// take its course.
fn wait(socket: i32, event: u32) {
    const MOMENT: i64 = 200;
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH | event;
    // SAFETY: called on the backend's main thread, with its own latch.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            socket,
            MOMENT,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}
