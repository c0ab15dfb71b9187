//! Redacts text that may contain signed URLs. Everything after the `?` of a URL or a path, and a URL's user
//! info, is treated as a credential.

pub(crate) mod bounded;
pub(crate) mod marked;
pub(crate) mod secrets;

use std::borrow::Cow;
use std::ops::Range;

use crate::error::redact::secrets::Secrets;

/// Returns whether a character ends a URL in other text: white space, and the characters around a URL in JSON
/// and in markup. All others may be part of a file's name.
fn ends_word(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '<' | '>')
}

/// Returns `text` without the query and the user info of every URL or path in it. A quoted URL ends with its
/// quote; any other ends with white space or a quote, since a query may contain all other characters.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let plain = unescaped(text);
    if !plain.contains(['?', '@']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(plain.len());
    let mut rest = &*plain;
    while !rest.is_empty() {
        let end = rest.find(ends_word).unwrap_or(rest.len());
        // A quoted URL is one word, whatever it contains.
        let quoted = opened(&shown).filter(|_| rest[..end].contains('/'));
        let end = if quoted.is_some() { length(rest, quoted) } else { end };
        let query = query(rest, end, quoted);
        hide_user_info(&rest[..query.start], &mut shown);
        if !query.is_empty() {
            shown.push_str("?…");
        }
        rest = &rest[query.end..];
        if let Some(next) = rest.chars().next() {
            shown.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Cow::Owned(shown)
}

/// Returns `text` without the escapes that JSON doesn't require but some servers write: `\/`, and `\u0026`
/// for `&`. White space, quotes and backslashes stay escaped, since unescaped they would end the string
/// around them.
fn unescaped(text: &str) -> Cow<'_, str> {
    replaced(text, '\\', escape)
}

/// Returns `text` with its escapes replaced. `escape` is given what follows each `mark`, and returns a
/// character and the length of its escape.
fn replaced(text: &str, mark: char, escape: impl Fn(&str) -> Option<(char, usize)>) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices(mark) {
        let Some((character, length)) = escape(&text[at + 1..]).filter(|_| at >= copied) else { continue };
        plain.push_str(&text[copied..at]);
        plain.push(character);
        copied = at + 1 + length;
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(plain + &text[copied..]),
    }
}

/// Returns the character of an escape and the escape's length. `text` starts after the backslash.
fn escape(text: &str) -> Option<(char, usize)> {
    if text.starts_with('/') {
        return Some(('/', 1));
    }
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok();
    let high = unit(text)?;
    let low = text.get(5..).and_then(|rest| unit(rest.strip_prefix('\\')?));
    let mut characters = char::decode_utf16([high].into_iter().chain(low));
    let character = characters.next()?.ok()?;
    let needed = character.is_control() || character.is_whitespace() || matches!(character, '"' | '\\');
    (!needed).then_some((character, if character.len_utf16() == 2 { 11 } else { 5 }))
}

/// Returns the number of backslashes before the quote at the end of `shown`; `None` if `shown` doesn't end
/// with a quote.
fn opened(shown: &str) -> Option<usize> {
    let before = shown.strip_suffix('"')?;
    Some(before.len() - before.trim_end_matches('\\').len())
}

/// Returns the range of the query in the word that ends at `end`. A query that was cut out before is left
/// alone. The range is empty if there is no query; all text before it can be shown.
fn query(text: &str, end: usize, quoted: Option<usize>) -> Range<usize> {
    let mut marks = text[..end].match_indices('?').map(|(at, _)| at);
    let Some(at) = marks.find(|at| !text[at + 1..].starts_with('…')) else { return end..end };
    let query_end = if quoted.is_some() { end } else { at + length(&text[at..], None) };
    let query = &text[at + 1..query_end];
    // A sentence also has question marks, but they are followed by punctuation or white space.
    let named = query.starts_with(|first: char| first.is_ascii_alphanumeric()) || query.contains(['/', '=']);
    let is_query = !query.is_empty() && (named || text[..at].contains('/'));
    if is_query { at..query_end } else { query_end..query_end }
}

