//! Checks the names of tests: each states its scenario in a few words. The names that a macro's invocation
//! lists (`hostile! { long_keys … }`) are exempt, because they name inputs or fuzz targets.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::sources::Source;

/// Length of a test's name, in characters.
const LENGTH: RangeInclusive<usize> = 15..=40;

/// Lists the tests of the project whose names are too short or too long.
pub fn problems(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let mut names = Vec::new();
        collect(source.code.clone(), &mut names);
        problems.extend(names.iter().filter_map(|name| problem(&source.name, name)));
    }
    problems
}

fn problem(file: &str, name: &str) -> Option<String> {
    let length = name.chars().count();
    let (least, most) = LENGTH.into_inner();
    (!LENGTH.contains(&length)).then(|| {
        format!("the test `{name}` has {length} characters: name its scenario in {least} to {most} ({file})")
    })
}

/// Collects the functions that have `#[test]` or `#[tokio::test]`, within macros as well.
fn collect(tokens: TokenStream, names: &mut Vec<String>) {
    let mut is_test = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                {
                    is_test |= is_test_attribute(group.stream());
                    tokens.next();
                }
            }
            TokenTree::Ident(ident) if ident == "fn" => {
                if let (true, Some(TokenTree::Ident(name))) = (is_test, tokens.peek()) {
                    names.push(name.to_string());
                }
                is_test = false;
            }
            TokenTree::Group(group) => collect(group.stream(), names),
            _ => {}
        }
    }
}

/// Returns whether an attribute is `test`, `tokio::test(…)` or `cfg_attr(…, test)`.
fn is_test_attribute(attribute: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = attribute.into_iter().collect();
    if let [TokenTree::Ident(first), TokenTree::Group(arguments)] = &tokens[..]
        && first == "cfg_attr"
    {
        let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
        let attributes = arguments.split(is_comma).skip(1);
        return attributes
            .into_iter()
            .any(|attribute| is_test_attribute(attribute.iter().cloned().collect()));
    }
    let path = tokens.iter().take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.last().is_some_and(|last| last.to_string() == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_within_macros_too() {
        let text = "fn no_test() {}\n#[cfg(test)] mod tests { #[test] fn short() {}\n\
                    #[tokio::test(flavor = \"x\")] async fn of_tokio() {} #[cfg_attr(unix, ignore, tokio::test)] fn by_condition() {}
                    #[cfg_attr(test, inline)] fn no_test_either() {} proptest! { #[test] fn in_macro(x in 0..1) {} } }";
        let mut names = Vec::new();
        collect(text.parse().unwrap(), &mut names);
        assert_eq!(names, ["short", "of_tokio", "by_condition", "in_macro"]);
    }

    #[test]
    fn short_and_long_names_are_problems() {
        assert!(problem("a.rs", "resume_after_kill").is_none());
        assert!(problem("a.rs", "short").unwrap().contains("5 characters"));
        assert!(problem("a.rs", &"x".repeat(41)).unwrap().contains("41 characters"));
    }
}
