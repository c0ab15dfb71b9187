//! Reading a document: features of YAML and JSON that OpenAPI doesn't have.

use serde_json::json;
use synapse_codegen::document::{join, parse, read};

const HEAD: &str = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n";

#[test]
fn yaml_merges_numbers_and_keys_are_read() {
    let text = format!(
        "{HEAD}x-base: &base {{type: object, required: [a]}}\nx-more: &more {{type: string, nullable: true}}\n\
         one: {{<<: *base, required: [b]}}\nboth:\n  <<: [*base, *more]\n  deprecated: true\n\
         wide: {{maximum: 340282366920938463463374607431768211455, minimum: -99999999999999999999}}\n\
         keys: {{200: ok, true: yes, null: no, 1.5: half}}\ntagged: !odd [1]\nplain: {{<<: text}}\n"
    );
    let document = parse(&text).unwrap();
    assert_eq!(document["one"], json!({"type": "object", "required": ["b"]}));
    assert_eq!(
        document["both"],
        json!({"type": "object", "required": ["a"], "nullable": true, "deprecated": true})
    );
    assert_eq!(
        document["wide"],
        json!({"maximum": 340282366920938463463374607431768211455.0, "minimum": -1e20})
    );
    assert_eq!(document["keys"], json!({"200": "ok", "true": "yes", "null": "no", "1.5": "half"}));
    assert_eq!((&document["tagged"], &document["plain"]), (&json!([1]), &json!({"<<": "text"})));
    let json = parse(r#"{"openapi": "3.0.3", "big": 340282366920938463463374607431768211456}"#).unwrap();
    assert_eq!(json["big"], 340282366920938463463374607431768211456.0);
}

#[test]
fn duplicate_key_error_names_line() {
    let error = parse(&format!("{HEAD}paths:\n  /a/: {{}}\n  /b/: {{}}\n  /a/: {{}}\n")).unwrap_err();
    assert!(error.starts_with("not YAML: paths: `/a/` stands there twice at line 4"), "{error}");
    let error = parse("{\"openapi\": \"3.0.3\",\n\"paths\": {\"/a/\": {},\n\"/a/\": {}}}").unwrap_err();
    assert!(error.starts_with("not JSON: `/a/` stands there twice at line 3"), "{error}");
    let error = parse(&format!("{HEAD}? [a]\n: b\n")).unwrap_err();
    assert!(error.contains("a list or a mapping is no key"), "{error}");
}

#[test]
fn document_doubles_keep_last_digit() {
    let number = 0.001_774_862_202_534_643_9_f64;
    for text in [
        format!("{HEAD}one: {{default: {number:?}}}\n"),
        format!(r#"{{"openapi": "3.0.3", "one": {{"default": {number:?}}}}}"#),
    ] {
        let read = parse(&text).unwrap()["one"]["default"].as_f64().unwrap();
        assert_eq!(read.to_bits(), number.to_bits(), "{text}");
    }
}

const PART: &str =
    "paths:\n  /b/: {get: {operationId: b}}\ncomponents: {schemas: {B: {type: string}}}\ntags: [{name: b}]\n";

fn joined(parts: &[(&str, &str)]) -> Result<serde_json::Value, String> {
    join(parts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

#[test]
fn files_of_document_are_joined() {
    let main =
        format!("{HEAD}paths:\n  /a/: {{}}\ncomponents: {{schemas: {{A: {{}}}}, responses: {{No: {{}}}}}}\n");
    for parts in
        [[("a.yaml", main.as_str()), ("b.yaml", PART)], [("b.yaml", PART), ("a.yaml", main.as_str())]]
    {
        let document = joined(&parts).unwrap();
        assert_eq!(document["paths"], json!({"/a/": {}, "/b/": {"get": {"operationId": "b"}}}));
        let components = json!({"schemas": {"A": {}, "B": {"type": "string"}}, "responses": {"No": {}}});
        assert_eq!((&document["components"], &document["tags"]), (&components, &json!([{"name": "b"}])));
        assert_eq!(document["info"]["title"], "t");
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("m.yaml", main.as_str()),
        ("overlay.yaml", "overlay: 1.1.0"),
        ("p.yml", PART),
        ("README.md", "#"),
        (".old.yaml", PART),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(read(folder.path()).unwrap()["paths"].as_object().unwrap().len(), 2);
}

#[test]
fn empty_sections_are_as_if_absent() {
    let main = format!("{HEAD}paths:\n  /a/: {{}}\ncomponents:\n  schemas:\ntags:\n");
    let empty = "paths:\ncomponents:\n  schemas:\n  responses: {No: {}}\ntags:\n";
    let parts = [("a.yaml", main.as_str()), ("b.yaml", PART), ("c.yaml", empty)];
    let document =
        joined(&[&parts[..], &[("d.yaml", ""), ("e.yaml", "# nothing\n"), ("f.json", " \n")]].concat());
    let document = document.unwrap();
    assert_eq!(document["paths"], json!({"/a/": {}, "/b/": {"get": {"operationId": "b"}}}));
    let components = json!({"schemas": {"B": {"type": "string"}}, "responses": {"No": {}}});
    assert_eq!((&document["components"], &document["tags"]), (&components, &json!([{"name": "b"}])));
    let error = joined(&[("a.yaml", ""), ("b.yaml", "{}")]).unwrap_err();
    assert_eq!(error, "no file is an OpenAPI document: `openapi: 3.0.x` is missing at the top");
    let bare = joined(&[("a.yaml", &format!("{HEAD}paths:\ncomponents:\n")), ("b.yaml", "tags:\n")]).unwrap();
    assert!(bare.get("components").is_none() && bare.get("tags").is_none(), "{bare}");
}

#[test]
fn conflicting_files_are_named() {
    let main =
        format!("{HEAD}paths: {{/a/: {{}}}}\ncomponents: {{schemas: {{A: {{}}}}}}\ntags: [{{name: t}}]\n");
    for (part, expected) in [
        ("paths: {/a/: {}}", "b.yaml: the path `/a/` is in another file, too"),
        ("components: {schemas: {A: {}}}", "b.yaml: the component `A` is in another file, too"),
        ("tags: [{name: t}]", "b.yaml: the tag `t` is in another file, too"),
        ("servers: []", "b.yaml: `servers` belongs in the file with `openapi`"),
        ("paths: []", "b.yaml: `paths` is of the wrong type"),
        ("components: {schemas: 1}", "b.yaml: components.schemas: it is no mapping"),
        ("[]", "b.yaml: it is no mapping"),
        (HEAD, "several documents are there (a.yaml, b.yaml): leave one"),
    ] {
        assert_eq!(joined(&[("a.yaml", &main), ("b.yaml", part)]).unwrap_err(), expected);
    }
    let error = joined(&[("a.yaml", &main), ("b.yaml", "paths:\n  /x/: {}\n  /x/: {}")]).unwrap_err();
    assert!(error.starts_with("b.yaml: not YAML: paths: `/x/` stands there twice"), "{error}");
    let error = joined(&[("b.yaml", PART)]).unwrap_err();
    assert_eq!(error, "no file is an OpenAPI document: `openapi: 3.0.x` is missing at the top");
}
