//! The end of a call of several requests and files: what is waited for on this machine has it as well.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// How much later than the requests' own time-outs, which tell more.
const LATER: Duration = Duration::from_millis(100);

/// Waits for `work` until the deadline, if there is one. `what` tells what it does: `hashing the file`.
///
/// # Errors
/// Returns an error if it isn't done by then: a disk hangs, a thread where it may block doesn't come free, a
/// source gives nothing.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T> {
    let Some(latest) = deadline.and_then(|deadline| deadline.checked_add(LATER)) else {
        return Ok(work.await);
    };
    let out_of_time = |_| {
        Error::new(ErrorKind::Timeout, format!("the time-out for the whole call ran out while {what}"))
            .timed_out()
    };
    tokio::time::timeout_at(latest.into(), work).await.map_err(out_of_time)
}
