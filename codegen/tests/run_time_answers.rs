//! Tests a client of a document against each kind of answer that servers give, also those that break the document.

mod support;

use std::path::Path;

use support::crate_copy::CrateCopy;

#[test]
fn any_answer_is_decoded_on_the_wire() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let copy = CrateCopy::from_document(&folder.join("documents/library.json"));
    copy.example("library", &std::fs::read_to_string(folder.join("probes/library.rs")).unwrap());
    let (out, err) = copy.succeed(&["run", "--example", "library"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [r#"{"list": 56, "single": 135}"#, "misfits are kept", "required fields are errors", "done",],
        "{err}"
    );

    // What can't be read to its end has no `list_all`, and the compiler says why.
    for call in
        ["endless_list()", "plain_list()", "report_retrieve()", "books_bulk_update(|b| b.text(\"t\"))"]
    {
        let example = format!(
            "fn main() {{ let client = synapse_backend_client::BackendClient::builder(\"http://h\").build().unwrap(); \
             let _ = client.{call}.list_all(); }}"
        );
        copy.example("unfollowed", &example);
        let output = copy.cargo(&["build", "--example", "unfollowed"]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{call} has a `list_all`");
        let reason =
            "has no `list_all`: the API's document doesn't say how its response leads to a next page";
        assert!(err.contains(reason) && err.contains("x-pagination"), "{err}");
    }
}
