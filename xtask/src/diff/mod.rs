//! `spec diff`: what differs between two documents, for those who use this crate.
//!
//! A change breaks where code that compiled against the crate doesn't compile against the one that is
//! generated from the new document, or where a released version of the crate fails at a server of the new
//! document. Methods are named by operations, types by components, fields and setters by properties and
//! parameters.
//!
//! The crate `drift` judges what goes over the wire alone, knows nothing of names in Rust, and panics where
//! media types differ; so it is the second opinion in the tests, and not what is asked here.

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
    // The layer calls what the old document names, or the new one where it follows it already.
    let names: BTreeSet<&str> =
        old.operations.keys().chain(new.operations.keys()).map(String::as_str).collect();
    let handwritten = Handwritten::read(src, &names)?;
    let report = compare::compare(&old, &new);
    print!("{}", report.text(&handwritten.touches()));
    Ok(if report.breaks() { Outcome::Findings } else { Outcome::Well })
}
