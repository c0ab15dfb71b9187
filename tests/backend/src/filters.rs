//! Filters of lists, parsed and rejected as django-filter does. Undeclared filters are ignored.

use crate::drf::{FieldErrors, Refusal};
use crate::request_parts::Query;
use crate::time::Timestamp;

/// Parses the filters of one list. All invalid values are reported in one response.
pub(crate) struct Filters<'q> {
    query: &'q Query,
    errors: FieldErrors,
}

impl<'q> Filters<'q> {
    pub(crate) fn new(query: &'q Query) -> Self {
        Self { query, errors: FieldErrors::default() }
    }

    /// A number filter. A number that is no id (`1.5`) is valid and matches nothing.
    pub(crate) fn id(&mut self, name: &'static str) -> Option<i64> {
        let text = self.query.given(name)?;
        if let Ok(id) = text.parse() {
            return Some(id);
        }
        match text.parse::<f64>() {
            // Whole and small enough to be exact. No object has the id `-1`.
            Ok(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
            Ok(number) if number.is_finite() => Some(-1),
            _ => {
                self.errors.add(name, "Enter a number.");
                None
            }
        }
    }

    /// A filter over existing objects that may be repeated.
    pub(crate) fn ids(&mut self, name: &'static str, exists: impl Fn(i64) -> bool) -> Option<Vec<i64>> {
        let mut ids = Vec::new();
        for text in self.query.all(name).map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(id) if exists(id) => ids.push(id),
                Ok(_) => {
                    let message =
                        format!("Select a valid choice. {text} is not one of the available choices.");
                    self.errors.add(name, message);
                    return None;
                }
                Err(_) => {
                    self.errors.add(name, format!("“{text}” is not a valid value."));
                    return None;
                }
            }
        }
        (!ids.is_empty()).then_some(ids)
    }

    /// A list of numbers, repeated or joined by commas. Unknown ones match nothing.
    pub(crate) fn id_list(&mut self, name: &'static str) -> Option<Vec<i64>> {
        let query = self.query;
        let words = query.all(name).flat_map(|text| text.split(','));
        let mut ids = Vec::new();
        for text in words.map(str::trim).filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(id) => ids.push(id),
                Err(_) => {
                    self.errors.add(name, "Enter a number.");
                    return None;
                }
            }
        }
        (!ids.is_empty()).then_some(ids)
    }

    /// A list of choices, repeated or joined by commas.
    pub(crate) fn choices(&mut self, name: &'static str, choices: &[&str]) -> Option<Vec<&'q str>> {
        let query = self.query;
        let words = query.all(name).flat_map(|text| text.split(','));
        let words: Vec<&str> = words.map(str::trim).filter(|text| !text.is_empty()).collect();
        if let Some(bad) = words.iter().find(|word| !choices.contains(word)) {
            self.errors
                .add(name, format!("Select a valid choice. {bad} is not one of the available choices."));
            return None;
        }
        (!words.is_empty()).then_some(words)
    }

    /// The bounds `__gt`, `__gte`, `__lt` and `__lte` of a time.
    pub(crate) fn time_bounds(&mut self, names: [&'static str; 4]) -> TimeBounds {
        TimeBounds(names.map(|name| self.time(name)))
    }

    pub(crate) fn choice(&mut self, name: &'static str, choices: &[&str]) -> Option<&'q str> {
        let text = self.query.given(name)?;
        if !choices.contains(&text) {
            self.errors
                .add(name, format!("Select a valid choice. {text} is not one of the available choices."));
            return None;
        }
        Some(text)
    }

    /// A value that is no boolean counts as absent, as in django-filter's `BooleanWidget`.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        match self.query.given(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    pub(crate) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.query.given(name)?;
        let time = Timestamp::parse(text);
        if time.is_none() {
            self.errors.add(name, "Enter a valid date/time.");
        }
        time
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'q str> {
        self.query.given(name)
    }

    /// Returns the words of `search` in lower case. An item matches if it contains all of them.
    pub(crate) fn search(&self) -> Vec<String> {
        self.query
            .given("search")
            .map(|text| {
                text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
            })
            .unwrap_or_default()
    }

    pub(crate) fn done(self) -> Result<(), Refusal> {
        self.errors.into_result()
    }
}

/// Bounds of a time: after, not before, before, not after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeBounds([Option<Timestamp>; 4]);

impl TimeBounds {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub(crate) fn keep(&self, time: Timestamp) -> bool {
        let [gt, gte, lt, lte] = self.0;
        gt.is_none_or(|bound| time > bound)
            && gte.is_none_or(|bound| time >= bound)
            && lt.is_none_or(|bound| time < bound)
            && lte.is_none_or(|bound| time <= bound)
    }
}
