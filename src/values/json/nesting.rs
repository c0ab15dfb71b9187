//! Bounds decoding within decoding. The types of a document's choices keep a value's text, look at it and
//! decode it then, so that each choice within another begins with a deserializer of its own, which knows
//! nothing of how deep it is in others and how often the same text was tried.

use std::cell::Cell;

use super::JsonError;
use crate::error::json_text::members::string_end;

/// How many bytes may be decoded within one decoding, in multiples of its text.
const AGAIN: usize = 64;

/// How many decodings may be within each other where the text has more levels than a deserializer takes.
const DEEP: usize = 4;

/// How many levels serde_json's deserializers take.
pub(super) const LEVELS: usize = 127;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static GIVEN_UP: Cell<bool> = const { Cell::new(false) };
}

struct Level;

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// Decodes `text`; `decode` is given whether that is within another decoding.
pub(super) fn bounded<T>(
    text: &str,
    decode: impl FnOnce(bool) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    let depth = DEPTH.get();
    if depth == 0 {
        BYTES.set(text.len().saturating_mul(AGAIN));
        GIVEN_UP.set(false);
    } else {
        let Some(left) = BYTES.get().checked_sub(text.len()) else {
            return give_up("choices within choices take too many tries to decode");
        };
        BYTES.set(left);
        if depth >= DEEP && deeper_than(text, LEVELS) {
            return give_up("choices within choices are nested too deep to decode");
        }
    }
    DEPTH.set(depth + 1);
    let _level = Level;
    // What failed for this is no misfit, however far out it is told.
    decode(depth > 0).map_err(|error| if GIVEN_UP.get() { error.given_up() } else { error })
}

fn give_up<T>(problem: &str) -> Result<T, JsonError> {
    GIVEN_UP.set(true);
    Err(JsonError::new(problem).given_up())
}

/// Whether a JSON text has more levels of lists and objects than `levels`.
fn deeper_than(text: &str, levels: usize) -> bool {
    let text = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(text, at - 1),
            b'[' | b'{' if depth == levels => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
