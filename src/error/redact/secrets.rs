//! [`Secrets`]: the credentials of a client, so that they can be hidden in texts in which the server repeats
//! them.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::error::redact::marked::MarkedSecrets;
use crate::error::redact::{replaced, unescaped};

/// The tokens in the headers that a client sends, and what the API's document marks as secret. They are only extracted
/// when a text is shown.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    headers: Option<Arc<HeaderMap>>,
    marked: Option<Arc<MarkedSecrets>>,
}

/// Shorter values may be common words, so they aren't hidden.
const SHORTEST_TOKEN: usize = 6;

impl From<Option<Arc<HeaderMap>>> for Secrets {
    fn from(credentials: Option<Arc<HeaderMap>>) -> Self {
        Secrets { headers: credentials, marked: None }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    pub(crate) const NONE: Secrets = Secrets { headers: None, marked: None };

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_none() && self.marked.is_none()
    }

    /// Returns whether a header is one of the secrets.
    pub(crate) fn has(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        self.headers.as_ref().is_some_and(|headers| headers.get_all(name).iter().any(|own| own == value))
    }

    /// Returns these secrets and more headers.
    pub(crate) fn and<'h>(
        &self,
        headers: impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)>,
    ) -> Secrets {
        let mut headers = headers.peekable();
        if headers.peek().is_none() {
            return self.clone();
        }
        let mut all = self.headers.as_deref().cloned().unwrap_or_default();
        for (name, value) in headers {
            all.append(name, value.clone());
        }
        Secrets { headers: Some(Arc::new(all)), marked: self.marked.clone() }
    }

    /// Returns these secrets and those that the API's document marks in a request.
    pub(crate) fn and_marked(self, marked: Option<&Arc<MarkedSecrets>>) -> Secrets {
        Secrets { marked: marked.cloned(), ..self }
    }

    /// Returns `text` without the tokens. A tenant's code isn't a secret.
    pub(crate) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_empty() || text.len() < SHORTEST_TOKEN {
            return Cow::Borrowed(text);
        }
        let of_fields = match &self.marked {
            Some(marked) => marked.hide_fields(text),
            None => Cow::Borrowed(text),
        };
        let in_body = self.marked.as_deref().map_or(&[][..], MarkedSecrets::forms_in_body);
        match hide(&of_fields, &self.tokens(in_body)) {
            Cow::Borrowed(_) => of_fields,
            Cow::Owned(hidden) => Cow::Owned(hidden),
        }
    }

    /// Returns a URL or a path without the tokens. A value of the body may be a common word, which is part of many paths.
    pub(crate) fn hide_in_url<'t>(&self, url: &'t str) -> Cow<'t, str> {
        match self.is_empty() || url.len() < SHORTEST_TOKEN {
            true => Cow::Borrowed(url),
            false => hide(url, &self.tokens(&[])),
        }
    }

    /// Returns whether no text of the server can be shown, since it may repeat a secret that isn't searched.
    pub(crate) fn hides_all(&self) -> bool {
        self.marked.as_ref().is_some_and(|marked| marked.hides_all())
    }

    /// Returns what the API's document marks in a request.
    pub(crate) fn marked(&self) -> Option<&MarkedSecrets> {
        self.marked.as_deref()
    }

    /// Returns each form of each token, the longest first, since one may be part of another. `more` are the forms of
    /// others.
    fn tokens<'m>(&self, more: &'m [String]) -> Vec<Cow<'m, str>> {
        let headers = self.headers.as_deref().into_iter().flatten();
        let secret = headers.filter(|(name, _)| *name != "synapse-tenant");
        let in_headers =
            secret.flat_map(|(name, value)| values(name, value)).flat_map(|value| forms(value, true));
        let in_url = self.marked.as_deref().into_iter().flat_map(MarkedSecrets::forms_in_url);
        let mut tokens: Vec<Cow<'m, str>> = in_headers
            .chain(in_url)
            .map(Cow::Owned)
            .chain(more.iter().map(|form| Cow::Borrowed(form.as_str())))
            .filter(|form| form.len() >= SHORTEST_TOKEN)
            .collect();
        tokens.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        tokens.dedup();
        tokens
    }
}

/// Returns whether a header's value is a credential or a request signature, judging by its name.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    const PARTS: [&str; 8] = [
        "cookie",
        "authorization",
        "authentication-info",
        "token",
        "secret",
        "signature",
        "credential",
        "synapse-",
    ];
    let name = name.as_str();
    PARTS.iter().any(|part| name.contains(part)) || name.ends_with("-key")
}

