//! Tells a list's items apart, and remembers which were seen before.

use std::sync::Arc;

use reqwest::Url;

use super::page::{Fields, Marks};
use super::recent_set::RecentSet;
use crate::generated::pagination::Pagination;

/// How many ids are remembered: a list shifts by a few pages while it is read, not by hundreds.
const MAX_IDS: usize = 100_000;
/// How many page digests are remembered.
const MAX_PAGES: usize = 1 << 16;
/// How many ids a checkpoint keeps.
pub(super) const MAX_CHECKPOINT_IDS: usize = 1_000;

/// Returns the fields that tell a list's items apart, in order of preference. If the request leaves out fields,
/// only the first counts: its absence doesn't mean that the server has no such field.
pub(super) fn identity_of(pagination: Pagination, url: &Url) -> &'static [&'static str] {
    let leaves_out = || url.query_pairs().any(|(name, _)| name == "fields" || name == "omit");
    match pagination.identity {
        [first, _, ..] if leaves_out() => std::slice::from_ref(first),
        fields => fields,
    }
}

/// The items of a list that were seen before.
pub(super) struct Seen {
    /// The fields that may tell items apart.
    fields: Fields,
    /// The field that tells them apart; decided by the first page that has items.
    decided: Option<Option<Arc<str>>>,
    ids: RecentSet,
    pages: RecentSet,
    /// How many of the ids that were added last belong to items that will not be returned.
    dropped: usize,
    resumed: Resumed,
}

/// What a checkpoint contained.
#[derive(Default)]
pub(super) struct Resumed {
    pub(super) identity: Option<String>,
    pub(super) ids: Vec<u64>,
}

/// Whether an item was seen before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mark {
    New,
    Repeated,
    /// It has no id.
    Unknown,
}

/// The result of comparing a page with the pages before it.
#[derive(Debug, PartialEq)]
pub(super) struct Compared {
    /// One mark per item that is to be returned; empty if all items have the mark `same`.
    pub(super) marks: Vec<Mark>,
    pub(super) same: Mark,
    /// Items that were seen before, or that were skipped without ever being returned.
    pub(super) missed: u64,
    /// Whether the page has a new item.
    pub(super) progress: bool,
}