/// Returns the length of the quoted URL or of the query at the start of `text`. A quoted URL ends at the
/// quote that has as many backslashes as the opening one. Outside quotes, it ends at white space or any
/// quote. A quote followed by more of a query is part of the query.
fn length(text: &str, quoted: Option<usize>) -> usize {
    let mut backslashes = 0;
    for (at, character) in text.char_indices() {
        match character {
            '\\' => {
                backslashes += 1;
                continue;
            }
            '"' if closes(backslashes, quoted) && !goes_on(&text[at + 1..]) => return at - backslashes,
            _ if quoted.is_none() && character.is_whitespace() => return at,
            _ => backslashes = 0,
        }
    }
    text.len()
}

/// Returns whether a quote with this number of backslashes closes one that was opened with `quoted`
/// backslashes: each level of escaping doubles the backslashes inside it.
fn closes(backslashes: usize, quoted: Option<usize>) -> bool {
    quoted.is_none_or(|level| backslashes < level || backslashes % (2 * (level + 1)) == level)
}

fn goes_on(text: &str) -> bool {
    text.starts_with(|next: char| next.is_ascii_alphanumeric() || matches!(next, '&' | '=' | '%' | '_'))
}

/// Appends `text` without the user info of the URLs in it. An authority at the end of the text may be cut off
/// before its `@`: if its port can't be a port, the whole authority is hidden.
fn hide_user_info(text: &str, shown: &mut String) {
    let mut rest = text;
    while let Some(found) = rest.find("//") {
        let (before, after) = rest.split_at(found + 2);
        shown.push_str(before);
        let end = after.find('/').unwrap_or(after.len());
        let authority = &after[..end];
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push('…');
                &after[at..]
            }
            None if end == after.len() && before.ends_with("://") && !is_host(authority) => {
                shown.push('…');
                ""
            }
            None => after,
        };
    }
    shown.push_str(rest);
}

/// Returns whether an authority at the end of a text may be a host: its port, if any, is a number, optionally
/// followed by punctuation.
fn is_host(authority: &str) -> bool {
    let port = match authority.rsplit_once(']') {
        // An IPv6 address contains colons.
        Some((_, behind)) => behind,
        None => authority,
    };
    port.split_once(':').is_none_or(|(_, port)| {
        !port.trim_start_matches(|digit: char| digit.is_ascii_digit()).contains(char::is_alphanumeric)
    })
}

/// Returns a text that is one URL, without everything after its first `?`. A very long URL is shortened.
pub(crate) fn redact_url(url: &str) -> String {
    let kept = cut(url, MAX_URL);
    let (visible, query) = match kept.split_once('?') {
        Some((visible, _)) => (visible, "?…"),
        None if kept.len() < url.len() => (kept, "…"),
        None => (kept, ""),
    };
    let mut shown = String::new();
    hide_user_info(visible, &mut shown);
    one_line(&(shown + query), " ").into_owned()
}

/// The longest URL that is shown, in bytes.
const MAX_URL: usize = 1 << 10;

/// How far past the shown part the end of a secret that starts in that part is searched, in bytes.
const LOOK_AHEAD: usize = 4 << 10;

/// Returns the beginning of `text` for display: at most `limit` bytes (plus `…`), redacted, in one line, with
/// control characters replaced by spaces. The cost is bounded by `limit` plus a constant, however long the
/// text is.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    excerpt_without(text, limit, &Secrets::default(), " ")
}

/// Like [`excerpt`], also without the `secrets`, and with `between` in place of line breaks.
pub(crate) fn excerpt_without(text: &str, limit: usize, secrets: &Secrets, between: &str) -> String {
    let looked_at = &text[..boundary(text, limit.saturating_add(LOOK_AHEAD))];
    let hidden = secrets.hide(looked_at);
    let hidden = match looked_at.len() < text.len() {
        true => Cow::Owned(cut(&hidden, hidden.len().saturating_sub(1)).to_owned()),
        false => hidden,
    };
    let redacted = redact(&hidden);
    let line = one_line(&redacted, between);
    let end = match boundary(&line, limit) {
        end if end < line.len() => word_end(&line[..end]),
        end => end,
    };
    match end < line.len() || looked_at.len() < text.len() {
        true => format!("{}…", &line[..end]),
        false => line.into_owned(),
    }
}

