//! [`JsonPath`]: a path in a JSON text, such as `results[3].id`. Its length is bounded, whatever the keys
//! are.

use std::fmt::Write as _;

use crate::error::redact::boundary;

/// A path that is built step by step.
#[derive(Debug, Default)]
pub(crate) struct JsonPath(String);

/// The longest path, in bytes.
const MAX_PATH: usize = 1 << 10;

/// The longest key that is not shortened, in bytes. A longer one is reduced to its beginning and end.
const MAX_KEY: usize = 128;

impl JsonPath {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Returns the current length, for [`go_back`](JsonPath::go_back).
    pub(crate) fn mark(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn go_back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    pub(crate) fn key(&mut self, key: &str) {
        const HALF: usize = MAX_KEY / 2;
        if self.is_full(key.len().min(MAX_KEY)) {
            return;
        }
        if !self.0.is_empty() {
            self.0.push('.');
        }
        match key.len() > MAX_KEY {
            true => {
                let end =
                    (key.len() - HALF..key.len()).find(|at| key.is_char_boundary(*at)).unwrap_or(key.len());
                self.0.extend([&key[..boundary(key, HALF)], "…", &key[end..]]);
            }
            false => self.0.push_str(key),
        }
    }

    pub(crate) fn index(&mut self, index: usize) {
        if !self.is_full(0) {
            let _ = write!(self.0, "[{index}]");
        }
    }

    /// Ends the path with `…` if there is no room for `more` bytes, and returns whether the path is full.
    fn is_full(&mut self, more: usize) -> bool {
        let full = self.0.ends_with("…") || self.0.len() + more > MAX_PATH;
        if full && !self.0.ends_with('…') {
            self.0.push('…');
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_and_paths_are_shortened() {
        let mut path = JsonPath::default();
        path.key("results");
        path.index(3);
        let mark = path.mark();
        path.key(&format!("{}한{}", "k".repeat(5_000), "z".repeat(100)));
        assert_eq!(path.as_str(), format!("results[3].{}…{}", "k".repeat(64), "z".repeat(64)));
        (0..1_000).for_each(|_| path.key("한글한글한글"));
        assert!(path.as_str().len() < MAX_PATH + 10 && path.as_str().ends_with('…'), "{path:?}");
        path.go_back(mark);
        path.key("id");
        assert_eq!(path.into_string(), "results[3].id");
    }
}
