//! Reads all Rust files of the project, including tests.

use std::path::Path;

use proc_macro2::TokenStream;

/// The project's folders with Rust code.
const FOLDERS: [&str; 8] =
    ["src", "tests", "codegen", "xtask", "benches", "examples", "datafusion", "ballista"];

/// A file, with its path in the project.
pub struct Source {
    pub name: String,
    pub code: TokenStream,
}

/// Returns the project's Rust files.
///
/// # Errors
/// Returns an error if a file can't be read or isn't Rust code.
pub fn sources(project: &Path) -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        visit(project, &project.join(folder), &mut found)?;
    }
    Ok(found)
}

fn visit(project: &Path, directory: &Path, found: &mut Vec<Source>) -> Result<(), String> {
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
                visit(project, &path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
            let code = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
            let name = path.strip_prefix(project).unwrap_or(&path).display().to_string();
            found.push(Source { name, code });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_examples_are_read_too() {
        let project = tempfile::tempdir().unwrap();
        for name in
            ["examples/a.rs", "xtask/src/b.rs", "tests/it/c.rs", "tests/target/d.rs", "e.rs", "src/f.txt"]
        {
            let file = project.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "fn f() {}").unwrap();
        }
        let names: Vec<String> =
            sources(project.path()).unwrap().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["tests/it/c.rs", "xtask/src/b.rs", "examples/a.rs"]);
    }
}
