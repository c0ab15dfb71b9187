//! The Rust names that the generator makes of a document's names. The rules use them to detect clashes.

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToPascalCase, ToSnakeCase};
use icu_normalizer::ComposingNormalizerBorrowed;
use unicode_ident::{is_xid_continue, is_xid_start};

/// Returns the name of a type, or of an operation's builder.
pub fn type_name(name: &str) -> String {
    finish(plain(name).to_pascal_case(), "X")
}

/// Returns the name of a struct's field.
pub fn field_name(name: &str) -> String {
    normalized(&finish(plain(name).to_snake_case(), "x"))
}

/// Returns a name as the compiler reads it: with composed letters (NFC).
pub fn normalized(name: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(name).into_owned()
}

/// Returns the name of an operation or a parameter.
pub fn parameter_name(name: &str) -> String {
    let snake = normalized(&plain(name).to_snake_case());
    match snake.chars().next() {
        Some(first) if !is_xid_start(first) => format!("_{snake}"),
        _ => finish(snake, "x"),
    }
}

/// Returns whether a value has a valid name as a variant of an enumeration.
pub fn is_nameable(value: &str) -> bool {
    value.chars().any(char::is_alphanumeric)
        && value.chars().all(|letter| is_xid_continue(letter) || !letter.is_alphanumeric())
}

/// Names that are taken. Each wanted name has one counter, so that many equal names need one step each.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The next number to try, by wanted name.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// Marks a name as taken. Returns false if it was taken before.
    pub(super) fn take(&mut self, name: String) -> bool {
        self.taken.insert(name)
    }

    /// Returns the wanted name, with the first free number if the name is taken, and marks the result as
    /// taken.
    pub(super) fn free(&mut self, wanted: &str) -> String {
        self.free_after(wanted, "")
    }

    /// Returns the same as [`Names::free`], with `separator` before the number.
    pub(super) fn free_after(&mut self, wanted: &str, separator: &str) -> String {
        if self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let number = self.next.entry(wanted.to_owned()).or_insert(2);
        loop {
            let candidate = format!("{wanted}{separator}{number}");
            *number += 1;
            if self.taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Names { taken: names.into_iter().collect(), next: BTreeMap::new() }
    }
}

fn plain(name: &str) -> String {
    match name {
        "+1" => "plus1".to_owned(),
        "-1" => "minus1".to_owned(),
        name => name.replace('\'', "").replace(|letter: char| !is_xid_continue(letter), "-"),
    }
}

fn finish(cased: String, prefix: &str) -> String {
    let name = match cased.chars().next() {
        None => prefix.to_owned(),
        Some(first) if is_xid_start(first) => cased,
        Some(_) => format!("{prefix}{cased}"),
    };
    match is_keyword(&name) {
        true => format!("{name}_"),
        false => name,
    }
}

fn is_keyword(name: &str) -> bool {
    // `Self` is the only keyword in upper camel case.
    const KEYWORDS: [&str; 53] = [
        "_", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
        "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
        "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
        "Self", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while", "yield",
    ];
    KEYWORDS.contains(&name)
}
