//! Resolves paths from the crate's root, where a name may be a re-export, a macro or a small module.

use std::collections::{BTreeMap, BTreeSet};

use quote::ToTokens as _;
use syn::visit::Visit;
use syn::{Attribute, Ident, Item, ItemMacro, Path, UseTree};

use super::directory;
use super::paths::{Names, idents, module_of, paths, paths_in, step};
use crate::handwritten::modules::SourceFile;

/// The names of the root and of its small modules: the inline modules of `lib.rs` and the files in `src/`.
#[derive(Default)]
pub struct Root {
    rooms: BTreeSet<String>,
    modules: BTreeMap<Names, Module>,
    /// The paths in each macro that is exported or belongs to a small module, and the path of its file.
    macros: BTreeMap<String, Vec<Names>>,
    /// Modules whose file isn't at its usual place, each with the module path of that place.
    moved: BTreeMap<Names, Names>,
    /// The names in the code of each file. A glob of its module may mean them.
    idents: BTreeMap<Names, BTreeSet<String>>,
}

/// A small module, or the root.
#[derive(Default)]
struct Module {
    names: BTreeMap<String, Vec<Target>>,
    globs: Vec<Target>,
    /// All paths in its code.
    paths: Vec<Names>,
}

/// What a re-export leads to.
#[derive(Clone)]
struct Target {
    path: Names,
    /// For a path that doesn't begin with `crate`, `self` or `super`, the number of names that the module
    /// before it has. Such a path may lead to another crate.
    bare: Option<usize>,
}

/// What was found on the way to the rooms of a path.
#[derive(Default)]
struct Found {
    rooms: BTreeSet<String>,
    seen: BTreeSet<Names>,
}

impl Root {
    /// Reads the files of a crate, its root first.
    pub fn of(files: &[SourceFile], rooms: &BTreeSet<String>) -> Self {
        let mut root = Root { rooms: rooms.clone(), ..Root::default() };
        for file in files {
            let is_small = directory(&file.name).is_empty();
            let usual = module_of(&file.name);
            if is_small {
                root.add_module(&file.module, &file.items, paths(file));
            } else if usual != file.module {
                root.moved.insert(file.module.clone(), usual);
            }
            let mut macros = Macros { root: &mut root, file, is_small };
            file.items.iter().for_each(|item| macros.visit_item(item));
            let code = file.items.iter().map(|item| item.to_token_stream()).collect();
            root.idents.insert(file.module.clone(), idents(code).into_iter().collect());
        }
        root
    }

    /// Returns the rooms that a path leads to, or `None` if that isn't known.
    pub fn rooms_of(&self, path: &[String]) -> Option<BTreeSet<String>> {
        let mut found = Found::default();
        self.resolve(path, &mut found).then_some(found.rooms)
    }

    fn add_module(&mut self, path: &Names, items: &[Item], paths: Vec<Names>) {
        let mut module = Module { paths, ..Module::default() };
        for item in items {
            match item {
                Item::Use(item) if item.leading_colon.is_none() => module.add_use(&item.tree, path, None),
                Item::Type(item) => {
                    let mut targets = PathsOfType { module: path, targets: Vec::new() };
                    targets.visit_type(&item.ty);
                    module.names.entry(item.ident.to_string()).or_default().extend(targets.targets);
                }
                Item::ExternCrate(item) if item.ident != "self" => {
                    let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
                    module.names.entry(name.to_string()).or_default();
                }
                Item::Mod(item) => {
                    let Some((_, items)) = &item.content else { continue };
                    let below = step(path.clone(), &item.ident);
                    let code = items.iter().map(|item| item.to_token_stream()).collect();
                    self.add_module(&below, items, paths_in(code, &below));
                }
                _ => {}
            }
        }
        self.modules.insert(path.clone(), module);
    }

    /// Adds the rooms of a path. Returns whether all of them are known.
    fn resolve(&self, path: &[String], found: &mut Found) -> bool {
        if path.is_empty() {
            return false;
        }
        if !found.seen.insert(path.to_vec()) {
            return true;
        }
        let path = self.at_usual_place(path);
        let mut lengths = (1..=path.len()).rev();
        let room = lengths.find_map(|length| self.rooms.get(&path[..length].join("/"))).cloned();
        let mut is_known = room.is_some();
        found.rooms.extend(room);

        let depth = (0..=path.len()).rev().find(|depth| self.modules.contains_key(&path[..*depth]));
        let Some((depth, module)) = depth.and_then(|depth| Some((depth, self.modules.get(&path[..depth])?)))
        else {
            return is_known;
        };
        let Some((name, rest)) = path[depth..].split_first() else {
            return self.resolve_all(&module.paths, found);
        };
        if let Some(targets) = module.names.get(name) {
            is_known = true;
            if !targets.iter().all(|target| self.follow(target, rest, found)) {
                return false;
            }
        }
        if let Some(paths) = self.macros.get(name).filter(|_| rest.is_empty()) {
            is_known = true;
            if !self.resolve_all(paths, found) {
                return false;
            }
        }
        if is_known {
            return true;
        }
        if depth > 0 {
            // The module's own item leads where any of the module's code leads.
            return self.resolve_all(&module.paths, found);
        }
        let globs: Vec<&Target> = module.globs.iter().filter(|glob| self.may_have(glob, name)).collect();
        !globs.is_empty() && globs.iter().all(|glob| self.follow(glob, &path, found))
    }

