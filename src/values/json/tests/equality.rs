//! Equality of texts: their values are compared, integers digit by digit.

use proptest::prelude::*;
use serde_json::Value;

use super::Json;

fn parse(text: &str) -> Json {
    text.parse().unwrap()
}

/// Returns whether two texts are equal, in both directions and inside other values, whose texts differ.
fn equal(one: &str, other: &str) -> bool {
    let (a, b) = (parse(one), parse(other));
    let (there, back) = (a == b, b == a);
    assert_eq!(there, back, "{one} {other}");
    let (list, object) =
        (|text| parse(&format!("[0, {text}]")), |text| parse(&format!(r#"{{"x": 1, "n": {text}}}"#)));
    assert_eq!(list(one) == parse(&format!("[0,{other}]")), there, "{one} {other}");
    assert_eq!(object(one) == parse(&format!(r#"{{"n":{other},"x":1}}"#)), there, "{one} {other}");
    there
}

#[test]
fn integers_are_equal_digit_by_digit() {
    let long = "9".repeat(400);
    for (one, other) in [
        ("9007199254740993", "9007199254740992"),
        ("18446744073709551616", "18446744073709551617"),
        ("-9223372036854775809", "-9223372036854775810"),
        ("123456789012345678901234567890", "123456789012345678901234567891"),
        (&*long, &*long.replacen('9', "8", 1)),
        (&*long, &*format!("-{long}")),
        ("1", "-1"),
        ("10", "1"),
    ] {
        assert!(!equal(one, other), "{one} {other}");
        assert!(equal(one, one) && equal(other, other));
    }
    assert!(equal("-0", "0") && equal("0", "0"));
    assert!(!equal("-0", "1"));
}

#[test]
fn floats_equal_by_value_never_integers() {
    for (one, other) in [
        ("1.0", "1.00"),
        ("1e2", "100.0"),
        ("0.0", "-0.0"),
        ("1e-999", "0.0"),
        ("0e9999999999", "0.0"),
        ("1E+5", "1e5"),
    ] {
        assert!(equal(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("1", "1.0"),
        ("100", "1e2"),
        ("0", "-0.0"),
        ("0.1", "0.10000000000000001e1"),
        ("1e23", "100000000000000000000000"),
    ] {
        assert!(!equal(one, other), "{one} {other}");
    }
    // The difference is smaller than that of two doubles.
    assert!(equal("0.1", "0.1000000000000000055"));
}

#[test]
fn other_values_compare_by_content() {
    for (one, other) in [
        (r#"{"a": 1, "b": [true, null]}"#, r#"{ "b":[ true,null ],"a":1 }"#),
        (r#"{"a": 1, "\u0061": 2}"#, r#"{"a":2}"#),
        (r#""\u00e9\/""#, r#""é/""#),
        (r#"{"\ud83d": "\ude00"}"#, "{\"\u{fffd}\":\"\u{fffd}\"}"),
        ("[ ]", "[]"),
        ("{ }", "{}"),
    ] {
        assert!(equal(one, other), "{one} {other}");
    }
    for (one, other) in [
        (r#""1""#, "1"),
        (r#""true""#, "true"),
        ("true", "false"),
        ("null", "false"),
        ("[]", "{}"),
        ("[1,2]", "[2,1]"),
        ("[1]", "[1,1]"),
        (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
        (r#"{"a":1}"#, r#"{"b":1}"#),
        (r#"{"$serde_json::private::Number": "12"}"#, r#"{"$serde_json::private::Number":"12"}"#),
        ("1e999", "1E999"),
    ] {
        assert!(!equal(one, other), "{one} {other}");
    }
}

#[test]
fn large_values_compare_in_one_pass() {
    let levels = |depth: usize, space: &str| format!("{}{space}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(equal(&levels(120, ""), &levels(120, " ")));
    assert!(
        parse(&levels(127, "")) == parse(&levels(127, " "))
            && parse(&levels(128, "")) != parse(&levels(128, " "))
    );
    let wide = |space: &str| format!("[{}0]", format!("{},", levels(100, space)).repeat(10_000));
    assert!(parse(&wide("")) == parse(&wide(" ")));
    let keys = |space: &str| {
        format!(
            "{{{}}}",
            (0..100_000).map(|n| format!(r#""k{}":{space}{n}"#, n % 50_000)).collect::<Vec<_>>().join(",")
        )
    };
    assert!(parse(&keys("")) == parse(&keys(" ")));
    let digits = "7".repeat(1 << 20);
    assert!(
        parse(&format!("[{digits}]")) == parse(&format!("[ {digits}]"))
            && parse(&digits) != parse(&format!("{digits}7"))
    );
    assert!(parse(&format!("[0.{digits}]")) == parse(&format!("[ 0.{digits}]")));
}

proptest! {
    #[test]
    fn text_equality_follows_values(one in any_value(), other in any_value()) {
        let (a, b) = (one.to_string(), serde_json::to_string_pretty(&other).unwrap());
        prop_assert_eq!(parse(&a) == parse(&b), one == other);
        prop_assert_eq!(parse(&a), parse(&serde_json::to_string_pretty(&one).unwrap()));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..2).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1.0_f64..1.0).prop_map(Value::from),
        "[a\"\\\\é]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[ab]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
