//! Every double is read exactly as it was written, wherever it is read.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::{Expandable, Json, types};

#[derive(Deserialize)]
struct Own {
    score: f64,
}

#[derive(Deserialize)]
struct Narrow {
    score: f32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Buffered {
    Number { score: f64 },
}

/// Returns the double in `literal`, read in each possible way.
fn read(literal: &str) -> Vec<f64> {
    let text = format!(r#"{{"score": {literal}, "text": "\ud83d"}}"#);
    let json: Json = text.parse().unwrap();
    let body = format!(
        r#"{{"id": 1, "name": "n", "model_type": "x", "file": null, "metrics": {text}, "half": {literal}}}"#
    );
    let model: types::Model = crate::error::json_text::decode::decode(body.as_bytes()).unwrap();
    let Buffered::Number { score: buffered } = json.decode().unwrap();
    vec![
        serde_json::from_str(literal).unwrap(),
        json["score"].as_f64().unwrap(),
        json.value()["score"].as_f64().unwrap(),
        json.decode::<Own>().unwrap().score,
        json.decode::<Value>().unwrap()["score"].as_f64().unwrap(),
        buffered,
        model.metrics["score"].as_f64().unwrap(),
        model.extra["half"].decode().unwrap(),
        Expandable::from(json)["score"].as_f64().unwrap(),
        crate::error::json_text::decode::decode::<Own>(text.as_bytes()).unwrap().score,
        crate::error::json_text::decode::decode::<Value>(text.as_bytes()).unwrap()["score"].as_f64().unwrap(),
    ]
}

fn assert_exact(number: f64) {
    for literal in [format!("{number:?}"), format!("{number:.16e}"), serde_json::to_string(&number).unwrap()]
    {
        for (way, read) in read(&literal).into_iter().enumerate() {
            assert_eq!(read.to_bits(), number.to_bits(), "{literal} by way {way} is {read:?}");
        }
    }
}

#[test]
fn doubles_keep_their_last_digit() {
    for number in [
        0.001_774_862_202_534_643_9,
        0.1 + 0.2,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::EPSILON,
        -0.0,
        1e23,
        9e15,
    ] {
        assert_exact(number);
    }
}

#[test]
fn singles_keep_their_last_digit() {
    for number in [16_777_216.0_f32, 0.1, f32::MAX, f32::MIN_POSITIVE, 1e-45] {
        let json: Json = format!(r#"{{"score": {number:?}}}"#).parse().unwrap();
        assert_eq!(json.decode::<Narrow>().unwrap().score.to_bits(), number.to_bits());
    }
    // A number between two singles that isn't a double: it must be rounded once, not twice.
    let json: Json = r#"{"score": 1.0000000596046448000000001}"#.parse().unwrap();
    assert_eq!(json.decode::<Narrow>().unwrap().score, 1.000_000_1);
}

proptest! {
    #[test]
    fn any_double_is_read_as_written(bits in any::<u64>()) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        assert_exact(number);
    }

    #[test]
    fn any_usual_double_is_read_as_written(number in -1000.0_f64..1000.0) {
        assert_exact(number);
    }
}
