//! Runs work that blocks or takes long on threads other than those that drive requests.

use tokio::runtime::Handle;
use tokio::task::JoinError;

use crate::error::{Error, ErrorKind, Result};

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    task_outcome(tokio::task::spawn_blocking(work).await, "work was done on another thread")
}

/// Returns the result of a task. `what` describes the task in errors, such as `a file was written`.
///
/// # Errors
/// Returns an error if the runtime was shut down before the task ended.
pub(crate) fn task_outcome<T>(outcome: Result<T, JoinError>, what: &str) -> Result<T> {
    outcome.map_err(|error| match error.try_into_panic() {
        // A panic in the caller's own code, such as a type's `Deserialize`, is passed on to the caller.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::new(ErrorKind::ConnectionLost, format!("the runtime was shut down while {what}")),
    })
}

/// Drops a value whose `drop` blocks, on a thread that may block. Without a runtime it is dropped here. A
/// runtime that is shut down drops it, too.
pub(crate) fn drop_blocking<T: Send + 'static>(value: T) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(value))),
        Err(_) => drop(value),
    }
}

/// Maximum bytes of text that are processed on a thread that drives requests: this takes no longer than
/// handing the text over to another thread. Longer texts are processed on another thread, so that time-outs
/// and drops take effect meanwhile.
const MAX_INLINE_BYTES: usize = 256 << 10;

/// Returns whether a text is so long that it is processed on another thread.
pub(crate) fn takes_long(bytes: usize) -> bool {
    bytes > MAX_INLINE_BYTES
}

/// Processes a text of this many bytes: on this thread, or on another one if it takes long.
pub(crate) async fn offload_if_long<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    match takes_long(bytes) {
        true => blocking(work).await,
        false => Ok(work()),
    }
}
