//! `Content-Range` (RFC 9110, section 14.4).

use reqwest::header::{CONTENT_RANGE, HeaderMap};

/// The range of a partial response: `bytes 0-499/1234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    /// Inclusive.
    pub(super) last: u64,
    /// Size of the whole file; `None` if the server doesn't know it.
    pub(super) size: Option<u64>,
}

/// Returns the range of a partial response; `None` if it is missing or invalid.
pub(super) fn of_part(headers: &HeaderMap) -> Option<Range> {
    let (range, size) = bytes_unit(headers)?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let size = match size.trim() {
        "*" => None,
        size => Some(number(size)?),
    };
    // `last` must be less than `u64::MAX`: `last + 1` must not overflow.
    (first <= last && last < size.unwrap_or(u64::MAX)).then_some(Range { first, last, size })
}

/// Returns the size in `bytes */1234`.
pub(super) fn unsatisfied(headers: &HeaderMap) -> Option<u64> {
    number(bytes_unit(headers)?.strip_prefix('*')?.trim_start().strip_prefix('/')?)
}

/// Returns the text after the unit; `None` if the header occurs more than once.
fn bytes_unit(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CONTENT_RANGE).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (unit, rest) = value.to_str().ok()?.trim().split_once(char::is_whitespace)?;
    unit.eq_ignore_ascii_case("bytes").then_some(rest.trim())
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
