//! The table of the handwritten layer's parts matches their calls.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use support::crate_copy::root;
use synapse_codegen::document::read;
use synapse_codegen::domains::{DOMAINS, FEATURES, leave_out_disabled, missing};
use synapse_codegen::generate::can_have_method;
use synapse_codegen::prepare::operations;

/// Returns the code of a file, or of the files in a folder, without comments.
fn code(path: &Path) -> String {
    if path.is_dir() {
        let mut paths: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        return paths.iter().map(|path| code(path)).collect();
    }
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the words between `before` and `after`.
fn words<'t>(text: &'t str, before: &str, after: &str) -> BTreeSet<&'t str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
            rest[end..].starts_with(after).then_some(&rest[..end])
        })
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn domain_lists_match_their_code() {
    for domain in &DOMAINS {
        let text: String = domain.files.iter().map(|file| code(&root().join(file))).collect();
        let operations: BTreeSet<&str> = domain.operations.iter().chain(domain.calls).copied().collect();
        assert_eq!(words(&text, "|raw| raw.", "("), operations, "{}", domain.name);
        let mut types: BTreeSet<&str> = words(&text, "types::", "");
        types.remove("builder");
        types.extend(words(&text, "types::builder::", ""));
        if let Some((_, list)) = text.split_once("use crate::generated::raw::types::{") {
            types.extend(list.split('}').next().unwrap().split(',').map(str::trim));
        }
        assert_eq!(types, domain.types.iter().copied().collect(), "{}", domain.name);
    }
}

/// Returns the ids of a document's operations.
fn ids(document: &serde_json::Value) -> BTreeSet<String> {
    operations(document)
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn disabled_features_leave_out_theirs() {
    let document = read(&root().join("openapi")).unwrap();
    let all = ids(&document);
    let tagged = |wanted: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
        let of = operations(&document).filter(|(_, _, operation)| {
            let tags = operation["tags"].as_array();
            tags.is_some_and(|tags| tags.iter().filter_map(|tag| tag.as_str()).any(wanted))
        });
        of.map(|(_, _, operation)| operation["operationId"].as_str().unwrap().to_owned()).collect()
    };
    let of_features = tagged(&|tag| FEATURES.contains(&tag));
    for kept in FEATURES.iter().map(|feature| vec![*feature]).chain([vec![], vec!["hitl", "models"]]) {
        let off: Vec<&str> = FEATURES.into_iter().filter(|feature| !kept.contains(feature)).collect();
        let mut rest = document.clone();
        let left_out = leave_out_disabled(&mut rest, &off).unwrap();
        let parts = DOMAINS.iter().filter(|part| part.feature.is_none_or(|feature| kept.contains(&feature)));
        let called = parts.flat_map(|part| part.operations.iter().chain(part.calls));
        let called: BTreeSet<String> = called.map(|id| (*id).to_owned()).collect();
        let own = tagged(&|tag| kept.contains(&tag));
        assert!(kept.is_empty() || !own.is_empty(), "{kept:?}");
        let expected: BTreeSet<String> = all
            .iter()
            .filter(|id| !of_features.contains(*id) || own.contains(*id) || called.contains(*id))
            .cloned()
            .collect();
        assert_eq!(ids(&rest), expected, "{kept:?}");
        assert_eq!(left_out.len(), all.len() - expected.len(), "{kept:?}");
    }
    let mut whole = document.clone();
    assert!(leave_out_disabled(&mut whole, &[]).unwrap().is_empty());
    assert_eq!(whole, document);
}

#[test]
fn core_layer_needs_no_operation() {
    let parts: Vec<_> =
        DOMAINS.iter().flat_map(|domain| domain.files).map(|file| root().join(file)).collect();
    let mut directories = vec![root().join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            // Unit tests are next to the tested code, and are built only with the project's own document.
            if parts.contains(&path) || path.ends_with("transport") {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = code(&path);
            let text = text.split("#[cfg(test)]").next().unwrap();
            assert!(words(text, "|raw| raw.", "(").is_empty(), "{}", path.display());
        }
    }
}

/// Plain operations are generated: a new one costs no line.
#[test]
fn plain_operations_are_not_named() {
    let document = read(&root().join("openapi")).unwrap();
    let taken_over: Vec<&str> = DOMAINS.iter().flat_map(|domain| domain.operations).copied().collect();
    let plain: Vec<&str> = operations(&document)
        .filter_map(|(_, _, operation)| operation["operationId"].as_str())
        .filter(|id| !taken_over.contains(id))
        .collect();
    assert!(plain.len() > 5, "{plain:?}");
    let mut directories = vec![root().join("src"), root().join("codegen/src")];
    let mut files = vec![root().join("build.rs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("tests") => {}
                true => directories.push(path),
                false => files.push(path),
            }
        }
    }
    for file in files.iter().filter(|file| !file.ends_with("tests.rs") && !file.ends_with("fuzzing.rs")) {
        let text = code(file);
        let text = text.split("#[cfg(test)]").next().unwrap();
        let calls = DOMAINS.iter().filter(|domain| {
            file.ends_with("domains.rs")
                || domain.files.iter().any(|part| file.starts_with(root().join(part)))
        });
        let calls: Vec<&str> = calls.flat_map(|domain| domain.calls).copied().collect();
        for id in plain.iter().filter(|id| !calls.contains(id)) {
            let mut words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            assert!(!words.any(|word| word == *id), "{}: {id}", file.display());
        }
    }
}

#[test]
fn missing_operations_are_named() {
    let domain = &DOMAINS[0];
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let needed: Vec<&str> = domain.operations.iter().chain(domain.calls).copied().collect();
    assert_eq!(missing(domain, &all(&needed), &all(domain.types)), None);
    assert_eq!(
        missing(domain, &all(&needed[1..]), &all(&[])).unwrap(),
        "the operation `start_chunked_upload` and the schemas `ChunkedUpload`, `UploadId`"
    );
}

/// Returns the inherent functions of `BackendClient` in handwritten code.
fn inherent_functions() -> BTreeSet<String> {
    let mut directories = vec![root().join("src")];
    let mut functions = BTreeSet::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            for item in file.items {
                let syn::Item::Impl(block) = item else { continue };
                let is_client =
                    matches!(&*block.self_ty, syn::Type::Path(path) if path.path.is_ident("BackendClient"));
                if block.trait_.is_some() || !is_client {
                    continue;
                }
                functions.extend(block.items.iter().filter_map(|item| match item {
                    syn::ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
                    _ => None,
                }));
            }
        }
    }
    functions
}

/// An operation with such a name would clash with handwritten code, or hide a method of a trait.
#[test]
fn inherent_functions_are_reserved() {
    let taken_over: Vec<&str> = DOMAINS.iter().flat_map(|domain| domain.operations).copied().collect();
    let inherent = inherent_functions();
    for name in inherent.iter().filter(|name| !taken_over.contains(&name.as_str())) {
        assert!(!can_have_method(name), "`{name}` isn't reserved");
    }
    for name in ["clone", "into", "to_owned", "fmt", "type_id", "borrow"] {
        assert!(!can_have_method(name), "`{name}` isn't reserved");
    }
    assert!(inherent.len() > 10 && can_have_method("list_things") && can_have_method("send"));
}
