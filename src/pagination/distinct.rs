//! Which ids were given lately, in bounded memory.

use std::collections::{HashSet, VecDeque};

/// How many ids are remembered: a list shifts by a few pages while it is read, not by hundreds.
const REMEMBERED: usize = 100_000;
/// How many of them a checkpoint keeps.
const KEPT: usize = 1_000;

/// The ids that were given last, each as the number that it comes down to.
#[derive(Default)]
pub(super) struct Recent {
    order: VecDeque<u64>,
    ids: HashSet<u64>,
}

impl Recent {
    /// Whether an id is new; from then on it isn't.
    pub(super) fn is_new(&mut self, id: u64) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// The last ones.
    pub(super) fn last(&self) -> Vec<u64> {
        self.order.range(self.order.len().saturating_sub(KEPT)..).copied().collect()
    }
}

impl Extend<u64> for Recent {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, ids: I) {
        for id in ids {
            self.is_new(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_are_remembered_and_no_others() {
        let mut recent = Recent::default();
        let last = REMEMBERED as u64 + 10;
        assert!((0..last).all(|id| recent.is_new(id)));
        assert!((10..last).all(|id| !recent.is_new(id)));
        assert_eq!((recent.order.len(), recent.ids.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(recent.last(), ((last - KEPT as u64)..last).collect::<Vec<_>>());
        assert!((0..10).all(|id| recent.is_new(id)));
        let mut again = Recent::default();
        again.extend(recent.last());
        assert!(again.contains(9) && !again.is_new(9) && again.is_new(u64::MAX));
        assert!(Recent::default().last().is_empty());
    }
}
