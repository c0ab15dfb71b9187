//! Bounds nested decoding. The types of a document's choices keep a value's text, inspect it, and decode it
//! then. So each nested choice starts a new deserializer, which knows neither its depth in others nor how
//! often the same text was tried.

use std::cell::Cell;

use super::JsonError;
use crate::error::json_text::members::string_end;

/// The maximum number of bytes decoded inside one decoding, as a multiple of its text.
const MAX_DECODED_FACTOR: usize = 64;

/// The maximum number of nested decodings for a text with more levels than a deserializer accepts.
const MAX_DEEP_DECODINGS: usize = 4;

/// The maximum number of levels that serde_json's deserializers accept.
pub(super) const MAX_LEVELS: usize = 127;

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

/// Decodes `text`; `decode` receives whether this happens inside another decoding.
pub(super) fn bounded<T>(
    text: &str,
    decode: impl FnOnce(bool) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    let depth = DEPTH.get();
    if depth == 0 {
        BYTES.set(text.len().saturating_mul(MAX_DECODED_FACTOR));
        GIVEN_UP.set(false);
    } else {
        let Some(left) = BYTES.get().checked_sub(text.len()) else {
            return give_up("nested choices take too many tries to decode");
        };
        BYTES.set(left);
        if depth >= MAX_DEEP_DECODINGS && deeper_than(text, MAX_LEVELS) {
            return give_up("choices are nested too deep to decode");
        }
    }
    DEPTH.set(depth + 1);
    let _level = Level;
    // A failure caused by these limits doesn't mean that the value doesn't fit, at any outer level.
    decode(depth > 0).map_err(|error| if GIVEN_UP.get() { error.given_up() } else { error })
}

fn give_up<T>(problem: &str) -> Result<T, JsonError> {
    GIVEN_UP.set(true);
    Err(JsonError::new(problem).given_up())
}

/// Returns whether a JSON text has more than `levels` levels of lists and objects.
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
