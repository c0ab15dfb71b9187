//! Checks the names of tests: each states its scenario in a few words.

use std::ops::RangeInclusive;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Length of a test's name, in characters.
const LENGTH: RangeInclusive<usize> = 15..=40;

/// Folders of the project that hold tests.
const FOLDERS: [&str; 5] = ["src", "tests", "codegen", "xtask", "benches"];

/// Lists the tests of the project whose names are too short or too long.
///
/// # Errors
/// Returns an error if a file can't be read or isn't Rust code.
pub fn problems(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for folder in FOLDERS {
        visit(root, &root.join(folder), &mut problems)?;
    }
    Ok(problems)
}

fn visit(root: &Path, directory: &Path, problems: &mut Vec<String>) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", directory.display());
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| failed(&error))?.path());
    }
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if !path.ends_with("target") {
                visit(root, &path, problems)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
            let tokens: TokenStream = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
            let mut names = Vec::new();
            collect(tokens, &mut names);
            let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            problems.extend(names.iter().filter_map(|name| problem(&file, name)));
        }
    }
    Ok(())
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

fn is_test_attribute(attribute: TokenStream) -> bool {
    let path: Vec<String> = attribute
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)))
        .map(|token| token.to_string())
        .collect();
    path.last().is_some_and(|last| last == "test") && path.first().is_some_and(|first| first != "cfg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_within_macros_too() {
        let text = "fn no_test() {}\n#[cfg(test)] mod tests { #[test] fn short() {}\n\
                    #[tokio::test(flavor = \"x\")] async fn of_tokio() {} proptest! { #[test] fn in_macro(x in 0..1) {} } }";
        let mut names = Vec::new();
        collect(text.parse().unwrap(), &mut names);
        assert_eq!(names, ["short", "of_tokio", "in_macro"]);
    }

    #[test]
    fn short_and_long_names_are_problems() {
        assert!(problem("a.rs", "resume_after_kill").is_none());
        assert!(problem("a.rs", "short").unwrap().contains("5 characters"));
        assert!(problem("a.rs", &"x".repeat(41)).unwrap().contains("41 characters"));
    }
}
