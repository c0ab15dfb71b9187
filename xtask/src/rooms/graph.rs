//! The dependencies between rooms.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree};

use super::paths::paths;
use crate::handwritten::modules::SourceFile;

/// The rooms, and for each dependency the files that contain it.
pub struct Graph {
    rooms: BTreeSet<String>,
    arrows: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Graph {
    pub fn of(files: &[SourceFile]) -> Self {
        let rooms: BTreeSet<String> =
            files.iter().map(|file| directory(&file.name)).filter(|room| !room.is_empty()).collect();
        let public = files.first().map(|root| reexports(&root.items)).unwrap_or_default();
        let mut arrows: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for file in files.iter().skip(1) {
            let from = directory(&file.name);
            if from.is_empty() {
                continue;
            }
            for path in paths(file) {
                let path = match path.first().and_then(|first| public.get(first)) {
                    Some(resolved) => resolved,
                    None => &path,
                };
                let Some(to) = room_of(path, &rooms) else { continue };
                let is_own = to == from
                    || (file.name.ends_with("/mod.rs")
                        && to.strip_prefix(&from).is_some_and(|rest| rest.starts_with('/')));
                if !is_own {
                    arrows.entry((from.clone(), to)).or_default().insert(file.name.clone());
                }
            }
        }
        Graph { rooms, arrows }
    }

    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    pub fn arrows(&self) -> usize {
        self.arrows.len()
    }

    /// Returns cycles: rooms that depend on each other, directly or indirectly.
    pub fn circles(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for start in &self.rooms {
            let way = self.way(start, start);
            if let Some(way) = way {
                // Each cycle is reported once, starting at its first room.
                let first = way.iter().enumerate().min_by_key(|(_, room)| *room).map_or(0, |(at, _)| at);
                let turned: Vec<&String> = way[first..].iter().chain(&way[..first]).collect();
                found.insert(turned.iter().map(|room| room.as_str()).collect::<Vec<_>>().join(" > "));
            }
        }
        found.into_iter().map(|circle| format!("a cycle: {circle}; {}", self.evidence(&circle))).collect()
    }

    /// Returns the shortest path from one room to another, without the last room.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut front = vec![from];
        while !front.is_empty() {
            let mut next = Vec::new();
            for room in front {
                for (known_by, known) in self.arrows.keys() {
                    if known_by != room {
                        continue;
                    }
                    if known == to {
                        let mut way = vec![room.to_owned()];
                        let mut at = room;
                        while let Some(earlier) = before.get(at).filter(|_| at != from) {
                            at = earlier;
                            way.push(at.to_owned());
                        }
                        way.reverse();
                        return Some(way);
                    }
                    if known != from && !before.contains_key(known.as_str()) {
                        before.insert(known, room);
                        next.push(known.as_str());
                    }
                }
            }
            front = next;
        }
        None
    }

    fn evidence(&self, circle: &str) -> String {
        let rooms: Vec<&str> = circle.split(" > ").collect();
        let arrows = rooms.iter().enumerate().filter_map(|(at, from)| {
            let to = rooms[(at + 1) % rooms.len()];
            let files = self.arrows.get(&((*from).to_owned(), to.to_owned()))?;
            Some(format!("{to} is used by {}", files.iter().cloned().collect::<Vec<_>>().join(", ")))
        });
        arrows.collect::<Vec<_>>().join("; ")
    }

    /// Returns dependencies on a room that is not on a lower floor.
    pub fn out_of_order(&self, order: &[&[&str]], exceptions: &[(&str, &str)]) -> Vec<String> {
        let floor = |room: &str| {
            let top = room.split('/').next().unwrap_or(room);
            order.iter().position(|floor| floor.contains(&top)).map(|floor| (floor, top.to_owned()))
        };
        let mut problems = Vec::new();
        for room in &self.rooms {
            if floor(room).is_none() {
                problems.push(format!("src/{room} is not in the order of the rooms: add it to ORDER"));
            }
        }
        for ((from, to), files) in &self.arrows {
            let (Some((above, from_top)), Some((below, to_top))) = (floor(from), floor(to)) else { continue };
            if from_top == to_top
                || below > above
                || exceptions.contains(&(from_top.as_str(), to_top.as_str()))
            {
                continue;
            }
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            problems.push(format!("{from} uses {to}, which is not on a lower floor: {}", files.join(", ")));
        }
        problems
    }
}

