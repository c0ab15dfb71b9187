//! [`ListPages`]: a list, page by page.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::list_stream::ListStream;
use crate::error::{Error, Result};

/// A list, page by page: returned by [`ListAll::pages`](super::ListAll::pages).
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
/// let mut pages = client.list_ground_truth_events().params(|p| p.page_size(500)).list_all().pages();
/// while let Some(page) = pages.next().await {
///     let page = page?;
///     println!("page {}: {} of {:?} events", page.number, page.items.len(), pages.list().total());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing unless it is read"]
pub struct ListPages<T> {
    list: ListStream<T>,
    /// The error that ends the stream after the items before it.
    failed: Option<Error>,
}

/// A page's items.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListPage<T> {
    /// The page's number; in a list without page numbers, which page it is, counted from 1.
    pub number: u64,
    /// Its items, in the server's order.
    pub items: Vec<T>,
}

impl<T> IntoIterator for ListPage<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'p, T> IntoIterator for &'p ListPage<T> {
    type Item = &'p T;
    type IntoIter = std::slice::Iter<'p, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: Send + 'static> ListPages<T> {
    pub(super) fn new(list: ListStream<T>) -> Self {
        ListPages { list, failed: None }
    }

    /// Returns the list, for its total, its report, and its checkpoint after the page that was returned last.
    pub fn list(&self) -> &ListStream<T> {
        &self.list
    }

    /// Returns the next page; `None` at the end.
    ///
    /// # Errors
    /// Returns an error as [`ListStream::next`] does.
    pub async fn next(&mut self) -> Option<Result<ListPage<T>>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<ListPage<T>>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        // Items of the current page may be left if the list was read item by item before.
        let (mut items, mut failed) = self.list.take_page();
        if items.is_empty() && failed.is_none() {
            if !ready!(self.list.poll_page(context))? {
                return Poll::Ready(None);
            }
            (items, failed) = self.list.take_page();
        }
        self.failed = failed;
        Poll::Ready(Some(Ok(ListPage { number: self.list.page_number(), items })))
    }
}

impl<T> fmt::Debug for ListPages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListPages").field("list", &self.list).finish_non_exhaustive()
    }
}

// The type isn't self-referential.
impl<T> Unpin for ListPages<T> {}

impl<T: Send + 'static> Stream for ListPages<T> {
    type Item = Result<ListPage<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let page = ready!(self.poll_page(context));
        if matches!(page, Some(Err(_))) {
            self.list.end_by_error();
        }
        Poll::Ready(page)
    }
}
