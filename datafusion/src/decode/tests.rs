use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::value::RawValue;
use synapse_backend_client::{ListField, Timestamp, ValueKind};

use super::*;

const FIELDS: &[ListField] = &[
    ListField::new("id", ValueKind::Integer),
    ListField::new("count", ValueKind::Integer).nullable(),
    ListField::new("ratio", ValueKind::Number),
    ListField::new("flag", ValueKind::Boolean),
    ListField::new("name", ValueKind::Text).aliases(&["title", "count"]),
    ListField::new("at", ValueKind::Time),
    ListField::new("data", ValueKind::Json),
    ListField::new("unit", ValueKind::IdOrObject),
    ListField::new("token", ValueKind::Text).aliases(&["key"]).secret(),
];

fn columns(text: TextColumns, whole_items: bool, secrets: bool) -> Columns {
    Columns::of_fields(FIELDS, &[], text, whole_items, secrets)
}

fn nullable() -> Columns {
    columns(TextColumns::Views, false, false)
}

fn only(names: &[&str]) -> Columns {
    let columns = columns(TextColumns::Views, false, true);
    let schema = columns.schema();
    let indices: Vec<usize> = names.iter().map(|name| schema.index_of(name).unwrap()).collect();
    columns.project(&indices)
}

fn batch_of(columns: &Columns, items: &[impl AsRef<[u8]>]) -> RecordBatch {
    let mut builder = BatchBuilder::new(columns, items.len());
    for item in items {
        builder.push(item.as_ref()).unwrap();
    }
    builder.finish().unwrap()
}

/// Returns a value as text; `None` if it is null.
fn cell(batch: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let array = batch.column_by_name(column).unwrap();
    array.is_valid(row).then(|| array_value_to_string(array, row).unwrap())
}

/// Returns the values of an item's row that aren't null, with their columns' names.
fn row(columns: &Columns, item: &str) -> Vec<(String, String)> {
    let batch = batch_of(columns, &[item]);
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    names.filter_map(|name| cell(&batch, &name, 0).map(|value| (name, value))).collect()
}

#[track_caller]
fn assert_row(columns: &Columns, item: &str, expected: &[(&str, &str)]) {
    let row = row(columns, item);
    let row: Vec<_> = row.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(row, expected, "{item}");
}

#[test]
fn fitting_values_fill_their_columns() {
    let item = r#" { "id" : 7, "count":-3,"ratio":0.1,"flag":true,"name":"a\n\ud83d\ude00","at":"2025-01-31T09:00:00+09:00",
        "data": { "a" : 1.00, "b":[ ] } ,"unit":5 } "#;
    let expected = [
        ("id", "7"),
        ("count", "-3"),
        ("ratio", "0.1"),
        ("flag", "true"),
        ("name", "a\n😀"),
        ("at", "2025-01-31T00:00:00Z"),
        ("data", r#"{ "a" : 1.00, "b":[ ] }"#),
        ("unit", "5"),
    ];
    for text in [TextColumns::Views, TextColumns::Plain] {
        assert_row(&columns(text, true, false), item, &expected);
    }
}

