//! The end of a call of several requests and files: what is waited for on this machine has it as well.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// How much later than the requests' own time-outs, which tell more.
const LATER: Duration = Duration::from_millis(100);

/// `work`, where it ends by `deadline`.
///
/// # Errors
/// Returns an error if it doesn't: a disk hangs, a thread where it may block doesn't come free, a source gives nothing.
pub(crate) async fn by<T>(deadline: Option<Instant>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(latest) = deadline.and_then(|deadline| deadline.checked_add(LATER)) else { return work.await };
    match tokio::time::timeout_at(latest.into(), work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let message = "the time-out for the whole call ran out while a file or a thread of this machine was waited for";
            Err(Error::new(ErrorKind::Timeout, message).timed_out())
        }
    }
}
