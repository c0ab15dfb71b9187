//! Checks the folders of the handwritten layer, called rooms: their dependencies, the order of the
//! dependencies, and the sizes of files.
//!
//! A room depends on another if a path in its code (`crate::…`, `super::…`, without tests) leads there.
//! Paths of a `mod.rs` to its own subfolders don't count, because it declares them.

mod graph;
mod layers;
mod lines;
mod paths;
mod root;
mod sources;
mod test_names;
#[cfg(test)]
mod tests;
mod words;

use std::path::Path;

use crate::Outcome;
use crate::handwritten::modules;
use crate::project;
use graph::Graph;
use lines::Lines;

/// The floors of rooms from the highest to the lowest. A room may depend only on lower floors, not on others
/// of its own floor.
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

/// The largest number of entries in `src/`.
const ENTRIES: usize = 14;

/// Dependencies that are allowed although they violate the order.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// The project's other crates. Their folders aren't rooms, but their files have the same limit, and no circles.
const CRATES: [&str; 3] = ["codegen", "datafusion", "ballista"];

/// The document with a table of the floors, called layers.
const ARCHITECTURE: &str = "docs/architecture.md";

/// Checks the rooms, and prints the number of lines of each. For the project's own layer, also checks and
/// prints those of the code generator, and checks the document's table.
pub fn run(root: Option<&Path>) -> Result<Outcome, String> {
    let own = root.is_none();
    let default = project::root().join("src/lib.rs");
    let root = root.unwrap_or(&default);
    let files = modules::files(root)?;
    let mut problems = Vec::new();
    let directory = root.parent().unwrap_or(Path::new("."));
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?.count();
    if entries > ENTRIES {
        problems.push(format!(
            "src/ has {entries} entries; the limit is {ENTRIES}: move a file into the folder of its concern"
        ));
    }
    let graph = Graph::of(&files);
    problems.extend(graph.problems());
    problems.extend(graph.circles());
    problems.extend(graph.out_of_order(&ORDER, &EXCEPTIONS));
    let lines = Lines::of(&files);
    problems.extend(lines.long_files());
    let sources = sources::sources(directory.parent().unwrap_or(Path::new(".")))?;
    problems.extend(words::problems(&sources));
    problems.extend(test_names::problems(&sources));
    println!("{entries} entries, {} rooms, {} dependencies", graph.rooms(), graph.arrows());
    print!("{lines}");
    if own {
        let document = project::root().join(ARCHITECTURE);
        let document =
            std::fs::read_to_string(&document).map_err(|error| format!("{}: {error}", document.display()))?;
        problems.extend(layers::problems(&document, &ORDER));
        for name in CRATES {
            let files = modules::files(&project::root().join(name).join("src/lib.rs"))?;
            let lines = Lines::of(&files);
            let found = lines.long_files().into_iter().chain(Graph::of(&files).circles());
            problems.extend(found.map(|problem| format!("{name}/{problem}")));
            print!("{name}\n{lines}");
        }
    }
    for problem in &problems {
        println!("error: {problem}");
    }
    Ok(if problems.is_empty() { Outcome::Well } else { Outcome::Findings })
}

/// Returns the folder of a file below `src/`; empty for files in `src/` itself.
fn directory(name: &str) -> String {
    let path = name.strip_prefix("src/").unwrap_or(name);
    path.rsplit_once('/').map(|(directory, _)| directory.to_owned()).unwrap_or_default()
}