/// Returns a header's value; for `Cookie`, also the value of each cookie.
fn values<'h>(name: &HeaderName, value: &'h HeaderValue) -> impl Iterator<Item = &'h [u8]> {
    let cookies = value.as_bytes().split(|byte| *byte == b';').filter(|_| *name == COOKIE);
    let of =
        |cookie: &'h [u8]| cookie.iter().position(|byte| *byte == b'=').and_then(|at| cookie.get(at + 1..));
    [value.as_bytes()].into_iter().chain(cookies.filter_map(of).collect::<Vec<_>>())
}

/// The maximum number of encodings on top of each other.
const ENCODINGS: usize = 4;

fn hide<'t>(text: &'t str, tokens: &[Cow<'_, str>]) -> Cow<'t, str> {
    let mut hidden = cut::hide(whole(Cow::Borrowed(text), tokens), tokens);
    let mut plain = Cow::Owned::<str>(hidden.clone().into_owned());
    'encodings: for _ in 0..ENCODINGS {
        let Some(decoded) = decoded(&plain) else { break };
        // In form encoding a space is `+`.
        for decoded in [decoded.replace('+', " "), decoded.clone()] {
            if tokens.iter().any(|token| decoded.contains(&**token)) {
                // Other tokens may be encoded more often.
                hidden = Cow::Owned(whole(Cow::Owned(decoded), tokens).into_owned());
                plain = hidden.clone();
                continue 'encodings;
            }
        }
        plain = Cow::Owned(decoded);
    }
    hidden
}

fn whole<'t>(mut text: Cow<'t, str>, tokens: &[Cow<'_, str>]) -> Cow<'t, str> {
    for token in tokens {
        if text.contains(&**token) {
            text = Cow::Owned(text.replace(&**token, REPLACEMENT));
        }
    }
    text
}

/// The replacement for a token.
const REPLACEMENT: &str = "<secret>";

/// Returns a text with one layer of JSON, URL and HTML escapes decoded; `None` if it has none.
fn decoded(text: &str) -> Option<String> {
    let plain = unescaped(text);
    let url = match plain.contains('%') {
        true => percent_decode_str(&plain).decode_utf8_lossy(),
        false => Cow::Borrowed(&*plain),
    };
    let html = from_html(&url);
    (html != text).then(|| html.into_owned())
}

/// Returns a text with the HTML character references decoded that a token may be written with.
fn from_html(text: &str) -> Cow<'_, str> {
    const NAMED_REFERENCES: [(&str, char); 7] =
        [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("sol", '/'), ("plus", '+')];
    replaced(text, '&', |rest| {
        // The longest reference is `&#x10ffff;`.
        let length = rest.bytes().take(10).position(|byte| byte == b';')?;
        let name = rest.get(..length)?;
        let code = match (name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")), name.strip_prefix('#'))
        {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) => digits.parse().ok(),
            (None, None) => NAMED_REFERENCES
                .iter()
                .find(|(named, _)| *named == name)
                .map(|(_, character)| u32::from(*character)),
        };
        Some((char::from_u32(code?)?, length + 1))
    })
}

/// Hides partial tokens: texts are shortened before they are shown.
mod cut {
    use std::borrow::Cow;

    use super::{REPLACEMENT, SHORTEST_TOKEN};

    /// Marks where a text was shortened.
    const MARK: char = '…';

