//! Reads JSON text token by token. It keeps no stack, so that deep nesting costs nothing, and reads each byte
//! once.
//!
//! The text should be JSON. For other text the tokens are meaningless, but scanning still terminates.

use super::members::behind_quote;

/// The kind of a JSON token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// `[`
    List,
    /// `{`
    Object,
    /// `]` or `}`
    End,
    /// A string before a colon.
    Key,
    /// A string.
    Text,
    Null,
    /// A number, `true` or `false`.
    Other,
}

/// A token and its position in the text. The token of a list or an object is the bracket alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Reads the tokens of a text from a position on.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Scanner::from(text, 0)
    }

    /// Starts at the byte `at`, which must be the start of a token or white space.
    pub(crate) fn from(text: &'t str, at: usize) -> Self {
        Scanner { text, at }
    }

    /// Returns the whole text.
    pub(crate) fn whole(&self) -> &'t str {
        self.text
    }

    /// Returns the number of bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Returns the text of a token.
    pub(crate) fn text(&self, lexeme: Lexeme) -> &'t str {
        self.text.get(lexeme.start..lexeme.end).unwrap_or_default()
    }

    /// Returns the next token; `None` at the end of the text.
    pub(crate) fn next(&mut self) -> Option<Lexeme> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let start =
            self.at + rest.iter().position(|byte| !is_space(*byte) && !matches!(byte, b',' | b':'))?;
        let rest = self.text.as_bytes().get(start..)?;
        let (token, length) = match rest.first()? {
            b'[' => (Token::List, 1),
            b'{' => (Token::Object, 1),
            b']' | b'}' => (Token::End, 1),
            b'"' => {
                let length = behind_quote(rest, 1).unwrap_or(rest.len());
                let after = rest.get(length..).unwrap_or_default().iter().find(|byte| !is_space(**byte));
                (if after == Some(&b':') { Token::Key } else { Token::Text }, length)
            }
            first => {
                let ends = |byte: &u8| {
                    is_space(*byte) || matches!(byte, b',' | b':' | b']' | b'}' | b'[' | b'{' | b'"')
                };
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                (if *first == b'n' { Token::Null } else { Token::Other }, length)
            }
        };
        self.at = start + length;
        Some(Lexeme { token, start, end: self.at })
    }

    /// Returns the next entry of an object: its key, and the first token of its value. `None` at the object's
    /// end.
    pub(crate) fn entry(&mut self) -> Option<(Lexeme, Lexeme)> {
        let key = self.next().filter(|lexeme| lexeme.token == Token::Key)?;
        let value = self.next().filter(|lexeme| !matches!(lexeme.token, Token::Key | Token::End))?;
        Some((key, value))
    }

    /// Skips the rest of the value whose first token is `first`.
    pub(crate) fn skip(&mut self, first: Lexeme) {
        let bytes = self.text.as_bytes();
        let mut depth = usize::from(matches!(first.token, Token::List | Token::Object));
        while depth > 0 {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let found = rest.iter().position(|byte| matches!(byte, b'"' | b'[' | b'{' | b']' | b'}'));
            self.at = found.map_or(bytes.len(), |found| self.at + found + 1);
            match found.and_then(|found| rest.get(found)) {
                None => return,
                Some(b'"') => self.at = behind_quote(bytes, self.at).unwrap_or(bytes.len()),
                Some(b'[' | b'{') => depth += 1,
                Some(_) => depth -= 1,
            }
        }
    }

    /// Returns the text of the value whose first token is `first`, and skips the rest of the value.
    pub(crate) fn value(&mut self, first: Lexeme) -> &'t str {
        self.skip(first);
        self.text.get(first.start..self.at).unwrap_or_default()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<(Token, &str)> {
        let mut scanner = Scanner::new(text);
        std::iter::from_fn(|| scanner.next().map(|lexeme| (lexeme.token, scanner.text(lexeme)))).collect()
    }

    #[test]
    fn every_token_has_its_text() {
        assert_eq!(
            tokens(" { \"a\\\"\" :[ -1.5e3,true , null],\"\\\\\":\"b:\" } "),
            [
                (Token::Object, "{"),
                (Token::Key, r#""a\"""#),
                (Token::List, "["),
                (Token::Other, "-1.5e3"),
                (Token::Other, "true"),
                (Token::Null, "null"),
                (Token::End, "]"),
                (Token::Key, r#""\\""#),
                (Token::Text, r#""b:""#),
                (Token::End, "}"),
            ]
        );
    }

    #[test]
    fn deep_nesting_is_skipped() {
        let text = format!("{}{},7", "[{\"]\":".repeat(100_000), "0}]".repeat(100_000));
        let mut scanner = Scanner::new(&text);
        let first = scanner.next().unwrap();
        scanner.skip(first);
        assert_eq!(scanner.next().map(|lexeme| scanner.text(lexeme)), Some("7"));
    }

    proptest! {
        #[test]
        fn any_text_scan_terminates(text in "([\\[\\]{}\":,\\\\a0 n]|\\PC){0,60}", skipped in any::<bool>()) {
            let mut scanner = Scanner::new(&text);
            let mut before = 0;
            while let Some(lexeme) = scanner.next() {
                prop_assert!(lexeme.end > before && text.get(lexeme.start..lexeme.end).is_some());
                if skipped {
                    scanner.skip(lexeme);
                }
                before = scanner.position();
            }
        }
    }
}