impl Seen {
    pub(super) fn new<'f>(fields: impl IntoIterator<Item = &'f str>) -> Self {
        Seen {
            fields: fields.into_iter().map(Arc::from).collect(),
            decided: None,
            ids: RecentSet::new(MAX_IDS),
            pages: RecentSet::new(MAX_PAGES),
            dropped: 0,
            resumed: Resumed::default(),
        }
    }

    /// Sets the fields that tell items apart.
    pub(super) fn set_fields(&mut self, fields: Fields) {
        self.fields = fields;
    }

    pub(super) fn resume(&mut self, mut resumed: Resumed) {
        // Checkpoints without a field name contain values of `id`.
        if resumed.identity.is_none() && !resumed.ids.is_empty() {
            resumed.identity = Some("id".to_owned());
        }
        self.resumed = resumed;
    }

    /// Returns a placeholder for use while a page is compared on another thread. It contains what checkpoints
    /// keep, provided that all items before that page were returned.
    pub(super) fn standing_in(&self) -> Self {
        Seen { fields: self.fields.clone(), resumed: self.kept(0), ..Seen::new(std::iter::empty()) }
    }

    /// Returns the fields to look for in pages.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the field that tells items apart, once that is decided.
    pub(super) fn identity(&self) -> Option<&str> {
        self.decided.as_ref()?.as_deref()
    }

    /// Compares a page with the pages before it. `items` of its items could be decoded; another stream
    /// returned the first `passed` of them.
    pub(super) fn compare(&mut self, page: &Marks, items: usize, passed: usize) -> Compared {
        let mut covered = false;
        if self.decided.is_none() && items > 0 {
            covered = self.decide(page.identity.clone(), passed);
        }
        let same = self.decided.as_ref() == Some(&page.identity);
        let ids: &[u64] = if same { &page.ids } else { &[] };
        let mut missed = 0;
        for id in ids.iter().take(passed).filter(|id| **id != 0) {
            if self.ids.is_new(*id) && covered {
                missed += 1;
            }
        }
        let (ids, mut added) = (ids.get(passed..).unwrap_or_default(), 0);
        let mut marks: Option<Vec<Mark>> = None;
        for (index, id) in ids.iter().enumerate() {
            let mark = match *id {
                0 => Mark::Unknown,
                id if self.ids.is_new(id) => Mark::New,
                _ => Mark::Repeated,
            };
            added += usize::from(mark == Mark::New);
            missed += u64::from(mark == Mark::Repeated);
            if mark != Mark::New && marks.is_none() {
                marks = Some(vec![Mark::New; index]);
            }
            if let Some(marks) = &mut marks {
                marks.push(mark);
            }
        }
        let new = match ids.is_empty() {
            true => items > passed,
            false => marks.as_ref().is_none_or(|marks| marks.iter().any(|mark| *mark != Mark::Repeated)),
        };
        // Until the page's items can be returned.
        self.dropped = added;
        Compared {
            marks: marks.unwrap_or_default(),
            same: if ids.is_empty() { Mark::Unknown } else { Mark::New },
            missed,
            // The digest also detects a loop with more items than are remembered: its pages repeat.
            progress: self.pages.is_new(page.digest) && new,
        }
    }

    /// Decides which field tells items apart. Returns whether the checkpoint contains all items that were
    /// skipped.
    fn decide(&mut self, identity: Option<Arc<str>>, passed: usize) -> bool {
        let Resumed { identity: before, ids } = std::mem::take(&mut self.resumed);
        self.fields = identity.iter().cloned().collect();
        let same = before.is_some() && before.as_deref() == identity.as_deref();
        let covered = same && (ids.len() < MAX_CHECKPOINT_IDS || passed <= MAX_CHECKPOINT_IDS);
        if same {
            ids.into_iter().for_each(|id| {
                self.ids.is_new(id);
            });
        }
        self.decided = Some(identity);
        covered
    }

    /// Records that this many of the ids that were added last belong to items that will not be returned.
    pub(super) fn drop_last(&mut self, ids: usize) {
        self.dropped = ids;
    }

    /// Returns what a checkpoint keeps if the items of the `left` ids that were added last weren't returned
    /// yet.
    pub(super) fn kept(&self, left: usize) -> Resumed {
        match &self.decided {
            None => Resumed { identity: self.resumed.identity.clone(), ids: self.resumed.ids.clone() },
            Some(identity) => Resumed {
                identity: identity.as_deref().map(str::to_owned),
                ids: self.ids.last(MAX_CHECKPOINT_IDS, left.max(self.dropped)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(identity: Option<&str>, ids: &[u64]) -> Marks {
        let digest = ids.iter().fold(7, |digest: u64, id| digest.wrapping_mul(31).wrapping_add(*id));
        Marks { identity: identity.map(Arc::from), ids: ids.to_vec(), digest }
    }

    fn compare(seen: &mut Seen, ids: &[u64], passed: usize) -> (u64, bool) {
        let compared = seen.compare(&page(Some("id"), ids), ids.len(), passed);
        seen.drop_last(0);
        (compared.missed, compared.progress)
    }

    #[test]
    fn identity_fields_of_each_list() {
        let of = |fields: &'static [&'static str], query: &str| {
            let url = format!("http://h/x/?{query}").parse().unwrap();
            identity_of(Pagination::new().identified_by(fields), &url)
        };
        assert_eq!(of(&["pgh_id", "id"], "page=1"), ["pgh_id", "id"]);
        assert_eq!(of(&["pgh_id", "id"], "fields=id"), ["pgh_id"]);
        assert_eq!(of(&["pgh_id", "id"], "omit=data"), ["pgh_id"]);
        assert!(of(&[], "").is_empty() && of(&[], "fields=id").is_empty());
        assert_eq!(of(Pagination::new().identity, "fields=id"), ["id"]);
    }

    #[test]
    fn repeated_items_make_no_progress() {
        let mut seen = Seen::new(["id"]);
        assert_eq!(compare(&mut seen, &[1, 2, 3], 0), (0, true));
        assert_eq!(compare(&mut seen, &[2, 3, 4, 4], 0), (3, true));
        assert_eq!(compare(&mut seen, &[4, 1], 0), (2, false));
        assert_eq!(compare(&mut seen, &[], 0), (0, false));
        // Items without an id are compared by their page.
        assert_eq!(compare(&mut seen, &[0, 1], 0), (1, true));
        assert_eq!(compare(&mut seen, &[0, 1], 0), (1, false));
    }

    #[test]
    fn identity_is_decided_once() {
        let mut seen = Seen::new(["pgh_id", "id"]);
        assert!(!seen.compare(&page(None, &[]), 0, 0).progress);
        assert_eq!((seen.identity(), seen.fields().len()), (None, 2));
        seen.compare(&page(Some("id"), &[1, 2]), 2, 0);
        assert_eq!((seen.identity(), seen.fields().len()), (Some("id"), 1));
        // A page that was already in flight isn't compared.
        let other = seen.compare(&page(Some("pgh_id"), &[1, 3]), 2, 0);
        assert!(other.same == Mark::Unknown && other.missed == 0 && other.progress);
        let mut seen = Seen::new(["id"]);
        seen.compare(&page(None, &[]), 3, 0);
        assert!(seen.fields().is_empty() && seen.identity().is_none());
    }

    #[test]
    fn undelivered_items_are_not_kept() {
        let mut seen = Seen::new(["id"]);
        seen.compare(&page(Some("id"), &[1, 2, 3]), 3, 0);
        assert!(seen.kept(0).ids.is_empty());
        seen.drop_last(0);
        assert_eq!(seen.kept(2).ids, [1]);
        let mut again = Seen::new(["id"]);
        again.resume(seen.kept(2));
        assert_eq!(again.kept(0).ids, [1]);
        assert_eq!(compare(&mut again, &[1, 2, 3], 1), (0, true));
        assert_eq!(again.kept(0).ids, [1, 2, 3]);
    }

    #[test]
    fn placeholder_keeps_checkpoint_id() {
        let mut seen = Seen::new(["id"]);
        seen.resume(Resumed { identity: Some("id".to_owned()), ids: vec![7] });
        let kept = |seen: &Seen| (seen.kept(0).identity, seen.kept(0).ids);
        assert_eq!(kept(&seen.standing_in()), (Some("id".to_owned()), vec![7]));
        compare(&mut seen, &[1, 2], 0);
        assert_eq!(kept(&seen.standing_in()), (Some("id".to_owned()), vec![7, 1, 2]));
        assert_eq!(seen.standing_in().fields(), seen.fields());
    }

    #[test]
    fn skipped_undelivered_items_are_missed() {
        let mut seen = Seen::new(["id"]);
        seen.resume(Resumed { identity: None, ids: vec![1, 2, 3] });
        assert_eq!(compare(&mut seen, &[3, 4, 5], 2), (1, true));
        // Ids of another field can't be compared.
        let mut seen = Seen::new(["id"]);
        seen.resume(Resumed { identity: Some("pgh_id".to_owned()), ids: vec![1, 2, 3] });
        assert_eq!(compare(&mut seen, &[3, 4, 5], 2), (0, true));
    }
}
