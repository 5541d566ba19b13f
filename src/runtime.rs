//! Runtimes, threads and signals: this is the only file that makes or touches them. Signals are for the
//! one thread that PostgreSQL knows of; all others hear none, and must not enter PostgreSQL.

use pgrx::pg_sys;
use std::thread::{Builder, JoinHandle};
use tokio::runtime::Runtime;

unsafe extern "C-unwind" {
    /// PostgreSQL's own handler of SIGTERM: it sets flags and the latch, on whatever thread.
    fn die(signal: i32);
}

/// Lets a worker hear of its end.
pub fn hear_sigterm() {
    // SAFETY: called once, at the beginning of a background worker.
    unsafe {
        pg_sys::pqsignal(libc::SIGTERM, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// A runtime for the calling thread.
pub fn new() -> std::io::Result<Runtime> {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().on_thread_start(|| _ = deafen()).build()
}

/// Does something on a thread of its own.
pub fn aside<F: Future<Output = ()>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    // As deep as the process's own: what the SDK nests is not optimised.
    let builder = Builder::new().name("iasql reader".to_owned()).stack_size(8 << 20);
    // The new thread has this one's mask from its first moment on.
    let before = deafen();
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    let thread = builder.spawn(|| {
        let Ok(runtime) = new() else { return };
        runtime.block_on(work());
        // A name that is being looked up may take its time; nobody waits for it.
        runtime.shutdown_background();
    });
    // SAFETY: plain C on the calling thread.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
    thread
}

/// From now on the calling thread hears no signals. Answers which it did not hear before.
fn deafen() -> libc::sigset_t {
    // SAFETY: plain C on the calling thread.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
        before
    }
}
