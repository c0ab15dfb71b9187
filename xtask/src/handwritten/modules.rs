//! Finds the files of a crate as the compiler does: from the root along `mod` items.

use std::path::{Component, Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta};

use super::built::{is_built, remove_unbuilt};

/// A file with its items, without tests.
pub struct SourceFile {
    /// Relative to the parent of the root's directory, such as `src/upload/mod.rs`.
    pub name: String,
    /// The path of its module, from the crate's root.
    pub module: Vec<String>,
    pub items: Vec<Item>,
    /// Lines outside its tests, including comments and blank lines.
    pub lines: usize,
}

impl SourceFile {
    /// Parses a file of the module.
    ///
    /// # Errors
    /// Returns an error if the text isn't Rust code.
    pub fn parse(name: &str, module: Vec<String>, text: &str) -> syn::Result<Self> {
        let (mut items, tests): (Vec<Item>, Vec<Item>) =
            syn::parse_file(text)?.items.into_iter().partition(is_built);
        items.iter_mut().for_each(remove_unbuilt);
        let lines = text.lines().count() - tests.iter().map(lines_of).sum::<usize>();
        Ok(SourceFile { name: name.to_owned(), module, items, lines })
    }
}

/// A module whose code is in a file.
struct ModuleFile {
    path: PathBuf,
    /// The directory of its submodules.
    directory: PathBuf,
    module: Vec<String>,
}

/// Returns the crate's files, its root first.
pub fn files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let directory = root.parent().unwrap_or(Path::new("."));
    let project = directory.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    let module =
        ModuleFile { path: root.to_path_buf(), directory: directory.to_path_buf(), module: Vec::new() };
    read(project, module, &mut found)?;
    Ok(found)
}

/// Reads a module's file and those of its submodules.
fn read(project: &Path, module: ModuleFile, found: &mut Vec<SourceFile>) -> Result<(), String> {
    let ModuleFile { path, directory, module } = module;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.strip_prefix(project).unwrap_or(&path).display().to_string();
    let file = SourceFile::parse(&name, module, &text)
        .map_err(|error| format!("{}:{}: {error}", path.display(), error.span().start().line))?;
    let own_directory = path.parent().unwrap_or(Path::new("."));
    let modules = modules(&file.items, &file.module, own_directory, &directory);
    found.push(file);
    for module in modules {
        read(project, module, found)?;
    }
    Ok(())
}

fn lines_of(item: &Item) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}

/// Returns the files of the modules that the `items` of a module declare.
fn modules(items: &[Item], module: &[String], own_directory: &Path, directory: &Path) -> Vec<ModuleFile> {
    let mut found = Vec::new();
    for item in items {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.to_string();
        let name = name.trim_start_matches("r#");
        let module: Vec<String> = module.iter().cloned().chain([name.to_owned()]).collect();
        let attribute = item.attrs.iter().find_map(path_of).map(|path| resolved(&own_directory.join(path)));
        let below = directory.join(name);
        if let Some((_, items)) = &item.content {
            let below = attribute.unwrap_or(below);
            found.extend(modules(items, &module, &below, &below));
            continue;
        }
        match attribute {
            // The submodules of a file with a `path` attribute are in the same directory.
            Some(path) => {
                let directory = path.parent().map(Path::to_path_buf).unwrap_or_default();
                found.push(ModuleFile { path, directory, module });
            }
            None => {
                let file = directory.join(format!("{name}.rs"));
                let path = if file.exists() { file } else { below.join("mod.rs") };
                found.push(ModuleFile { path, directory: below, module });
            }
        }
    }
    found
}

/// Returns a path without `..` after a folder.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if resolved.file_name().is_some() => _ = resolved.pop(),
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    resolved
}

/// Returns the path of `#[path = "…"]`.
fn path_of(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
