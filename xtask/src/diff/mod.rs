//! `spec diff`: the differences between two documents that matter to users of this crate.
//!
//! A change is breaking if code that compiled against the crate doesn't compile against the crate generated
//! from the new document, or if a released version of the crate fails against a server of the new document.
//! Methods are named after operations, types after components, fields and setters after properties and
//! parameters.
//!
//! The crate `drift` compares only the wire format, ignores names in Rust, and panics if media types differ.
//! So it is only a second opinion in the tests.

mod compare;
mod model;
mod renames;
mod report;
mod schemas;
mod shape;

use std::collections::BTreeSet;
use std::path::Path;

use crate::handwritten::Handwritten;
use crate::{Outcome, document};
use model::Api;

pub fn run(old: &str, new: &str, src: Option<&Path>) -> Result<Outcome, String> {
    let read = |source: &str| {
        let document = document::read(source)?;
        Api::read(&document).map_err(|reason| format!("{source}: {reason}"))
    };
    let (old, new) = (read(old)?, read(new)?);
    // The layer calls the operations of the old document, or of the new one if it is already updated.
    let names: BTreeSet<&str> =
        old.operations.keys().chain(new.operations.keys()).map(String::as_str).collect();
    let handwritten = Handwritten::read(src, &names)?;
    let report = compare::compare(&old, &new);
    print!("{}", report.text(&handwritten.touches()));
    Ok(if report.breaks() { Outcome::Findings } else { Outcome::Well })
}
