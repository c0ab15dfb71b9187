//! A reference implementation of URL conversion, for the property tests: one conversion after the other on a tree.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::file_url::names_a_url;

/// JSON as it is written, in short form.
#[derive(Debug, Clone)]
enum Tree {
    Other(&'static str),
    Text(String),
    List(Vec<Tree>),
    /// Entries by the literals of their keys.
    Object(Vec<(String, Tree)>),
}

/// A converter, which fails for some URLs.
#[derive(Debug, Clone, Copy)]
struct Change {
    before: &'static str,
    fails_for: &'static str,
    key: &'static str,
}

impl Change {
    fn of(self, url: &str) -> Option<String> {
        (!url.contains(self.fails_for)).then(|| format!("{}{url}", self.before))
    }
}

impl UrlConverter for Change {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.of(url).ok_or_else(|| "no".into())
        })
    }

    fn key(&self) -> &'static str {
        self.key
    }
}

fn called(literal: &str) -> String {
    serde_json::from_str(literal).unwrap()
}

impl Tree {
    fn write(&self, text: &mut String) {
        let separate = |text: &mut String, index| text.push_str(if index > 0 { "," } else { "" });
        match self {
            Tree::Other(literal) => text.push_str(literal),
            Tree::Text(literal) => text.push_str(&serde_json::to_string(literal).unwrap()),
            Tree::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(text, index);
                    item.write(text);
                }
                text.push(']');
            }
            Tree::Object(entries) => {
                text.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    separate(text, index);
                    text.push_str(key);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }

    fn page(&mut self, names: &[&str], change: Change) {
        let Tree::Object(entries) = self else { return };
        for (_, results) in entries.iter_mut().filter(|(key, _)| called(key) == "results") {
            let Tree::List(items) = results else { continue };
            items.iter_mut().for_each(|item| item.item(names, change));
        }
    }

    fn item(&mut self, names: &[&str], change: Change) {
        let Some((name, rest)) = names.split_first() else { return self.field(change) };
        match self {
            Tree::List(items) => match name.parse::<usize>() {
                Ok(number) => items.iter_mut().skip(number).take(1).for_each(|item| item.item(rest, change)),
                Err(_) => items.iter_mut().for_each(|item| item.item(names, change)),
            },
            Tree::Object(entries) if names == ["url"] => {
                for (_, value) in
                    entries.iter_mut().filter(|(key, value)| called(key) == "url" && !matches!(value, Tree::Text(_)))
                {
                    value.field(change);
                }
                file(entries, change);
            }
            Tree::Object(entries) => {
                entries.iter_mut().filter(|(key, _)| called(key) == *name).for_each(|(_, value)| value.item(rest, change));
            }
            _ => {}
        }
    }

    fn field(&mut self, change: Change) {
        match self {
            Tree::Object(entries) => object(entries, true, change),
            other => other.bare(change),
        }
    }

    fn bare(&mut self, change: Change) {
        match self {
            Tree::Text(url) => *url = change.of(url).unwrap_or(std::mem::take(url)),
            Tree::List(items) => {
                for item in items {
                    match item {
                        Tree::Object(entries) => {
                            let is_url = |(key, value): &(String, Tree)| match value {
                                Tree::Text(url) => names_a_url(&called(key), url),
                                other => matches!(other, Tree::Other("null")),
                            };
                            let names = entries.iter().all(is_url);
                            object(entries, names, change);
                        }
                        other => other.bare(change),
                    }
                }
            }
            _ => {}
        }
    }
}

fn object(entries: &mut Vec<(String, Tree)>, names: bool, change: Change) {
    if entries.iter().any(|(key, value)| called(key) == "url" && !matches!(value, Tree::Object(_))) {
        return file(entries, change);
    }
    for (_, value) in entries {
        match value {
            Tree::Object(entries) => file(entries, change),
            value if names => value.bare(change),
            _ => {}
        }
    }
}

