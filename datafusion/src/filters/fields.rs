//! [`FieldParameters`]: the parameters that filter by a field.

use synapse_backend_client::{ListField, ParameterInfo, ValueKind};

use super::limits::{self, MAX_BYTES, MAX_VALUES};
use super::parameters::{FieldFilter, Takes};
use super::values::{Bound, Side, Values, is_compared_unchanged, preset_text};

/// What joins values of a parameter that takes a list as one text.
const COMMA: &str = ",";

/// The parameters that filter by a field.
pub(super) struct FieldParameters {
    pub(super) name: &'static str,
    pub(super) kind: ValueKind,
    /// The bytes of values that may be sent without being checked again.
    pub(super) max_exact_bytes: usize,
    words: &'static [&'static str],
    equal: Vec<Equal>,
    bounds: Vec<BoundParameter>,
    /// The values of each preset parameter that selects by `=`, as far as they can be compared.
    presets: Vec<Values>,
}

struct Equal {
    wire: &'static str,
    takes: Takes,
    separator: &'static str,
    rank: u8,
}

struct BoundParameter {
    wire: &'static str,
    side: Side,
    strict: bool,
    rank: u8,
}

impl FieldParameters {
    /// Returns a field without parameters.
    pub(super) fn new(field: &ListField) -> FieldParameters {
        FieldParameters {
            name: field.name,
            kind: field.kind,
            max_exact_bytes: 0,
            words: field.words,
            equal: Vec::new(),
            bounds: Vec::new(),
            presets: Vec::new(),
        }
    }

    /// Adds a parameter. A preset one isn't sent again: its values are only compared.
    pub(super) fn add(&mut self, parameter: &'static ParameterInfo, filter: FieldFilter, preset: &[&str]) {
        let wire = parameter.wire;
        match filter {
            FieldFilter::Equal { takes, rank } => {
                let equal = Equal { wire, takes, separator: parameter.separator.unwrap_or(COMMA), rank };
                match preset.is_empty() {
                    true => self.equal.push(equal),
                    false => self.presets.extend(equal.preset_values(preset, self.kind)),
                }
            }
            FieldFilter::Bound { side, strict, rank } => {
                if preset.is_empty() {
                    self.bounds.push(BoundParameter { wire, side, strict, rank });
                }
            }
        }
    }

    /// Puts the parameters in the order in which they are preferred.
    pub(super) fn sort(&mut self) {
        self.equal.sort_by_key(|parameter| parameter.rank);
        self.bounds.sort_by_key(|parameter| (parameter.rank, parameter.strict));
    }

    pub(super) fn has_equality(&self) -> bool {
        !self.equal.is_empty() || !self.presets.is_empty()
    }

    /// Returns whether a server compares these values as they are. It may refuse a word that an enumeration lacks.
    pub(super) fn is_sendable(&self, values: &Values) -> bool {
        let is_known = |value: &String| self.words.is_empty() || self.words.contains(&value.as_str());
        let is_kept = |value: &String| is_compared_unchanged(value) && is_known(value);
        !values.is_empty() && values.iter().all(is_kept)
    }

    /// Returns whether a preset parameter selects only items with one of these values.
    pub(super) fn presets_imply(&self, values: &Values) -> bool {
        self.presets.iter().any(|preset| preset.is_subset(values))
    }

    /// Returns whether a preset parameter selects only items with other values.
    pub(super) fn presets_exclude(&self, values: &Values) -> bool {
        self.presets.iter().any(|preset| preset.is_disjoint(values))
    }

    /// Returns the parameter that selects items with one of these values; `None` if there is none, or they are too many.
    pub(super) fn one_of(&self, values: &Values) -> Option<Vec<(String, String)>> {
        if values.len() > MAX_VALUES || limits::size(values) > MAX_BYTES {
            return None;
        }
        let parameter = self.equal.iter().find(|parameter| parameter.carries(values))?;
        let pair = |value: String| (parameter.wire.to_owned(), value);
        Some(match parameter.takes {
            Takes::One | Takes::Several => values.iter().cloned().map(pair).collect(),
            Takes::CommaSeparated => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                vec![pair(values.join(COMMA))]
            }
        })
    }

    /// Returns the parameter that selects at least the items within the bound.
    pub(super) fn bound(&self, side: Side, bound: Bound) -> Option<(String, String)> {
        let parameters = self.bounds.iter().filter(|parameter| parameter.side == side);
        let mut texts =
            parameters.filter_map(|parameter| Some((parameter, bound.text(side, parameter.strict)?)));
        texts.next().map(|(parameter, text)| (parameter.wire.to_owned(), text))
    }
}

impl Equal {
    fn carries(&self, values: &Values) -> bool {
        // Servers may split each value of a list, too.
        let is_one = |value: &String| !value.contains(COMMA) && !value.contains(self.separator);
        match self.takes {
            Takes::One => values.len() == 1,
            Takes::Several | Takes::CommaSeparated => values.iter().all(is_one),
        }
    }

    /// Returns the values of a preset parameter; `None` if they can't be compared with those of filters.
    fn preset_values(&self, texts: &[&str], kind: ValueKind) -> Option<Values> {
        let text = |text: &str| preset_text(text, kind);
        match (self.takes, texts) {
            (Takes::One, [one]) => text(one).map(|value| Values::from([value])),
            (Takes::CommaSeparated, [list]) => list.split(COMMA).map(text).collect(),
            (Takes::Several, texts) => {
                let values: Option<Values> = texts.iter().map(|one| text(one)).collect();
                values.filter(|values| self.carries(values))
            }
            _ => None,
        }
    }
}
