//! What the README says of the tests is true.

#[path = "support/marker.rs"]
mod marker;

use std::collections::BTreeSet;
use std::path::Path;

/// The names `file::test` of the table "Which test shows which line of the specification".
fn told() -> BTreeSet<(String, String)> {
    let readme = include_str!("../README.md");
    let section = readme.split("## Which test shows which line").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = section.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('`'));
    quoted
        .filter_map(|word| word.split_once("::"))
        .filter(|(file, _)| file.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
        .map(|(file, test)| (file.to_owned(), test.to_owned()))
        .collect()
}

#[test]
fn every_test_that_the_readme_names_exists() {
    marker::watch();
    let told = told();
    assert!(told.len() > 30, "the table names {} tests", told.len());
    for (file, test) in told {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(&file).with_extension("rs");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "there is no {file}::{test}");
    }
}
