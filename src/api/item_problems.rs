//! [`ItemProblems`]: what is wrong with the items of a batch, in one error.

use crate::call::batch_stream::NO_CONCURRENCY;

/// Collects what is wrong with the items and the settings of a batch.
#[derive(Default)]
pub(super) struct ItemProblems {
    shown: Vec<String>,
    /// Bytes of the problems that are shown.
    bytes: usize,
    /// The number of problems that aren't shown.
    more: usize,
}

/// The length of the shown problems, in bytes: an error's message is shortened beyond it.
const MAX_BYTES: usize = 3_000;

impl ItemProblems {
    pub(super) fn push(&mut self, problem: String) {
        let bytes = self.bytes.saturating_add(problem.len());
        match self.more == 0 && (self.shown.is_empty() || bytes <= MAX_BYTES) {
            true => {
                self.shown.push(problem);
                self.bytes = bytes;
            }
            false => self.more += 1,
        }
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = String>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    /// Checks how many requests are sent concurrently.
    pub(super) fn check_concurrency(&mut self, concurrency: usize) {
        if concurrency == 0 {
            self.push(NO_CONCURRENCY.to_owned());
        }
    }

    /// Returns all problems as one text; `None` if there are none.
    pub(super) fn into_text(mut self, method: &str) -> Option<String> {
        if self.more > 0 {
            self.shown.push(format!("and {} more", self.more));
        }
        (!self.shown.is_empty()).then(|| format!("{method}: {}", self.shown.join("; ")))
    }
}
