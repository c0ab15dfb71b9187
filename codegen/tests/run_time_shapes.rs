//! Tests a client of a document whose extensions allow other shapes of responses, or hide secrets.

mod support;

use std::path::Path;

use support::crate_copy::CrateCopy;

#[test]
fn extensions_work_on_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let copy = CrateCopy::from_document(&folder.join("documents/shapes.yaml"));
    copy.example("shapes", &std::fs::read_to_string(folder.join("probes/shapes.rs")).unwrap());
    let (out, err) = copy.succeed(&["run", "--example", "shapes"]);
    assert_eq!(out.lines().collect::<Vec<_>>(), [""], "{err}");
}
