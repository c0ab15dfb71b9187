//! Tables: rows that are computed from their index, until a request changes them or adds more.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Make<R> = Box<dyn Fn(u64) -> R + Send + Sync>;

/// The rows of one kind, ordered by id. The ids follow each other without gaps.
pub(crate) struct Table<R> {
    first: i64,
    seeded: u64,
    make: Make<R>,
    state: Mutex<State<R>>,
}

struct State<R> {
    /// The seeded rows that requests have changed, by index.
    changed: BTreeMap<u64, R>,
    added: Vec<R>,
}

impl<R: Clone> Table<R> {
    pub(crate) fn new(first: i64, seeded: u64, make: impl Fn(u64) -> R + Send + Sync + 'static) -> Self {
        let state = Mutex::new(State { changed: BTreeMap::new(), added: Vec::new() });
        Self { first, seeded, make: Box::new(make), state }
    }

    pub(crate) fn len(&self) -> u64 {
        self.seeded + self.lock().added.len() as u64
    }

    pub(crate) fn id(&self, index: u64) -> i64 {
        self.first + index as i64
    }

    /// Returns the index of an id. The id comes from a client, so the subtraction may overflow.
    pub(crate) fn index(&self, id: i64) -> Option<u64> {
        u64::try_from(id.checked_sub(self.first)?).ok().filter(|index| *index < self.len())
    }

    /// Returns the indices of the ids in a range, both ends included.
    pub(crate) fn range(&self, least: i64, most: i64) -> Range<u64> {
        let place = |id: i64| u64::try_from(id.saturating_sub(self.first)).unwrap_or(0);
        let len = self.len();
        let start = place(least).min(len);
        let end = if most < self.first { 0 } else { place(most).saturating_add(1).min(len) };
        start..end.max(start)
    }

    pub(crate) fn has(&self, id: i64) -> bool {
        self.index(id).is_some()
    }

    pub(crate) fn get(&self, id: i64) -> Option<R> {
        self.row(self.index(id)?)
    }

    pub(crate) fn row(&self, index: u64) -> Option<R> {
        let state = self.lock();
        match index.checked_sub(self.seeded) {
            Some(place) => state.added.get(usize::try_from(place).ok()?).cloned(),
            None => state.changed.get(&index).cloned().or_else(|| Some((self.make)(index))),
        }
    }

    /// Returns the indices of the rows that pass.
    pub(crate) fn select(&self, range: Range<u64>, keep: impl Fn(u64, &R) -> bool) -> Vec<u64> {
        let state = self.lock();
        let passes = |index: &u64| match index.checked_sub(self.seeded) {
            Some(place) => state.added.get(place as usize).is_some_and(|row| keep(*index, row)),
            None => match state.changed.get(index) {
                Some(row) => keep(*index, row),
                None => keep(*index, &(self.make)(*index)),
            },
        };
        range.filter(passes).collect()
    }

    /// Returns the first row that passes.
    pub(crate) fn find(&self, keep: impl Fn(&R) -> bool) -> Option<R> {
        let index = self.select(0..self.len(), |_, row| keep(row)).into_iter().next()?;
        self.row(index)
    }

    /// Changes a row, if there is one with this id.
    pub(crate) fn update<T>(&self, id: i64, change: impl FnOnce(&mut R) -> T) -> Option<T> {
        let index = self.index(id)?;
        let mut state = self.lock();
        Some(match index.checked_sub(self.seeded) {
            Some(place) => change(state.added.get_mut(usize::try_from(place).ok()?)?),
            None => change(state.changed.entry(index).or_insert_with(|| (self.make)(index))),
        })
    }

    /// Adds the row that `make` creates for the next id.
    pub(crate) fn add(&self, make: impl FnOnce(i64) -> R) -> R {
        let mut state = self.lock();
        let row = make(self.first + self.seeded as i64 + state.added.len() as i64);
        state.added.push(row.clone());
        row
    }

    /// Returns the ids of the rows that requests created.
    pub(crate) fn created(&self) -> Vec<i64> {
        (self.seeded..self.len()).map(|index| self.id(index)).collect()
    }

    /// Returns the seeded rows that requests have changed, and the rows that they have created.
    pub(crate) fn changed(&self) -> Vec<R> {
        let state = self.lock();
        state.changed.values().chain(&state.added).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<R> {
        (0..self.len()).filter_map(|index| self.row(index)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn rows_keep_ids_and_changes() {
        let table = Table::new(100, 3, |index| index * 10);
        assert_eq!(table.add(|id| id as u64), 103);
        assert_eq!(table.update(101, |row| *row += 1), Some(()));
        assert_eq!(table.all(), [0, 11, 20, 103]);
        assert_eq!((table.get(99), table.get(104), table.get(i64::MIN)), (None, None, None));
        assert_eq!(table.select(1..4, |_, row| row % 2 == 1), [1, 3]);
        assert_eq!((table.range(101, 102), table.range(i64::MIN, i64::MAX)), (1..3, 0..4));
        assert_eq!((table.range(5, 50), table.range(200, 300)), (0..0, 4..4));
        assert_eq!((table.range(102, 101), table.created()), (2..2, vec![103]));
    }
}
