//! The cost of hostile documents. Costs are counted in allocations, which don't depend on a clock. A
//! comparison allocates nothing: with a quadratic number of these, a test runs for minutes.

mod support;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{component, document, get, prepared, reference, refused, reported};
use synapse_codegen::prepare::prepare;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

static RUNNING: Mutex<()> = Mutex::new(());

/// Only one test at a time may run, because the allocations of all threads are counted.
fn alone() -> MutexGuard<'static, ()> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of allocations of the preparation.
fn cost(mut document: Value) -> usize {
    let region = Region::new(ALLOCATOR);
    let _ = prepare(&mut document);
    region.change().allocations
}

/// Fails if a document of twice the size costs more than three times as much.
fn assert_linear(document: impl Fn(usize) -> Value, size: usize) {
    let (one, two) = (cost(document(size)), cost(document(2 * size)));
    assert!(two <= 3 * one, "{one} allocations for {size}, {two} for {}", 2 * size);
}

fn object(name: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": "string"}}})
}

/// Returns a document whose `Thing` is the first of a chain of components.
fn chain(length: usize, link: impl Fn(Value, usize) -> Value) -> Value {
    let mut document = document(json!({}), link(reference("C1"), 0));
    for index in 1..length {
        let next = reference(&format!("C{}", index + 1));
        document["components"]["schemas"][format!("C{index}")] = link(next, index);
    }
    document["components"]["schemas"][format!("C{length}")] = object("end");
    document
}

fn with_parameters(list: Vec<Value>) -> Value {
    document(json!({"parameters": list}), json!({}))
}

#[test]
fn component_is_merged_once() {
    let _alone = alone();
    let twice = |length| chain(length, |next, _| json!({"allOf": [next, next]}));
    assert_linear(twice, 11);
    let (document, _) = prepared(twice(200));
    assert_eq!(support::thing(&document)["properties"]["end"]["type"], "string");
}

#[test]
fn long_chain_of_extensions_is_refused() {
    let _alone = alone();
    let extending = |next, index| json!({"allOf": [next, object(&format!("p{index}"))]});
    let (document, _) = prepared(chain(200, extending));
    assert_eq!(support::thing(&document)["properties"].as_object().unwrap().len(), 201);
    let error = refused(chain(300, extending));
    assert_eq!(error, "components.schemas.C1: more than 256 schemas extend one another");
    // The same holds for a composition in a field of a component.
    let within = |next, index| json!({"type": "object", "properties": {"a": extending(next, index)}});
    let error = refused(chain(300, within));
    assert_eq!(error, "components.schemas.C1: more than 256 schemas extend one another");
}

#[test]
fn too_many_copies_are_refused() {
    let _alone = alone();
    let problem = "too many schemas extend large ones: merged, they would be many times the document";
    let twice = |next, _| {
        let field = json!({"allOf": [next, object("x")]});
        json!({"type": "object", "properties": {"a": field, "b": field}})
    };
    assert_eq!(refused(chain(40, twice)), format!("components.schemas.C1: {problem}"));
    let mut cycle = chain(40, |next, index| json!({"allOf": [next, next, object(&format!("p{index}"))]}));
    cycle["components"]["schemas"]["C40"] = json!({"allOf": [reference("Thing"), object("end")]});
    assert_eq!(refused(cycle), format!("components.schemas.C1: {problem}"));
    let response = json!({"$ref": "#/components/responses/R"});
    let responses: Map<String, Value> =
        (0..1_000).map(|status| (status.to_string(), response.clone())).collect();
    let mut shared = document(json!({"responses": responses}), json!({}));
    shared["components"]["responses"] = json!({"R": {"description": "", "x": vec![0; 1_000]}});
    let problem =
        "too many operations share large parts: copied to each, they would be many times the document";
    assert_eq!(refused(shared), format!("GET /things/ (list_things): {problem}"));
}

#[test]
fn clashing_parameters_stay_short() {
    let _alone = alone();
    let clashing = |count: usize| {
        let parameter = |index| json!({"name": format!("id{}", "_".repeat(index)), "in": "query"});
        with_parameters((0..count).map(parameter).collect())
    };
    let (document, report) = prepared(clashing(4));
    let names: Vec<&Value> =
        get(&document)["parameters"].as_array().unwrap().iter().map(|parameter| &parameter["name"]).collect();
    assert_eq!(names, ["id", "id_query", "id_query_2", "id_query_3"]);
    let wire: Vec<&str> =
        report.notes.parameters["list_things"].iter().map(|renamed| renamed.wire.as_str()).collect();
    assert_eq!(wire, ["id_", "id__", "id___"]);
    assert_linear(clashing, 100);
}

#[test]
fn clashing_names_are_numbered_once() {
    let _alone = alone();
    let components = |count: usize| {
        let mut document = document(json!({}), json!({"oneOf": vec![json!(null); count]}));
        for index in 0..count {
            let name = format!("a{}", "_".repeat(index));
            document["components"]["schemas"]["Thing"]["oneOf"][index] = reference(&name);
            document["components"]["schemas"][name] = object("x");
        }
        document
    };
    assert_linear(components, 500);
    let operations = |count: usize| {
        let mut document = document(json!({}), object("x"));
        let operation = document["paths"]["/things/"].clone();
        document["paths"] = (0..count).map(|index| (format!("/{index}/"), operation.clone())).collect();
        document
    };
    assert_linear(operations, 1_000);
}

