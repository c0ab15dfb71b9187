//! [`MarkedSecrets`]: what the API's document marks as secret in a request and its responses.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::secrets::forms;

/// The values of a request that are never shown, and the names of such fields in its responses.
#[derive(Default)]
pub(crate) struct MarkedSecrets {
    /// The names of fields.
    fields: MarkedFields,
    /// The values in the URL.
    in_url: Vec<String>,
    /// The texts and numbers within the secret fields of the body.
    in_body: Vec<String>,
    /// The body has more secrets than can be searched.
    too_many: bool,
    /// Each form of the values of the body.
    forms: OnceLock<Vec<String>>,
}

/// The maximum length of the values that are searched in texts, in bytes: of all together, and of one.
const MAX_VALUES: usize = 16 << 10;
const MAX_VALUE: usize = 4 << 10;

/// Shorter values may be common words or numbers.
const SHORTEST_VALUE: usize = 6;

/// The names of the secret fields of a request and its responses.
#[derive(Clone, Copy, Default)]
pub(crate) struct MarkedFields {
    /// Those of the request.
    pub(crate) sent: &'static [&'static str],
    /// These, and those of the responses.
    pub(crate) own: &'static [&'static str],
    /// These, and those that an expanded object of a response may have.
    pub(crate) hidden: &'static [&'static str],
}

impl MarkedSecrets {
    /// Collects the secrets of a request: values of its URL, and those of fields of its JSON body. `None` if there are none.
    pub(crate) fn of(in_url: Vec<String>, body: &[u8], fields: MarkedFields) -> Option<Self> {
        if in_url.is_empty() && fields.hidden.is_empty() {
            return None;
        }
        let sent = fields.sent;
        let mut marked = MarkedSecrets { fields, in_url, ..MarkedSecrets::default() };
        let body = if sent.is_empty() { Cow::Borrowed("") } else { String::from_utf8_lossy(body) };
        for value in secret_values(&body, sent) {
            marked.collect(&body[value]);
        }
        Some(marked)
    }

    /// Collects the texts and numbers of a JSON value, but not the names of its fields.
    fn collect(&mut self, value: &str) {
        let mut rest = value;
        while let Some(start) =
            rest.find(|letter: char| letter == '"' || letter == '-' || letter.is_ascii_digit())
        {
            let literal = &rest[start..];
            if !literal.starts_with('"') {
                let end =
                    literal.find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)));
                let (number, after) = literal.split_at(end.unwrap_or(literal.len()));
                self.add(number);
                rest = after;
                continue;
            }
            let (text, after) = literal.split_at(value_length(literal));
            rest = after;
            if !after.trim_start().starts_with(':') {
                // A text that the parser rejects is repeated as it was sent, if at all.
                let raw = || text.trim_matches('"').to_owned();
                let text = serde_json::from_str::<String>(text).unwrap_or_else(|_| raw());
                // Texts of several lines, such as keys, are repeated line by line.
                text.lines().flat_map(|line| parts_of(line.trim())).for_each(|part| self.add(part));
            }
        }
    }

    fn add(&mut self, value: &str) {
        if value.len() < SHORTEST_VALUE || self.too_many {
            return;
        }
        let before: usize = self.in_body.iter().map(String::len).sum();
        match before + value.len() <= MAX_VALUES {
            true => self.in_body.push(value.to_owned()),
            false => self.too_many = true,
        }
    }

    /// Returns whether no text of the server can be shown, since it may repeat a secret that isn't searched.
    pub(super) fn hides_all(&self) -> bool {
        self.too_many
    }

    /// Returns each form of the values in the URL.
    pub(super) fn forms_in_url(&self) -> impl Iterator<Item = String> {
        self.in_url.iter().flat_map(|value| forms(value.as_bytes(), false))
    }

    /// Returns each form of the values in the body.
    pub(super) fn forms_in_body(&self) -> &[String] {
        let all = || self.in_body.iter().flat_map(|value| forms(value.as_bytes(), false)).collect();
        self.forms.get_or_init(all)
    }

    /// Returns whether a path of fields, such as `configuration.key`, leads through a secret field.
    pub(crate) fn is_within(&self, path: &str) -> bool {
        let mut steps = path.split(['.', '[', ']']);
        steps.any(|step| self.fields.own.contains(&step))
    }

    /// Returns whether a field is secret.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.own.contains(&field)
    }

    /// Returns `text` without the values of the secret fields of JSON objects in it.
    pub(super) fn hide_fields<'t>(&self, text: &'t str) -> Cow<'t, str> {
        hide_fields(text, self.fields.hidden)
    }
}

impl std::fmt::Debug for MarkedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkedSecrets")
    }
}

/// Returns `text` without the values of fields of these names in the JSON objects in it.
pub(crate) fn hide_fields<'t>(text: &'t str, fields: &[&str]) -> Cow<'t, str> {
    let mut hidden = String::new();
    let mut copied = 0;
    for value in secret_values(text, fields) {
        hidden.push_str(&text[copied..value.start]);
        hidden.push_str("\"<secret>\"");
        copied = value.end;
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(hidden + &text[copied..]),
    }
}

