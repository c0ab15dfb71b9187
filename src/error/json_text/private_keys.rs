//! serde_json's private keys in a body: a [`serde_json::Value`] reads `{"$serde_json::private::RawValue":
//! "…"}` as the JSON in the string. The levels of that JSON don't count towards the depth limit of the outer
//! text.

use memchr::{memchr, memmem};

use super::decode::{Problem, text_of};
use super::members::literals;

const PRIVATE: &str = "$serde_json::private::";

/// Refuses a body in which such a string contains such a key again: unlimited nesting of this kind overflows
/// the stack when a value is built. The check costs almost nothing for a body without such keys.
///
/// # Errors
/// Returns a problem if the body has such nested keys.
pub(crate) fn refuse_nested(body: &[u8]) -> Result<(), Problem> {
    if body.len() < 2 * PRIVATE.len() || !may_hold(body) {
        return Ok(());
    }
    // A reader may build a value before it reaches bytes that aren't UTF-8.
    let text = &*String::from_utf8_lossy(body);
    let mut after_key = false;
    for (at, literal) in literals(text) {
        if std::mem::take(&mut after_key) && text_of(literal).is_some_and(|inner| may_hold(inner.as_bytes()))
        {
            let message = "it nests keys that begin with `$serde_json::private::`, which serde_json reserves"
                .to_owned();
            return Err(Problem { path: String::new(), message, is_truncated: false });
        }
        after_key = is_private_key(text, at, literal);
    }
    Ok(())
}

/// Returns whether the JSON text has one of serde_json's private keys.
pub(crate) fn has_private_key(text: &str) -> bool {
    may_hold(text.as_bytes()) && literals(text).any(|(at, literal)| is_private_key(text, at, literal))
}

fn is_private_key(text: &str, at: usize, literal: &str) -> bool {
    literal.len() > PRIVATE.len()
        && text.get(at + literal.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'))
        && text_of(literal).is_some_and(|key| key.starts_with(PRIVATE))
}

/// Returns whether a text may contain such a key, plain or with escaped ASCII characters.
fn may_hold(text: &[u8]) -> bool {
    let has =
        |rare: u8, part: &str| memchr(rare, text).is_some() && memmem::find(text, part.as_bytes()).is_some();
    has(b'$', PRIVATE) || has(b'\\', r"\u00")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::error::json_text::decode::decode;

    fn forged(times: usize) -> String {
        (0..times).fold("1".to_owned(), |text, _| {
            let inner = serde_json::to_string(&text).unwrap();
            format!(r#"{}{{"$serde_json::private::RawValue":{inner}}}{}"#, "[".repeat(120), "]".repeat(120))
        })
    }

    #[test]
    fn nested_private_keys_are_refused() {
        let escaped = |text: String| text.replace("$serde", r"\u0024s\u0065rde");
        for body in [forged(2), forged(12), escaped(forged(2)), escaped(forged(3))] {
            let problem = decode::<Value>(body.as_bytes()).unwrap_err();
            assert!(problem.message.contains("$serde_json::private::"), "{problem:?}");
        }
        let not_text = [b"{\"v\": ", forged(13).as_bytes(), b", \"junk\": \"\xff\"}"].concat();
        assert!(decode::<Value>(&not_text).unwrap_err().message.contains("$serde_json::private::"));
        for body in [r#"{"a": "$serde_json::private::", "b": "caf\u00e9"}"#.to_owned(), forged(1)] {
            assert!(decode::<Value>(body.as_bytes()).is_ok());
        }
        assert!(decode::<crate::Json>(r#"{"$serde_json::private::RawValue": "]["}"#.as_bytes()).is_ok());
    }
}