    fn resolve_all(&self, paths: &[Names], found: &mut Found) -> bool {
        paths.iter().all(|path| self.resolve(path, found))
    }

    fn follow(&self, target: &Target, rest: &[String], found: &mut Found) -> bool {
        self.is_external(target) || self.resolve(&[&target.path[..], rest].concat(), found)
    }

    /// Returns whether a path leads to another crate, since its module doesn't have the first name.
    fn is_external(&self, target: &Target) -> bool {
        let Some(length) = target.bare else { return false };
        let (module, Some(first)) = (&target.path[..length], target.path.get(length)) else { return false };
        let has_name = self.modules.get(module).is_some_and(|module| module.names.contains_key(first));
        let path = &target.path[..=length];
        !has_name && !self.modules.contains_key(path) && !self.rooms.contains(&path.join("/"))
    }

    fn may_have(&self, glob: &Target, name: &str) -> bool {
        self.idents.get(&glob.path).is_none_or(|idents| idents.contains(name))
    }

    fn at_usual_place(&self, path: &[String]) -> Names {
        for length in (1..=path.len()).rev() {
            if let Some(usual) = self.moved.get(&path[..length]) {
                return [usual, &path[length..]].concat();
            }
        }
        path.to_vec()
    }
}

impl Module {
    /// Adds the names of a `use` in the module. `before` is the part of the path before the tree.
    fn add_use(&mut self, tree: &UseTree, module: &Names, before: Option<Target>) {
        let then = |name: &Ident| Target::step(before.clone(), name, module);
        let (name, target) = match tree {
            UseTree::Path(tree) => return self.add_use(&tree.tree, module, Some(then(&tree.ident))),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.add_use(tree, module, before.clone()));
            }
            UseTree::Glob(_) => return self.globs.extend(before),
            UseTree::Name(tree) if tree.ident == "self" => {
                let Some(target) = before else { return };
                (target.path.last().cloned().unwrap_or_default(), target)
            }
            UseTree::Name(tree) => (tree.ident.to_string(), then(&tree.ident)),
            UseTree::Rename(tree) => (tree.rename.to_string(), then(&tree.ident)),
        };
        self.names.entry(name.trim_start_matches("r#").to_owned()).or_default().push(target);
    }
}

impl Target {
    /// Returns the path after a step to a name; without `before`, it is the first name of a path in the module.
    fn step(before: Option<Target>, name: &Ident, module: &Names) -> Self {
        match before {
            Some(before) => Target { path: step(before.path, name), ..before },
            None if name == "crate" => Target { path: Names::new(), bare: None },
            None => {
                let is_bare = name != "self" && name != "super";
                Target { path: step(module.clone(), name), bare: is_bare.then_some(module.len()) }
            }
        }
    }
}

/// Collects the paths in a type.
struct PathsOfType<'a> {
    module: &'a Names,
    targets: Vec<Target>,
}

impl<'ast> Visit<'ast> for PathsOfType<'_> {
    fn visit_path(&mut self, path: &'ast Path) {
        let names = path.segments.iter().map(|segment| &segment.ident);
        if path.leading_colon.is_none() {
            self.targets
                .extend(names.fold(None, |before, name| Some(Target::step(before, name, self.module))));
        }
        syn::visit::visit_path(self, path);
    }
}

/// Collects the macros that other rooms can use.
struct Macros<'a> {
    root: &'a mut Root,
    file: &'a SourceFile,
    is_small: bool,
}

impl<'ast> Visit<'ast> for Macros<'_> {
    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        let is_exported = |attribute: &Attribute| attribute.path().is_ident("macro_export");
        let Some(name) = &item.ident else { return };
        if self.is_small || item.attrs.iter().any(is_exported) {
            let paths = self.root.macros.entry(name.to_string()).or_default();
            paths.extend(paths_in(item.mac.tokens.clone(), &self.file.module));
            if !self.is_small {
                paths.push(self.file.module.clone());
            }
        }
    }
}
