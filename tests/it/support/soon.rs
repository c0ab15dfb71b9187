//! Waits with a limit.

use std::time::Duration;

/// Fails a test that would hang.
pub async fn soon<W: IntoFuture>(work: W) -> W::Output {
    tokio::time::timeout(Duration::from_secs(60), work.into_future()).await.expect("it hangs")
}
