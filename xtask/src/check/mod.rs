//! `spec check`: checks every operation with the linter, against the handwritten layer and against the test
//! backend.

mod backend;
mod coverage;
mod lint;

use std::path::Path;

use crate::{Outcome, document};

pub fn run(
    source: &str,
    no_lint: bool,
    src: Option<&Path>,
    uncovered: Option<&Path>,
) -> Result<Outcome, String> {
    let document = document::read(source)?;
    let operations = document::operations(&document);
    let mut found = false;
    let mut report = |summary: String, findings: Vec<String>| {
        println!("{summary}");
        findings.iter().for_each(|finding| println!("{finding}"));
        found |= !findings.is_empty();
    };
    if no_lint {
        report("lint: skipped (--no-lint)".to_owned(), Vec::new());
    } else {
        let findings = lint::findings(source)?;
        report(format!("lint: {} findings by redocly {}", findings.len(), lint::VERSION), findings);
    }
    let all = operations.len();
    let (called, findings) = coverage::findings(&operations, src, uncovered)?;
    report(format!("coverage: {called} of {all} operations are called by the handwritten layer"), findings);
    let (answered, findings) = backend::findings(&document, &operations)?;
    report(format!("test backend: {answered} of {all} operations are implemented"), findings);
    Ok(if found { Outcome::Findings } else { Outcome::Well })
}
