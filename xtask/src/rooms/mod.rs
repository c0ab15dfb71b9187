//! The folders of the handwritten layer, as rooms: which knows which, in what order, and how large their
//! files are.
//!
//! A room knows another if a path in its code (`crate::…`, `super::…`; tests left out) leads there. What a
//! `mod.rs` says of its own folders isn't counted: it declares them.

mod graph;
mod lines;
mod paths;
mod test_names;
mod words;

use std::path::Path;

use crate::Outcome;
use crate::handwritten::modules;
use crate::project;
use graph::Graph;
use lines::Lines;

/// The rooms from the highest to the lowest: each knows only those after it. What is in one line doesn't know
/// each other.
const ORDER: [&[&str]; 10] = [
    &["api"],
    &["list", "upload", "download"],
    &["call"],
    &["client"],
    &["generated"],
    &["transport"],
    &["url_conversion"],
    &["values"],
    &["runtime"],
    &["error"],
];

/// Entries of `src/`, at most.
const ENTRIES: usize = 14;

/// What the rooms know of each other although the order forbids it.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Checks the rooms, and prints how many lines each has.
pub fn run(root: Option<&Path>) -> Result<Outcome, String> {
    let default = project::root().join("src/lib.rs");
    let root = root.unwrap_or(&default);
    let files = modules::files(root)?;
    let mut problems = Vec::new();
    let directory = root.parent().unwrap_or(Path::new("."));
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?.count();
    if entries > ENTRIES {
        problems.push(format!(
            "src/ has {entries} entries, and may have {ENTRIES}: move a file into the folder of its concern"
        ));
    }
    let graph = Graph::of(&files);
    problems.extend(graph.circles());
    problems.extend(graph.out_of_order(&ORDER, &EXCEPTIONS));
    let lines = Lines::of(&files);
    problems.extend(lines.long_files());
    problems.extend(words::problems(&files));
    problems.extend(test_names::problems(directory.parent().unwrap_or(Path::new(".")))?);
    println!("{entries} entries, {} rooms, {} arrows", graph.rooms(), graph.arrows());
    print!("{lines}");
    for problem in &problems {
        println!("error: {problem}");
    }
    Ok(if problems.is_empty() { Outcome::Well } else { Outcome::Findings })
}
