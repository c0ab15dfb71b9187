//! Compares a page with the pages before it: inline, or on another thread if the page has so many items that
//! the comparison takes long.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use reqwest::Url;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::identity::{Compared, Seen};
use super::prefetch::ArrivedPage;
use crate::error::Result;
use crate::runtime::blocking::{takes_long, task_outcome};

/// A page that arrived and is to be compared with the pages before it.
pub(super) struct PendingPage<T> {
    pub(super) number: u64,
    pub(super) url: Url,
    pub(super) page: ArrivedPage<T>,
    /// Items at its beginning that were returned before.
    pub(super) passed: usize,
}

impl<T> PendingPage<T> {
    /// Skips the items that were returned before, and marks the other items.
    pub(super) fn compare(&mut self, seen: &mut Seen) -> Compared {
        let ArrivedPage { items, length, marks, .. } = &mut self.page;
        self.passed = self.passed.min(*length);
        let decoded = items.wanted(false);
        let mut compared = seen.compare(marks, decoded, items.pass(self.passed));
        items.mark(std::mem::take(&mut compared.marks), compared.same);
        compared
    }
}

/// Comparing one item counts as this many bytes of text.
const BYTES_PER_ITEM: usize = 32;

/// A page that is being compared on another thread.
pub(super) struct Comparing<T>(JoinHandle<(PendingPage<T>, Compared, Seen)>);

/// A comparison that hasn't begun when this is dropped is cancelled.
impl<T> Drop for Comparing<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Comparing<T> {
    /// Returns whether a page is compared on another thread. Outside of a runtime there is no other thread.
    pub(super) fn is_for(page: &PendingPage<T>) -> bool {
        takes_long(page.page.length.saturating_mul(BYTES_PER_ITEM)) && Handle::try_current().is_ok()
    }

    /// Starts to compare a page with what was `seen`. Until it is done, `seen` is a placeholder that
    /// checkpoints can be created from.
    pub(super) fn start(mut page: PendingPage<T>, seen: &mut Seen) -> Self {
        let standing_in = seen.standing_in();
        let mut seen = std::mem::replace(seen, standing_in);
        Comparing(tokio::task::spawn_blocking(move || {
            let compared = page.compare(&mut seen);
            (page, compared, seen)
        }))
    }

    /// Returns the page once it is compared, and puts `seen` back.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        seen: &mut Seen,
    ) -> Poll<Result<(PendingPage<T>, Compared)>> {
        let outcome = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(task_outcome(outcome, "a page was compared").map(|(page, compared, seen_by_then)| {
            *seen = seen_by_then;
            (page, compared)
        }))
    }
}
