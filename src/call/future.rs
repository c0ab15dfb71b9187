//! [`ResponseFuture`]: a call in progress, as a future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{Error, Result};
use crate::runtime;

/// A call in progress. Dropping it cancels the request.
#[doc(alias("block_on", "blocking"))]
#[must_use = "a future does nothing unless it is polled"]
pub struct ResponseFuture<T>(Pin<Box<dyn Future<Output = Result<T>> + Send>>);

impl<T> ResponseFuture<T> {
    pub(crate) fn new(future: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        ResponseFuture(Box::pin(future))
    }

    pub(crate) fn failed(error: Error) -> Self
    where
        T: Send + 'static,
    {
        ResponseFuture::new(std::future::ready(Err(error)))
    }

    /// Makes a call from a future, or a failed call from an error.
    pub(crate) fn from_result(future: Result<impl Future<Output = Result<T>> + Send + 'static>) -> Self
    where
        T: Send + 'static,
    {
        match future {
            Ok(future) => ResponseFuture::new(future),
            Err(error) => ResponseFuture::failed(error),
        }
    }
}

impl<T> Future for ResponseFuture<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        runtime::check()?;
        self.0.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for ResponseFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
