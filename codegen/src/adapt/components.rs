//! The components of the prepared document, by the names of their types.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::prepare::naming::type_name;
use crate::prepare::schemas;

/// The components by the names of their types, so that no lookup compares all of them.
pub(super) struct Components<'d>(BTreeMap<String, (&'d str, &'d Value)>);

impl<'d> Components<'d> {
    pub(super) fn of(document: &'d Value) -> Self {
        let mut components = BTreeMap::new();
        for (name, schema) in schemas(document) {
            components.entry(type_name(name)).or_insert((name.as_str(), schema));
        }
        Components(components)
    }

    /// Returns the component of a type, with its name.
    pub(super) fn of_type(&self, ty: &str) -> Option<(&'d str, &'d Value)> {
        self.0.get(ty).copied()
    }
}
