//! Valid JSON that no value can represent: the values around the odd part are still read, and nothing
//! recurses.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Expandable, Json, json, types};

/// A depth that overflows any stack on recursion.
const MAX_LEVELS: usize = 100_000;

fn parse(text: &str) -> Json {
    text.parse().unwrap()
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

fn nested_objects(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

/// Runs a test on a stack that is large enough for a value's 127 levels, but not for many more.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 << 10).spawn(test).unwrap().join().unwrap();
}

#[test]
fn keys_beside_odd_ones_are_read() {
    for odd in [
        r#""\ud83d""#,
        "1e999",
        "-1E+400",
        &nested(128),
        &nested(MAX_LEVELS),
        &nested_objects(MAX_LEVELS),
        r#"{"\udc00": 1e999}"#,
    ] {
        for text in [
            format!(r#"{{"odd": {odd}, "label": "bus", "id": 7, "of": {{"n": [1, 0.1]}}}}"#),
            format!(r#"{{"label": "bus", "id": 7, "of": {{"n": [1, 0.1]}}, "odd": {odd}}}"#),
        ] {
            let json = parse(&text);
            assert_eq!((&json["label"], &json["of"]["n"][1]), (&Value::from("bus"), &Value::from(0.1)));
            assert!(json["none"].is_null() && json[0].is_null());
            assert_eq!(json.text(), text);
            assert_eq!(json.get("odd").unwrap().text(), odd);
            let related: Expandable = serde_json::from_str(&text).unwrap();
            assert_eq!((related.id(), &related["label"]), (Some(7), &Value::from("bus")));
        }
    }
    let list = parse(r#"[1e999, "a", {"b": "\ud83d"}]"#);
    assert!(list[0].is_null() && list[3].is_null() && list["a"].is_null());
    assert_eq!((&list[1], &list[2]["b"]), (&Value::from("a"), &Value::from("\u{fffd}")));
}

#[test]
fn lone_surrogates_are_read_as_fffd() {
    let json =
        parse(r#"{"a\ud83d": "x\ude00\\ud83d\ud83d\ude00\"\ud83d", "list": ["\uDBFF", "\\"], "n": 1}"#);
    let read = "x\u{fffd}\\ud83d😀\"\u{fffd}";
    assert_eq!(json["a\u{fffd}"], read);
    assert_eq!(json.try_value().unwrap()["list"], serde_json::json!(["\u{fffd}", "\\"]));
    assert_eq!(json.decode::<BTreeMap<String, Value>>().unwrap()["a\u{fffd}"], read);
    assert_eq!(json.decode::<BTreeMap<String, Json>>().unwrap()["list"].text(), r#"["\uDBFF", "\\"]"#);
    assert_eq!(serde_json::to_value(&json).unwrap(), *json.value());
    assert_eq!(parse(r#""\ud83d""#).value(), "\u{fffd}");
}

#[test]
fn unrepresentable_values_are_errors() {
    for odd in ["1e999", &nested(128), &nested(MAX_LEVELS)] {
        for text in [odd.to_owned(), format!(r#"{{"a": [{odd}], "b": 2}}"#)] {
            let json = parse(&text);
            assert!(json["a"].is_null());
            let error = json.try_value().unwrap_err().clone();
            assert!(
                error.to_string().contains("out of range") || error.to_string().contains("recursion limit"),
                "{error}"
            );
            assert_eq!(json.decode::<Value>().unwrap_err(), error);
            assert!(json.value().is_null() && !json.is_null());
            // Still works when it is known that there is no value.
            assert_eq!(json["b"], if text == odd { Value::Null } else { 2.into() });
            assert!(serde_norway::to_string(&json).is_err() && serde_json::to_value(&json).is_err());
        }
    }
    let json = parse(&format!(r#"{{"a": {}}}"#, nested(127)));
    assert!(json.try_value().is_err(), "128 levels");
    assert!(parse(json.get("a").unwrap().text()).try_value().is_ok() && json["a"].is_array(), "127 levels");
}

#[test]
fn deep_text_needs_no_recursion() {
    #[derive(Deserialize, Serialize, PartialEq, Debug, Clone)]
    struct Typed {
        a: Json,
    }
    on_small_stack(|| {
        for deep in [nested(MAX_LEVELS), nested_objects(MAX_LEVELS), nested(126)] {
            let text = format!(r#"{{"a":{deep}}}"#);
            let json = parse(&text);
            let typed: Typed = serde_json::from_str(&text).unwrap();
            assert_eq!(typed.a.text(), deep);
            assert_eq!(serde_json::to_string(&typed).unwrap(), text);
            assert_eq!(typed.clone(), json.decode().unwrap());
            assert_ne!(json, parse(&text.replace('1', "2")));
            assert_eq!(json.clone(), json);
            assert!(format!("{json:?} {typed:?}").len() < 10_000);
            assert_eq!(json.to_string(), text);
            assert_eq!(json!({"in": json}).text(), format!(r#"{{"in":{text}}}"#));
            assert_eq!(Json::new(&typed).unwrap().text(), text);
            assert_eq!(crate::generated::operation::json_body(&typed).unwrap(), text.as_bytes());
            let _ = (
                json.try_value().is_ok(),
                &json["a"],
                &json["a"]["a"],
                json == Value::Null,
                json.decode::<Value>().is_ok(),
            );
            let _ = (serde_norway::to_string(&json).is_ok(), serde_json::to_value(&typed).is_ok());
            let related: Expandable = serde_json::from_str(&text).unwrap();
            assert_eq!((related.id(), related.clone()), (None, Expandable::from(json)));
            let model = format!(
                r#"{{"id": 1, "name": "n", "model_type": "x", "file": null, "metrics": {text}, "more": {text}}}"#
            );
            let model: types::Model = crate::error::json_text::decode::decode(model.as_bytes()).unwrap();
            assert_eq!((model.metrics.text(), model.extra["more"].text()), (text.as_str(), text.as_str()));
        }
    });
}

#[test]
fn deep_values_refused_before_sending() {
    // Built level by level, since it can't be parsed.
    let value = |levels: usize| (0..levels).fold(Value::from(1), |value, _| Value::Array(vec![value]));
    assert_eq!(Json::from(value(127)).text(), nested(127));
    on_small_stack(move || {
        let json = Json::from(value(MAX_LEVELS));
        let error = json.try_value().unwrap_err().to_string();
        assert!(error.ends_with("it is nested more than 127 levels deep") && error.len() < 4096, "{error}");
        assert!(
            serde_json::to_string(&json).is_err()
                && Json::new(&json).is_err()
                && crate::generated::operation::json_body(&json).is_err()
        );
        assert!(serde_json::to_string(&json!({"a": [json]})).is_err());
    });

    #[derive(Serialize)]
    enum Typed {
        End,
        Variant(Box<Typed>),
    }
    let typed = |levels: usize| (0..levels).fold(Typed::End, |typed, _| Typed::Variant(Box::new(typed)));
    assert!(Json::new(&typed(127)).is_ok());
    assert!(Json::new(&typed(200)).unwrap_err().to_string().contains("more than 127 levels"));
}

#[test]
fn json_serializes_in_any_position() {
    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A(Json),
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Flat {
        id: i64,
        #[serde(flatten)]
        rest: Json,
    }
    let tagged = serde_json::to_string(&Tagged::A(json!({"x": [1]}))).unwrap();
    assert_eq!(tagged, r#"{"kind":"A","x":[1]}"#);
    let flat = Flat { id: 1, rest: json!({"x": [1], "y": {"z": null}}) };
    let text = serde_json::to_string(&flat).unwrap();
    assert_eq!(text, r#"{"id":1,"x":[1],"y":{"z":null}}"#);
    assert_eq!(serde_json::from_str::<Flat>(&text).unwrap(), flat);
    assert_eq!(
        serde_json::to_value(&flat).unwrap(),
        serde_json::json!({"id": 1, "x": [1], "y": {"z": null}})
    );
    assert_eq!(Json::new(&flat).unwrap().text(), text);
}

/// A text whose values serde_json nests without counting levels: it parses the string under its private key
/// as JSON.
fn forged(times: usize) -> String {
    (0..times).fold("1".to_owned(), |text, _| {
        let inner = serde_json::to_string(&text).unwrap();
        format!(r#"{}{{"$serde_json::private::RawValue":{inner}}}{}"#, "[".repeat(120), "]".repeat(120))
    })
}

#[test]
fn private_serde_keys_are_not_special() {
    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Buffered {
        Json { a: Json },
    }
    on_small_stack(|| {
        for forged in [
            forged(1),
            forged(12),
            r#"{"$serde_json::private::RawValue" : "]["}"#.to_owned(),
            r#"{"\u0024serde_json::private::R\u0061wValue": "[1]"}"#.to_owned(),
            r#"{"$serde_json::private::Number": "12"}"#.to_owned(),
        ] {
            let json = parse(&format!(
                r#"{{"a": {forged}, "label": "bus", "say": "$serde_json::private::RawValue"}}"#
            ));
            assert_eq!(
                (&json["label"], &json["say"]),
                (&"bus".into(), &"$serde_json::private::RawValue".into())
            );
            assert!(json["a"].is_null() && json.get("a").unwrap().text() == forged);
            assert!(json.try_value().unwrap_err().to_string().contains("$serde_json::private::"));
            assert!(json.decode::<Value>().is_err() && json.decode::<BTreeMap<String, Json>>().is_err());
            // serde's buffers don't know serde_json's private keys: the result is valid JSON or an error.
            for text in [format!(r#"{{"a":{forged}}}"#), format!(r#"{{"a":{{"b":[1,{forged}]}}}}"#)] {
                match serde_json::from_str(&text) {
                    Ok(Buffered::Json { a }) => assert_eq!(parse(a.text()), a),
                    Err(_) => assert!(forged.contains("][")),
                }
            }
        }
    });
    let free = parse(r#"{"say": ["$serde_json::private::RawValue", "\u00e9"], "and so on": "\u0041"}"#);
    assert!(free.try_value().is_ok() && free.decode::<Value>().is_ok());
}

#[test]
fn last_of_duplicate_keys_counts() {
    let json = parse(r#"{"a": 1, "\u0061": 2, "b": {"c": 1, "c": 3}, "\ud83d": 4, "\udc00": 5}"#);
    assert_eq!(
        (&json["a"], &json["b"]["c"], &json["\u{fffd}"]),
        (&Value::from(2), &Value::from(3), &Value::from(5))
    );
    assert_eq!(*json.value(), serde_json::json!({"a": 2, "b": {"c": 3}, "\u{fffd}": 5}));
    assert_eq!(json["a"], 2);
    let related: Expandable = serde_json::from_str(r#"{"id": 1, "id": 2}"#).unwrap();
    assert_eq!(related.id(), Some(2));
}

#[test]
fn looked_up_values_are_cached() {
    // So many keys that walking to each would take very long.
    let keys: Vec<String> = (0..20_000).map(|key| format!("k{key}")).collect();
    let body: Vec<String> = keys.iter().map(|key| format!(r#""{key}": ["{key}"]"#)).collect();
    for odd in ["", r#", "odd": 1e999"#] {
        let json = parse(&format!("{{{}{odd}}}", body.join(", ")));
        let seen: Vec<&Value> = keys.iter().chain(&keys).map(|key| &json[key]).collect();
        assert_eq!(json.try_value().is_ok(), odd.is_empty());
        for (at, value) in seen.iter().enumerate() {
            assert_eq!(value[0], keys[at % keys.len()]);
            assert!(std::ptr::eq(*value, seen[at % keys.len()]), "it was parsed twice");
        }
    }
    let list = parse(r#"[0, 1, 2, 3, 4, 5, 6, 7, 1e999, 9]"#);
    for (index, read) in (0..12).map(|index| (index, &list[index])).collect::<Vec<_>>() {
        assert_eq!(read, &if index == 8 || index > 9 { Value::Null } else { index.into() });
    }
    assert!(list["0"].is_null());
}

#[test]
fn threads_see_the_same_value() {
    let json = parse(r#"{"a": 1e999, "b": {"c": 1}, "d": 2, "e": 3, "f": 4, "g": 5, "h": 6}"#);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let json = &json;
            scope.spawn(move || {
                for (key, value) in [("d", 2), ("e", 3), ("f", 4), ("g", 5), ("h", 6)]
                    .into_iter()
                    .cycle()
                    .skip(first)
                    .take(50)
                {
                    assert_eq!(
                        (&json[key], &json["b"]["c"], json["a"].is_null()),
                        (&value.into(), &1.into(), true)
                    );
                }
            });
        }
    });
}

#[test]
fn odd_texts_compare_as_values_or_text() {
    assert_eq!(parse("[1e999]"), parse("[1e999]"));
    assert_ne!(parse("[1e999]"), parse("[1e998]"));
    assert_ne!(parse("[1e999]"), parse("[ 1e999]"), "no value to compare");
    assert_eq!(parse(r#"["\ud83d", 1]"#), parse(r#"["\ufffd",1]"#), "their values are equal");
    assert_eq!(parse(r#"["\ud83d", 1]"#), serde_json::json!(["\u{fffd}", 1]));
    assert_ne!(parse("1e999"), Value::Null);
    assert_eq!(parse(&nested(MAX_LEVELS)), parse(&nested(MAX_LEVELS)));
    assert_ne!(parse(&nested(MAX_LEVELS)), parse(&nested(MAX_LEVELS + 1)));
}

#[test]
fn messages_and_debug_are_short() {
    let long = format!("https://h/p?sig={}", "9".repeat(1 << 20));
    let json = json!({"n": long});
    let error = json.decode::<BTreeMap<String, f64>>().unwrap_err();
    assert!(
        error.to_string().len() < 4096 && error.to_string().ends_with(" at line 1 column 1048599"),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("sig="));
    assert!(format!("{json:?}").len() <= 4200);
    let digits = parse(&format!(r#"{{"n": {}}}"#, "9".repeat(1 << 20)));
    for error in
        [digits.decode::<BTreeMap<String, i64>>().unwrap_err(), digits.try_value().unwrap_err().clone()]
    {
        assert!(error.to_string().len() < 4096, "{error}");
    }
    let error = json!({"numbers": vec![f64::NAN; 100_000]}).try_value().unwrap_err().to_string();
    assert!(
        error.starts_with("numbers[0]: NaN is not a JSON number; numbers[1]: NaN") && error.len() < 4096,
        "{error}"
    );
    let error = Json::new(&BTreeMap::from([("k".repeat(1 << 20), f64::NAN)])).unwrap_err().to_string();
    assert!(error.ends_with("…: NaN is not a JSON number") && error.len() < 4096, "{error}");
    let message = crate::generated::operation::json_body(&vec![f64::NAN; 100_000]).unwrap_err().to_string();
    assert!(message.ends_with("\nand 99936 more"), "{message}");
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just(nested(200)),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        r#""([a-z]|\\u[dD][89aAbBcCdDeEfF][0-9a-f]{2}|\\["\\/bfnrt]|[{}\[\]:,é])*""#,
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = r#""([a-d]|\\u006[1-4]|\\u[dD][89aA][0-9a-f]{2})""#;
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            prop::collection::vec((key, inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("{key} : {value}")).collect();
                format!("{{ {} }}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn lookup_agrees_with_values(text in any_json()) {
        let (walked, whole, table) = (parse(&text), parse(&text), parse(&text));
        let value = whole.try_value().cloned();
        for key in ["w", "x", "y", "z"] {
            let _ = (&table[key], &table[key.len() - 1]);
        }
        for key in ["a", "b", "c", "d", "\u{fffd}", "e"] {
            let part = walked.get(key).and_then(|part| part.try_value().cloned().ok()).unwrap_or_default();
            prop_assert_eq!(&walked[key], &part);
            prop_assert_eq!(&table[key], &part);
            prop_assert_eq!(&whole[key], &part);
            if let Ok(value) = &value {
                prop_assert_eq!(&value[key], &part);
            }
        }
        for index in 0..7 {
            prop_assert_eq!(&walked[index], &table[index]);
            prop_assert_eq!(&walked[index], &whole[index]);
        }
        prop_assert_eq!(walked.text(), &text);
        prop_assert_eq!(&walked, &whole);
        prop_assert_eq!(walked.decode::<Value>().ok(), value.ok());
    }
}