fn file(entries: &mut Vec<(String, Tree)>, change: Change) {
    let mut new = HashSet::new();
    for (index, (key, value)) in entries.iter_mut().enumerate() {
        if let Tree::Text(url) = value
            && called(key) == "url"
            && let Some(changed) = change.of(url)
        {
            *url = changed;
            if change.key != "url" {
                *key = format!("\"{}\"", change.key);
                new.insert(index);
            }
        }
    }
    let mut index = 0;
    entries.retain(|(key, _)| {
        index += 1;
        new.is_empty() || called(key) != change.key || new.contains(&(index - 1))
    });
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let other = prop::sample::select(vec!["null", "7", "1e999", "true"]).prop_map(Tree::Other);
    let text =
        prop::sample::select(vec!["/a", "/b", "https://h/x?s='", "text", "", "\"é"]).prop_map(|text| Tree::Text(text.to_owned()));
    let key = prop::sample::select(vec!["url", "ur\\u006c", "path", "p\\u0061th", "size", "a", "a", "0", "1", "files", "name"]);
    prop_oneof![other, text].prop_recursive(6, 60, 5, move |inner| {
        let entry = (key.clone().prop_map(|key| format!("\"{key}\"")), inner.clone());
        prop_oneof![
            2 => prop::collection::vec(inner, 0..4).prop_map(Tree::List),
            3 => prop::collection::vec(entry, 0..6).prop_map(Tree::Object),
        ]
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let before = prop::sample::select(vec!["", "https://cdn", "\"\\", "x"]);
    let key = prop::sample::select(vec!["url", "url", "path", "a"]);
    (before, prop::sample::select(vec!["b", "?", "no"]), key).prop_map(|(before, fails_for, key)| Change {
        before,
        fails_for,
        key,
    })
}

fn any_path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["url", "path", "a", "files", "files", "0", "1"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("."))
}

proptest! {
    #[test]
    fn conversions_are_as_one_after_the_other(
        mut tree in any_tree(),
        changes in prop::collection::btree_map(any_path(), any_change(), 1..5),
        backwards in any::<bool>(),
        page in any::<bool>(),
    ) {
        let mut changes: Vec<_> = changes.into_iter().collect();
        if backwards {
            changes.reverse();
        }
        let mut conversions = Conversions { skip_failed: true, ..Conversions::default() };
        changes.iter().for_each(|(path, change)| conversions.with(path, *change));
        if page {
            tree = Tree::Object(vec![
                ("\"a\"".to_owned(), Tree::Text("/page".to_owned())),
                ("\"result\\u0073\"".to_owned(), tree.clone()),
                ("\"results\"".to_owned(), Tree::List(vec![tree])),
            ]);
        }
        let mut text = String::new();
        tree.write(&mut text);
        for (path, change) in &changes {
            let names: Vec<_> = path.split('.').collect();
            match page {
                true => tree.page(&names, *change),
                false => tree.item(&names, *change),
            }
        }
        let mut expected = String::new();
        tree.write(&mut expected);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let converted = runtime.block_on(tests::apply(conversions, &text, page)).unwrap();
        prop_assert!(serde_json::from_str::<&RawValue>(&converted).is_ok(), "{text} -> {converted}");
        prop_assert_eq!(converted, expected, "{} with {:?}", text, changes);
    }

    #[test]
    fn any_text_is_converted_or_left(text in "([\\[\\]{}\":,\\\\ 0n]|url|files|null|\"files\":|\"url\":\"a\"|\\PC){0,40}", page in any::<bool>()) {
        let mut conversions = Conversions::default();
        for path in ["files", "files.url", "url", "0"] {
            conversions.with(path, Change { before: "x", fails_for: "no", key: "path" });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let converted = runtime.block_on(tests::apply(conversions, &text, page)).unwrap();
        let json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
        prop_assert!(json(&converted) == json(&text) && (json(&text) || converted == text), "{text} -> {converted}");
    }
}
