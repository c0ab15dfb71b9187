//! Finds the paths in a file's code that lead to another module: those that begin with `crate` or `super`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;

use crate::handwritten::modules::SourceFile;

/// Returns the module path of a file, from the crate's root.
pub fn module_of(name: &str) -> Vec<String> {
    let path = name.strip_prefix("src/").unwrap_or(name).trim_end_matches(".rs");
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib") {
        names.pop();
    }
    names
}

/// Returns the paths in a file, resolved from the crate's root.
pub fn paths(file: &SourceFile) -> Vec<Vec<String>> {
    let module = module_of(&file.name);
    let mut found = Vec::new();
    for item in &file.items {
        collect(item.to_token_stream(), &module, &mut found);
    }
    found
}

fn collect(tokens: TokenStream, module: &[String], found: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(ident) if ident == "crate" => follow(&tokens[at..], Vec::new(), found),
            TokenTree::Ident(ident) if ident == "super" => {
                let mut up = module.to_vec();
                up.pop();
                while is_super(&tokens[at..]) {
                    up.pop();
                    at += 3;
                }
                follow(&tokens[at..], up, found);
            }
            TokenTree::Group(group) => collect(group.stream(), module, found),
            _ => {}
        }
    }
}

fn is_super(rest: &[TokenTree]) -> bool {
    matches!(rest, [a, b, TokenTree::Ident(ident), ..] if is_colons(a, b) && ident == "super")
}

fn is_colons(a: &TokenTree, b: &TokenTree) -> bool {
    [a, b].into_iter().all(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':'))
}

/// Follows `::a::b` and `::{a, b::c}` after the start of a path.
fn follow(mut rest: &[TokenTree], mut path: Vec<String>, found: &mut Vec<Vec<String>>) {
    while let [a, b, next, ..] = rest {
        if !is_colons(a, b) {
            break;
        }
        match next {
            TokenTree::Ident(ident) => path.push(ident.to_string().trim_start_matches("r#").to_owned()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in
                    inner.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                {
                    let Some(TokenTree::Ident(first)) = part.first() else { continue };
                    let mut path = path.clone();
                    path.push(first.to_string());
                    follow(&part[1..], path, found);
                }
                return;
            }
            _ => break,
        }
        rest = &rest[3..];
    }
    found.push(path);
}
