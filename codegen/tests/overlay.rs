//! Overlays: corrections of a document that outlive its next version.
#![cfg(feature = "overlay")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::crate_copy::{CrateCopy, root};
use support::{document, thing};
use synapse_codegen::document::read;
use synapse_codegen::generate::generate;
use synapse_codegen::overlay::apply;

/// Returns an overlay of version 1.1 with these actions.
fn overlay(actions: Value) -> String {
    json!({"overlay": "1.1.0", "info": {"title": "t", "version": "1"}, "actions": actions}).to_string()
}

/// Applies actions to a document with this `Thing`, and returns the `Thing` and the changes.
fn applied(thing_before: Value, actions: Value) -> Result<(Value, Vec<String>), String> {
    let mut document = document(json!({}), thing_before);
    let changes = apply(&mut document, &overlay(actions))?;
    let lines = changes.iter().map(|change| format!("{}\t{}\t{}", change.rule, change.place, change.what));
    Ok((thing(&document).clone(), lines.collect()))
}

fn error_of(actions: Value) -> String {
    applied(json!({"type": "object", "properties": {"a": {"type": "string"}}}), actions).unwrap_err()
}

/// The overlay of the documentation.
fn documented() -> String {
    let guide = fs::read_to_string(root().join("docs/regenerating.md")).unwrap();
    let (_, rest) = guide.split_once("```yaml\noverlay: 1.1.0").unwrap();
    format!("overlay: 1.1.0{}", rest.split_once("```").unwrap().0)
}

#[test]
fn documented_overlay_corrects_document() {
    let mut document = read(&root().join("openapi/synapse-v1.yaml")).unwrap();
    let before = generate(document.clone()).map_err(|error| panic!("{error}")).ok().unwrap();
    let changes = apply(&mut document, &documented()).unwrap();
    let after = generate(document).map_err(|error| panic!("{error}")).ok().unwrap();
    let one_line = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = (one_line(&before.code), one_line(&after.code));
    for (old, new) in [
        ("pub model_type: ModelType,", "pub model_type: ::std::option::Option<ModelType>,"),
        ("pub is_active: ::std::option::Option<bool>,", "pub is_active: ::std::option::Option<i64>,"),
        (
            "pub configuration: crate::Json,",
            "#[serde(rename = \"configuration\")] pub settings: crate::Json,",
        ),
        ("type Output = types::Model;", "rt::OptionalJsonDecoder<types::Model, 200u16>"),
    ] {
        assert!(before.contains(old) && !before.contains(new), "{old}");
        assert!(after.contains(new), "{new}\n{after}");
    }
    let texts: Vec<String> =
        changes.iter().map(|change| format!("{}\t{}", change.place, change.what)).collect();
    assert_eq!(
        texts,
        [
            "action 1: $.components.schemas.Model.properties.model_type\tupdate in 1 place: Old models have no type.",
            "action 2: $.components.schemas.Model.properties.is_active.type\tupdate in 1 place: It is 0 or 1.",
            "action 3: $.components.schemas.Model.properties.configuration\tupdate in 1 place: The field `settings` in Rust, `configuration` on the wire.",
            "action 4: $.paths['/models/{id}/'].get.responses\tupdate in 1 place: A model that is being prepared has no body yet.",
        ]
    );
}

