//! Compares the values of two JSON texts. Integers are compared digit by digit, since no number type holds
//! every integer.

use std::borrow::Cow;
use std::collections::HashMap;

use super::nesting::MAX_LEVELS;
use crate::error::json_text::decode::{has_private_key, text_of};
use crate::error::json_text::members::name;
use crate::error::json_text::scan::{Lexeme, Scanner, Token};

/// Returns whether both texts have a value and the values are equal. Each text is read once.
pub(super) fn are_equal(one: &str, other: &str) -> bool {
    read(one).is_some_and(|one| read(other).as_ref() == Some(&one))
}

/// A value in a form that can be compared.
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

/// Returns the value of a text; `None` if it has none.
fn read(text: &str) -> Option<Node<'_>> {
    if has_private_key(text) {
        return None;
    }
    let mut scanner = Scanner::new(text);
    let first = scanner.next()?;
    node(&mut scanner, first, 0)
}

/// Returns the value whose first token is `first`, inside `depth` lists and objects. The recursion is limited
/// to the maximum nesting of a value.
fn node<'t>(scanner: &mut Scanner<'t>, first: Lexeme, depth: usize) -> Option<Node<'t>> {
    let text = scanner.text(first);
    Some(match first.token {
        Token::List | Token::Object if depth == MAX_LEVELS => return None,
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
                // If a key is repeated, the last value counts.
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

/// Returns a number; `None` if it isn't an integer and is out of range for a floating-point number.
fn number(text: &str) -> Option<Node<'_>> {
    if text.contains(['.', 'e', 'E']) {
        return text.parse().ok().filter(|number: &f64| number.is_finite()).map(Node::Float);
    }
    // JSON has no leading zeros.
    let digits = text.strip_prefix('-').unwrap_or(text);
    Some(Node::Integer { negative: digits.len() < text.len() && digits != "0", digits })
}
