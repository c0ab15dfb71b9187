//! One small change at a time: what is told, and how the program ends.

use serde_json::Value;

pub use crate::small::{document, layer};
pub use crate::support::{Files, xtask};

pub const LIST: &str = "/paths/~1models~1/get";
pub const CREATE: &str = "/paths/~1models~1/post";
pub const GET: &str = "/paths/~1models~1{id}~1/get";
pub const UPLOAD: &str = "/paths/~1uploads~1/put";
pub const SCHEMAS: &str = "/components/schemas";

/// Sets what stands at a pointer; `-` at its end appends to a list.
pub fn set(document: &mut Value, pointer: impl AsRef<str>, value: Value) {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

/// Takes away what stands at a pointer.
pub fn take(document: &mut Value, pointer: impl AsRef<str>) -> Value {
    let (parent, key) = pointer.as_ref().rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.remove(key.parse::<usize>().unwrap()),
        parent => parent.as_object_mut().unwrap().remove(&key.replace("~1", "/")).unwrap(),
    }
}

/// Compares two documents; gives the lines, with one space between columns, and the exit code.
pub fn diff(old: &Value, new: &Value) -> (Vec<String>, i32) {
    let files = Files::new();
    let (old, new) = (files.document("old.json", old), files.document("new.json", new));
    let ended = xtask(&["spec", "diff", &old, &new, "--src", &layer()]);
    assert_eq!(ended.err, "");
    let lines = ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    (lines.collect(), ended.code)
}

/// What follows one change of the small document.
pub fn changed(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (old, mut new) = (document(), document());
    change(&mut new);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

/// What follows the change the other way round.
pub fn undone(change: impl FnOnce(&mut Value)) -> (Vec<String>, i32) {
    let (new, mut old) = (document(), document());
    change(&mut old);
    assert_ne!(old, new, "nothing was changed");
    diff(&old, &new)
}

#[track_caller]
pub fn assert_told((lines, code): (Vec<String>, i32), expected: &[&str]) {
    let (counts, told) = lines.split_last().unwrap();
    assert_eq!(told, expected);
    let breaking = expected.iter().filter(|line| line.starts_with("breaking ")).count();
    let plural = if expected.len() == 1 { "" } else { "s" };
    assert_eq!(*counts, format!("{} change{plural}, {breaking} breaking", expected.len()));
    assert_eq!(code, i32::from(breaking > 0));
}

pub const LISTED: &str = "touches BackendClient::list_models (src/lib.rs)";
pub const GOT: &str = "touches BackendClient::get_model (src/lib.rs)";
pub const CREATED: &str = "touches BackendClient::create_model (src/lib.rs)";
pub const ALL: &str = "touches BackendClient::create_model (src/lib.rs), BackendClient::get_model (src/lib.rs), \
                   BackendClient::list_models (src/lib.rs)";

pub fn with(lines: &[(&str, &str)]) -> Vec<String> {
    lines.iter().map(|(line, touches)| format!("{line} {touches}")).collect()
}

#[track_caller]
pub fn assert_lines(told: (Vec<String>, i32), expected: &[(&str, &str)]) {
    let expected = with(expected);
    assert_told(told, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}
