//! Compares the values of two texts. Their numbers are compared as they are written: no number type holds
//! every integer.

use std::borrow::Cow;
use std::collections::HashMap;

use super::nesting::LEVELS;
use crate::error::json_text::decode::{has_private_key, text_of};
use crate::error::json_text::members::name;
use crate::error::json_text::scan::{Lexeme, Scanner, Token};

/// Whether both texts have a value, and the same one. Each text is read once.
pub(super) fn are_equal(one: &str, other: &str) -> bool {
    read(one).is_some_and(|one| read(other).as_ref() == Some(&one))
}

/// A value, as far as others may equal it.
#[derive(PartialEq)]
enum Node<'t> {
    /// `null`, `true` and `false`.
    Word(&'t str),
    Integer {
        negative: bool,
        digits: &'t str,
    },
    Float(f64),
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Object(HashMap<Cow<'t, str>, Node<'t>>),
}

/// The value of a text; nothing where it has none.
fn read(text: &str) -> Option<Node<'_>> {
    if has_private_key(text) {
        return None;
    }
    let mut scanner = Scanner::new(text);
    let first = scanner.next()?;
    node(&mut scanner, first, 0)
}

/// The value that `first` begins, within so many lists and objects. It recurses no deeper than a value may be
/// nested.
fn node<'t>(scanner: &mut Scanner<'t>, first: Lexeme, depth: usize) -> Option<Node<'t>> {
    let text = scanner.text(first);
    Some(match first.token {
        Token::List | Token::Object if depth == LEVELS => return None,
        Token::List => {
            let mut items = Vec::new();
            loop {
                match scanner.next()? {
                    Lexeme { token: Token::End, .. } => break Node::List(items),
                    item => items.push(node(scanner, item, depth + 1)?),
                }
            }
        }
        Token::Object => {
            let mut members = HashMap::new();
            while let Some((key, value)) = scanner.entry() {
                // Of several with the same key the last one counts.
                members.insert(name(scanner.text(key)), node(scanner, value, depth + 1)?);
            }
            Node::Object(members)
        }
        Token::Text => Node::Text(text_of(text)?),
        Token::Null => Node::Word(text),
        Token::Other if text.starts_with(['t', 'f']) => Node::Word(text),
        Token::Other => number(text)?,
        Token::End | Token::Key => return None,
    })
}

/// A number; nothing where it is out of the range of floating-point numbers, and no integer.
fn number(text: &str) -> Option<Node<'_>> {
    if text.contains(['.', 'e', 'E']) {
        return text.parse().ok().filter(|number: &f64| number.is_finite()).map(Node::Float);
    }
    // JSON has no leading zeros.
    let digits = text.strip_prefix('-').unwrap_or(text);
    Some(Node::Integer { negative: digits.len() < text.len() && digits != "0", digits })
}
