//! Detects renames: what was removed under one name and added under another.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Api;
use super::shape::Kind;

/// Returns the length of the common prefix and suffix of two names. Similar names are more likely to be a
/// rename.
pub fn likeness(one: &str, other: &str) -> usize {
    let prefix = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let rest = one.chars().count().min(other.chars().count()) - prefix;
    let suffix = one.chars().rev().zip(other.chars().rev()).take(rest).take_while(|(a, b)| a == b).count();
    prefix + suffix
}

/// Pairs removed with added names for which `alike` is true, the most similar names first.
pub fn pairs<'a>(
    gone: &[&'a str],
    came: &[&'a str],
    alike: impl Fn(&str, &str) -> bool,
) -> Vec<(&'a str, &'a str)> {
    let mut candidates: Vec<(usize, &str, &str)> = gone
        .iter()
        .flat_map(|gone| came.iter().map(move |came| (likeness(gone, came), *gone, *came)))
        .filter(|(_, gone, came)| alike(gone, came))
        .collect();
    candidates.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.cmp(other)));
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (_, gone, came) in candidates {
        if !found.iter().any(|(one, other)| *one == gone || *other == came) {
            found.push((gone, came));
        }
    }
    found
}

/// Finds operations with the same method and path under another name.
pub fn operations<'a>(old: &'a Api, new: &'a Api) -> BTreeMap<&'a str, &'a str> {
    let key = |api: &'a Api, id: &str| {
        let operation = &api.operations[id];
        (operation.method.as_str(), nameless(&operation.path))
    };
    let gone = old.operations.keys().filter(|id| !new.operations.contains_key(*id));
    gone.filter_map(|gone| {
        let came = new.operations.keys().filter(|id| !old.operations.contains_key(*id));
        let mut came = came.filter(|came| key(new, came) == key(old, gone));
        Some((gone.as_str(), came.next()?.as_str()))
    })
    .collect()
}

/// Returns a path without the names of its parameters, which aren't sent.
pub fn nameless(path: &str) -> String {
    let mut text = String::new();
    let mut within = false;
    for letter in path.chars() {
        match letter {
            '{' => within = true,
            '}' => within = false,
            _ if within => continue,
            _ => {}
        }
        text.push(letter);
    }
    text
}

/// Finds renamed types: first those with the same content, then those with the same field names.
pub fn types(old: &Api, new: &Api) -> BTreeMap<String, String> {
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let none = BTreeMap::new();
    loop {
        let found = by(old, new, &renamed, |api, name, old| {
            api.types[name].shape.signature(if old { &renamed } else { &none })
        });
        if found.is_empty() {
            break;
        }
        // A rename may make further types equal.
        renamed.extend(found);
    }
    let found = by(old, new, &renamed, |api, name, _| match &api.types[name].shape.kind {
        Kind::Object(fields) if !fields.is_empty() => format!("{:?}", fields.keys()),
        _ => String::new(),
    });
    renamed.extend(found);
    renamed
}

/// Pairs a removed with an added type if no other type has the same content.
fn by(
    old: &Api,
    new: &Api,
    renamed: &BTreeMap<String, String>,
    content: impl Fn(&Api, &str, bool) -> String,
) -> Vec<(String, String)> {
    let taken: BTreeSet<&String> = renamed.values().collect();
    let gone: Vec<&String> = old
        .types
        .keys()
        .filter(|name| !new.types.contains_key(*name) && !renamed.contains_key(*name))
        .collect();
    let came: Vec<&String> =
        new.types.keys().filter(|name| !old.types.contains_key(*name) && !taken.contains(name)).collect();
    let mut found = Vec::new();
    for name in &gone {
        let wanted = content(old, name, true);
        let same = came.iter().filter(|other| content(new, other, false) == wanted).collect::<Vec<_>>();
        let rivals = gone.iter().filter(|other| content(old, other, true) == wanted).count();
        if let ([only], 1, false) = (same.as_slice(), rivals, wanted.is_empty()) {
            found.push(((*name).clone(), (**only).clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{likeness, nameless, pairs};

    #[test]
    fn most_similar_names_are_paired() {
        let gone = ["created", "project"];
        let came = ["project_id", "created_at", "another"];
        assert_eq!(pairs(&gone, &came, |_, _| true), [("created", "created_at"), ("project", "project_id")]);
        assert_eq!(pairs(&gone, &came, |gone, _| gone == "project"), [("project", "project_id")]);
        assert_eq!(likeness("aaa", "aa"), 2);
        assert_eq!(likeness("is_active", "active"), 6);
    }

    #[test]
    fn parameter_names_do_not_change_path() {
        assert_eq!(nameless("/a/{id}/b/{x}/"), nameless("/a/{pk}/b/{y}/"));
        assert_ne!(nameless("/a/{id}/"), nameless("/a/id/"));
    }
}
