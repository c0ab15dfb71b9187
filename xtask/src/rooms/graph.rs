//! The dependencies between rooms.

use std::collections::{BTreeMap, BTreeSet};

use super::directory;
use super::paths::paths;
use super::root::Root;
use crate::handwritten::modules::SourceFile;

/// The rooms, and for each dependency the files that contain it.
pub struct Graph {
    rooms: BTreeSet<String>,
    arrows: BTreeMap<(String, String), BTreeSet<String>>,
    unclear: BTreeSet<String>,
}

impl Graph {
    pub fn of(files: &[SourceFile]) -> Self {
        let rooms: BTreeSet<String> =
            files.iter().map(|file| directory(&file.name)).filter(|room| !room.is_empty()).collect();
        let root = Root::of(files, &rooms);
        let mut graph = Graph { rooms, arrows: BTreeMap::new(), unclear: BTreeSet::new() };
        for file in files {
            for path in paths(file) {
                graph.add(file, &path, &root);
            }
        }
        graph
    }

    /// Adds the dependencies of a path in a file.
    fn add(&mut self, file: &SourceFile, path: &[String], root: &Root) {
        let name = &file.name;
        if path.is_empty() {
            self.unclear.insert(format!(
                "{name} has a path that ends at the crate's root (such as `use crate::*`): name the item"
            ));
            return;
        }
        let from = directory(name);
        if from.is_empty() {
            return;
        }
        let Some(rooms) = root.rooms_of(path) else {
            self.unclear.insert(format!(
                "{name} uses crate::{}, and it isn't clear which folder that leads to: use the path of the \
                 folder, or a re-export",
                path.join("::")
            ));
            return;
        };
        for to in rooms {
            let is_declared_here =
                name.ends_with("/mod.rs") && to.strip_prefix(&from).is_some_and(|rest| rest.starts_with('/'));
            if to != from && !is_declared_here {
                self.arrows.entry((from.clone(), to)).or_default().insert(name.clone());
            }
        }
    }

    /// Returns the paths that the check can't follow.
    pub fn problems(&self) -> Vec<String> {
        self.unclear.iter().cloned().collect()
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

    pub fn evidence(&self, circle: &str) -> String {
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
        for folder in order.iter().copied().flatten().filter(|folder| !self.rooms.contains(**folder)) {
            problems.push(format!("ORDER has `{folder}`, but src/{folder} doesn't exist"));
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
