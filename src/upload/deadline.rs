//! The time that an upload may take as a whole, where it waits for the disk or for a source of the user's.

use std::time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// Waits for `work` until the deadline, if there is one.
///
/// # Errors
/// Where it isn't done by then.
pub(super) async fn within<T>(deadline: Option<Instant>, what: &str, work: impl Future<Output = T>) -> Result<T> {
    let Some(deadline) = deadline else { return Ok(work.await) };
    let out_of_time =
        |_| Error::new(ErrorKind::Timeout, format!("the time-out of the whole upload ran out while {what}")).timed_out();
    tokio::time::timeout_at(deadline.into(), work).await.map_err(out_of_time)
}