#[test]
fn update_remove_and_copy_are_applied() {
    let before =
        json!({"required": ["a", "b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
    let (after, changes) = applied(
        before,
        json!([
            {"target": "$.components.schemas.Thing.properties.*", "update": {"nullable": true}},
            {"target": "$.components.schemas.Thing.required", "update": ["c", "d"]},
            {"target": "$.components.schemas.Thing.required[?@ == 'a' || @ == 'd']", "remove": true, "description": "They may be missing."},
            {"target": "$.components.schemas.Thing.properties", "update": {"c": {"type": "integer"}}},
            {"target": "$.components.schemas.Thing.properties.c", "copy": "$.components.schemas.Thing.properties.a"},
            {"target": "$.components.schemas.Thing.properties.b.type", "update": "number"},
        ]),
    )
    .unwrap();
    let (text, number) =
        (json!({"type": "string", "nullable": true}), json!({"type": "number", "nullable": true}));
    assert_eq!(after, json!({"required": ["b", "c"], "properties": {"a": text, "b": number, "c": text}}));
    assert_eq!(
        [&changes[0], &changes[2], &changes[4]],
        [
            "overlay\taction 1: $.components.schemas.Thing.properties.*\tupdate in 2 places",
            "overlay\taction 3: $.components.schemas.Thing.required[?@ == 'a' || @ == 'd']\tremove in 2 places: They may be missing.",
            "overlay\taction 5: $.components.schemas.Thing.properties.c\tcopy in 1 place",
        ]
    );
}

#[test]
fn lists_of_1_0_gain_one_item() {
    let mut document = document(json!({"tags": ["a"]}), json!({}));
    let text = "overlay: 1.0.0\ninfo: {title: t, version: 1.0.0}\nactions:\n\
                - {target: \"$.paths.*.get.tags\", update: b}\n- {target: \"$.paths.*.get.tags\", update: [c]}\n";
    apply(&mut document, text).unwrap();
    assert_eq!(support::get(&document)["tags"], json!(["a", "b", ["c"]]));
    let plain = text.replace("tags\", update: b", "tags[0]\", update: b");
    let error = apply(&mut document, &plain).unwrap_err();
    assert!(error.contains("action 1") && error.contains("only an overlay of version 1.1"), "{error}");
}

/// A place that a query matches twice is changed once, and a removal doesn't move what is removed next.
#[test]
fn each_match_changes_once() {
    let (after, _) = applied(
        json!({"enum": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}),
        json!([{"target": "$.components.schemas.Thing.enum[0, 11, 2, 0, 10]", "remove": true},
            {"target": "$.components.schemas['Thing', 'Thing']", "update": {"enum": [12]}}]),
    )
    .unwrap();
    assert_eq!(after, json!({"enum": [1, 3, 4, 5, 6, 7, 8, 9, 12]}));
    let inner = json!({"x": {"x": {"x": 1}}});
    let (after, changes) = applied(inner, json!([{"target": "$.components..x", "remove": true}])).unwrap();
    assert_eq!((after, changes[0].rsplit('\t').next()), (json!({}), Some("remove in 3 places")));
}

#[test]
fn failing_action_is_named_by_number() {
    let ok = json!({"target": "$.info", "update": {"title": "x"}});
    for (action, reason) in [
        (json!({"target": "$.info.none", "remove": true}), "it matches nothing in the document"),
        (
            json!({"target": "$.info", "update": "x"}),
            "it matches objects, which the `update` of another kind can't change",
        ),
        (
            json!({"target": "$.info.*", "update": {}}),
            "it matches plain values, which the `update` of another kind",
        ),
        (json!({"target": "$.paths..*", "update": {}}), "it matches values of several kinds"),
        (json!({"target": "$", "remove": true}), "the whole document can't be removed"),
        (json!({"target": "$.info"}), "action must specify one of `update`, `copy`, or `remove: true`"),
        (json!({"target": "$.info", "remove": false}), "action must specify one of"),
        (json!({"target": "$.info", "update": {}, "remove": true}), "mutually exclusive"),
        (json!({"target": "$.info", "copy": "$.none"}), "copy: it matches nothing"),
        (json!({"target": "$.info", "copy": "$.*"}), "copy: it matches 4 places, not one"),
        (json!({"target": "$.info[", "update": {}}), "target: invalid JSONPath query"),
        (json!({"target": "info", "update": {}}), "target: invalid JSONPath query"),
        (json!({"target": "", "update": {}}), "target: must not be empty"),
        (json!({"target": "$.info", "remove": "yes"}), "invalid type: string \"yes\", expected a boolean"),
    ] {
        let target = action["target"].as_str().unwrap().to_owned();
        let error = error_of(json!([ok, action]));
        assert!(
            error.starts_with(&format!("action 2 (`{target}`): ")) && error.contains(reason),
            "{action}: {error}"
        );
    }
    assert_eq!(error_of(json!([ok, {"update": {}}])), "action 2 (``): missing field `target`");
}

#[test]
fn invalid_overlay_is_refused() {
    let refused = |text: &str| apply(&mut document(json!({}), json!({})), text).unwrap_err();
    assert!(refused("a: 1\na: 2\n").contains("`a` stands there twice"));
    assert!(refused("openapi: 3.0.3\n").contains("`overlay: 1.1.0` is missing"));
    assert!(refused("overlay: 2.0.0\nactions: []\n").contains("version 2.0.0 isn't supported"));
    assert!(
        refused("overlay: 1.1\nactions: []\n").contains("version 1.1 isn't supported (1.0.x and 1.1.x are)")
    );
    assert!(refused("overlay: 1.1.0\n").contains("actions: a list is missing"));
    assert!(refused("overlay: 1.1.0\nactions: []\n").contains("missing field `info`"));
    let empty = "overlay: 1.1.0\ninfo: {title: t, version: '1'}\nactions: []\n";
    assert_eq!(refused(empty), "actions: must contain at least one entry");
}

#[test]
fn hostile_overlay_costs_little() {
    let wide: Vec<Value> = (0..20_000).map(|index| json!({"a": index})).collect();
    let thing = json!({"wide": wide, "slot": {}});
    let doubling = json!({"target": "$.components.schemas.Thing.slot", "copy": "$.components.schemas.Thing"});
    let nested = format!("$[?{}@.a{}]", "@[?".repeat(40), "]".repeat(40));
    let calls = format!("$[?{}@.a{} == 1]", "value(".repeat(40), ")".repeat(40));
    let doubled = format!("$.components.schemas{}", "[*, *]".repeat(60));
    let deep = (0..100).fold(json!({}), |inner, _| json!({"a": inner}));
    let deep_place = format!("$.components.schemas.Thing.slot{}", ".a".repeat(100));
    let remove = |target: &str| json!([{"target": target, "remove": true}]);
    let started = Instant::now();
    for (actions, reason) in [
        (Value::Array(vec![doubling; 900]), "many times the document"),
        (remove(&nested), "in a filter isn't supported"),
        (remove(&calls), "more than 8 parentheses"),
        (remove(&doubled), "more than 16 selectors"),
        (remove("$..[?@..a]"), "`..` twice or in a filter"),
        (remove("$..a..a"), "`..` twice"),
        (remove("$..[?search(@.a, 'x')]"), "`match` and `search` aren't supported"),
        (remove("$..[*, ?@.a]"), "a filter beside other selectors"),
        (remove(&format!("$.{}", "a".repeat(1_000))), "longer than 1000 bytes"),
        (remove("$..a"), "it matches 20000 places (at most 10000)"),
        (
            json!([{"target": "$.components.schemas.Thing.slot", "update": deep}, {"target": deep_place, "update": deep}]),
            "more than 128 levels",
        ),
        (json!(vec![json!({"target": "$", "update": {}}); 1_001]), "1001 are too many"),
        (
            json!([{"target": "$.components.schemas.Thing.wide[:9000]", "update": {"b": "x".repeat(1 << 20)}}]),
            "many times the document",
        ),
    ] {
        let error = applied(thing.clone(), actions).unwrap_err();
        assert!(error.contains(reason) && error.len() < 1_000, "{reason}: {error}");
    }
    // A quoted text may have any of these marks.
    let (after, _) = applied(json!({"a..?*(": 1}), remove("$.components.schemas.Thing['a..?*(']")).unwrap();
    assert_eq!(after, json!({}));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

const PROBE: &str = r##"//! Prints what the corrections changed.
use std::io::{Read, Write};
use synapse_backend_client::{BackendClient, types};

fn main() {
    let client = BackendClient::builder("http://localhost").build().unwrap();
    let _: synapse_backend_client::Call<synapse_backend_client::raw::builder::FetchModel> = client.fetch_model(7);
    println!("{}", client.fetch_model(7).params(|p| p.with_file(true)).request().unwrap().url());
    let model: types::Model = serde_json::from_str(r#"{"id": 1, "name": "n", "configuration": {"a": 1}}"#).unwrap();
    println!("{} {:?}", model.settings.text(), model.model_type);
    println!("{}", serde_json::to_value(&model).unwrap()["configuration"]);
    let created = client.call(|raw| raw.create_model(|m| {
        m.name("n").model_type("t").project(1).chunked_upload(2).summary("s")
    }));
    println!("{}", String::from_utf8_lossy(created.request().unwrap().body().unwrap().as_bytes().unwrap()));
    // The server responds with 204, then with 404.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = BackendClient::builder(format!("http://{}", listener.local_addr().unwrap())).build().unwrap();
    std::thread::spawn(move || {
        for status in ["204 No Content\r\n", "404 Not Found\r\ncontent-length: 0\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            write!(stream, "HTTP/1.1 {status}connection: close\r\n\r\n").unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{:?}", client.fetch_model(7).await.unwrap());
        println!("{:?}", client.fetch_model(7).await.unwrap_err().operation());
    });
}
"##;

#[test]
fn overlay_needs_its_feature() {
    let copy = CrateCopy::new();
    copy.example("probe", PROBE);
    let path = copy.path().join("openapi/overlay.yaml");
    let more = "  - target: $.paths['/models/{id}/'].get\n    update: { x-name: fetch_model }\n  \
                - target: $.paths['/models/{id}/'].get.parameters[?@.name == 'include_file']\n    update: { x-name: with_file }\n  \
                - target: $.components.schemas.ModelCreate.properties.description\n    update: { x-name: summary }\n";
    fs::write(&path, documented() + more).unwrap();
    let output = copy.cargo(&["build", "-q", "--lib"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line = "openapi/overlay.yaml: the overlay isn't applied: enable the feature `overlay` of synapse-backend-client";
    assert!(!output.status.success() && err.contains(line), "{err}");

    let (out, _) = copy.succeed(&["run", "-q", "--features", "overlay,models", "--example", "probe"]);
    assert_eq!(
        out.lines().collect::<Vec<_>>(),
        [
            "http://localhost/models/7/?include_file=true",
            r#"{"a": 1} None"#,
            r#"{"a":1}"#,
            r#"{"chunked_upload":2,"model_type":"t","name":"n","project":1,"description":"s"}"#,
            "None",
            r#"Some("get_model")"#,
        ]
    );

    // Another overlay replaces it.
    let other = copy.path().join("other.json");
    fs::write(&other, overlay(json!([{"target": "$.none", "remove": true}]))).unwrap();
    let copy = copy.with_overlay("other.json");
    let output = copy.cargo(&["build", "-q", "--lib", "--features", "overlay"]);
    let err = String::from_utf8_lossy(&output.stderr);
    let line = "other.json: action 1 (`$.none`): it matches nothing in the document";
    assert!(!output.status.success() && err.contains(line), "{err}");
}
