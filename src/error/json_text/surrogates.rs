//! Finds lone surrogates in JSON text: halves of a surrogate pair, which no Rust string can hold.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A lone surrogate.
#[derive(Debug, PartialEq)]
pub(super) struct Half {
    /// The position of its escape (`\ud83d`).
    pub(super) at: usize,
    /// A hash of its path; equal for all at the same keys, whatever the list indexes.
    pub(super) place: u64,
}

/// The maximum depth at which paths are distinguished: values that are decoded into types are not deeper.
const DEPTH: usize = 128;

/// Returns all lone surrogates, in order, in one pass. In text that isn't JSON their paths are arbitrary.
pub(super) fn halves(text: &[u8]) -> Vec<Half> {
    let mut halves: Vec<Half> = Vec::new();
    // For each open list or object: its own path, and the path of the value that is being read in it.
    let mut open: Vec<(u64, u64)> = Vec::new();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = literal(text, at, open.last().map_or(0, |(_, place)| *place), &mut halves);
                // It is a key if a colon follows.
                let colon =
                    text.get(end..).and_then(|rest| rest.iter().find(|byte| !byte.is_ascii_whitespace()));
                if colon == Some(&b':')
                    && let Some((object, place)) = open.last_mut()
                {
                    *place = hash(*object, text.get(at..end).unwrap_or_default());
                }
                at = end;
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                if depth <= DEPTH {
                    let place = hash(open.last().map_or(0, |(_, place)| *place), &[*byte]);
                    open.push((place, place));
                }
            }
            b']' | b'}' => {
                if depth <= DEPTH {
                    open.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        at += 1;
    }
    halves
}

fn hash(place: u64, step: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (place, step).hash(&mut hasher);
    hasher.finish()
}

/// Collects the lone surrogates in the string whose quote is at `start`. Returns the string's end.
fn literal(text: &[u8], start: usize, place: u64, halves: &mut Vec<Half>) -> usize {
    let mut at = start + 1;
    loop {
        match text.get(at) {
            None => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') => match escape(text, at) {
                // Another escape, whose second character is not itself a backslash or quote.
                None => at += 2,
                Some(0xd800..0xdc00)
                    if escape(text, at + 6).is_some_and(|low| (0xdc00..0xe000).contains(&low)) =>
                {
                    at += 12
                }
                Some(unit) => {
                    if (0xd800..0xe000).contains(&unit) {
                        halves.push(Half { at, place });
                    }
                    at += 6;
                }
            },
            Some(_) => at += 1,
        }
    }
}

/// Returns the code unit of the `\uXXXX` at `at`.
fn escape(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at.checked_add(6)?)?.strip_prefix(br"\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<u64> {
        halves(text.as_bytes()).into_iter().map(|half| half.place).collect()
    }

    #[test]
    fn surrogate_places_ignore_indexes() {
        let same = places(r#"{"results": [{"name": "\ud83d"}, {"x": ["{\""], "name" : "\ude00"}]}"#);
        assert_eq!((same.len(), same[0]), (2, same[1]));
        for other in
            [r#"{"results": [{"name": "\ud83d", "x": "\ud83d"}]}"#, r#"[{"name": "\ud83d"}, "\ud83d"]"#]
        {
            let other = places(other);
            assert_eq!(other.len(), 2);
            assert_ne!(other[0], other[1]);
        }
        assert!(places(r#""\\ud83d \ud83d\ude00 \u+123""#).is_empty());
        let deep = format!("{}\"\\ud83d\"", "[".repeat(100_000));
        assert_eq!(halves(deep.as_bytes()), [Half { at: 100_001, place: places(&deep)[0] }]);
    }
}
