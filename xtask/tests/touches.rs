//! Tests which handwritten methods an operation of the project leads to.

mod support;

use serde_json::Value;
use support::{Files, xtask};

#[test]
fn operation_touches_its_public_methods() {
    let files = Files::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/synapse-v1.yaml");
    let old: Value = serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let touched = |id: &str| {
        let mut new = old.clone();
        for (_, item) in new["paths"].as_object_mut().unwrap() {
            for (_, operation) in item.as_object_mut().unwrap() {
                if operation["operationId"] == id {
                    operation["deprecated"] = Value::Bool(true);
                }
            }
        }
        let ended = xtask(&["spec", "diff", path, &files.document("new.json", &new)]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        let line = ended.out.lines().next().unwrap().to_owned();
        let methods = line.split_once("touches ").unwrap().1;
        methods
            .split(", ")
            .map(|method| method.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(touched("list_models"), "BackendClient::list_models");
    assert_eq!(touched("get_model"), "BackendClient::get_model");
    assert_eq!(touched("create_model"), "BackendClient::create_model");
    assert_eq!(touched("get_ground_truth_version"), "BackendClient::get_ground_truth_version");
    let uploads = "BackendClient::create_chunked_upload BackendClient::create_model BackendClient::resume_chunked_upload \
                   BackendClient::upload_all";
    for id in ["start_chunked_upload", "upload_chunk", "get_chunked_upload", "complete_chunked_upload"] {
        assert_eq!(touched(id), uploads, "{id}");
    }
}
