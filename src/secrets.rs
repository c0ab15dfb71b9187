//! [`Secrets`]: the credentials of a client, so that they can be told in what a server repeats of them.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::redact::unescaped;

/// The tokens among the headers that a client sends. Nothing is made of them before something is to be shown.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Option<Arc<HeaderMap>>);

/// What is shorter is a word that may stand in any text.
const SHORTEST_TOKEN: usize = 6;

impl From<Option<Arc<HeaderMap>>> for Secrets {
    fn from(credentials: Option<Arc<HeaderMap>>) -> Self {
        Secrets(credentials)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    pub(crate) const NONE: Secrets = Secrets(None);

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// `text` without the tokens. A tenant's code is no secret.
    pub(crate) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match (&self.0, text.len() < SHORTEST_TOKEN) {
            (Some(credentials), false) => hide(text, &tokens(credentials)),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Each form of each token, the longest first, since one may be a part of another.
fn tokens(credentials: &HeaderMap) -> Vec<String> {
    let secret = credentials.iter().filter(|(name, _)| *name != "synapse-tenant");
    let mut tokens: Vec<String> =
        secret.flat_map(|(_, value)| forms(value.as_bytes())).filter(|form| form.len() >= SHORTEST_TOKEN).collect();
    tokens.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    tokens.dedup();
    tokens
}

fn hide<'t>(text: &'t str, tokens: &[String]) -> Cow<'t, str> {
    let without = |mut text: Cow<'t, str>| {
        for token in tokens {
            if text.contains(token) {
                text = Cow::Owned(text.replace(token, "<secret>"));
            }
        }
        text
    };
    let shows = |text: &str| tokens.iter().any(|token| text.contains(token));
    let hidden = without(Cow::Borrowed(text));
    let plain = unescaped(&hidden);
    let hidden = if shows(&plain) { without(Cow::Owned(plain.into_owned())) } else { hidden };
    if !hidden.contains('%') {
        return hidden;
    }
    // As a URL's path or query, or a form has it.
    let decoded = percent_decode_str(&hidden).decode_utf8_lossy();
    let spaced = decoded.replace('+', " ");
    match (shows(&decoded), shows(&spaced)) {
        (true, _) => without(Cow::Owned(decoded.into_owned())),
        (false, true) => without(Cow::Owned(spaced)),
        (false, false) => hidden,
    }
}

/// The token in a header's value, after its scheme where it has one, as a server may repeat it: as it is or, where the server
/// takes headers for Latin-1, as that reads; and each as JSON and Rust write it in quotes, and as a page in HTML does.
fn forms(mut value: &[u8]) -> Vec<String> {
    while let Some(token) = value.strip_prefix(b"Token ") {
        value = token;
    }
    let after_scheme = value.split(|byte| *byte == b' ').next().and_then(|scheme| value.get(scheme.len() + 1..));
    let mut forms = Vec::new();
    for bytes in [value].into_iter().chain(after_scheme) {
        for token in [String::from_utf8_lossy(bytes).into_owned(), bytes.iter().copied().map(char::from).collect()] {
            // Most tokens are written the same everywhere.
            if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')) {
                let quoted = [Value::from(token.as_str()).to_string(), format!("{token:?}")];
                forms.extend(quoted.iter().filter_map(|quoted| Some(quoted.get(1..quoted.len().checked_sub(1)?)?.to_owned())));
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
    use reqwest::header::HeaderValue;

    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Secrets(Some(Arc::new(headers)))
    }

    #[test]
    fn tokens_are_hidden_in_every_form() {
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
        assert_eq!(Secrets::default().hide("abcdef"), "abcdef");
    }
}
