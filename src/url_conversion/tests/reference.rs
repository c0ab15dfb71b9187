//! A reference implementation of URL conversion, for the property tests: it applies one conversion after
//! another to a tree.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::values::file_url::names_a_url;

/// JSON in a compact form, as it is written.
#[derive(Debug, Clone)]
enum Tree {
    Other(&'static str),
    Text(String, Written),
    List(Vec<Tree>),
    /// Entries, with the literals of their keys.
    Object(Vec<(String, Tree)>),
}

/// How a conversion wrote a text: what it wrote counts as a URL from then on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Written {
    No,
    Literal,
    /// In a file's object; the entry's key counts as the key of a URL from then on.
    Entry,
}

/// A converter that fails for some URLs.
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

/// A converter that keeps a ledger, and can record the URLs that it receives.
#[derive(Clone)]
struct Kept(Change, Ledger, Option<Arc<std::sync::Mutex<Vec<String>>>>);

impl UrlConverter for Kept {
    fn convert<'u>(&'u self, url: &'u str) -> ConversionFuture<'u> {
        Box::pin(async move {
            if let Some(seen) = &self.2 {
                seen.lock().unwrap().push(url.to_owned());
            }
            let text = self.0.convert(url).await?;
            self.1.give(&text);
            Ok(text)
        })
    }

    fn key(&self) -> &'static str {
        self.0.key
    }

    fn holds_resources(&self) -> bool {
        true
    }

    fn discarded(&self, converted: &str) {
        self.1.discard(converted);
    }
}

fn called(literal: &str) -> String {
    serde_json::from_str(literal).unwrap()
}

/// Returns whether an entry of a file's object is its URL.
fn is_url((key, value): &(String, Tree)) -> bool {
    called(key) == "url" || matches!(value, Tree::Text(_, Written::Entry))
}

impl Tree {
    fn write(&self, text: &mut String) {
        let separate = |text: &mut String, index| text.push_str(if index > 0 { "," } else { "" });
        match self {
            Tree::Other(literal) => text.push_str(literal),
            Tree::Text(literal, _) => text.push_str(&serde_json::to_string(literal).unwrap()),
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
                    entries.iter_mut().filter(|entry| is_url(entry) && !matches!(entry.1, Tree::Text(..)))
                {
                    value.field(change);
                }
                file(entries, change);
            }
            Tree::Object(entries) => {
                entries
                    .iter_mut()
                    .filter(|(key, _)| called(key) == *name)
                    .for_each(|(_, value)| value.item(rest, change));
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
            Tree::Text(url, written) => {
                if let Some(changed) = change.of(url) {
                    *url = changed;
                    *written = if *written == Written::Entry { Written::Entry } else { Written::Literal };
                }
            }
            Tree::List(items) => {
                for item in items {
                    match item {
                        Tree::Object(entries) => {
                            let is_url = |(key, value): &(String, Tree)| match value {
                                Tree::Text(url, written) => {
                                    *written != Written::No || names_a_url(&called(key), url)
                                }
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
    if entries.iter().any(|entry| is_url(entry) && !matches!(entry.1, Tree::Object(_))) {
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
    let mut renamed = false;
    for entry in &mut *entries {
        if is_url(entry)
            && let (key, Tree::Text(url, written)) = entry
            && let Some(changed) = change.of(url)
        {
            (*url, *written) = (changed, Written::Entry);
            if change.key != "url" {
                *key = format!("\"{}\"", change.key);
                renamed = true;
            }
        }
    }
    entries.retain(|entry| !renamed || called(&entry.0) != change.key || is_url(entry));
}

fn written(text: &str) -> Tree {
    Tree::Text(text.to_owned(), Written::No)
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let other = prop::sample::select(vec!["null", "7", "1e999", "true"]).prop_map(Tree::Other);
    let text = prop::sample::select(vec!["/a", "/b", "https://h/x?s='", "text", "", "\"é"]).prop_map(written);
    let key = prop::sample::select(vec![
        "url",
        "ur\\u006c",
        "path",
        "p\\u0061th",
        "size",
        "a",
        "a",
        "0",
        "1",
        "files",
        "name",
    ]);
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

/// Conversions in order; some have the path of an earlier one.
fn any_changes() -> impl Strategy<Value = Vec<(String, Change)>> {
    let path = (any_path(), prop::option::of(any::<prop::sample::Index>()));
    prop::collection::vec((path, any_change()), 1..5).prop_map(|changes| {
        let mut chained: Vec<(String, Change)> = Vec::new();
        for ((path, again), change) in changes {
            let before = again.filter(|_| !chained.is_empty()).map(|again| again.get(&chained).0.clone());
            chained.push((before.unwrap_or(path), change));
        }
        chained
    })
}

proptest! {
    #[test]
    fn conversions_apply_in_sequence(mut tree in any_tree(), changes in any_changes(), page in any::<bool>()) {
        let mut conversions = Conversions { skip_failed: true, ..Conversions::default() };
        changes.iter().for_each(|(path, change)| conversions.with(path, *change));
        if page {
            tree = Tree::Object(vec![
                ("\"a\"".to_owned(), written("/page")),
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
        let converted = runtime.block_on(apply(conversions, &text, page)).unwrap();
        prop_assert!(serde_json::from_str::<&RawValue>(&converted).is_ok(), "{text} -> {converted}");
        prop_assert_eq!(converted, expected, "{} with {:?}", text, changes);
    }

    #[test]
    fn undelivered_files_are_discarded(
        tree in any_tree(),
        changes in any_changes(),
        delivered in any::<bool>(),
        skip_failed in any::<bool>(),
        strict in any::<bool>(),
    ) {
        let (ledger, seen) = (Ledger::default(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let mut conversions = Conversions { skip_failed, strict, ..Conversions::default() };
        for (index, (path, change)) in changes.iter().enumerate() {
            conversions.with(path, Kept(*change, ledger.clone(), (index == 0).then(|| seen.clone())));
        }
        let mut text = String::new();
        tree.write(&mut text);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let converted = runtime.block_on(Arc::new(conversions).apply(text.into(), None, &crate::error::redact::secrets::Secrets::NONE));
        if strict {
            let seen = seen.lock().unwrap();
            prop_assert!(seen.iter().all(|text| crate::values::file_url::is_file_url(text)), "{seen:?}");
        }
        match converted {
            Ok(converted) if delivered => {
                let body = std::str::from_utf8(&converted.body).unwrap().to_owned();
                converted.undelivered.delivered();
                if let [_] = &*changes {
                    let literal = |text: &String| serde_json::to_string(text).unwrap();
                    prop_assert!(ledger.kept().iter().map(literal).all(|text| body.contains(&text)), "{body}");
                }
            }
            converted => {
                drop(converted);
                prop_assert_eq!(ledger.kept(), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn any_text_converted_or_unchanged(text in "([\\[\\]{}\":,\\\\ 0n]|url|files|null|\"files\":|\"url\":\"a\"|\\PC){0,40}", page in any::<bool>()) {
        let mut conversions = Conversions::default();
        for path in ["files", "files.url", "url", "0"] {
            conversions.with(path, Change { before: "x", fails_for: "no", key: "path" });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let converted = runtime.block_on(apply(conversions, &text, page)).unwrap();
        let json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
        prop_assert!(json(&converted) == json(&text) && (json(&text) || converted == text), "{text} -> {converted}");
    }
}