/// Returns the end of the last complete word before the one that was cut off. A long partial word is kept.
fn word_end(text: &str) -> usize {
    const MAX_PARTIAL_WORD: usize = 128;
    match text.rfind(ends_word) {
        Some(end) if text.len() - end <= MAX_PARTIAL_WORD => end,
        _ => text.len(),
    }
}

/// Returns the beginning of `text`, at most `limit` bytes. It ends at a word's end unless the last word is
/// very long, and never inside a URL's user info: a partial secret isn't recognised any more.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let kept = &text[..boundary(text, limit)];
    let start = kept
        .char_indices()
        .rev()
        .find(|(_, last)| ends_word(*last))
        .map_or(0, |(at, last)| at + last.len_utf8());
    if start > 0 && kept.len() - start <= LOOK_AHEAD {
        return &kept[..start];
    }
    // Slashes may be escaped.
    let slashes =
        ["//", "\\/", "\\u002f", "\\u002F"].iter().filter_map(|slash| kept[start..].rfind(slash)).max();
    match slashes {
        Some(at) => &kept[..start + at],
        None => kept,
    }
}

/// Returns whether a terminal or a log reader treats the character as a line break.
fn breaks_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns whether the character is invisible and changes how others are shown: control characters (terminal
/// escapes start with one), direction marks and overrides, and characters of zero width. Joiners are allowed:
/// scripts and emoji need them.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns `text` in one line: its trimmed lines, joined with `between`, with spaces in place of invisible
/// characters.
fn one_line<'t>(text: &'t str, between: &str) -> Cow<'t, str> {
    // Fast path: most texts are printable ASCII.
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.bytes().all(plain) || !text.contains(is_invisible) {
        return Cow::Borrowed(text.trim());
    }
    let mut line = String::with_capacity(text.len());
    for part in text.split(breaks_line).map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push_str(between);
        }
        line.extend(part.chars().map(|character| if is_invisible(character) { ' ' } else { character }));
    }
    Cow::Owned(line)
}

