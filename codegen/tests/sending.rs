//! Extensions about sending: what is emitted, and where a malformed one is.

use serde_json::{Value, json};
use synapse_codegen::generate::generate;

fn operation() -> Value {
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}});
    json!({
        "operationId": "make_thing",
        "x-idempotent": true,
        "requestBody": {"required": true, "content": content},
        "responses": {"200": {"description": "", "content": content}},
    })
}

fn thing() -> Value {
    json!({"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "integer"}}}})
}

/// Returns a document with a POST and a component.
fn document(operation: Value, thing: Value) -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {"/things/": {"post": operation}},
        "components": {"schemas": {"Thing": thing, "Ids": {"type": "array", "maxItems": 9, "items": {"type": "integer"}}}},
    })
}

/// Returns the generated code without white space, or the error.
fn code(document: Value) -> Result<String, String> {
    Ok(generate(document)?.code.split_whitespace().collect())
}

/// Returns the emitted rules of the only operation.
fn rules(document: Value) -> String {
    let code = code(document).unwrap();
    let rules =
        code.split_once("rules:rt::SendingRules{").map(|(_, rest)| rest.split_once("..rt::").unwrap().0);
    rules.unwrap_or("none").trim_end_matches(',').replace(",}", "}").replace(",]", "]")
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

#[test]
fn rules_of_operation_are_emitted() {
    let plain = |operation| rules(document(operation, thing()));
    assert_eq!(plain(operation()), "idempotent:true");
    assert_eq!(plain(with(operation(), "x-idempotent", false.into())), "none");
    assert_eq!(
        plain(with(operation(), "x-read-timeout", 60.into())),
        "idempotent:true,read_timeout:Some(60)"
    );
    assert_eq!(
        plain(with(operation(), "x-final-errors", json!({"a": ["b", "c"], "d": ["e"], "f": []}))),
        r#"idempotent:true,final_errors:&[("a","b"),("a","c"),("d","e")]"#
    );
    let limited = with(document(operation(), thing()), "x-max-query", 11_000.into());
    assert_eq!(rules(limited), "idempotent:true,max_query:Some(11000)");
    let aliased = with(operation(), "x-aliases", json!(["older", "oldest"]));
    let methods = generate(document(aliased, thing())).unwrap().methods;
    assert!(
        methods.contains(r#"#[doc(alias = "older")]"#) && methods.contains(r#"#[doc(alias = "oldest")]"#)
    );
    let empty = code(document(with(operation(), "x-empty-response", true.into()), thing())).unwrap();
    assert!(empty.contains("typeOutput=::std::option::Option<types::Thing>;"), "{empty}");
}

#[test]
fn parameters_are_always_sent_or_secret() {
    let parameter = |name: &str, place: &str, key: &str, value: Value| {
        let parameter =
            json!({"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}});
        with(parameter, key, value)
    };
    let parameters = json!([
        parameter("text", "query", "x-always-sent", "a".into()),
        parameter("number", "query", "x-always-sent", 100.into()),
        parameter("flag", "header", "x-always-sent", true.into()),
        parameter("token", "path", "x-secret", true.into()),
        parameter("plain", "query", "x-secret", false.into()),
    ]);
    let mut document = document(Value::Null, thing());
    document["paths"] = json!({"/things/{token}/": {"post": with(operation(), "parameters", parameters)}});
    let code = code(document).unwrap();
    for row in [
        r#"rt::ParameterInfo::path("token").secret()"#,
        r#"rt::ParameterInfo::query("text").always_sent("a")"#,
        r#"rt::ParameterInfo::query("number").always_sent("100")"#,
        r#"rt::ParameterInfo::header("flag").always_sent("true")"#,
        r#"rt::ParameterInfo::query("plain"),"#,
    ] {
        assert!(code.contains(row), "{row}: {code}");
    }
}

#[test]
fn limits_of_arrays_are_emitted() {
    let ids = |ids: Value| with(thing(), "properties", json!({"ids": ids}));
    let of_ids = r#"idempotent:true,array_limits:&[rt::ArrayLimit{field:"ids",most:9,split:false}]"#;
    let referred = json!({"$ref": "#/components/schemas/Ids"});
    let nullable = json!({"anyOf": [referred, {"type": "null"}]});
    let numbers = json!({"type": "array", "maxItems": 9, "items": {"type": "integer"}});
    for schema in [
        ids(numbers.clone()),
        ids(referred.clone()),
        ids(json!({"allOf": [referred], "description": "d"})),
        json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, ids(numbers.clone())]}),
    ] {
        assert_eq!(rules(document(operation(), schema.clone())), of_ids, "{schema}");
    }
    for schema in [ids(nullable), ids(with(numbers.clone(), "type", json!(["array", "null"])))] {
        let newer = with(document(operation(), schema.clone()), "openapi", "3.1.0".into());
        assert_eq!(rules(newer), of_ids, "{schema}");
    }
    let of_body = of_ids.replace("ids", "");
    for schema in [referred.clone(), json!({"oneOf": [referred, thing()]})] {
        let content = json!({"application/json": {"schema": schema}});
        let operation = with(operation(), "requestBody", json!({"required": true, "content": content}));
        assert_eq!(rules(document(operation, thing())), of_body, "{schema}");
    }
    for unlimited in [with(numbers.clone(), "maxItems", 0.into()), json!({"type": "string", "maxItems": 9})] {
        assert_eq!(rules(document(operation(), ids(unlimited))), "idempotent:true");
    }
    // A component that contains itself.
    let nested = with(thing(), "anyOf", json!([{"$ref": "#/components/schemas/Thing"}]));
    assert!(generate(document(operation(), nested)).is_ok());
    let split = with(numbers, "x-split", "ids".into());
    let code = code(document(operation(), ids(split))).unwrap();
    assert!(code.contains(r#"rt::ArrayLimit{field:"ids",most:9,split:true,}"#), "{code}");
    assert!(code.contains("rt::Joined::concatenate(&mutall.ids,more.ids,)"), "{code}");
}

#[test]
fn unlimited_choice_lifts_the_limit() {
    let array = |most: Option<u64>| {
        let mut array = json!({"type": "array", "items": {"type": "integer"}});
        most.into_iter().for_each(|most| array["maxItems"] = most.into());
        array
    };
    let ids = |ids: Value| with(thing(), "properties", json!({"ids": ids}));
    let body = |schemas: &[Value]| {
        let types = ["application/json", "application/vnd.api+json"].iter().zip(schemas);
        let content: serde_json::Map<String, Value> =
            types.map(|(name, schema)| ((*name).to_owned(), json!({"schema": schema}))).collect();
        let operation = with(operation(), "requestBody", json!({"required": true, "content": content}));
        rules(document(operation, thing()))
    };
    let (short, long, endless) = (array(Some(5)), array(Some(9)), array(None));
    let no_array = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let of = |field: &str, most: u64| {
        format!(
            r#"idempotent:true,array_limits:&[rt::ArrayLimit{{field:"{field}",most:{most},split:false}}]"#
        )
    };
    let none = || "idempotent:true".to_owned();
    for (key, with_short) in [("allOf", 5), ("oneOf", 9), ("anyOf", 9)] {
        let choice = |choices: [Value; 2]| json!({key: choices});
        assert_eq!(body(&[choice([short.clone(), long.clone()])]), of("", with_short), "{key}");
        assert_eq!(body(&[ids(choice([short.clone(), long.clone()]))]), of("ids", with_short), "{key}");
        let bodies = choice([ids(short.clone()), ids(long.clone())]);
        assert_eq!(body(&[bodies]), of("ids", with_short), "{key}");
        assert_eq!(body(&[choice([ids(long.clone()), no_array.clone()])]), of("ids", 9), "{key}");
    }
    for key in ["oneOf", "anyOf"] {
        let choice = |choices: [Value; 2]| json!({key: choices});
        assert_eq!(body(&[choice([short.clone(), endless.clone()])]), none(), "{key}");
        assert_eq!(body(&[ids(choice([endless.clone(), short.clone()]))]), none(), "{key}");
        assert_eq!(body(&[choice([ids(short.clone()), ids(endless.clone())])]), none(), "{key}");
        assert_eq!(body(&[choice([ids(short.clone()), json!({"type": "object"})])]), none(), "{key}");
        assert_eq!(body(&[choice([no_array.clone(), short.clone()])]), of("", 5), "{key}");
    }
    let both = json!({"allOf": [short.clone(), endless.clone()]});
    assert_eq!(body(&[both]), of("", 5));
    assert_eq!(body(&[ids(short.clone()), ids(long.clone())]), of("ids", 9));
    assert_eq!(body(&[ids(short), ids(endless)]), none());
}

#[test]
fn limits_take_bounded_time() {
    let array = json!({"type": "array", "maxItems": 2, "items": {"type": "integer"}});
    let fields: serde_json::Map<String, Value> =
        (0..1_500).map(|number| (format!("a{number}"), array.clone())).collect();
    let wide = json!({"type": "object", "properties": fields});
    let mut parts = vec![wide];
    parts.resize(1_500, json!({"type": "object"}));
    let problem = code(document(operation(), json!({"allOf": parts}))).unwrap_err();
    let expected =
        "POST /things/ (make_thing): the bodies have too many arrays with `maxItems` in too many choices";
    assert_eq!(problem, expected);
    // Each component refers to the next one.
    let mut long = document(operation(), json!({"allOf": [{"$ref": "#/components/schemas/C0"}]}));
    for number in 0..500 {
        let next = json!({"oneOf": [{"$ref": format!("#/components/schemas/C{}", (number + 1) % 500)}]});
        long["components"]["schemas"][format!("C{number}")] = next;
    }
    let _ = generate(long);
}

#[test]
fn split_array_is_described_truly() {
    let ids = json!({"type": "array", "maxItems": 9, "items": {"type": "integer"}, "x-split": "ids"});
    let given = document(operation(), with(thing(), "properties", json!({"ids": ids})));
    let methods = generate(given).unwrap().methods;
    let expected = "`ids` has at most 9 items in a request: more are sent in several requests, one after another. \
                    [`send_as`](Call::send_as) and [`request`](Call::request) don't split them: more are an error there.";
    assert!(methods.contains(expected), "{methods}");
}

#[test]
fn documented_path_ends_before_its_mark() {
    let mut given = document(Value::Null, thing());
    given["paths"] = json!({"/things/#by_name": {"post": operation()}});
    let generated = generate(given).unwrap();
    assert!(generated.methods.contains("`POST /things/`."), "{}", generated.methods);
    assert!(generated.code.contains("`POST /things/`"), "{}", generated.code);
    assert!(!generated.methods.contains("#by_name"), "{}", generated.methods);
    let in_comments: Vec<&str> = generated.code.lines().filter(|line| line.contains("#by_name")).collect();
    assert!(in_comments.iter().all(|line| !line.trim_start().starts_with("//")), "{in_comments:?}");
}

#[test]
fn secret_fields_at_any_depth_are_emitted() {
    let secret = json!({"type": "string", "x-secret": true});
    let inner = json!({"type": "object", "properties": {"key": secret, "name": {"type": "string"}}});
    let nested =
        json!({"type": "object", "properties": {"list": {"type": "array", "items": inner}, "token": secret}});
    let expected = r#"idempotent:true,sent_secrets:&["key","token"],secret_fields:&["key","token"],hidden_fields:&["key","token"]"#;
    assert_eq!(rules(document(operation(), nested.clone())), expected);
    let mut split = document(
        operation(),
        json!({"type": "object", "properties": {"a": {"$ref": "#/components/schemas/B"}}}),
    );
    split["components"]["schemas"]["B"] = nested.clone();
    assert_eq!(rules(split.clone()), expected);
    // A reference may lead into a component, and any object may be expanded.
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/B/properties/list"}}});
    split["paths"]["/things/"]["post"]["responses"]["200"]["content"] = content;
    assert_eq!(rules(split), expected);
    let expand = json!([{"name": "expand", "in": "query", "schema": {"type": "string"}}]);
    let mut expanding = document(with(operation(), "parameters", expand), thing());
    expanding["components"]["schemas"]["B"] = nested;
    assert_eq!(rules(expanding), r#"idempotent:true,hidden_fields:&["key","token"]"#);
}

#[test]
fn malformed_extension_is_placed() {
    let failure = |document: Value| code(document).unwrap_err();
    for value in [json!(0), json!(-1), json!("11000"), json!(5_000_000_000_u64)] {
        let limited = with(document(operation(), thing()), "x-max-query", value);
        assert_eq!(failure(limited), "`x-max-query` is no number of bytes");
    }
    let place = "POST /things/ (make_thing)";
    for (key, value, expected) in [
        ("x-idempotent", json!("yes"), "is neither `true` nor `false`"),
        ("x-empty-response", json!(1), "is neither `true` nor `false`"),
        ("x-read-timeout", json!("1m"), "is no number of seconds, from 1 to 86,400"),
        ("x-read-timeout", json!(0), "is no number of seconds, from 1 to 86,400"),
        ("x-read-timeout", json!(1.5), "is no number of seconds, from 1 to 86,400"),
        ("x-final-errors", json!(["a"]), "is no object of fields, each with a list of values"),
        ("x-final-errors", json!({"a": "b"}), "is no object of fields, each with a list of values"),
        ("x-final-errors", json!({"a": [1]}), "is no object of fields, each with a list of values"),
        ("x-aliases", json!("older"), "is no list of names"),
        ("x-aliases", json!(["a b"]), "is no list of names"),
        ("x-aliases", json!([""]), "is no list of names"),
    ] {
        let malformed = document(with(operation(), key, value), thing());
        assert_eq!(failure(malformed), format!("{place}: `{key}` {expected}"));
    }
    let parameter = |place: &str, key: &str, value: Value| {
        let parameter =
            json!({"name": "p", "in": place, "required": place == "path", "schema": {"type": "string"}});
        let mut document = document(operation(), thing());
        let operation = with(operation(), "parameters", json!([with(parameter, key, value)]));
        document["paths"] = json!({"/things/{p}/": {"post": operation}});
        document
    };
    let place = "POST /things/{p}/ (make_thing)";
    for (at, key, value, expected) in [
        ("query", "x-secret", json!("yes"), "`x-secret` is neither `true` nor `false`"),
        ("query", "x-always-sent", json!(null), "`x-always-sent` is no text, number or boolean"),
        ("header", "x-always-sent", json!(["a"]), "`x-always-sent` is no text, number or boolean"),
        ("path", "x-always-sent", json!("a"), "only a query parameter or a header can be `x-always-sent`"),
        ("cookie", "x-always-sent", json!("a"), "only a query parameter or a header can be `x-always-sent`"),
    ] {
        assert_eq!(failure(parameter(at, key, value)), format!("{place}: `p`: {expected}"));
    }
}

#[test]
fn malformed_secret_field_is_placed() {
    let leaking = json!({"type": "object", "properties": {"token": {"type": "string", "x-secret": "true"}}});
    let failure = |document: Value| code(document).unwrap_err();
    let content = json!({"application/json": {"schema": {"type": "array", "items": leaking.clone()}}});
    let inline = with(operation(), "responses", json!({"200": {"description": "", "content": content}}));
    for document in [document(operation(), leaking), document(inline, thing())] {
        let problem = failure(document);
        assert!(problem.contains("token: `x-secret` is neither `true` nor `false`"), "{problem}");
    }
    // A property may have this name.
    let named = json!({"type": "object", "properties": {"x-secret": {"type": "string"}}});
    assert!(code(document(operation(), named)).is_ok());
}

#[test]
fn malformed_split_is_placed() {
    let failure = |operation: Value, ids: Value| {
        let other = json!({"type": "array", "maxItems": 2, "items": {"type": "string"}, "x-split": "ids"});
        let properties = match ids["two"] == true {
            true => json!({"ids": ids, "other": other}),
            false => json!({"ids": ids, "name": {"type": "string"}}),
        };
        code(document(operation, with(thing(), "properties", properties))).unwrap_err()
    };
    let ids = |split: Value| json!({"type": "array", "maxItems": 9, "items": {"type": "integer"}, "x-split": split});
    let is = |failure: String, expected: &str| {
        assert_eq!(failure, format!("POST /things/ (make_thing): `ids`: `x-split` {expected}"));
    };
    is(failure(operation(), ids(json!(true))), "is no field of the response");
    is(
        failure(operation(), json!({"type": "array", "items": {}, "x-split": "ids"})),
        "needs an array with `maxItems`",
    );
    is(
        failure(operation(), json!({"type": "string", "maxItems": 9, "x-split": "ids"})),
        "needs an array with `maxItems`",
    );
    is(
        failure(with(operation(), "x-idempotent", false.into()), ids("ids".into())),
        "needs an operation with `x-idempotent: true`",
    );
    for joined in ["idz", "name"] {
        let expected = format!("names `{joined}`, which isn't an array of each response");
        is(failure(operation(), ids(joined.into())), &expected);
    }
    let empty = with(operation(), "x-empty-response", true.into());
    is(failure(empty, ids("ids".into())), "names `ids`, which isn't an array of each response");
    let two = failure(operation(), with(ids("ids".into()), "two", true.into()));
    assert!(
        two.ends_with("`other`: `x-split` is beside that of another array: only one can be split"),
        "{two}"
    );
}
