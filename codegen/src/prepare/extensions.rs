//! Which components extend which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keywords::Keywords;
use super::walk::referred;

/// Which components extend which.
pub(super) struct Extensions<'d>(BTreeMap<&'d str, Vec<&'d str>>);

impl<'d> Extensions<'d> {
    pub(super) fn new(known: &'d Map<String, Value>) -> Self {
        let mut extensions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, schema) in known {
            for base in schema.list("allOf").iter().filter_map(referred) {
                extensions.entry(base).or_default().push(name);
            }
        }
        Extensions(extensions)
    }

    /// Returns the components that extend `base`, directly or indirectly.
    pub(super) fn of(&self, base: &str) -> impl Iterator<Item = &'d str> {
        let direct = |base: &str| self.0.get(base).cloned().unwrap_or_default();
        let mut open = direct(base);
        let mut seen = BTreeSet::new();
        std::iter::from_fn(move || {
            loop {
                let next = open.pop()?;
                if seen.insert(next) {
                    open.extend(direct(next));
                    return Some(next);
                }
            }
        })
    }
}
