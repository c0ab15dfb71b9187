//! [`Sending`]: a call under way, as a future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::{Error, Result};
use crate::runtime;

/// A call under way. Dropping it stops the request.
#[must_use = "a future does nothing unless it is polled"]
pub struct Sending<T>(Pin<Box<dyn Future<Output = Result<T>> + Send>>);

impl<T> Sending<T> {
    pub(crate) fn new(future: impl Future<Output = Result<T>> + Send + 'static) -> Self {
        Sending(Box::pin(future))
    }

    pub(crate) fn failed(error: Error) -> Self
    where
        T: Send + 'static,
    {
        Sending::new(std::future::ready(Err(error)))
    }

    /// A call that is sent where its request could be made.
    pub(crate) fn prepared(future: Result<impl Future<Output = Result<T>> + Send + 'static>) -> Self
    where
        T: Send + 'static,
    {
        match future {
            Ok(future) => Sending::new(future),
            Err(error) => Sending::failed(error),
        }
    }
}

impl<T> Future for Sending<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        runtime::check()?;
        self.0.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for Sending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
