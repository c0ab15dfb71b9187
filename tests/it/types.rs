//! The generated types: which JSON they accept, keep and serialize.

use crate::support::marker::{self, Failure};
use synapse_backend_client::types::{GroundTruthVersion, Model, ModelType, UploadId, VersionName};
use synapse_backend_client::{Json, Page, types};

fn model(more: &str) -> Result<Model, serde_json::Error> {
    marker::watch();
    serde_json::from_str(&format!(r#"{{"id": 1, "name": "n", "model_type": "detection"{more}}}"#))
}

#[test]
fn undocumented_field_round_trips_text() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for text in [
        "1e999",
        r#""\ud83d""#,
        "123456789012345678901234567890",
        r#"{"z": 1.10, "a": [ ]}"#,
        deep.as_str(),
        "null",
    ] {
        let model = model(&format!(r#", "new_field": {text}"#)).unwrap();
        assert_eq!(model.extra["new_field"].text(), text);
        let written = serde_json::to_string(&model).unwrap();
        assert!(written.contains(&format!(r#""new_field":{text}"#)), "{written}");
    }
}

#[test]
fn missing_field_equals_null() {
    let least = model("").unwrap();
    assert!(
        least.metrics.is_null()
            && least.project.is_null()
            && least.file.is_none()
            && least.created_at.is_none()
    );
    let names = [
        "description",
        "file",
        "metrics",
        "configuration",
        "project",
        "is_active",
        "created_at",
        "evaluations",
        "versions",
    ];
    let nulls: String = names.iter().map(|name| format!(r#", "{name}": null"#)).collect();
    assert_eq!(model(&nulls).unwrap(), least);
}

#[test]
fn missing_required_field_is_named() {
    let error = serde_json::from_str::<Model>(r#"{"id": 1, "model_type": "x"}"#).failure();
    assert!(error.to_string().starts_with("missing field `name`"), "{error}");
    let error = serde_json::from_str::<Model>("[]").failure();
    assert!(error.to_string().contains("expected struct Model"), "{error}");
}

#[test]
fn enum_keeps_unrecognized_values() {
    for (text, value) in
        [("detection", ModelType::Detection), ("pose", ModelType::Unrecognized("pose".to_owned()))]
    {
        let read: ModelType = serde_json::from_value(text.into()).unwrap();
        assert_eq!((&read, read.as_str(), read.to_string()), (&value, text, text.to_owned()));
        assert_eq!(serde_json::to_value(&read).unwrap(), text);
        assert_eq!(read, text);
    }
}

#[test]
fn ids_and_names_accept_number_or_text() {
    let read = |text: &str| serde_json::from_str::<UploadId>(text).unwrap().to_string();
    assert_eq!((read("7"), read(r#""a-b""#)), ("7".to_owned(), "a-b".to_owned()));
    let version = |text: &str| {
        let version: GroundTruthVersion =
            serde_json::from_str(&format!(r#"{{"id": 1, "version": {text}}}"#)).unwrap();
        version.version.map(|version: VersionName| version.to_string())
    };
    assert_eq!(
        (version(r#""v1""#), version("2"), version("2.5"), version("null")),
        (Some("v1".into()), Some("2".into()), Some("2.5".into()), None)
    );
}

#[test]
fn types_decode_from_values_and_buffers() {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Either {
        Model(Box<Model>),
        Other(#[allow(dead_code, reason = "only decoded")] Json),
    }
    let value = serde_json::json!({"id": 1, "name": "n", "model_type": "detection", "more": {"a": [1]}});
    let from_value: Model = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(from_value.extra["more"]["a"][0], 1);
    let Ok(Either::Model(buffered)) = serde_json::from_value(value) else { panic!("not a model") };
    assert_eq!(*buffered, from_value);
    assert!(matches!(serde_json::from_str("3").unwrap(), Either::Other(_)));
}

#[test]
fn page_trait_yields_results() {
    fn first<P: Page>(page: P) -> Option<P::Item> {
        page.into_results().into_iter().next()
    }
    let page: types::ModelPage = serde_json::from_str(
        r#"{"count": 1, "next": "n", "previous": null, "results": [{"id": 1, "name": "n", "model_type": "x"}], "links": {}}"#,
    )
    .unwrap();
    assert_eq!(
        (page.count(), page.next(), page.previous(), page.results().len()),
        (Some(1), Some("n"), None, 1)
    );
    assert_eq!(page.extra["links"].text(), "{}");
    assert_eq!(first(page).unwrap().id, 1);
}

#[test]
fn types_implement_json_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(Model)).unwrap();
    assert_eq!(schema["properties"]["id"]["type"], "integer");
    assert!(schema["required"].as_array().unwrap().iter().any(|name| name == "name"));
}
