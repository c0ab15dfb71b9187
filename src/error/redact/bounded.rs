//! Shortens texts but keeps beginning and end: the reason of a long message is often at its end.

use std::fmt::{self, Write as _};

use crate::error::redact::{boundary, cut, ends_word};

/// The length of the end that is kept, in bytes.
const END_LENGTH: usize = 256;

/// Returns what `value` writes, in slightly more than `limit` bytes at most: the middle of a longer text is
/// left out. Keeping the text costs no more than `limit`; formatting costs what `value` itself needs.
pub(crate) fn bounded(value: &(impl fmt::Display + ?Sized), limit: usize) -> String {
    let mut written = Bounded { beginning: String::new(), end: String::new(), limit };
    let _ = write!(written, "{value}");
    written.finish()
}

/// Returns `text` in slightly more than `limit` bytes at most: the middle of a longer text is left out.
pub(crate) fn shortened(text: String, limit: usize) -> String {
    match text.len() > limit {
        true => bounded(text.as_str(), limit),
        false => text,
    }
}

struct Bounded {
    beginning: String,
    /// The last part of the text that didn't fit into `beginning`.
    end: String,
    limit: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.end.is_empty() { self.limit.saturating_sub(self.beginning.len()) } else { 0 };
        let (beginning, rest) = text.split_at(boundary(text, room));
        self.beginning.push_str(beginning);
        self.end.push_str(&rest[last(rest, END_LENGTH)..]);
        if self.end.len() > 2 * END_LENGTH {
            self.end.drain(..last(&self.end, END_LENGTH));
        }
        Ok(())
    }
}

/// Returns the start of the last `limit` bytes of `text`.
fn last(text: &str, limit: usize) -> usize {
    (text.len().saturating_sub(limit)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

impl Bounded {
    fn finish(self) -> String {
        let Bounded { mut beginning, end, .. } = self;
        if end.is_empty() {
            return beginning;
        }
        // A partial word on either side may be a partial secret.
        beginning.truncate(cut(&beginning, beginning.len().saturating_sub(1)).len());
        let end = &end[last(&end, END_LENGTH)..];
        let from = end.find('"').or_else(|| end.find(ends_word)).unwrap_or(end.len());
        beginning + "…" + &end[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept() {
        assert_eq!(bounded("abc def", 100), "abc def");
        let long =
            format!("invalid type: string \"{}\", expected i64 at line 1 column 7", "한".repeat(1_000_000));
        assert_eq!(bounded(&long, 1_000), "invalid type: string \"…\", expected i64 at line 1 column 7");
        let parts: Vec<String> = (0..100_000).map(|n| format!("[{n}] ")).collect();
        let parts = bounded(&format_args!("{parts:?}"), 500);
        assert!(
            parts.len() < 500 + 2 * END_LENGTH
                && parts.starts_with("[\"[0] \"")
                && parts.ends_with(" \"[99999] \"]"),
            "{parts}"
        );
        assert_eq!(shortened("x".repeat(10), 10), "x".repeat(10));
        assert!(!bounded(&format!("{}https://user:pass@h/", "x".repeat(80)), 95).contains("us"));
    }
}
