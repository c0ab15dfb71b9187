//! Text that may carry signed URLs, made fit to be shown: whatever follows the `?` of a URL or a path, and a URL's user
//! info, is a credential until proven otherwise.

use std::borrow::Cow;

/// Characters that end a URL within other text or JSON.
fn ends_url(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '"' | '\'' | '<' | '>' | '\\' | '(' | ')' | '`' | '{' | '}' | '[' | ']' | ',')
}

/// `text` with the query and user info of every URL or path in it cut out.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    if !text.contains('?') && !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(ends_url).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        redact_word(word, after, &mut shown, &mut rest);
    }
    Cow::Owned(shown)
}

fn redact_word<'t>(word: &str, after: &'t str, shown: &mut String, rest: &mut &'t str) {
    // What was cut before is left alone.
    let query = word.find('?').filter(|at| word[..*at].contains('/') && !word[*at..].starts_with("?…"));
    let visible = &word[..query.unwrap_or(word.len())];
    let authority = visible.find("://").map(|at| at + 3);
    let user_info = authority.and_then(|start| {
        let end = visible[start..].find('/').map_or(visible.len(), |at| start + at);
        visible[start..end].rfind('@').map(|at| (start, start + at))
    });
    match user_info {
        Some((start, at)) => {
            shown.push_str(&visible[..start]);
            shown.push('…');
            shown.push_str(&visible[at..]);
        }
        None => shown.push_str(visible),
    }
    *rest = after;
    if query.is_some() {
        shown.push_str("?…");
        // A query may hold characters that end a URL elsewhere; only a quote, a space or the text's end surely end it.
        let end =
            after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | ')')).unwrap_or(after.len());
        // A backslash before the quote belongs to JSON, not to the query.
        let end = if after[..end].ends_with('\\') { end - 1 } else { end };
        *rest = &after[end..];
    }
    if let Some(next) = rest.chars().next() {
        shown.push(next);
        *rest = &rest[next.len_utf8()..];
    }
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

    #[test]
    fn queries_and_user_info_are_cut_and_the_rest_stays() {
        for (text, shown) in [
            ("plain text? yes", "plain text? yes"),
            ("https://h/p?X-Sig=MARK", "https://h/p?…"),
            (r#"{"url":"https://h/p?a=MARK&b={MARK}","n":1}"#, r#"{"url":"https://h/p?…","n":1}"#),
            (r#"{"u":"/media/x.png?s=MARK"}"#, r#"{"u":"/media/x.png?…"}"#),
            ("see (https://u:MARK@h:80/p?x=MARK) now", "see (https://…@h:80/p?…) now"),
            ("a@b.example wrote", "a@b.example wrote"),
            ("https://h/p?…: disk full", "https://h/p?…: disk full"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
