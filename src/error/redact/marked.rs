//! [`MarkedSecrets`]: what the API's document marks as secret in a request and its responses.

use std::borrow::Cow;

use serde_json::Value;

/// The values of a request that are never shown, and the names of such fields in its responses.
#[derive(Default)]
pub(crate) struct MarkedSecrets {
    /// The names of fields.
    fields: &'static [&'static str],
    /// The values that are sent.
    values: Vec<String>,
}

/// The maximum number of values, and of bytes of a value, that are searched in texts.
const MAX_VALUES: usize = 256;
const MAX_VALUE: usize = 4 << 10;

impl MarkedSecrets {
    /// Collects the secrets of a request: values of its URL, and the fields of its JSON body. `None` if there are none.
    pub(crate) fn of(
        in_url: Vec<String>,
        body: Option<&[u8]>,
        fields: &'static [&'static str],
    ) -> Option<Self> {
        let mut values = in_url;
        if !fields.is_empty()
            && let Some(body) = body.and_then(|body| serde_json::from_slice::<Value>(body).ok())
        {
            collect(&body, fields, false, &mut values);
        }
        (!values.is_empty() || !fields.is_empty()).then_some(MarkedSecrets { fields, values })
    }

    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// Returns `text` without the values of the secret fields of JSON objects in it.
    pub(super) fn hide_fields<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = String::new();
        let mut rest = text;
        while let Some((before, value)) = self.next_field(rest) {
            hidden.push_str(&rest[..before]);
            hidden.push_str("\"<secret>\"");
            rest = &rest[before + value..];
        }
        match hidden.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(hidden + rest),
        }
    }

    /// Returns where the value of the first secret field begins, and its length.
    fn next_field(&self, text: &str) -> Option<(usize, usize)> {
        let mut from = 0;
        while let Some(quote) = text[from..].find('"').map(|at| from + at) {
            let name = &text[quote + 1..];
            // Quotes of a JSON text within a text are escaped.
            let after = self.fields.iter().find_map(|field| {
                name.strip_prefix(field)
                    .map(|rest| rest.trim_start_matches('\\'))
                    .and_then(|rest| rest.strip_prefix('"'))
            });
            let value = after.and_then(|after| after.trim_start().strip_prefix(':')).map(str::trim_start);
            if let Some(value) = value {
                return Some((text.len() - value.len(), value_length(value)));
            }
            from = quote + 1;
        }
        None
    }
}

/// Returns the `Debug` text of a body without the values of secret fields, which stand in it as fields of structs or as
/// JSON.
pub(crate) fn hide_in_debug(text: &str, fields: &[&str]) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut copied, mut in_word) = (0, false);
    for (at, letter) in text.char_indices() {
        let begins = !std::mem::replace(&mut in_word, letter.is_alphanumeric() || letter == '_');
        if at < copied || !begins {
            continue;
        }
        let value = fields.iter().find_map(|field| {
            // Quotes of JSON may be escaped.
            let after = text[at..].strip_prefix(field)?.trim_start_matches('\\');
            let after = after.strip_prefix('"').unwrap_or(after);
            Some(after.trim_start().strip_prefix(':')?.trim_start())
        });
        if let Some(value) = value {
            shown.extend([&text[copied..text.len() - value.len()], "…"]);
            copied = text.len() - value.len() + value_length(value);
        }
    }
    shown + &text[copied..]
}

impl std::fmt::Debug for MarkedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MarkedSecrets")
    }
}

/// Collects the texts of secret fields. With `within`, `value` is part of one. The parser limits the depth.
fn collect(value: &Value, fields: &[&str], within: bool, values: &mut Vec<String>) {
    match value {
        Value::String(text) if within && values.len() < MAX_VALUES => {
            // Texts of several lines, such as keys, are repeated line by line.
            let parts = text.lines().flat_map(|line| parts_of(line.trim())).map(str::to_owned);
            values.extend(parts.take(MAX_VALUES - values.len()));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, fields, within, values)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            collect(value, fields, within || fields.contains(&name.as_str()), values)
        }),
        _ => {}
    }
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

/// Returns the length of the JSON value at the beginning of a text, which may be truncated.
fn value_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return at + 1;
                }
            }
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' | b',' if depth == 0 => return at,
            b']' | b'}' => {
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

    fn marked() -> MarkedSecrets {
        MarkedSecrets { fields: &["token", "params"], values: Vec::new() }
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
            ("", ""),
        ] {
            assert_eq!(marked().hide_fields(text), hidden);
        }
        let nested = r#"{"detail": "{\"token\": \"abc\"}"}"#;
        assert!(!marked().hide_fields(nested).contains("abc"), "{}", marked().hide_fields(nested));
    }

    #[test]
    fn secret_fields_are_hidden_in_debug() {
        for (text, hidden) in [
            (r#"Run { action: "a", params: {"x":[1,"}"]} }"#, r#"Run { action: "a", params: … }"#),
            (r#"Run { params: Some("a\"b"), x: 1 }"#, "Run { params: …), x: 1 }"),
            ("Run {\n    params: Some(\n        [1],\n    ),\n}", "Run {\n    params: …,\n    ),\n}"),
            (r#"Json({"token": "abc", "tokens": "abc"})"#, r#"Json({"token": …, "tokens": "abc"})"#),
            (r#""{\"token\": 7, \"x\": 1}""#, r#""{\"token\": …, \"x\": 1}""#),
            ("Run { my_token: 1, token : None, 한token: 2 }", "Run { my_token: 1, token : …, 한token: 2 }"),
            ("token: \"cut", "token: …"),
            ("a token: 1", "a token: …"),
            ("", ""),
        ] {
            assert_eq!(hide_in_debug(text, &["token", "params"]), hidden);
        }
    }

    #[test]
    fn sent_secrets_are_collected() {
        let body =
            br#"{"params": {"key": "line one\nline two", "n": 1, "deep": ["x-y-z"]}, "action": "run"}"#;
        let marked = MarkedSecrets::of(vec!["in-url".to_owned()], Some(body), &["params"]).unwrap();
        assert_eq!(marked.values(), ["in-url", "x-y-z", "line one", "line two"]);
        assert!(MarkedSecrets::of(Vec::new(), Some(body), &[]).is_none());
        let long = format!("{}한{}", "a".repeat(MAX_VALUE - 1), "b".repeat(MAX_VALUE));
        let body = serde_json::json!({"params": [long, "", " \n"]}).to_string();
        let marked = MarkedSecrets::of(Vec::new(), Some(body.as_bytes()), &["params"]).unwrap();
        assert_eq!(marked.values().concat(), long);
        assert_eq!(marked.values().iter().map(String::len).max(), Some(MAX_VALUE));
    }
}
