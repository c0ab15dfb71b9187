//! Tests `spec diff` with one small change at a time: the exact line and the exit code.

mod changes;
mod fields;
mod operations;
#[path = "../support/small.rs"]
mod small;
#[path = "../support/mod.rs"]
mod support;
