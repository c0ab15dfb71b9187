//! Tests which methods an operation of the project leads to.

mod support;

use serde_json::Value;
use support::{Files, xtask};

#[test]
fn operation_touches_its_public_methods() {
    let files = Files::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi");
    let old: Value = serde_json::from_str(&xtask(&["spec", "join"]).out).unwrap();
    let mut new = old.clone();
    for (_, item) in new["paths"].as_object_mut().unwrap() {
        for (_, operation) in item.as_object_mut().unwrap() {
            operation["deprecated"] = Value::Bool(true);
        }
    }
    let ended = xtask(&["spec", "diff", path, &files.document("new.json", &new)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let touched = |id: &str| {
        let is_of = |line: &&str| line.split_whitespace().nth(3) == Some(id);
        let line = ended.out.lines().find(is_of).unwrap();
        line.split_once("touches ").unwrap().1.to_owned()
    };
    for id in ["list_models", "get_model", "get_ground_truth_version", "set_tags_tasks", "get_job"] {
        assert_eq!(touched(id), format!("BackendClient::{id} (generated)"));
    }
    assert_eq!(touched("create_model"), "BackendClient::create_model (src/api/models.rs)");
    let uploads = "BackendClient::create_chunked_upload (src/upload/mod.rs), \
                   BackendClient::create_data_file (src/api/data_files.rs), \
                   BackendClient::create_model (src/api/models.rs), \
                   BackendClient::resume_chunked_upload (src/upload/mod.rs), \
                   BackendClient::upload_all (src/upload/many.rs), \
                   BackendClient::upload_data_file (src/api/data_files.rs)";
    for id in ["start_chunked_upload", "upload_chunk", "get_chunked_upload", "complete_chunked_upload"] {
        assert_eq!(touched(id), uploads, "{id}");
    }
}
