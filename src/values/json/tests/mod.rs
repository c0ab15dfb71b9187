mod doubles;
mod equality;
mod odd;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Json;
use crate::json;
use crate::marker::MARKER;

const ODD: &str =
    r#"{"big": 123456789012345678901234567890, "f": 1.10, "s": "\ud83d", "n": 1e999, "z": [ ]}"#;

#[derive(Deserialize, Serialize)]
struct Plain {
    metrics: Json,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Other { metrics: Json },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Tagged {
    A { metrics: Json },
}

#[derive(Deserialize)]
struct Flattened {
    id: i64,
    #[serde(flatten)]
    extra: BTreeMap<String, Json>,
}

#[test]
fn field_round_trips_server_text() {
    let text = format!(r#"{{"metrics":{ODD}}}"#);
    let plain: Plain = serde_json::from_str(&text).unwrap();
    assert_eq!(plain.metrics.text(), ODD);
    assert_eq!(serde_json::to_string(&plain).unwrap(), text);
    let from_reader: Plain = serde_json::from_reader(text.as_bytes()).unwrap();
    assert_eq!(from_reader.metrics.text(), ODD);
}

#[test]
fn json_survives_serde_buffering() {
    let Untagged::Other { metrics } =
        serde_json::from_str(r#"{"metrics": {"a": [1, null, true, 1.5, "x", {"b": -2}]}}"#).unwrap()
    else {
        panic!("not the object")
    };
    assert_eq!(metrics.text(), r#"{"a":[1,null,true,1.5,"x",{"b":-2}]}"#);
    assert!(matches!(serde_json::from_str(r"7").unwrap(), Untagged::Number(7)));
    let Tagged::A { metrics } = serde_json::from_str(r#"{"metrics": [1], "kind": "a"}"#).unwrap();
    assert_eq!(metrics.text(), "[1]");
    let flattened: Flattened = serde_json::from_str(r#"{"id": 1, "x": {"y": [2]}, "none": null}"#).unwrap();
    assert_eq!(
        (flattened.id, flattened.extra["x"].text(), flattened.extra["none"].text()),
        (1, r#"{"y":[2]}"#, "null")
    );
}

#[test]
fn json_from_values_and_other_formats() {
    let value = serde_json::json!({"metrics": {"a": 1}});
    let plain: Plain = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(plain.metrics["a"], 1);
    assert_eq!(serde_json::to_value(&plain).unwrap(), value);
    let plain: Plain = serde_norway::from_str("metrics: {a: [1, x, null, 2.5]}").unwrap();
    assert_eq!(plain.metrics.text(), r#"{"a":[1,"x",null,2.5]}"#);
    assert_eq!(serde_norway::to_string(&plain).unwrap(), "metrics:\n  a:\n  - 1\n  - x\n  - null\n  - 2.5\n");
}

#[test]
fn macro_writes_literal_json() {
    let name = "x";
    let list = vec![1, 2];
    for (made, text) in [
        (json!(null), "null"),
        (json!(1 + 1), "2"),
        (json!([]), "[]"),
        (json!({}), "{}"),
        (
            json!([null, true, -1, "a", [], {}, list, [[1]], {"k": null,},]),
            r#"[null,true,-1,"a",[],{},[1,2],[[1]],{"k":null}]"#,
        ),
        (
            json!({"z": 1, "a": {"b": [1, {"c": null}]}, name: name.len(), (format!("{name}y")): false}),
            r#"{"z":1,"a":{"b":[1,{"c":null}]},"x":1,"xy":false}"#,
        ),
    ] {
        assert_eq!(made.text(), text);
    }
}

#[test]
fn non_finite_number_error_names_path() {
    let json = json!({"accuracy": f64::NAN, "by_class": [{"cat": 1.0}, {"cat": f32::INFINITY}], "more": vec![0.0, f64::NEG_INFINITY]});
    let error = serde_json::to_string(&json).unwrap_err().to_string();
    assert_eq!(
        error,
        "accuracy: NaN is not a JSON number; by_class[1].cat: inf is not a JSON number; more[1]: -inf is not a JSON number"
    );
    assert_eq!(json.try_value().unwrap_err().to_string(), error);
    assert_eq!(json.clone().try_value().unwrap_err().to_string(), error);
    assert!(format!("{json:?}").contains("accuracy"));
    assert!(!json.is_null() && json["accuracy"].is_null());
    assert!(Json::new(&BTreeMap::from([("a", f64::NAN)])).unwrap_err().to_string().starts_with("a: NaN"));
}

#[test]
fn debug_shows_no_signature() {
    let json = json!({"url": format!("https://files/x.png?X-Amz-Signature={MARKER}"), "n": 1});
    assert_eq!(format!("{json:?}"), r#"Json({"url":"https://files/x.png?…","n":1})"#);
}

#[test]
fn equality_compares_values() {
    assert_eq!("{\"a\": 1}".parse::<Json>().unwrap(), json!({"a": 1}));
    assert_ne!(json!({"a": 1}), json!({"a": 2}));
    assert_eq!(json!({"a": 1}), serde_json::json!({"a": 1}));
    let raw: Box<RawValue> = RawValue::from_string("[1]".to_owned()).unwrap();
    assert_eq!(Json::from(raw), Json::from(serde_json::json!([1])));
}