/// Returns the ranges of the values of some fields in JSON text, in order. Names in single quotes, as Python writes them,
/// count, too.
fn secret_values(text: &str, fields: &[&str]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = text[from..].find(['"', '\'']).map(|at| from + at) {
            from = at + 1;
            let (quote, name) = text[at..].split_at(1);
            // Quotes of a JSON text within a text are escaped.
            let after = fields.iter().find_map(|field| {
                let rest = name.strip_prefix(field)?.trim_start_matches('\\');
                rest.strip_prefix(quote)
            });
            let value = after.and_then(|after| after.trim_start().strip_prefix(':')).map(str::trim_start);
            let Some(value) = value else { continue };
            let start = text.len() - value.len();
            // `Debug` writes JSON as `Json(…)`.
            let word = value.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(value.len());
            let opened = if value[word..].starts_with('(') { word + 1 } else { 0 };
            // A number or a word ends before a quote: if it is within a string, what follows may be a field.
            let length = match value[opened..].starts_with(['"', '\'', '[', '{', '\\']) {
                true => {
                    let length = opened + value_length(&value[opened..]);
                    let closes = opened > 0 && value[length..].starts_with(')');
                    length + usize::from(closes)
                }
                false => value.find(['"', '\'', ',', ']', '}']).unwrap_or(value.len()),
            };
            let end = start + length;
            from = end;
            return Some(start..end);
        }
        None
    })
}

/// Returns a line in parts that are short enough to be searched.
fn parts_of(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = rest.len().min(MAX_VALUE);
        let end = (0..=end).rev().find(|at| rest.is_char_boundary(*at))?;
        let (part, more) = rest.split_at(end);
        rest = more;
        (!part.is_empty()).then_some(part)
    })
}

/// Returns the length of the JSON value at the beginning of a text, which may be truncated. Texts may be in single quotes.
fn value_length(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, byte) in text.bytes().enumerate() {
        match (byte, quote) {
            _ if escaped => escaped = false,
            (b'\\', Some(_)) => escaped = true,
            (byte, Some(open)) if byte == open => {
                quote = None;
                if depth == 0 {
                    return at + 1;
                }
            }
            (_, Some(_)) => {}
            (b'"' | b'\'', None) => quote = Some(byte),
            (b'[' | b'{', None) => depth += 1,
            (b']' | b'}' | b',', None) if depth == 0 => return at,
            (b']' | b'}', None) => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["token", "params"];
    const FIELDS: MarkedFields = MarkedFields { sent: NAMES, own: NAMES, hidden: NAMES };

    fn marked() -> MarkedSecrets {
        MarkedSecrets { fields: FIELDS, ..MarkedSecrets::default() }
    }

    fn sent(body: &str) -> MarkedSecrets {
        MarkedSecrets::of(Vec::new(), body.as_bytes(), FIELDS).unwrap()
    }

    #[test]
    fn secret_fields_are_hidden_in_text() {
        for (text, hidden) in [
            (r#"{"id": 1, "token": "abc", "x": 2}"#, r#"{"id": 1, "token": "<secret>", "x": 2}"#),
            (r#"{"params":{"a":["}", 1]},"token" : null}"#, r#"{"params":"<secret>","token" : "<secret>"}"#),
            (r#"bad: {"token":"a\"b"} end"#, r#"bad: {"token":"<secret>"} end"#),
            (r#"{"token": "cut"#, r#"{"token": "<secret>""#),
            (r#"{"params": {"a": ["#, r#"{"params": "<secret>""#),
            (r#"{"tokens": "abc", "token"#, r#"{"tokens": "abc", "token"#),
            (r"no {'token': 'abc', 'x': 1}", r#"no {'token': "<secret>", 'x': 1}"#),
            (
                r#"{"detail":"'token': required","token":"abc"}"#,
                r#"{"detail":"'token': "<secret>"","token":"<secret>"}"#,
            ),
            (r#"{"token": Json({"a": [1]}), "x": 1}"#, r#"{"token": "<secret>", "x": 1}"#),
            ("", ""),
        ] {
            assert_eq!(marked().hide_fields(text), hidden);
        }
        let nested = r#"{"detail": "{\"token\": \"abc\"}"}"#;
        assert!(!marked().hide_fields(nested).contains("abc"), "{}", marked().hide_fields(nested));
    }

    #[test]
    fn sent_secrets_are_collected() {
        let body = r#"{"params": {"long_name": "line one\nline two", "n": 1, "pin": 12345678, "deep": ["x-y-z\u00e9"]}, "action": "run-it"}"#;
        assert_eq!(sent(body).in_body, ["line one", "line two", "12345678", "x-y-z\u{e9}"]);
        assert!(MarkedSecrets::of(Vec::new(), body.as_bytes(), MarkedFields::default()).is_none());
        let named = r#"{"action":"set 'params': x","params":{"key":"hunter22secret"}}"#;
        assert!(sent(named).in_body.contains(&"hunter22secret".to_owned()), "{:?}", sent(named).in_body);
        // What no parser accepts is collected, too.
        let odd = format!(
            r#"{{"params": {{"limit": 1e9999, "half": "\ud83d-secret", "deep": {}"hunter2"{}}}}}"#,
            "[".repeat(500),
            "]".repeat(500)
        );
        assert_eq!(sent(&odd).in_body, ["1e9999", "\\ud83d-secret", "hunter2"]);
    }

    #[test]
    fn too_many_secrets_hide_all() {
        let body =
            |values: usize| format!(r#"{{"params": [{}]}}"#, vec![r#""0123456789abcdef""#; values].join(","));
        assert!(!sent(&body(1_024)).hides_all());
        assert!(sent(&body(1_025)).hides_all());
        let long = format!(r#"{{"params": "{}"}}"#, "a".repeat(10_000));
        assert_eq!(sent(&long).in_body.iter().map(String::len).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
    }

    #[test]
    fn path_through_secret_field() {
        for path in ["params", "params.key", "run[0].params", "a.token[1]"] {
            assert!(marked().is_within(path), "{path}");
        }
        assert!(!marked().is_within("param.tokens"));
    }
}
