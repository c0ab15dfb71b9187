//! The tokio runtime that sockets, timers and files need, and the check that everything awaited runs within
//! one.

pub(crate) mod blocking;
pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod file_id;
pub(crate) mod lock;
pub(crate) mod plain_file;

use std::pin::pin;

use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};

/// Checks that the current thread is within a tokio runtime: tokio panics without one.
///
/// # Errors
/// Returns an error if it isn't.
pub(crate) fn check() -> Result<()> {
    Handle::try_current().map(drop).map_err(|_| {
        let message = "no tokio runtime: await calls within one, such as `#[tokio::main]` makes";
        Error::new(ErrorKind::Configuration, message)
    })
}

/// Polls `work` only within a tokio runtime: a future may be moved to another executor after it was polled.
pub(crate) async fn within<T, E: From<Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        check()?;
        work.as_mut().poll(context)
    })
    .await
}
