//! Runs several futures concurrently, with their results in order.

use std::collections::VecDeque;

use tokio::task::JoinSet;

use crate::error::{Error, ErrorKind, Result};

/// Maximum number of futures that run concurrently.
pub(crate) const MAX_CONCURRENCY: usize = 64;

/// Runs all futures, `concurrency` at a time. Dropping it cancels those in progress.
pub(crate) async fn run_concurrently<T: Send + 'static>(
    waiting: VecDeque<impl Future<Output = Result<T>> + Send + 'static>,
    concurrency: usize,
) -> Vec<Result<T>> {
    let stopped = || Err(Error::new(ErrorKind::ConnectionLost, "its task was cancelled"));
    let mut results: Vec<_> = waiting.iter().map(|_| stopped()).collect();
    let mut waiting = waiting.into_iter().enumerate();
    // Aborts the tasks in progress when it is dropped.
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < concurrency
            && let Some((index, work)) = waiting.next()
        {
            under_way.spawn(async move { (index, work.await) });
        }
        match under_way.join_next().await {
            Some(Ok((index, result))) => results[index] = result,
            // The panic of a caller's callback is passed on.
            Some(Err(stopped)) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            Some(Err(_)) => {}
            None => return results,
        }
    }
}