/// Returns the last character boundary of `text` that isn't after `limit`.
pub(crate) fn boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Returns a URL for display: scheme, host and path.
pub(crate) fn shown_url(url: &reqwest::Url) -> Cow<'_, str> {
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().split(['?', '#']).next().unwrap_or_default().into();
    }
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    String::from(url).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{cut, excerpt, one_line, redact, redact_url};
    use crate::marker::MARKER;

    #[test]
    fn excerpt_is_short_and_one_line() {
        assert_eq!(excerpt("a\nb\u{7f}c", 100), "a b c");
        assert_eq!(excerpt("한글 https://h/p?MARK", 4), "한…");
        assert_eq!(excerpt(&"x".repeat(1 << 20), 10), format!("{}…", "x".repeat(10)));
    }

    #[test]
    fn only_query_and_user_info_are_redacted() {
        for (text, shown) in [
            ("plain text? yes", "plain text? yes"),
            ("https://h/p?X-Sig=MARK", "https://h/p?…"),
            (r#"{"url":"https://h/p?a=MARK&b={MARK}","n":1}"#, r#"{"url":"https://h/p?…","n":1}"#),
            (r#"{"u":"/media/x.png?s=MARK"}"#, r#"{"u":"/media/x.png?…"}"#),
            ("see (https://u:MARK@h:80/p?x=MARK) now", "see (https://…@h:80/p?… now"),
            (r#"{"u":"https://h/p?a='(MARK)' <MARK>&b=\"MARK","n":1}"#, r#"{"u":"https://h/p?…","n":1}"#),
            ("a@b.example wrote", "a@b.example wrote"),
            ("https://h/p?…: disk full", "https://h/p?…: disk full"),
            ("at https://h/photo(1)[x],{y}'s`.jpg?MARK now", "at https://h/photo(1)[x],{y}'s`.jpg?… now"),
            (r#"{"u":"https://h/a\u0026b.jpg?s=MARK","n":1}"#, r#"{"u":"https://h/a&b.jpg?…","n":1}"#),
            (r#"{"u":"https:\/\/u:MARK@h\/p\u003fs\u003dMARK","n":1}"#, r#"{"u":"https://…@h/p?…","n":1}"#),
            (r#"{"u":"/media/my photo.jpg?MARK MARK","n":1}"#, r#"{"u":"/media/my photo.jpg?…","n":1}"#),
            ("no my photo.jpg?s=MARK here", "no my photo.jpg?… here"),
            ("<https://h/a,1.png?s=MARK>; rel=next", "<https://h/a,1.png?… rel=next"),
            (
                r#"{"a":"{\"u\":\"https://h/p?s=\\\"MARK \\\"MARK\",\"n\":1}"}"#,
                r#"{"a":"{\"u\":\"https://h/p?…\",\"n\":1}"}"#,
            ),
            (r#"{"u":"see https://h/p?f=\"a\"&s=MARK now"}"#, r#"{"u":"see https://h/p?… now"}"#),
            ("https://a/,https://u:MARK,(MARK@h/", "https://a/,https://…@h/"),
            ("no my photo.jpg?MARK here", "no my photo.jpg?… here"),
            ("(what?) a/b? what?!", "(what?) a/b? what?!"),
        ] {
            let redacted = redact(&text.replace("MARK", MARKER)).into_owned();
            assert_eq!(redacted, shown);
            assert_eq!(redact(&redacted), shown, "once is enough");
        }
    }

    #[test]
    fn cut_leaves_no_partial_secret() {
        let text = format!("see https://user:{MARKER}@h/p?sig={MARKER} or {MARKER}");
        for limit in 0..=text.len() {
            for kept in [cut(&text, limit).to_owned(), excerpt(&text, limit)] {
                let shown = redact(&kept).into_owned();
                let half = shown.contains(&MARKER[..3]) && !shown.contains(MARKER);
                assert!(!half && !shown.contains("use"), "{limit}: {shown}");
            }
        }
        for (long, before) in [("x", "https://user:"), ("x", r"https:\/\/"), ("x", r"https:\u002f\u002F")] {
            let text = format!("see {before}{}@h/ now", long.repeat(20_000));
            let shown = [excerpt(&text, 500), cut(&text, 9_000).to_owned(), redact_url(&text[4..])];
            for shown in shown {
                assert!(
                    !shown.contains("user") && !shown.contains("pass") && !shown.contains("xx"),
                    "{before}: {shown}"
                );
            }
        }
        assert_eq!(redact("https://user:pa?ss@h/"), "https://…?…");
        assert_eq!(
            redact("https://h:80?a=1 https://[::1]:80?a=1 //u:p@h/x?a=1"),
            "https://h:80?… https://[::1]:80?… //…@h/x?…"
        );
    }

    #[test]
    fn one_line_drops_invisible_characters() {
        assert_eq!(one_line(" a\u{1b}[1m \r\n\n b\u{2028}\u{2029}c ", "; "), "a [1m; b; c");
        assert_eq!(one_line("한\u{202e}글\u{2066}\u{200b}\u{feff}x\u{200d}", "; "), "한 글   x\u{200d}");
    }

    /// Quadratic cost would make this test run practically forever.
    #[test]
    fn redacting_megabyte_stays_bounded() {
        for part in [
            r"\",
            "\"",
            "\\\"",
            "?",
            "/?",
            "\"/?",
            "?…",
            "://",
            "//",
            "@",
            "://@",
            "https://u:",
            "\"/",
            "<",
            " ",
            r"\u00",
            r"\u002f",
            "a?b",
            "?\"&",
            "\"/?\\\"x",
        ] {
            let text = part.repeat((1 << 20) / part.len());
            let shown = redact(&text).len();
            assert!(shown <= 3 * text.len(), "{part}: {shown}");
            assert!(excerpt(&text, 1_000).len() < 1_010);
            assert!(cut(&text, 1_000).len() <= 1_000);
        }
    }

    proptest! {
        #[test]
        fn redacting_twice_changes_nothing(text in r#"([a?/@:&=" <>…]|//|://|\n){0,60}"#) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once).into_owned(), once.clone());
        }

        #[test]
        fn any_excerpt_is_short_and_clean(text in any::<String>(), limit in 0_usize..300) {
            let shown = excerpt(&text, limit);
            prop_assert!(shown.len() <= limit + "…".len() && !shown.contains(char::is_control));
            prop_assert!(cut(&text, limit).len() <= limit);
        }
    }
}
