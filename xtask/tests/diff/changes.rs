//! Helpers for tests of one small change each: the reported lines and the exit code.

use serde_json::Value;

pub use crate::small::document;
pub use crate::support::{Files, xtask};

pub const LIST: &str = "/paths/~1models~1/get";
pub const CREATE: &str = "/paths/~1models~1/post";
pub const GET: &str = "/paths/~1models~1{id}~1/get";
pub const UPLOAD: &str = "/paths/~1uploads~1/put";
pub const SCHEMAS: &str = "/components/schemas";

/// Returns the path of the root of a small handwritten layer for the small document.
pub fn layer() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layer/src/lib.rs").to_owned()
}

/// Sets the value at a pointer. A `-` at the end appends to a list.
pub fn set(document: &mut Value, pointer: impl AsRef<str>, value: Value) {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

/// Removes the value at a pointer and returns it.
pub fn take(document: &mut Value, pointer: impl AsRef<str>) -> Value {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.remove(key.parse::<usize>().unwrap()),
        parent => parent.as_object_mut().unwrap().remove(&key.replace("~1", "/")).unwrap(),
    }
}

/// Compares two documents. Returns the lines, with one space between columns, and the exit code.
pub fn diff(old: &Value, new: &Value) -> (Vec<String>, i32) {
    let files = Files::new();
    let (old, new) = (files.document("old.json", old), files.document("new.json", new));
    let ended = xtask(&["spec", "diff", &old, &new, "--src", &layer()]);
    assert_eq!(ended.err, "");
    let lines = ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    (lines.collect(), ended.code)
}

/// Returns the report of one change of the small document.
pub fn changed(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (old, mut new) = (document(), document());
    change(&mut new);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

/// Returns the report of the reverse change.
pub fn undone(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (new, mut old) = (document(), document());
    change(&mut old);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

#[track_caller]
pub fn assert_reported((lines, code): (Vec<String>, i32), expected: &[&str]) {
    let (counts, message) = lines.split_last().unwrap();
    assert_eq!(message, expected);
    let breaking = expected.iter().filter(|line| line.starts_with("breaking ")).count();
    let plural = if expected.len() == 1 { "" } else { "s" };
    assert_eq!(*counts, format!("{} change{plural}, {breaking} breaking", expected.len()));
    assert_eq!(code, i32::from(breaking > 0));
}

pub const LISTED: &str = "touches BackendClient::list_models (generated)";
pub const GOT: &str = "touches BackendClient::get_model (generated)";
pub const CREATED: &str = "touches BackendClient::create_model (src/lib.rs)";
pub const ALL: &str = "touches BackendClient::create_model (src/lib.rs), BackendClient::get_model (generated), \
                   BackendClient::list_models (generated)";

pub fn with(lines: &[(&str, &str)]) -> Vec<String> {
    lines.iter().map(|(line, touches)| format!("{line} {touches}")).collect()
}

#[track_caller]
pub fn assert_lines(message: (Vec<String>, i32), expected: &[(&str, &str)]) {
    let expected = with(expected);
    assert_reported(message, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}
