//! The filters by primary key that most lists have: `ids`, `ids_ex`, `id`, `id__in` and the ranges.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::filters::Filters;
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Keys {
    least: i64,
    most: i64,
    only: Vec<BTreeSet<i64>>,
    except: BTreeSet<i64>,
}

impl Keys {
    /// Reads `ids` and `ids_ex`.
    pub(crate) fn read(filters: &mut Filters<'_>) -> Self {
        let set = |ids: Vec<i64>| ids.into_iter().collect::<BTreeSet<_>>();
        Self {
            least: i64::MIN,
            most: i64::MAX,
            only: filters.id_list("ids").map(set).into_iter().collect(),
            except: filters.id_list("ids_ex").map(set).unwrap_or_default(),
        }
    }

    /// No filter.
    pub(crate) fn all() -> Self {
        Self { least: i64::MIN, most: i64::MAX, only: Vec::new(), except: BTreeSet::new() }
    }

    /// Reads also `id`, `id__in`, `id__gt`, `id__gte`, `id__lt` and `id__lte`.
    pub(crate) fn with_ranges(filters: &mut Filters<'_>) -> Self {
        let mut keys = Self::read(filters);
        keys.only.extend(filters.id_list("id__in").map(|ids| ids.into_iter().collect()));
        if let Some(id) = filters.id("id") {
            keys.only.push(BTreeSet::from([id]));
        }
        let mut least = |name, step: i64| filters.id(name).map(|id| id.saturating_add(step));
        let bounds = [least("id__gt", 1), least("id__gte", 0)];
        keys.least = bounds.into_iter().flatten().max().unwrap_or(i64::MIN);
        let bounds = [least("id__lt", -1), least("id__lte", 0)];
        keys.most = bounds.into_iter().flatten().min().unwrap_or(i64::MAX);
        keys
    }

    pub(crate) fn range<R: Clone>(&self, table: &Table<R>) -> Range<u64> {
        table.range(self.least, self.most)
    }

    /// Whether the range alone decides.
    pub(crate) fn only_range(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    pub(crate) fn keep(&self, id: i64) -> bool {
        self.only.iter().all(|ids| ids.contains(&id)) && !self.except.contains(&id)
    }
}
