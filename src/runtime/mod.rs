//! The tokio runtime that sockets, timers and files need: one check for everything that is awaited.

pub(crate) mod blocking;
pub(crate) mod clock;
pub(crate) mod concurrency;
pub(crate) mod deadline;
pub(crate) mod file_id;
pub(crate) mod plain_file;

use std::pin::pin;
use std::task::Poll;

use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};

/// That the current thread is within a tokio runtime: without one tokio panics.
///
/// # Errors
/// Returns an error if it is not.
pub(crate) fn check() -> Result<()> {
    match Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => {
            let message = "no tokio runtime: await calls within one, such as `#[tokio::main]` makes";
            Err(Error::new(ErrorKind::Configuration, message))
        }
    }
}

/// `work`, polled within a tokio runtime only: a future may be moved to another executor after it was polled.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| match check() {
        Ok(()) => work.as_mut().poll(context),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}
