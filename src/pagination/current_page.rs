//! The page whose items are given out, and the place on it.

use reqwest::Url;

use super::checkpoint::Position;
use crate::error::Result;

/// The page whose items are given out.
pub(super) struct CurrentPage<T> {
    pub(super) items: CurrentItems<T>,
    /// Where it is; nothing before the first.
    pub(super) place: Option<Place>,
    /// The place of the next item on it, counted from 0, and of the one behind the last.
    pub(super) index: usize,
    pub(super) length: usize,
    /// Items in the list before it.
    pub(super) offset: Option<u64>,
    /// What comes behind it, and the items in the list before that.
    pub(super) after: Position,
    pub(super) after_offset: Option<u64>,
}

/// Which page it is. Its URL is needed where it has no number.
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) link: Option<Url>,
}

impl Place {
    /// Before the item of this index on it.
    pub(super) fn at(&self, item: usize) -> Position {
        let number = self.number;
        match &self.link {
            Some(url) => Position::Link { url: url.as_str().into(), number, item },
            None => Position::Page { number, item },
        }
    }
}

pub(super) enum CurrentItems<T> {
    All(std::vec::IntoIter<T>),
    /// With what their ids come down to where duplicates are dropped.
    Each(std::vec::IntoIter<(Option<u64>, Result<T>)>),
}

impl<T> CurrentItems<T> {
    pub(super) fn none() -> Self {
        CurrentItems::All(Vec::new().into_iter())
    }
}
