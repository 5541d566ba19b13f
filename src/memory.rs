//! Memory that a call has taken goes back when it is done: what was freed would stay with the session,
//! and sessions of a pool live long.

/// Gives back what was freed.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: plain C, which touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
