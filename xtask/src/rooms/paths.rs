//! Finds the paths in code that lead to another module: those that begin with `crate`, `super` or `self`.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::LitStr;

use crate::handwritten::modules::SourceFile;

/// The names of a path, from the crate's root. Empty for the root itself.
pub type Names = Vec<String>;

/// The serde attributes whose literal is a path or a bound.
const SERDE: [&str; 11] = [
    "bound",
    "crate",
    "default",
    "deserialize_with",
    "from",
    "getter",
    "into",
    "serialize_with",
    "skip_serializing_if",
    "try_from",
    "with",
];

/// Returns the module path of a file at its usual place, from the crate's root.
pub fn module_of(name: &str) -> Names {
    let path = name.strip_prefix("src/").unwrap_or(name).trim_end_matches(".rs");
    let mut names: Names = path.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib") {
        names.pop();
    }
    names
}

/// Returns the paths in a file. A path ends before `*`.
pub fn paths(file: &SourceFile) -> Vec<Names> {
    let code = file.items.iter().map(|item| item.to_token_stream());
    paths_in(code.collect(), &file.module)
}

/// Returns the paths in the code of a module.
pub fn paths_in(code: TokenStream, module: &[String]) -> Vec<Names> {
    let mut found = Vec::new();
    collect(code, module, &mut found);
    found
}

/// Returns the names in code, at any depth.
pub fn idents(code: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in code {
        match token {
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            TokenTree::Group(group) => found.extend(idents(group.stream())),
            _ => {}
        }
    }
    found
}

/// Returns the path after a step to a name, as in `path::name`.
pub fn step(mut path: Names, name: &Ident) -> Names {
    if name == "super" {
        path.pop();
    } else if name != "self" {
        path.push(name.to_string().trim_start_matches("r#").to_owned());
    }
    path
}

fn collect(code: TokenStream, module: &[String], found: &mut Vec<Names>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let continues = at > 1 && is_colons(&tokens[at - 2..]);
        let rest = &tokens[at + 1..];
        at += 1;
        match token {
            TokenTree::Ident(ident) if ident == "pub" && is_visibility(rest) => at += 1,
            TokenTree::Ident(ident) if ident == "extern" && is_other_crate(rest) => at += 1,
            TokenTree::Ident(ident) if ident == "mod" => {
                if let Some((name, body, length)) = inline_module(rest) {
                    let module: Names = module.iter().cloned().chain([name]).collect();
                    collect(body, &module, found);
                    at += length;
                }
            }
            TokenTree::Ident(ident) if ident == "serde" => {
                if let Some(TokenTree::Group(group)) = rest.first() {
                    collect_literals(group.stream(), module, found);
                }
            }
            // `crate = "…"` names an attribute's argument.
            TokenTree::Ident(ident) if ident == "crate" && !is_punct(rest.first(), '=') => {
                follow(rest, Names::new(), found);
            }
            TokenTree::Ident(ident)
                if !continues && (ident == "super" || (ident == "self" && is_colons(rest))) =>
            {
                follow(rest, step(module.to_vec(), ident), found);
            }
            // A group after `::` belongs to the path before it.
            TokenTree::Group(group) if !(continues && group.delimiter() == Delimiter::Brace) => {
                collect(group.stream(), module, found);
            }
            _ => {}
        }
    }
}

/// Collects the paths in the literals of a serde attribute.
fn collect_literals(arguments: TokenStream, module: &[String], found: &mut Vec<Names>) {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    for window in tokens.windows(3) {
        if let [TokenTree::Ident(name), equals, TokenTree::Literal(literal)] = window
            && SERDE.iter().any(|known| name == known)
            && is_punct(Some(equals), '=')
            && let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string())
            && let Ok(code) = text.value().parse()
        {
            collect(code, module, found);
        }
    }
}

/// Follows the rest of a path: `::a::b`, `::{a, b::c}`.
fn follow(mut rest: &[TokenTree], mut path: Names, found: &mut Vec<Names>) {
    while is_colons(rest) {
        match rest.get(2) {
            Some(TokenTree::Ident(name)) => path = step(path, name),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                return follow_group(group.stream(), &path, found);
            }
            _ => break,
        }
        rest = &rest[3..];
    }
    found.push(path);
}

/// Follows each path of a group: `a, super::b, {c}, *`.
fn follow_group(group: TokenStream, path: &Names, found: &mut Vec<Names>) {
    let tokens: Vec<TokenTree> = group.into_iter().collect();
    for part in tokens.split(|token| is_punct(Some(token), ',')) {
        match part {
            [TokenTree::Ident(name), rest @ ..] => follow(rest, step(path.clone(), name), found),
            [TokenTree::Group(group), ..] => follow_group(group.stream(), path, found),
            [_, ..] => found.push(path.clone()),
            [] => {}
        }
    }
}

/// Returns whether `pub` is followed by `(crate)`, `(super)`, `(self)` or `(in …)`.
fn is_visibility(rest: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(group)) = rest.first() else { return false };
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    group.delimiter() == Delimiter::Parenthesis
        && match &tokens[..] {
            [TokenTree::Ident(only)] => only == "crate" || only == "super" || only == "self",
            [TokenTree::Ident(first), ..] => first == "in",
            _ => false,
        }
}

/// Returns whether `extern` is followed by `crate` and the name of another crate.
fn is_other_crate(rest: &[TokenTree]) -> bool {
    matches!(rest, [TokenTree::Ident(first), TokenTree::Ident(name), ..] if first == "crate" && name != "self")
}

/// Reads `name {…}` or `$name {…}` after `mod`. Returns the name, the body and the number of tokens.
fn inline_module(rest: &[TokenTree]) -> Option<(String, TokenStream, usize)> {
    let dollar = usize::from(is_punct(rest.first(), '$'));
    match rest.get(dollar..dollar + 2)? {
        [TokenTree::Ident(name), TokenTree::Group(body)] if body.delimiter() == Delimiter::Brace => {
            Some((name.to_string().trim_start_matches("r#").to_owned(), body.stream(), dollar + 2))
        }
        _ => None,
    }
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}