/// Returns the folder of a file below `src/`; empty for files in `src/` itself.
fn directory(name: &str) -> String {
    let path = name.strip_prefix("src/").unwrap_or(name);
    path.rsplit_once('/').map(|(directory, _)| directory.to_owned()).unwrap_or_default()
}

/// Returns the innermost folder on a path.
fn room_of(path: &[String], rooms: &BTreeSet<String>) -> Option<String> {
    (1..=path.len()).rev().map(|length| path[..length].join("/")).find(|room| rooms.contains(room))
}

/// Returns the re-exports of the crate's root: the original path of each name.
fn reexports(items: &[Item]) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for item in items {
        if let Item::Use(item) = item {
            exported(&item.tree, Vec::new(), &mut found);
        }
    }
    found
}

fn exported(tree: &UseTree, path: Vec<String>, found: &mut BTreeMap<String, Vec<String>>) {
    let with = |name: String| path.iter().cloned().chain([name]).collect::<Vec<_>>();
    match tree {
        UseTree::Path(tree) => exported(&tree.tree, with(tree.ident.to_string()), found),
        UseTree::Name(tree) => _ = found.insert(tree.ident.to_string(), with(tree.ident.to_string())),
        UseTree::Rename(tree) => _ = found.insert(tree.rename.to_string(), with(tree.ident.to_string())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| exported(tree, path.clone(), found)),
        UseTree::Glob(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::paths::module_of;
    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), items: syn::parse_file(text).unwrap().items, lines: 0 }
    }

    fn graph(files: &[(&str, &str)]) -> Graph {
        Graph::of(&files.iter().map(|(name, text)| file(name, text)).collect::<Vec<_>>())
    }

    const ROOT: (&str, &str) = ("src/lib.rs", "pub use low::deep::Thing as Public;");

    #[test]
    fn cycle_is_reported_once() {
        let circle = graph(&[
            ROOT,
            ("src/high/x.rs", "use crate::{middle::A, std};"),
            ("src/middle/mod.rs", "fn f() { crate::low::g() }"),
            ("src/low/y.rs", "type T = super::super::high::X;"),
        ]);
        let circles = circle.circles();
        assert_eq!(circles.len(), 1);
        assert!(
            circles[0].starts_with("a cycle: high > middle > low; middle is used by src/high/x.rs"),
            "{circles:?}"
        );
    }

    #[test]
    fn order_resolves_reexports() {
        let order: [&[&str]; 2] = [&["high"], &["low"]];
        let right = graph(&[
            ROOT,
            ("src/high/x.rs", "use crate::Public;"),
            ("src/low/deep/mod.rs", ""),
            ("src/low/mod.rs", "use crate::low::deep::T;"),
        ]);
        assert_eq!((right.rooms(), right.arrows(), right.out_of_order(&order, &[])), (3, 1, Vec::new()));
        let wrong = graph(&[
            ROOT,
            ("src/low/x.rs", "macro_rules! m { () => { $crate::high::f() } }"),
            ("src/high/mod.rs", ""),
            ("src/other/z.rs", ""),
        ]);
        let problems = wrong.out_of_order(&order, &[]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].contains("src/other") && problems[1].starts_with("low uses high"),
            "{problems:?}"
        );
        assert_eq!(wrong.out_of_order(&order, &[("low", "high")]).len(), 1);
    }

    #[test]
    fn module_path_from_file_name() {
        assert_eq!(module_of("src/a/mod.rs"), ["a"]);
        assert_eq!(module_of("src/a/b.rs"), ["a", "b"]);
        assert!(module_of("src/lib.rs").is_empty());
    }
}
