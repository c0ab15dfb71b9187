//! Work that blocks, away from the threads that drive requests.

use crate::error::{Error, ErrorKind, Result};

/// Does `work` on a thread where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let stopped = |_| Error::new(ErrorKind::Interrupted, "the runtime was shut down while a file was read or written");
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}
