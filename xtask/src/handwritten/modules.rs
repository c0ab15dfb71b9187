//! Finds the files of a crate as the compiler does: from the root along `mod` items.

use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta, Token, punctuated::Punctuated};

/// A file with its items, without tests.
pub struct SourceFile {
    /// Relative to the parent of the root's directory, such as `src/upload/mod.rs`.
    pub name: String,
    pub items: Vec<Item>,
    /// Lines outside its tests, including comments and blank lines.
    pub lines: usize,
}

/// Returns the crate's files, its root first.
pub fn files(root: &Path) -> Result<Vec<SourceFile>, String> {
    let directory = root.parent().unwrap_or(Path::new("."));
    let project = directory.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    read(project, root, directory, &mut found)?;
    Ok(found)
}

/// Reads a file whose submodules are in `directory`.
fn read(project: &Path, file: &Path, directory: &Path, found: &mut Vec<SourceFile>) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let parsed = syn::parse_file(&text)
        .map_err(|error| format!("{}:{}: {error}", file.display(), error.span().start().line))?;
    let name = file.strip_prefix(project).unwrap_or(file).display().to_string();
    let (items, tests): (Vec<Item>, Vec<Item>) =
        parsed.items.into_iter().partition(|item| is_built(attributes(item)));
    let lines = text.lines().count() - tests.iter().map(lines_of).sum::<usize>();
    let own_directory = file.parent().unwrap_or(Path::new("."));
    let modules = modules(&items, own_directory, directory);
    found.push(SourceFile { name, items, lines });
    for (file, directory) in modules {
        read(project, &file, &directory, found)?;
    }
    Ok(())
}

fn lines_of(item: &Item) -> usize {
    let span = item.span();
    span.end().line - span.start().line + 1
}

/// Returns the files of the modules that `items` declare, each with the directory of its submodules.
fn modules(items: &[Item], own_directory: &Path, directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for item in items {
        let Item::Mod(module) = item else { continue };
        let name = module.ident.to_string();
        let name = name.trim_start_matches("r#");
        let below = directory.join(name);
        if let Some((_, items)) = &module.content {
            let items: Vec<Item> = items.iter().filter(|item| is_built(attributes(item))).cloned().collect();
            found.extend(modules(&items, &below, &below));
            continue;
        }
        match module.attrs.iter().find_map(path_of) {
            // The submodules of a file with a `path` attribute are in the same directory.
            Some(path) => {
                let file = own_directory.join(path);
                let directory = file.parent().map(Path::to_path_buf).unwrap_or_default();
                found.push((file, directory));
            }
            None => {
                let file = directory.join(format!("{name}.rs"));
                let file = if file.exists() { file } else { below.join("mod.rs") };
                found.push((file, below));
            }
        }
    }
    found
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

/// Returns whether an item is part of a library build. Tests are not. All features count as enabled.
pub fn is_built(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).all(|attribute| {
        let condition = attribute.parse_args::<Meta>();
        condition.is_ok_and(|condition| holds(&condition) != Some(false))
    })
}

/// Returns whether a condition holds in a build, or `None` if that depends on the build.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) if path.is_ident("test") || path.is_ident("doctest") => Some(false),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let mut parts = parts.iter().map(holds);
            if list.path.is_ident("not") {
                parts.next().flatten().map(|holds| !holds)
            } else if list.path.is_ident("all") {
                parts.any(|part| part == Some(false)).then_some(false)
            } else {
                parts.all(|part| part == Some(false)).then_some(false)
            }
        }
        _ => None,
    }
}

/// Returns the attributes of an item that may contain code.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        _ => &[],
    }
}
