//! The names that the generator makes of a document's: rules that make room must see a clash before it does.

use heck::{ToPascalCase, ToSnakeCase};
use unicode_ident::{is_xid_continue, is_xid_start};

/// The name of a type, or of an operation's builder.
pub fn type_name(name: &str) -> String {
    finish(plain(name).to_pascal_case(), "X")
}

/// The name of a struct's field.
pub fn field_name(name: &str) -> String {
    finish(plain(name).to_snake_case(), "x")
}

/// The name of an operation or a parameter.
pub fn parameter_name(name: &str) -> String {
    let snake = plain(name).to_snake_case();
    match snake.chars().next() {
        Some(first) if !is_xid_start(first) => format!("_{snake}"),
        _ => finish(snake, "x"),
    }
}

/// Whether a value comes to a name of its own, as an enumeration's variant must.
pub fn is_nameable(value: &str) -> bool {
    value.chars().any(char::is_alphanumeric)
        && value.chars().all(|letter| is_xid_continue(letter) || !letter.is_alphanumeric())
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
    // `Self` is the only one of them in another case than snake.
    const KEYWORDS: [&str; 53] = [
        "_", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
        "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
        "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
        "Self", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while", "yield",
    ];
    KEYWORDS.contains(&name)
}
