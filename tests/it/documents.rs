//! The project's documents name only tests and files that exist.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::marker;

const SPECIFICATION: &str = include_str!("../../docs/specification.md");

/// Returns the words in backticks of the tables of `docs/specification.md`.
fn words() -> impl Iterator<Item = &'static str> {
    let rows = SPECIFICATION.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Returns the tests that the tables name, with their modules: `wire::jobs` and `get_job_takes_uuid_and_number`.
fn named_tests() -> BTreeSet<(String, String)> {
    words()
        .filter_map(|word| word.rsplit_once("::"))
        .filter(|(module, _)| {
            module.chars().all(|letter| letter.is_ascii_lowercase() || "_:".contains(letter))
        })
        .map(|(module, test)| (module.to_owned(), test.to_owned()))
        .collect()
}

fn text_of(module: &str) -> String {
    let file = format!("tests/it/{}.rs", module.replace("::", "/"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn specification_names_tests_that_exist() {
    marker::watch();
    let named = named_tests();
    assert!(named.len() > 130, "the tables name {} tests", named.len());
    for (module, test) in &named {
        assert!(text_of(module).contains(&format!("fn {test}(")), "there is no {module}::{test}");
    }
}

#[test]
fn specification_names_each_operation() {
    let calls: BTreeSet<&str> = words()
        .flat_map(|word| word.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')))
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    let mut operations = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // A link of the document names an operation, too.
        let ids = text.lines().filter_map(|line| line.strip_prefix("      operationId: "));
        for id in ids {
            operations += 1;
            assert!(calls.contains(id), "the specification's tables lack {id} of {}", path.display());
        }
    }
    assert!(operations > 60, "{operations}");
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
