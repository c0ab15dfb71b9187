//! [`Written`]: what conversions wrote into a response so far, for the conversions after them.

use std::ops::Range;
use std::sync::Arc;

use super::Conversions;
use super::undelivered::Undelivered;

/// What conversions wrote into a response so far.
pub(super) struct Written {
    /// Whether there are several batches, so that conversions see what earlier ones wrote.
    several: bool,
    /// Where the written literals begin; for those in a file's object also where their keys begin. Sorted.
    pub(super) places: Vec<usize>,
    pub(super) undelivered: Undelivered,
}

impl Written {
    /// Nothing is written yet; the conversions run in this many batches.
    pub(super) fn nothing(conversions: Arc<Conversions>, runs: usize) -> Self {
        Written { several: runs > 1, places: Vec::new(), undelivered: Undelivered::of(conversions) }
    }

    /// Returns a record for the next edits of the text, if there are several batches.
    pub(super) fn edits(&self) -> Option<Edits> {
        self.several.then(Edits::default)
    }

    /// Updates the positions after an edit of the text. `written` contains the positions, in the old text, of
    /// what was written.
    pub(super) fn follow(&mut self, written: Vec<usize>, edits: &Edits) {
        self.places.extend(written);
        self.places.sort_unstable();
        self.places.dedup();
        self.places = self.places.iter().filter_map(|place| edits.follow(*place)).collect();
        self.undelivered.follow(edits);
    }
}

/// The edits of a text: replaced parts, in order.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

impl Edits {
    pub(super) fn add(&mut self, old: Range<usize>, new: Range<usize>) {
        self.0.push(Edit { old, new });
    }

    /// Returns where a position of the old text is in the new text; `None` if it was removed. A replacement
    /// begins where the replaced part began.
    pub(super) fn follow(&self, place: usize) -> Option<usize> {
        let before = self.0.partition_point(|edit| edit.old.start <= place);
        let Some(edit) = before.checked_sub(1).and_then(|last| self.0.get(last)) else { return Some(place) };
        match place.checked_sub(edit.old.end) {
            Some(behind) => Some(edit.new.end + behind),
            None if edit.new.is_empty() => None,
            None => Some(edit.new.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_edits() {
        let mut edits = Edits::default();
        // "aXXbYYcZ" -> "aUbcVVV"
        edits.add(1..3, 1..2);
        edits.add(4..6, 3..3);
        edits.add(7..8, 4..7);
        let places: Vec<_> = (0..10).map(|place| edits.follow(place)).collect();
        let expected = [Some(0), Some(1), Some(1), Some(2), None, None, Some(3), Some(4), Some(7), Some(8)];
        assert_eq!(places, expected);
        assert_eq!(Edits::default().follow(7), Some(7));
    }
}
