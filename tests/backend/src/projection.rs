//! What an item shows of itself: the fields that a request selects, and the settings that thin answers out.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::request_parts::RequestParts;
use crate::settings::Settings;

/// `expand`, `fields` and `omit` of a request, with the settings for answers.
#[derive(Debug)]
pub(crate) struct Projection {
    expand: BTreeSet<String>,
    fields: BTreeSet<String>,
    omit: BTreeSet<String>,
    expand_all: bool,
    nulls: bool,
    minimal: bool,
}

impl Projection {
    pub(crate) fn of(parts: &RequestParts, settings: &Settings) -> Self {
        let words = |name: &str| {
            let all = parts.query.all(name).flat_map(|words| words.split(','));
            all.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Self {
            expand: words("expand"),
            fields: words("fields"),
            omit: words("omit"),
            expand_all: settings.quirks.expanded_keys,
            nulls: settings.quirks.null_fields,
            minimal: settings.quirks.minimal_responses,
        }
    }

    /// Whether the related object replaces its id.
    pub(crate) fn expands(&self, name: &str) -> bool {
        self.expand_all || self.asks(name)
    }

    /// Whether the request itself asks for this expansion.
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.expand.contains(name)
    }

    /// Returns an item as the response shows it. `required` are the fields that are there in any case.
    pub(crate) fn show(&self, mut item: Value, required: &[&str]) -> Value {
        let Value::Object(fields) = &mut item else { return item };
        if self.minimal {
            fields.retain(|name, _| required.contains(&name.as_str()));
        }
        if self.nulls {
            for (_, value) in fields.iter_mut().filter(|(name, _)| !required.contains(&name.as_str())) {
                *value = Value::Null;
            }
        }
        if !self.fields.is_empty() {
            fields.retain(|name, _| self.fields.contains(name));
        }
        fields.retain(|name, _| !self.omit.contains(name));
        item
    }
}

/// The required fields of most kinds.
pub(crate) const ID: &[&str] = &["id"];
