//! Rules for compositions and choices.

mod support;

use serde_json::{Value, json};
use support::{component, document, prepared, reference, thing, told};
use synapse_generation_tests::prepare::Report;

fn properties(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// `GET /things/` gives a `Thing`; the other components stand beside it.
fn with(thing: Value, others: Value) -> (Value, Report) {
    let mut given = document(json!({}), thing);
    for (name, schema) in others.as_object().unwrap() {
        given["components"]["schemas"][name] = schema.clone();
    }
    prepared(given)
}

fn names(schema: &Value) -> Vec<&String> {
    schema["properties"].as_object().unwrap().keys().collect()
}

#[test]
fn a_composition_of_objects_is_one_object() {
    let own = json!({"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}, "kind": {"type": "string", "enum": ["x"]}}});
    let (document, report) = with(
        json!({"allOf": [reference("Base"), own], "description": "d", "properties": {"c": {"type": "string"}}}),
        json!({
            "Base": {"allOf": [reference("Root"), {"type": "object", "properties": {"a": {"type": "string", "readOnly": true}}}]},
            "Root": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
        }),
    );
    assert_eq!(names(thing(&document)), ["a", "b", "c", "kind"]);
    assert_eq!((&thing(&document)["required"], &thing(&document)["description"]), (&json!(["kind", "b"]), &json!("d")));
    // The later part tells more of what both have; and unknown fields are kept, as of any object.
    assert_eq!(component(&document, "ThingKind")["enum"], json!(["x"]));
    assert_eq!(thing(&document)["additionalProperties"], reference("Json"));
    assert_eq!(told(&report, "compositions_are_one_object"), ["Base: 2 parts", "Thing: 3 parts"]);
}

#[test]
fn a_composition_with_a_choice_is_a_choice_of_compositions() {
    let (document, report) = with(
        json!({"allOf": [reference("Animal"), properties(json!({"links": {"type": "string"}}))]}),
        json!({
            "Animal": {
                "oneOf": [reference("Cat"), reference("Dog")],
                "discriminator": {"propertyName": "kind", "mapping": {"felis": "#/components/schemas/Cat", "canis": "Dog"}},
            },
            "Cat": properties(json!({"kind": {"type": "string"}, "lives": {"type": "integer"}})),
            "Dog": properties(json!({"kind": {"type": "string"}, "tricks": {"type": "string"}})),
        }),
    );
    assert_eq!(thing(&document)["oneOf"], json!([reference("ThingCat"), reference("ThingDog")]));
    assert_eq!(names(component(&document, "ThingDog")), ["kind", "links", "tricks"]);
    let choices = [("felis".to_owned(), "ThingCat".to_owned()), ("canis".to_owned(), "ThingDog".to_owned())];
    assert_eq!(report.notes.unions["Thing"].choices, choices);
}

#[test]
fn what_composes_itself_is_left_alone() {
    let node = json!({"allOf": [reference("Thing"), properties(json!({"a": {"type": "string"}}))]});
    let leaf = properties(json!({"b": {"type": "string"}}));
    let mut given = document(json!({}), json!({"oneOf": [reference("Node"), leaf]}));
    given["components"]["schemas"]["Node"] = node;
    let (document, report) = prepared(given);
    assert_eq!(component(&document, "Node")["allOf"][0], reference("Thing"));
    assert_eq!(told(&report, "compositions_are_one_object"), [] as [&str; 0]);
}

#[test]
fn choices_of_what_is_required_are_none() {
    let mut schema = properties(json!({"a": {"type": "string"}, "b": {"type": "string"}}));
    schema["anyOf"] = json!([{"required": ["a"]}, {"title": "By b", "required": ["b"]}]);
    let (document, report) = with(schema, json!({}));
    assert!(thing(&document).get("oneOf").is_none());
    assert_eq!(names(thing(&document)), ["a", "b"]);
    assert_eq!(told(&report, "choices_of_what_is_required_are_none"), ["Thing: left out `oneOf`"]);
}

#[test]
fn values_that_differ_in_each_choice_are_a_tag() {
    let kind = |value: &str| json!({"type": "string", "enum": [value]});
    let choice = |value: &str| json!({"type": "object", "required": ["kind"], "properties": {"kind": kind(value), "n": {"type": "integer"}}});
    let list = json!({"type": "array", "items": {"oneOf": [reference("One"), choice("two")]}});
    let (document, report) = with(properties(json!({"list": list})), json!({"One": choice("one")}));
    assert_eq!(thing(&document)["properties"]["list"]["items"]["allOf"], json!([reference("ThingListItem")]));
    let union = &report.notes.unions["ThingListItem"];
    let choices = [("one".to_owned(), "One".to_owned()), ("two".to_owned(), "ThingListItemTwo".to_owned())];
    assert_eq!((union.tag.as_str(), union.choices.as_slice()), ("kind", choices.as_slice()));
    assert_eq!(component(&document, "One")["properties"]["kind"], json!({"type": "string"}));
    // One value in two choices tells nothing, nor does one that may be missing.
    let (_, report) =
        with(json!({"oneOf": [reference("One"), reference("Two")]}), json!({"One": choice("x"), "Two": choice("x")}));
    assert!(report.notes.unions.is_empty());
    let may = properties(json!({"kind": kind("y")}));
    let (_, report) = with(json!({"oneOf": [reference("One"), reference("Two")]}), json!({"One": choice("x"), "Two": may}));
    assert!(report.notes.unions.is_empty());
}

#[test]
fn a_component_that_only_names_a_plain_type_is_that_type() {
    let (document, report) = with(
        properties(json!({
            "id": reference("Id"), "other": {"allOf": [reference("Alias")], "nullable": true}, "tags": reference("Tags"), "kind": reference("Kind"),
            "either": {"oneOf": [reference("Id"), reference("Alias"), {"type": "boolean"}]}, "free": reference("Free"), "at": reference("At"),
        })),
        json!({
            "Id": {"type": "integer", "description": "An id."}, "Alias": reference("Id"), "Tags": {"type": "array", "items": reference("Id")},
            "Kind": {"type": "string", "enum": ["a", "b"]}, "Free": {}, "At": {"type": "string", "format": "date-time"},
        }),
    );
    let fields = &thing(&document)["properties"];
    assert_eq!(fields["id"], json!({"type": "integer", "description": "An id."}));
    assert_eq!(fields["other"], json!({"type": "integer", "nullable": true, "description": "An id."}));
    assert_eq!(fields["tags"]["items"]["type"], "integer");
    assert_eq!(fields["kind"], reference("Kind"));
    let either = &component(&document, "ThingEither")["oneOf"];
    assert_eq!(either, &json!([{"type": "integer", "description": "An id."}, {"type": "boolean"}]));
    assert_eq!(
        (&fields["free"]["allOf"], &fields["at"]["allOf"]),
        (&json!([reference("Json")]), &json!([reference("Timestamp")]))
    );
    assert_eq!(told(&report, "plain_types_need_no_name").len(), 5);
    // A list of itself can't be written out.
    let (document, _) = with(json!({"type": "array", "items": reference("Thing")}), json!({}));
    assert_eq!(thing(&document)["items"], reference("Thing"));
}
