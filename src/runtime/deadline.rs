//! The deadline of a call with several requests and files. It also applies to local work.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// How much later local work times out than the requests, whose own time-outs have more detailed errors.
const GRACE_PERIOD: Duration = Duration::from_millis(100);

/// Waits for `work` until the deadline, if there is one. `what` describes the work in errors, such as
/// `hashing the file`.
///
/// # Errors
/// Returns an error if the work isn't done by then: a disk hangs, no thread for blocking work is free, or a
/// source delivers nothing.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T> {
    let Some(latest) = deadline.and_then(|deadline| deadline.checked_add(GRACE_PERIOD)) else {
        return Ok(work.await);
    };
    let out_of_time = |_| {
        Error::new(ErrorKind::Timeout, format!("the time-out for the whole call ran out while {what}"))
            .timed_out()
    };
    tokio::time::timeout_at(latest.into(), work).await.map_err(out_of_time)
}
