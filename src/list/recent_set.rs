//! Remembers recent numbers, in bounded memory.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The most recent numbers: each is an id that was turned into a number.
pub(super) struct RecentSet {
    most: usize,
    order: VecDeque<u64>,
    set: HashSet<u64, Keyed>,
}

/// Hashes a number with one multiplication and random keys, so that nobody can choose colliding numbers.
struct Keyed(u64, u64);

impl Keyed {
    fn new() -> Self {
        let random = RandomState::new();
        Keyed(random.hash_one(0), random.hash_one(1) | 1)
    }
}

impl BuildHasher for Keyed {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed(self.0, self.1)
    }
}

struct Hashed(u64, u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * u128::from(self.1);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl RecentSet {
    /// Creates a set that remembers the last `most` numbers.
    pub(super) fn new(most: usize) -> Self {
        RecentSet { most, order: VecDeque::new(), set: HashSet::with_hasher(Keyed::new()) }
    }

    /// Returns whether a number is new, and remembers it.
    pub(super) fn is_new(&mut self, number: u64) -> bool {
        if !self.set.insert(number) {
            return false;
        }
        self.order.push_back(number);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }

    /// Returns the last `most` numbers, not counting the `newest` ones at the end.
    pub(super) fn last(&self, most: usize, newest: usize) -> Vec<u64> {
        let end = self.order.len().saturating_sub(newest);
        self.order.range(end.saturating_sub(most)..end).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_last_ids_are_remembered() {
        let mut recent = RecentSet::new(1_000);
        assert!((0..1_010).all(|id| recent.is_new(id)));
        assert!((10..1_010).all(|id| !recent.is_new(id)));
        assert_eq!((recent.order.len(), recent.set.len()), (1_000, 1_000));
        assert_eq!(recent.last(3, 0), [1_007, 1_008, 1_009]);
        assert_eq!(recent.last(3, 2), [1_005, 1_006, 1_007]);
        assert_eq!((recent.last(3, 999), recent.last(3, 5_000)), (vec![10], vec![]));
        assert!((0..10).all(|id| recent.is_new(id)));
        assert!(RecentSet::new(5).last(3, 0).is_empty());
    }
}
