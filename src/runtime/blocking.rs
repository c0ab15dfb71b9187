//! Work that blocks or takes long, away from the threads that drive requests.

use tokio::runtime::Handle;
use tokio::task::JoinError;

use crate::error::{Error, ErrorKind, Result};

/// Does `work` on a thread where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    task_outcome(tokio::task::spawn_blocking(work).await, "work was done on another thread")
}

/// What a task came to. `what` tells what it did: `a file was written`.
///
/// # Errors
/// Returns an error if the runtime was shut down before the task ended.
pub(crate) fn task_outcome<T>(outcome: Result<T, JoinError>, what: &str) -> Result<T> {
    outcome.map_err(|error| match error.try_into_panic() {
        // A panic in a caller's own code, such as a type's `Deserialize`, is the caller's.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::new(ErrorKind::ConnectionLost, format!("the runtime was shut down while {what}")),
    })
}

/// Drops what blocks while it is dropped, on a thread where it may block. Without a runtime that is here; one
/// that is shut down drops it as well.
pub(crate) fn drop_apart<T: Send + 'static>(value: T) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(value))),
        Err(_) => drop(value),
    }
}

/// The longest text that is worked on where requests are driven, in bytes: it takes no longer than handing it
/// over. Work on a longer one is done apart, so that time-outs and drops take effect meanwhile.
const INLINE: usize = 256 << 10;

/// Whether a text is so long that work on it is done apart.
pub(crate) fn takes_long(bytes: usize) -> bool {
    bytes > INLINE
}

/// Does work on a text of so many bytes: where it is, or apart.
pub(crate) async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    match takes_long(bytes) {
        true => blocking(work).await,
        false => Ok(work()),
    }
}
