//! The project's documents name only tests and files that exist.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::marker;

/// Returns the names `file::test` in the table of `docs/specification.md`.
fn named_tests() -> BTreeSet<(String, String)> {
    let table = include_str!("../../docs/specification.md");
    let quoted = table.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`'));
    quoted
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        .map(|(file, test)| (file.to_owned(), test.to_owned()))
        .collect()
}

#[test]
fn specification_names_tests_that_exist() {
    marker::watch();
    let named = named_tests();
    assert!(named.len() > 30, "the table names {} tests", named.len());
    for (file, test) in named {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(&file).with_extension("rs");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "there is no {file}::{test}");
    }
}

/// Returns the Rust file paths in backticks.
fn paths_of(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.ends_with(".rs") && word.contains('/'))
}

#[test]
fn architecture_names_files_that_exist() {
    let text = include_str!("../../docs/architecture.md");
    let mut named = 0;
    for path in paths_of(text) {
        named += 1;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        assert!(file.is_file(), "docs/architecture.md names {path}, which doesn't exist");
    }
    assert!(named > 30, "it names {named} files");
}