    /// Hides the beginnings of tokens before a cut, and the ends of tokens after one.
    pub(super) fn hide<'t>(text: Cow<'t, str>, tokens: &[Cow<'_, str>]) -> Cow<'t, str> {
        if !text.contains(MARK) {
            return text;
        }
        let mut hidden = String::with_capacity(text.len());
        let mut parts = text.split(MARK).peekable();
        let mut first = true;
        while let Some(mut part) = parts.next() {
            if !std::mem::take(&mut first) {
                hidden.push(MARK);
                if let Some(end) = tokens.iter().filter_map(|token| end_of(token, part)).max() {
                    hidden.push_str(REPLACEMENT);
                    part = part.get(end..).unwrap_or_default();
                }
            }
            let beginning = tokens.iter().filter_map(|token| beginning_of(token, part)).max();
            match beginning.filter(|_| parts.peek().is_some()) {
                Some(length) => {
                    hidden.push_str(part.get(..part.len() - length).unwrap_or_default());
                    hidden.push_str(REPLACEMENT);
                }
                None => hidden.push_str(part),
            }
        }
        Cow::Owned(hidden)
    }

    /// Returns the lengths that a common part of both may have, the longest first.
    fn lengths(token: &str, part: &str) -> impl Iterator<Item = usize> {
        (SHORTEST_TOKEN..=token.len().min(part.len())).rev()
    }

    /// Returns the length of the longest end of a token that `part` starts with.
    fn end_of(token: &str, part: &str) -> Option<usize> {
        lengths(token, part)
            .find(|length| token.get(token.len() - length..).is_some_and(|end| part.starts_with(end)))
    }

    /// Returns the length of the longest beginning of a token that `part` ends with.
    fn beginning_of(token: &str, part: &str) -> Option<usize> {
        lengths(token, part)
            .find(|length| token.get(..*length).is_some_and(|beginning| part.ends_with(beginning)))
    }
}

/// Returns the forms of a secret value; `has_scheme` if it is that of a header: then its token without the scheme is
/// another form. A server may repeat it unchanged or, if it reads headers as Latin-1, as that reads; each also with the
/// escapes of JSON strings, Rust strings and HTML.
pub(super) fn forms(mut value: &[u8], has_scheme: bool) -> Vec<String> {
    while let Some(token) = value.strip_prefix(b"Token ").filter(|_| has_scheme) {
        value = token;
    }
    let scheme = value.split(|byte| *byte == b' ').next().filter(|_| has_scheme);
    let after_scheme = scheme.and_then(|scheme| value.get(scheme.len() + 1..));
    let mut forms = Vec::new();
    for bytes in [value].into_iter().chain(after_scheme) {
        for token in
            [String::from_utf8_lossy(bytes).into_owned(), bytes.iter().copied().map(char::from).collect()]
        {
            // Most tokens have no characters that need escaping.
            if !token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
            {
                let quoted = [Value::from(token.as_str()).to_string(), format!("{token:?}")];
                forms.extend(
                    quoted
                        .iter()
                        .filter_map(|quoted| Some(quoted.get(1..quoted.len().checked_sub(1)?)?.to_owned())),
                );
                forms.extend(["&#x27;", "&#39;"].map(|quote| in_html(&token, quote)));
            }
            forms.push(token);
        }
    }
    forms
}

fn in_html(token: &str, quote: &str) -> String {
    let escaped = token.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Secrets::from(Some(Arc::new(headers)))
    }

    #[test]
    fn partial_token_beside_cut_is_redacted() {
        let secrets = secrets(&["Token abcdefghijklmnop"]);
        for (text, hidden) in [
            ("xabcdefghijk… y", "x<secret>… y"),
            ("x…ghijklmnop: y", "x…<secret>: y"),
            ("abcdefgh…ijklmnop", "<secret>…<secret>"),
            ("abcde… fghij", "abcde… fghij"),
            ("https://h/p?…", "https://h/p?…"),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
    }

    #[test]
    fn doubly_encoded_tokens_are_redacted() {
        let secrets = secrets(&["Token sekret-9-token"]);
        let hidden = secrets.hide("one sekret%2D9-token two sekret%252D9-token");
        assert_eq!(hidden, "one <secret> two <secret>");
    }

    #[test]
    fn each_cookie_of_call_is_redacted() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("theme=dark-mode; sid=COOKIESECRET"));
        let secrets = Secrets::NONE.and(headers.iter());
        assert_eq!(secrets.hide("no session COOKIESECRET"), "no session <secret>");
    }

    #[test]
    fn tokens_redacted_in_every_encoding() {
        let secrets = secrets(&["Token a+b/c=\"d'é", "Bearer abcdef", "abcdefghi"]);
        for text in [
            r#"a+b/c="d'é"#,
            r#"a+b/c=\"d'é"#,
            r#"a+b\/c=\"d'\u00e9"#,
            "a%2Bb%2Fc%3D%22d%27%C3%A9",
            "a%2bb%2fc%3d%22d%27%c3%a9",
            "/a+b/c=%22d'%C3%A9/",
            "a+b/c=&quot;d&#x27;é",
            "a+b/c=&quot;d&#39;é",
            "abcdef",
            "abcdefghi",
            r"ab\u0063def",
        ] {
            let hidden = secrets.hide(text);
            assert!(hidden.contains("<secret>") && hidden.len() <= "/<secret>/".len(), "{text}: {hidden}");
        }
        assert_eq!(secrets.hide("abcde"), "abcde");
        for text in [
            r"a%2Bb%2F\u0063%3D&quot;d'é",
            r"a%252Bb%252Fc%253D%2522d%2527%25C3%25A9",
            "a&#43;b&#x2F;c&#x3d;&quot;d&apos;é",
            r"\u0061%62cdef",
        ] {
            let hidden = secrets.hide(text);
            assert_eq!(hidden, "<secret>", "{text}");
        }
        assert_eq!(Secrets::default().hide("abcdef"), "abcdef");
    }
}