#[test]
fn chains_are_followed_once() {
    let _alone = alone();
    // `$ref` to `$ref`, lists of lists, and fields that differ in requests.
    assert_linear(|length| chain(length, |next, _| next), 200);
    assert_linear(|length| chain(length, |next, _| json!({"type": "array", "items": next})), 400);
    let both_ways = |length| {
        let field = |next, _| json!({"type": "object", "properties": {"next": next}});
        let mut document = chain(length, field);
        let content = json!({"application/json": {"schema": reference("Thing")}});
        document["paths"]["/things/"]["get"]["requestBody"] = json!({"content": content});
        document["components"]["schemas"][format!("C{length}")]["properties"]["end"]["readOnly"] =
            json!(true);
        document
    };
    assert_linear(both_ways, 200);
    // Deep references.
    let fields = |count: usize| {
        let at = |index| {
            (
                format!("p{index}"),
                json!({"$ref": format!("#/components/schemas/Thing/properties/p{}", index + 1)}),
            )
        };
        let mut properties: Map<String, Value> = (0..count).map(at).collect();
        properties.insert(format!("p{count}"), object("end"));
        document(json!({}), json!({"type": "object", "properties": properties}))
    };
    assert_linear(fields, 200);
    prepared(fields(50));
}

#[test]
fn long_chain_of_path_items_is_no_cycle() {
    let _alone = alone();
    let paths = |count: usize| {
        let mut document = document(json!({}), json!({}));
        document["paths"]["/0/"] = document["paths"]["/things/"].take();
        for index in 1..count {
            document["paths"][format!("/{index}/")] = json!({"$ref": format!("#/paths/~1{}~1", index - 1)});
        }
        document["paths"].as_object_mut().unwrap().remove("/things/");
        document
    };
    let (document, _) = prepared(paths(60));
    assert_eq!(document["paths"].as_object().unwrap().len(), 60);
    assert_linear(paths, 100);
}

#[test]
fn shared_choices_are_flattened_once() {
    let _alone = alone();
    let both = |next: Value, index: usize| {
        let other = |name: usize| object(&format!("p{name}"));
        json!({"oneOf": [{"oneOf": [next, other(index)]}, {"oneOf": [next, other(index + 1)]}]})
    };
    assert_linear(|length| chain(length, both), 8);
    let (document, _) = prepared(chain(20, both));
    assert_eq!(support::thing(&document)["oneOf"].as_array().unwrap().len(), 22);
    let error = refused(chain(400, both));
    assert!(error.ends_with(": too many choices (`oneOf`) contain one another"), "{error}");
}

#[test]
fn tags_are_searched_once_in_each_part() {
    let _alone = alone();
    let tagged = |length| {
        let mut document = chain(length, |next, _| json!({"allOf": [next, next]}));
        document["components"]["schemas"]["Tagged"] =
            json!({"oneOf": [reference("Thing")], "discriminator": {"propertyName": "kind"}});
        document
    };
    assert_linear(tagged, 11);
}

#[test]
fn many_values_are_compared_in_sets() {
    let _alone = alone();
    let values: Vec<String> = (0..100_000).map(|index| format!("v{index}")).collect();
    let (large, _) = prepared(document(json!({}), json!({"type": "string", "enum": values})));
    assert_eq!(component(&large, "Thing")["enum"].as_array().unwrap().len(), 100_000);
    let (large, _) = prepared(document(json!({}), json!({"type": "object", "required": values})));
    assert!(component(&large, "Thing").get("required").is_none());
}

#[test]
fn many_choices_are_compared_in_sets() {
    let _alone = alone();
    const MANY: usize = 10_000;
    let names: Vec<String> = (0..MANY).map(|index| format!("M{index}")).collect();
    let choices: Vec<Value> = names.iter().map(|name| reference(name)).collect();
    let mut tagged =
        document(json!({}), json!({"oneOf": choices, "discriminator": {"propertyName": "kind"}}));
    for name in &names {
        tagged["components"]["schemas"][name] = object("kind");
    }
    let (_, report) = prepared(tagged);
    assert_eq!(reported(&report, "record_discriminators"), [format!("Thing: by `kind`: {MANY} choices")]);
}

#[test]
fn files_are_searched_once_per_component() {
    let _alone = alone();
    // Each of the components refers to all of them.
    const MANY: usize = 150;
    let all: Map<String, Value> =
        (0..MANY).map(|field| (format!("f{field}"), reference(&format!("C{field}")))).collect();
    let content = json!({"schema": reference("C0")});
    let body = json!({"content": {"application/json": content, "multipart/form-data": content}});
    let mut graph = document(json!({"requestBody": body}), object("x"));
    for index in 0..MANY {
        graph["components"]["schemas"][format!("C{index}")] = json!({"type": "object", "properties": all});
    }
    let (_, report) = prepared(graph);
    assert!(report.notes.forms.is_empty());
}

#[test]
fn forms_are_copied_once_per_schema() {
    let _alone = alone();
    // Many operations send a form of the same many fields.
    let shared = |count: usize| {
        let file = json!({"type": "string", "format": "binary"});
        let fields: Map<String, Value> =
            (0..count).map(|field| (format!("f{field}"), file.clone())).collect();
        let mut document = document(json!({}), json!({"type": "object", "properties": fields}));
        let content = json!({"multipart/form-data": {"schema": reference("Thing")}});
        for index in 0..count {
            document["paths"][format!("/{index}/")]["post"] = json!({"operationId": format!("send{index}"), "requestBody": {"content": content}, "responses": {}});
        }
        document
    };
    assert_linear(shared, 100);
    // Each with its own encoding, a form is copied for each.
    let mut large = shared(2_000);
    for index in 0..2_000 {
        large["paths"][format!("/{index}/")]["post"]["requestBody"]["content"]["multipart/form-data"]["encoding"] =
            json!({"f0": {"contentType": format!("image/{index}")}});
    }
    let error = refused(large);
    assert!(error.ends_with("the forms of this document are too large together"), "{error}");
}
