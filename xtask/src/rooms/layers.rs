//! Compares the table of layers in `docs/architecture.md` with the order of the rooms.

use std::collections::{BTreeMap, BTreeSet};

/// Lists the layers whose folders differ between the document and the order.
pub fn problems(document: &str, order: &[&[&str]]) -> Vec<String> {
    let mut layers: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (number, folders) in document.lines().filter_map(layer) {
        layers.entry(number).or_default().extend(folders);
    }
    let ordered: BTreeMap<usize, BTreeSet<&str>> =
        order.iter().enumerate().map(|(at, folders)| (at + 1, folders.iter().copied().collect())).collect();
    let numbers: BTreeSet<usize> = layers.keys().chain(ordered.keys()).copied().collect();
    let differing = numbers.into_iter().filter(|number| layers.get(number) != ordered.get(number));
    differing
        .map(|number| {
            let (written, real) = (names(layers.get(&number)), names(ordered.get(&number)));
            format!("layer {number} in docs/architecture.md has {written}, but ORDER has {real}")
        })
        .collect()
}

/// Reads a row such as ``| 2 | `list/`, `upload/` | … |``.
fn layer(row: &str) -> Option<(usize, impl Iterator<Item = &str>)> {
    let mut cells = row.split('|').skip(1);
    let number = cells.next()?.trim().parse().ok()?;
    let folders =
        cells.next()?.split(',').map(|folder| folder.trim().trim_matches('`').trim_end_matches('/'));
    Some((number, folders))
}

fn names(folders: Option<&BTreeSet<&str>>) -> String {
    let Some(folders) = folders else { return "no folders".to_owned() };
    folders.iter().copied().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [&[&str]; 2] = [&["api"], &["list", "upload"]];

    #[test]
    fn equal_layers_are_no_problem() {
        let document =
            "| layer | folders |\n|---|---|\n| 1 | `api/` | `x/` |\n| 2 | `upload/`, `list/` | engines |\n";
        assert!(problems(document, &ORDER).is_empty());
    }

    #[test]
    fn differing_layers_are_reported() {
        let document = "| 1 | `api/` | a |\n| 3 | `list/`, `upload/` | b |\n";
        let expected = [
            "layer 2 in docs/architecture.md has no folders, but ORDER has list, upload",
            "layer 3 in docs/architecture.md has list, upload, but ORDER has no folders",
        ];
        assert_eq!(problems(document, &ORDER), expected);
        let twice = "| 1 | `api/` | a |\n| 2 | `list/` | b |\n| 2 | `call/` | c |\n";
        let expected = ["layer 2 in docs/architecture.md has call, list, but ORDER has list, upload"];
        assert_eq!(problems(twice, &ORDER), expected);
    }
}
