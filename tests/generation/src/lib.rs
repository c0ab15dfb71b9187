//! The modules of the build script, as a library that tests can call.

#![forbid(unsafe_code)]

#[path = "../../../build/adapt/mod.rs"]
pub mod adapt;
#[path = "../../../build/document.rs"]
pub mod document;
#[path = "../../../build/domains.rs"]
pub mod domains;
#[path = "../../../build/generate.rs"]
pub mod generate;
#[path = "../../../build/output.rs"]
pub mod output;
#[path = "../../../build/prepare/mod.rs"]
pub mod prepare;
#[path = "../../../build/selection.rs"]
pub mod selection;