#[test]
fn misfits_go_to_extra() {
    for (key, json) in [
        ("count", "\"7\""),
        ("count", "1.5"),
        ("count", "1e3"),
        ("count", "99999999999999999999"),
        ("flag", "\"true\""),
        ("flag", "1"),
        ("name", "7"),
        ("name", "[ 1 ]"),
        ("name", r#""\ud83d""#),
        ("title", "7"),
        ("at", "\"yesterday\""),
        ("at", "\"2025-01-31T00:00:00.0000001Z\""),
        ("at", "1738281600"),
        ("ratio", "9007199254740993"),
        ("ratio", "1e400"),
        ("ratio", "\"0.5\""),
    ] {
        let mut builder = BatchBuilder::new(&nullable(), 1);
        builder.push(format!(r#"{{"id":1,"{key}":{json}}}"#).as_bytes()).unwrap();
        assert_eq!(builder.misfits(), 1, "{key} {json}");
        let batch = builder.finish().unwrap();
        assert_eq!(cell(&batch, "_extra", 0), Some(format!(r#"{{"{key}":{json}}}"#)));
        let column = if key == "title" { "name" } else { key };
        assert_eq!(cell(&batch, column, 0), None, "{key} {json}");
    }
}

#[test]
fn null_and_missing_are_no_misfits() {
    let all =
        r#"{"id":null,"count":null,"ratio":null,"flag":null,"name":null,"at":null,"data":null,"unit":null}"#;
    let mut builder = BatchBuilder::new(&nullable(), 2);
    for item in [all, "{}"] {
        builder.push(item.as_bytes()).unwrap();
    }
    assert_eq!((builder.misfits(), builder.rows(), builder.bytes()), (0, 2, 0));
    for column in builder.finish().unwrap().columns() {
        assert_eq!(column.null_count(), 2);
    }
}

#[test]
fn unknown_keys_stay_as_they_are_in_order() {
    let item = r#"{"z" : 1e3, "id":1, "count":"x", "\u0061\ud800":[ 1 , {"b":null} ],"y":null, "flag":0}"#;
    let extra = r#"{"z":1e3,"count":"x","\u0061\ud800":[ 1 , {"b":null} ],"y":null,"flag":0}"#;
    assert_row(&nullable(), item, &[("id", "1"), ("_extra", extra)]);
}

#[test]
fn last_value_of_a_key_counts() {
    assert_row(&nullable(), r#"{"id":1,"id":"x","id":2}"#, &[("id", "2")]);
    assert_row(&nullable(), r#"{"id":1,"id":null}"#, &[]);
    assert_row(&nullable(), r#"{"id":1,"\u0069d":"x"}"#, &[("_extra", r#"{"\u0069d":"x"}"#)]);
    assert_row(&nullable(), r#"{"name":"a","title":"b"}"#, &[("name", "b")]);
    assert_row(&nullable(), r#"{"a":1,"b":2,"a":3}"#, &[("_extra", r#"{"b":2,"a":3}"#)]);
    assert_row(&nullable(), r#"{"a":1,"b":2,"\u0061":3}"#, &[("_extra", r#"{"b":2,"\u0061":3}"#)]);
    let many: Vec<String> = (0..100).map(|key| format!("\"k{}\":{key}", key % 50)).collect();
    let last = format!("{{{}}}", many[50..].join(","));
    assert_row(&nullable(), &format!("{{{}}}", many.join(",")), &[("_extra", &last)]);
}

#[test]
fn alias_is_the_field_unless_a_name() {
    assert_row(&nullable(), r#"{"title":"a"}"#, &[("name", "a")]);
    assert_row(&nullable(), r#"{"count":1}"#, &[("count", "1")]);
}

#[test]
fn id_or_object_fills_two_columns() {
    for (json, id, object) in [
        ("5", Some("5"), false),
        (r#"{"id":5,"name":"x"}"#, Some("5"), true),
        (r#"{"name":"x"}"#, None, true),
        (r#"{"id":"5"}"#, None, true),
        ("\"5\"", None, true),
        ("99999999999999999999", None, true),
        ("[5]", None, true),
        ("null", None, false),
    ] {
        let item = format!(r#"{{"unit": {json} }}"#);
        let mut builder = BatchBuilder::new(&nullable(), 1);
        builder.push(item.as_bytes()).unwrap();
        assert_eq!(builder.misfits(), 0, "{json}");
        let batch = builder.finish().unwrap();
        assert_eq!(cell(&batch, "unit", 0).as_deref(), id, "{json}");
        assert_eq!(cell(&batch, "unit_json", 0).as_deref(), object.then_some(json));
        assert_eq!(cell(&batch, "_extra", 0), None, "{json}");
    }
}

#[test]
fn secret_never_goes_to_extra() {
    for item in [r#"{"token":"s3"}"#, r#"{"token":["s3"]}"#, r#"{"\u0074oken":"s3"}"#, r#"{"key":"s3"}"#] {
        assert_row(&nullable(), item, &[]);
        assert_row(&only(&["_extra"]), item, &[]);
    }
    let with_secrets = columns(TextColumns::Views, false, true);
    assert_row(&with_secrets, r#"{"key":"s3"}"#, &[("token", "s3")]);
    let mut builder = BatchBuilder::new(&with_secrets, 1);
    builder.push(br#"{"token":["s3"]}"#).unwrap();
    assert_eq!(builder.misfits(), 1);
    assert_eq!(cell(&builder.finish().unwrap(), "_extra", 0), None);
}

#[test]
fn required_column_names_the_problem() {
    let text_key = Columns::of_fields(FIELDS, &["name"], TextColumns::Views, true, false);
    let numbers = columns(TextColumns::Views, true, false);
    for (columns, item, column, found) in [
        (&numbers, r#"{"name":"s3"}"#, "id", Found::Missing),
        (&numbers, r#"{"id":null}"#, "id", Found::Null),
        (&numbers, r#"{"id":"s3"}"#, "id", Found::NotAnInteger),
        (&numbers, r#"{"id":1,"id":1.5}"#, "id", Found::NotAnInteger),
        (&text_key, r#"{"name":["s3"]}"#, "name", Found::NotText),
        (&text_key, r#"{"name":"s3\ud800"}"#, "name", Found::NotText),
    ] {
        let problem = BatchBuilder::new(columns, 1).push(item.as_bytes()).unwrap_err();
        assert_eq!(problem, ItemProblem::Required { column: column.to_owned(), found });
        let message = problem.to_string();
        assert!(message.contains(&format!("\"{column}\"")) && !message.contains("s3"), "{message}");
    }
    // Nobody reads the column.
    let data = numbers.project(&[numbers.schema().index_of("data").unwrap()]);
    assert!(BatchBuilder::new(&data, 1).push(b"{}").is_ok());
}

#[test]
fn other_than_objects_are_problems() {
    let deep = format!("{}s3", "[".repeat(100_000));
    for item in ["\"s3\"", "7", "[{}]", "null", "[1", &deep] {
        assert_eq!(BatchBuilder::new(&nullable(), 1).push(item.as_bytes()), Err(ItemProblem::NotAnObject));
    }
    let deep = format!("{{\"a\":{}s3", "[".repeat(100_000));
    for item in [
        "",
        "{",
        "{\"a\":1",
        "{\"a\":1,}",
        "{} {}",
        "{}s3",
        "{s3:1}",
        "{\"s3\":01}",
        "{\"s3\":\"\n\"}",
        &deep,
    ] {
        for columns in [nullable(), only(&["id"])] {
            let problem = BatchBuilder::new(&columns, 1).push(item.as_bytes()).unwrap_err();
            assert!(matches!(problem, ItemProblem::NotJson { .. }), "{item}: {problem:?}");
            assert!(!problem.to_string().contains("s3"), "{problem}");
        }
    }
    let problem = BatchBuilder::new(&only(&[]), 1).push(b"{\"a\":\"\xff\"}").unwrap_err();
    assert_eq!(problem, ItemProblem::NotUtf8(6));
}

#[test]
fn deep_values_are_kept() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let object = format!("{{\"id\":5,\"a\":{deep}}}");
    let item = format!(r#"{{"data":{deep},"unit":{object},"x":{deep}}}"#);
    let extra = format!("{{\"x\":{deep}}}");
    let expected =
        [("data", deep.as_str()), ("unit", "5"), ("unit_json", &object), ("_extra", extra.as_str())];
    assert_row(&nullable(), &item, &expected);
}

#[test]
fn messages_are_short() {
    let name: &'static str = "한\n".repeat(1000).leak();
    let fields = [ListField::new(name, ValueKind::Integer)];
    let columns = Columns::of_fields(&fields, &[name], TextColumns::Views, true, false);
    let required = BatchBuilder::new(&columns, 1).push(b"{}").unwrap_err();
    let others = [
        ItemProblem::NotUtf8(usize::MAX),
        ItemProblem::NotJson { line: usize::MAX, column: usize::MAX, incomplete: false },
        ItemProblem::NotJson { line: 1, column: 1, incomplete: true },
        ItemProblem::NotAnObject,
        ItemProblem::BatchFull,
    ];
    for problem in others.iter().chain([&required]) {
        let message = problem.to_string();
        assert!(message.len() < 300 && !message.contains('\n'), "{message}");
    }
    assert!(required.to_string().contains("한"));
}

#[test]
fn failed_item_leaves_no_trace() {
    let columns = columns(TextColumns::Views, true, false);
    let mut builder = BatchBuilder::new(&columns, 8);
    let good = br#"{"id":1,"name":"a long enough name","count":"x"}"#;
    let bad: [&[u8]; 5] = [
        br#"{"id":2,"name":"b","count":"x","data":[1,"#,
        br#"{"name":"b","count":"x","data":[1]}"#,
        br#"{"name":"b","id":"2"}"#,
        b"[]",
        b"\xff",
    ];
    builder.push(good).unwrap();
    let before = (builder.rows(), builder.bytes(), builder.misfits());
    for item in bad {
        assert!(builder.push(item).is_err());
        assert_eq!((builder.rows(), builder.bytes(), builder.misfits()), before);
    }
    builder.push(good).unwrap();
    assert_eq!(builder.finish().unwrap(), batch_of(&columns, &[good, good]));
}

#[test]
fn finish_starts_an_empty_batch() {
    let columns = nullable();
    let mut builder = BatchBuilder::new(&columns, 1);
    builder.push(br#"{"id":1,"name":"abc","count":"x"}"#).unwrap();
    assert_eq!((builder.rows(), builder.bytes(), builder.misfits()), (1, 3 + r#"{"count":"x"}"#.len(), 1));
    builder.finish().unwrap();
    assert_eq!((builder.rows(), builder.bytes(), builder.misfits()), (0, 0, 1));
    assert_eq!(builder.finish().unwrap().num_rows(), 0);
    builder.push(b"{\"id\":2}").unwrap();
    assert_eq!(builder.finish().unwrap(), batch_of(&columns, &[b"{\"id\":2}"]));
}

#[test]
fn batch_without_columns_counts_rows() {
    let batch = batch_of(&only(&[]), &["{}", "{\"id\":1}"]);
    assert_eq!((batch.num_columns(), batch.num_rows()), (0, 2));
}

#[test]
fn full_batch_refuses_an_item() {
    let mut builder = BatchBuilder::new(&nullable(), 1);
    builder.max_text = 20;
    builder.push(b"{\"name\":\"0123456\"}").unwrap();
    assert_eq!(builder.push(b"{\"name\":\"01234\"}"), Err(ItemProblem::BatchFull));
    assert_eq!(builder.finish().unwrap().num_rows(), 1);
    builder.push(b"{\"name\":\"01234\"}").unwrap();
}

/// Returns JSON values of every kind, as texts.
fn json_value() -> impl Strategy<Value = String> {
    let escaped = r#""([a-z한]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud83d\\ude0[0-9]){0,4}""#;
    let time =
        r#""20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?(|Z|\+09:00)""#;
    let scalar = prop_oneof![
        select(vec!["null", "true", "false", "\"\"", "1.0", "1e400", "0.30000000000000004"])
            .prop_map(str::to_owned),
        any::<i64>().prop_map(|value| value.to_string()),
        (-9_i64..9).prop_map(|value| value.to_string()),
        "-?[1-9][0-9]{15,35}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?",
        escaped,
        time,
        ".{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
    .prop_filter("another zero", |json| json != "-0");
    let space = || select(vec!["", " ", "\n"]);
    scalar.prop_recursive(3, 12, 3, move |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, json, b)| format!("{a}{json}{b}"));
        let list = prop::collection::vec(element, 0..3).prop_map(|list| format!("[{}]", list.join(",")));
        let key = select(vec!["id", "\\u0069d", "a", "\\ud800"]);
        let entry =
            (key, space(), inner).prop_map(|(key, space, json)| format!("\"{key}\"{space}:{space}{json}"));
        let object = prop::collection::vec(entry, 0..3).prop_map(|list| format!("{{{}}}", list.join(",")));
        prop_oneof![list, object]
    })
}

/// Returns the entries of an item: keys and values, as JSON texts.
fn entries() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop_oneof![
        8 => select(FIELDS).prop_map(|field| format!("\"{}\"", field.name)),
        1 => select(vec!["\"title\"", "\"_extra\"", "\"unit_json\"", "\"\\u0069d\"", "\"n\\u0061me\"", "\"key\""])
            .prop_map(str::to_owned),
        1 => "\"[a-c]{0,2}\"",
        1 => r#""([a-c]|\\u006[0-9]|\\ud80[0-9]|\\n){0,2}""#,
    ];
    prop::collection::vec((key, json_value()), 0..12)
}

fn item_of(entries: &[(String, String)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key} :\t{value}")).collect();
    format!("{{{} }}", entries.join(" , "))
}

fn items() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(entries().prop_map(|entries| item_of(&entries)), 0..6)
}

/// Returns a key's text, or its JSON text if it has half a surrogate pair.
fn plain_key(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// Returns the values that an item has, by the field's name or the key: the last one of each that isn't null.
fn expected_values(entries: &[(String, String)]) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, value) in entries {
        let key = plain_key(key);
        let named = |field: &&ListField| field.name == key;
        let aliased = |field: &&ListField| field.aliases.contains(&key.as_str());
        let field = FIELDS.iter().find(named).or_else(|| FIELDS.iter().find(aliased));
        let key = field.map_or(key, |field| field.name.to_owned());
        if key != "token" {
            // A known field is null if it says so; other nulls are kept.
            let dropped = field.is_some() && value == "null";
            values.insert(key, (!dropped).then(|| value.clone()));
        }
    }
    values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Returns the entries of `_extra`, which has each key once.
fn extra_values(json: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut rest = json.strip_prefix('{').unwrap();
    while rest != "}" {
        let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let key = keys.next().unwrap().unwrap().get();
        rest = rest[keys.byte_offset()..].strip_prefix(':').unwrap();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let value = values.next().unwrap().unwrap().get();
        rest = &rest[values.byte_offset()..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
        entries.push((plain_key(key), value.to_owned()));
    }
    entries
}

/// Whether a number's text is exactly this number, or a fraction whose nearest one it is.
fn is_number(json: &str, value: f64) -> bool {
    match json.parse::<i128>() {
        Ok(integer) => value as i128 == integer,
        Err(_) => serde_json::from_str::<f64>(json).is_ok_and(|expected| expected == value),
    }
}

/// Checks a value of a column against the item's JSON text.
fn holds(array: &dyn Array, row: usize, kind: ValueKind, json: &str) -> bool {
    match kind {
        ValueKind::Integer => json == array.as_primitive::<Int64Type>().value(row).to_string(),
        ValueKind::Number => is_number(json, array.as_primitive::<Float64Type>().value(row)),
        ValueKind::Boolean => json == array.as_boolean().value(row).to_string(),
        ValueKind::Text => serde_json::from_str::<String>(json).unwrap() == array.as_string_view().value(row),
        ValueKind::Time => {
            let time = Timestamp::from(serde_json::from_str::<String>(json).unwrap()).to_jiff().unwrap();
            let microseconds = array.as_primitive::<TimestampMicrosecondType>().value(row);
            time.as_nanosecond() == i128::from(microseconds) * 1000
        }
        ValueKind::Json => json == array.as_string_view().value(row),
        _ => panic!("no such column"),
    }
}

/// Whether a column of this kind must hold the value.
fn must_fit(kind: ValueKind, json: &str) -> bool {
    match kind {
        ValueKind::Integer => serde_json::from_str::<i64>(json).is_ok(),
        ValueKind::Number => serde_json::from_str::<f64>(json).is_ok_and(|value| is_number(json, value)),
        ValueKind::Boolean => serde_json::from_str::<bool>(json).is_ok(),
        ValueKind::Text => serde_json::from_str::<String>(json).is_ok(),
        ValueKind::Time => serde_json::from_str::<String>(json).is_ok_and(|text| {
            Timestamp::from(text).to_jiff().is_ok_and(|time| time.as_nanosecond() % 1000 == 0)
        }),
        _ => true,
    }
}

proptest! {
    #[test]
    fn no_value_is_lost(list in prop::collection::vec(entries(), 1..5)) {
        let items: Vec<String> = list.iter().map(|entries| item_of(entries)).collect();
        let batch = batch_of(&nullable(), &items);
        let mut misfits = 0;
        for (row, entries) in list.iter().enumerate() {
            let mut expected = expected_values(entries);
            let extra = cell(&batch, "_extra", row).map(|json| extra_values(&json)).unwrap_or_default();
            for field in FIELDS.iter().filter(|field| !field.secret) {
                let array = batch.column_by_name(field.name).unwrap();
                let in_extra = extra.iter().find(|(key, _)| *key == field.name || field.aliases.contains(&key.as_str()) && key != "count");
                if field.kind == ValueKind::IdOrObject {
                    let value = expected.remove(field.name);
                    let id = array.is_valid(row).then(|| cell(&batch, "unit", row).unwrap());
                    prop_assert_eq!(cell(&batch, "unit_json", row).or(id), value);
                    prop_assert!(in_extra.is_none());
                } else if array.is_valid(row) {
                    let json = expected.remove(field.name).unwrap();
                    prop_assert!(holds(array, row, field.kind, &json), "{} {}", field.name, json);
                    prop_assert!(in_extra.is_none());
                } else if let Some(json) = expected.remove(field.name) {
                    prop_assert!(!must_fit(field.kind, &json), "{} {}", field.name, json);
                    prop_assert_eq!(in_extra.map(|(_, json)| json), Some(&json));
                    misfits += 1;
                    expected.insert(in_extra.unwrap().0.clone(), json);
                }
            }
            let count = extra.len();
            let extra: BTreeMap<String, String> = extra.into_iter().collect();
            prop_assert_eq!(extra.len(), count);
            prop_assert_eq!(extra, expected);
        }
        let mut builder = BatchBuilder::new(&nullable(), 0);
        for item in &items {
            builder.push(item.as_bytes()).unwrap();
        }
        prop_assert_eq!(builder.misfits(), misfits);
        prop_assert!(builder.bytes() <= items.iter().map(String::len).sum());
    }

    #[test]
    fn projection_gives_the_same_columns(items in items(), indices in prop::collection::vec(any::<Index>(), 0..5)) {
        let all = columns(TextColumns::Views, false, true);
        let indices: Vec<usize> = indices.iter().map(|index| index.index(all.schema().fields().len())).collect();
        let expected = batch_of(&all, &items).project(&indices).unwrap();
        prop_assert_eq!(batch_of(&all.project(&indices), &items), expected);
    }

    #[test]
    fn views_and_plain_text_agree(items in items()) {
        let views = batch_of(&columns(TextColumns::Views, false, true), &items);
        let plain = batch_of(&columns(TextColumns::Plain, false, true), &items);
        for (views, plain) in views.columns().iter().zip(plain.columns()) {
            if views.data_type() != &DataType::Utf8View {
                prop_assert_eq!(views, plain);
                continue;
            }
            let (views, plain): (Vec<_>, Vec<_>) =
                (views.as_string_view().iter().collect(), plain.as_string::<i32>().iter().collect());
            prop_assert_eq!(views, plain);
        }
    }

    #[test]
    fn any_bytes_do_not_panic(items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4)) {
        let mut builder = BatchBuilder::new(&columns(TextColumns::Plain, true, true), 4);
        let pushed = items.iter().filter(|item| builder.push(item).is_ok()).count();
        prop_assert_eq!(builder.finish().unwrap().num_rows(), pushed);
    }

    #[test]
    fn damaged_items_do_not_panic(items in items(), damage in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..4)) {
        let mut items: Vec<Vec<u8>> = items.into_iter().map(String::into_bytes).collect();
        for (item, index, byte) in damage {
            if items.is_empty() {
                break;
            }
            let item = item.index(items.len());
            let index = index.index(items[item].len());
            items[item][index] = byte;
        }
        let columns = columns(TextColumns::Views, true, false);
        let mut builder = BatchBuilder::new(&columns, 4);
        let good: Vec<&Vec<u8>> = items.iter().filter(|item| builder.push(item).is_ok()).collect();
        prop_assert_eq!(builder.finish().unwrap(), batch_of(&columns, &good));
    }
}
