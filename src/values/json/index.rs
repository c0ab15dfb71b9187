//! [`JsonIndex`], and the values that were looked up. A `Json` stores them, since indexing returns
//! references.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use serde_json::Value;

use super::value::value_of;
use crate::error::json_text::members::{items, member, members, name};

/// The types that can index a [`Json`](crate::Json): a key (`&str`, `String`) or the position of an item
/// (`usize`).
pub trait JsonIndex: sealed::Sealed {}

impl JsonIndex for str {}
impl JsonIndex for String {}
impl JsonIndex for usize {}
impl<I: JsonIndex + ?Sized> JsonIndex for &I {}

pub(super) mod sealed {
    /// A single lookup.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Step<'k> {
        Key(&'k str),
        Item(usize),
    }

    pub trait Sealed {
        fn step(&self) -> Step<'_>;
    }

    impl Sealed for str {
        fn step(&self) -> Step<'_> {
            Step::Key(self)
        }
    }

    impl Sealed for String {
        fn step(&self) -> Step<'_> {
            Step::Key(self)
        }
    }

    impl Sealed for usize {
        fn step(&self) -> Step<'_> {
            Step::Item(*self)
        }
    }

    impl<I: Sealed + ?Sized> Sealed for &I {
        fn step(&self) -> Step<'_> {
            (**self).step()
        }
    }
}

pub(super) use sealed::Step;

pub(super) static NULL: Value = Value::Null;

impl Step<'_> {
    /// Returns the text of the value at this step in `text`.
    pub(super) fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Step::Key(key) => member(text, key),
            Step::Item(index) => items(text).nth(*index),
        }
    }

    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Step::Key(key) => value.get(key),
            Step::Item(index) => value.get(index),
        }
    }

    /// Returns the value at this step in `value`; null if there is none.
    pub(super) fn in_value<'v>(&self, value: &'v Value) -> &'v Value {
        self.of(value).unwrap_or(&NULL)
    }
}

/// The number of different keys that are looked up by walking the text. A caller with more lookups may want
/// all keys, so a table is built then, which costs as much as two walks.
const MAX_WALKS: usize = 2;

/// The values that were looked up in a text. Each is parsed once, and its address doesn't change.
#[derive(Default)]
pub(super) struct Found {
    first: [OnceLock<Box<Node>>; MAX_WALKS],
    table: OnceLock<Table>,
}

struct Node {
    step: OwnedStep,
    value: Value,
}

enum OwnedStep {
    Key(Box<str>),
    Item(usize),
}

impl OwnedStep {
    fn is(&self, step: Step<'_>) -> bool {
        match self {
            OwnedStep::Key(key) => step == Step::Key(key),
            OwnedStep::Item(index) => step == Step::Item(*index),
        }
    }
}

impl Found {
    /// Returns the value at `step` in `text`; null if there is none, or if no value can represent it.
    pub(super) fn look_up(&self, text: &str, step: Step<'_>) -> &Value {
        let fits = match step {
            Step::Key(_) => text.starts_with('{'),
            Step::Item(_) => text.starts_with('['),
        };
        if !fits {
            return &NULL;
        }
        for link in &self.first {
            let node = link.get_or_init(|| Box::new(Node::new(text, step)));
            if node.step.is(step) {
                return &node.value;
            }
        }
        self.table.get_or_init(|| Table::new(text)).look_up(text, step)
    }
}

impl Node {
    fn new(text: &str, step: Step<'_>) -> Self {
        let value = step.find(text).and_then(|found| value_of(found).ok()).unwrap_or_default();
        let step = match step {
            Step::Key(key) => OwnedStep::Key(key.into()),
            Step::Item(index) => OwnedStep::Item(index),
        };
        Node { step, value }
    }
}

/// The positions of all members or items in a text.
enum Table {
    Members(HashMap<Box<str>, Entry>),
    Items(Vec<Entry>),
}

struct Entry {
    place: Range<usize>,
    value: OnceLock<Box<Value>>,
}

impl Table {
    fn new(text: &str) -> Self {
        let entry = |part: &str| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            Entry { place: start..start + part.len(), value: OnceLock::new() }
        };
        match text.starts_with('[') {
            true => Table::Items(items(text).map(entry).collect()),
            false => {
                Table::Members(members(text).map(|(key, value)| (name(key).into(), entry(value))).collect())
            }
        }
    }

    fn look_up(&self, text: &str, step: Step<'_>) -> &Value {
        let entry = match (self, step) {
            (Table::Members(members), Step::Key(key)) => members.get(key),
            (Table::Items(items), Step::Item(index)) => items.get(index),
            _ => None,
        };
        let Some(entry) = entry else { return &NULL };
        entry.value.get_or_init(|| {
            let text = text.get(entry.place.clone()).unwrap_or_default();
            Box::new(value_of(text).unwrap_or_default())
        })
    }
}
