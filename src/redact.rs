//! Text that may carry signed URLs, made fit to be shown: whatever follows the `?` of a URL or a path, and a URL's user
//! info, is a credential until proven otherwise.

use std::borrow::Cow;

/// Characters that end a URL within other text or JSON.
fn ends_url(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '"' | '\'' | '<' | '>' | '\\' | '(' | ')' | '`' | '{' | '}' | '[' | ']' | ',')
}

/// `text` with the query and user info of every URL or path in it cut out. A quoted URL ends with its quote, any other with
/// white space or a quote: a query may hold everything else.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains('?') && !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(ends_url).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = match query(word) {
            Some(at) => {
                let quoted = shown.ends_with('"');
                hide_user_info(&word[..at], &mut shown);
                shown.push_str("?…");
                &rest[at + query_length(&rest[at..], quoted)..]
            }
            None => {
                hide_user_info(word, &mut shown);
                after
            }
        };
        if let Some(next) = rest.chars().next() {
            shown.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Cow::Owned(shown)
}

/// Where the query of a URL or path begins. What was cut before is left alone.
fn query(word: &str) -> Option<usize> {
    word.find('?').filter(|at| word[..*at].contains('/') && !word[*at..].starts_with("?…"))
}

/// How long a query is that begins `text`: up to a quote that isn't escaped, or, outside quotes, to white space.
fn query_length(text: &str, quoted: bool) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            // The backslash of an escaped quote belongs to what follows.
            '"' if escaped && !quoted => return at - 1,
            '"' if !escaped => return at,
            _ if !quoted && character.is_whitespace() => return at,
            _ => escaped = character == '\\' && !escaped,
        }
    }
    text.len()
}

fn hide_user_info(url: &str, shown: &mut String) {
    let authority = url.find("://").map(|at| at + 3);
    let user_info = authority.and_then(|start| {
        let end = url[start..].find('/').map_or(url.len(), |at| start + at);
        url[start..end].rfind('@').map(|at| (start, start + at))
    });
    match user_info {
        Some((start, at)) => {
            shown.push_str(&url[..start]);
            shown.push('…');
            shown.push_str(&url[at..]);
        }
        None => shown.push_str(url),
    }
}

/// A text that is one URL, with everything after its first `?` cut out.
pub(crate) fn redact_url(url: &str) -> String {
    let (visible, query) = match url.split_once('?') {
        Some((visible, _)) => (visible, "?…"),
        None => (url, ""),
    };
    let mut shown = String::new();
    hide_user_info(visible, &mut shown);
    shown + query
}

/// A URL as it may be shown: scheme, host and path.
pub(crate) fn shown_url(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::redact;
    use crate::marker::MARKER;

    #[test]
    fn queries_and_user_info_are_cut_and_the_rest_stays() {
        for (text, shown) in [
            ("plain text? yes", "plain text? yes"),
            ("https://h/p?X-Sig=MARK", "https://h/p?…"),
            (r#"{"url":"https://h/p?a=MARK&b={MARK}","n":1}"#, r#"{"url":"https://h/p?…","n":1}"#),
            (r#"{"u":"/media/x.png?s=MARK"}"#, r#"{"u":"/media/x.png?…"}"#),
            ("see (https://u:MARK@h:80/p?x=MARK) now", "see (https://…@h:80/p?… now"),
            (r#"{"u":"https://h/p?a='(MARK)' <MARK>&b=\"MARK","n":1}"#, r#"{"u":"https://h/p?…","n":1}"#),
            ("a@b.example wrote", "a@b.example wrote"),
            ("https://h/p?…: disk full", "https://h/p?…: disk full"),
        ] {
            assert_eq!(redact(&text.replace("MARK", MARKER)), shown);
        }
    }
}
