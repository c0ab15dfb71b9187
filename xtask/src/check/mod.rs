//! `spec check`: checks a document with the linter, that no operation has a reserved name, and that the test
//! backend implements each.

mod backend;
mod lint;
mod names;

use crate::{Outcome, document};

pub fn run(source: &str, no_lint: bool) -> Result<Outcome, String> {
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
    let findings = names::findings(&operations);
    report(format!("reserved names: {} of {all} operations", findings.len()), findings);
    let (answered, findings) = backend::findings(&document, &operations)?;
    report(format!("test backend: {answered} of {all} operations are implemented"), findings);
    Ok(if found { Outcome::Findings } else { Outcome::Well })
}
