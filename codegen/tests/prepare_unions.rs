//! Rules for compositions and choices.

mod support;

use serde_json::{Value, json};
use support::{component, document, prepared, reference, reported, thing};
use synapse_codegen::prepare::Report;

fn properties(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

/// Prepares a document in which `GET /things/` returns a `Thing`, with other components.
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
fn composed_objects_are_merged() {
    let own = json!({"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}, "kind": {"type": "string", "enum": ["x"]}}});
    let (document, report) = with(
        json!({"allOf": [reference("Base"), own], "description": "d", "properties": {"c": {"type": "string"}}}),
        json!({
            "Base": {"allOf": [reference("Root"), {"type": "object", "properties": {"a": {"type": "string", "readOnly": true}}}]},
            "Root": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
        }),
    );
    assert_eq!(names(thing(&document)), ["a", "b", "c", "kind"]);
    assert_eq!(
        (&thing(&document)["required"], &thing(&document)["description"]),
        (&json!(["kind", "b"]), &json!("d"))
    );
    // The later definition of a property counts. Unknown fields are kept, as in any object.
    assert_eq!(component(&document, "ThingKind")["enum"], json!(["x"]));
    assert_eq!(thing(&document)["additionalProperties"], reference("Json"));
    assert_eq!(reported(&report, "merge_all_of"), ["Base: 2 parts", "Thing: 3 parts"]);
}

#[test]
fn composed_choice_distributes_parts() {
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
fn recursive_composition_ends() {
    // A choice between components that extend a base isn't part of the base. A component isn't part of
    // itself.
    let node = json!({"allOf": [reference("Thing"), reference("Node"), properties(json!({"a": {"type": "string"}}))]});
    let leaf = properties(json!({"b": {"type": "string"}}));
    let (document, report) = with(json!({"oneOf": [reference("Node"), leaf]}), json!({"Node": node}));
    assert_eq!(names(component(&document, "Node")), ["a"]);
    assert_eq!(reported(&report, "merge_all_of"), ["Node: 3 parts"]);
    // An inlined copy of itself would contain the next one, without end.
    let next = json!({"allOf": [reference("Thing"), properties(json!({"x": {"type": "string"}}))], "nullable": true});
    let (document, report) = with(properties(json!({"next": next})), json!({}));
    assert_eq!(
        thing(&document)["properties"]["next"],
        json!({"allOf": [reference("Thing")], "nullable": true})
    );
    assert_eq!(reported(&report, "merge_all_of"), ["Thing.next: `Thing`, which it is part of"]);
}

#[test]
fn base_and_derived_types_are_linked() {
    let child =
        |name: &str| json!({"allOf": [reference("Thing"), properties(json!({name: {"type": "string"}}))]});
    let others = json!({"Cat": child("lives"), "Dog": child("barks")});
    let mut base = properties(json!({"kind": {"type": "string"}}));
    base["discriminator"] =
        json!({"propertyName": "kind", "mapping": {"felis": "#/components/schemas/Cat", "canis": "Dog"}});
    let mut with_choices = base.clone();
    with_choices["oneOf"] = json!([reference("Cat"), reference("Dog")]);
    let choices = [("felis".to_owned(), "Cat".to_owned()), ("canis".to_owned(), "Dog".to_owned())];
    // The base may list the choices, or have only the tag.
    for base in [with_choices.clone(), base] {
        let (document, report) = with(base, others.clone());
        assert_eq!(names(component(&document, "Cat")), ["kind", "lives"]);
        assert_eq!(thing(&document)["oneOf"], json!([reference("Cat"), reference("Dog")]));
        assert_eq!(report.notes.unions["Thing"].choices, choices);
    }
    // The same applies if a choice has no own fields.
    let (document, _) = with(
        with_choices,
        json!({"Cat": others["Cat"], "Dog": {"type": "object", "allOf": [reference("Thing")]}}),
    );
    assert_eq!(names(component(&document, "Dog")), ["kind"]);
    assert_eq!(thing(&document)["oneOf"], json!([reference("Cat"), reference("Dog")]));
    // A base that can be the value itself stays an object.
    let mut base = properties(json!({"kind": {"type": "string"}}));
    for mapping in [json!({"thing": "Thing", "cat": "Cat", "dog": "Dog"}), json!({"cat": "Cat"}), json!(null)]
    {
        base["discriminator"] = json!({"propertyName": "kind", "mapping": mapping});
        let (document, _) = with(base.clone(), others.clone());
        assert_eq!(names(thing(&document)), ["kind"]);
    }
}

#[test]
fn two_choices_are_combined_pairwise() {
    let of = |name: &str| properties(json!({name: {"type": "string"}}));
    let two = |one: &str, other: &str| json!({"oneOf": [reference(one), reference(other)]});
    let (document, _) = with(
        json!({"allOf": [two("A", "B"), two("C", "D"), of("x")]}),
        json!({"A": of("a"), "B": of("b"), "C": of("c"), "D": of("d")}),
    );
    let choices = thing(&document)["oneOf"].as_array().unwrap();
    let fields: Vec<_> = choices
        .iter()
        .map(|choice| {
            names(component(&document, choice["$ref"].as_str().unwrap().rsplit('/').next().unwrap()))
        })
        .collect();
    assert_eq!(fields, [["a", "c", "x"], ["a", "d", "x"], ["b", "c", "x"], ["b", "d", "x"]]);
}

#[test]
fn unmapped_tag_uses_name_or_value() {
    let kind =
        |values: Value| json!({"type": "object", "required": ["kind"], "properties": {"kind": values}});
    let choices =
        |report: &Report, name: &str| -> Vec<(String, String)> { report.notes.unions[name].choices.clone() };
    let pair = |value: &str, name: &str| (value.to_owned(), name.to_owned());
    let (_, report) = with(
        json!({"oneOf": [reference("cute_cat"), reference("Dog")], "discriminator": {"propertyName": "kind"}}),
        json!({"cute_cat": kind(json!({"type": "string"})), "Dog": kind(json!({"type": "string", "enum": ["canis"]}))}),
    );
    assert_eq!(choices(&report, "Thing"), [pair("cute_cat", "CuteCat"), pair("canis", "Dog")]);
    // Numbers are tags as well, with or without a discriminator.
    let numbers = json!({"One": kind(json!({"type": "integer", "enum": [1]})), "Two": kind(json!({"type": "integer", "enum": [2]}))});
    for tag in [
        json!({"propertyName": "kind"}),
        json!({"propertyName": "kind", "mapping": {"1": "One", "2": "Two"}}),
        json!(null),
    ] {
        let (document, report) = with(
            json!({"oneOf": [reference("One"), reference("Two")], "discriminator": tag}),
            numbers.clone(),
        );
        assert_eq!(choices(&report, "Thing"), [pair("1", "One"), pair("2", "Two")], "{tag}");
        assert_eq!(component(&document, "One")["properties"]["kind"], json!({"type": "integer"}));
    }
}

#[test]
fn nested_choices_are_flattened() {
    let kind = |value: &str| json!({"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": [value]}}});
    let inner = json!({"oneOf": [reference("A"), reference("B")], "nullable": true, "discriminator": {"propertyName": "kind"}});
    let either = json!({"oneOf": [reference("Inner"), reference("C"), {"oneOf": [{"type": "string"}, {"type": "integer"}]}]});
    let (document, report) = with(
        properties(json!({"either": either, "tagged": {"oneOf": [reference("Inner"), reference("C")]}})),
        json!({"A": kind("a"), "B": kind("b"), "C": kind("c"), "Inner": inner}),
    );
    assert_eq!(component(&document, "ThingEither")["oneOf"].as_array().unwrap().len(), 5);
    assert_eq!(thing(&document)["properties"]["either"]["nullable"], true);
    let pairs: Vec<&str> =
        report.notes.unions["ThingTagged"].choices.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(pairs, ["a", "b", "c"]);
    assert_eq!(
        reported(&report, "flatten_nested_choices"),
        ["Thing.either: 5 choices", "Thing.tagged: 3 choices"]
    );
    // A choice with another tag stays unchanged. A recursive choice ends.
    let outer = json!({"oneOf": [reference("Inner"), reference("C")], "discriminator": {"propertyName": "type", "mapping": {"i": "Inner"}}});
    let all = json!({"A": kind("a"), "B": kind("b"), "C": kind("c"), "Inner": {"oneOf": [reference("A"), reference("Inner"), reference("B")]}});
    let (document, _) = with(outer, all);
    assert_eq!(thing(&document)["oneOf"], json!([reference("Inner"), reference("C")]));
    assert_eq!(component(&document, "Inner")["oneOf"], json!([reference("A"), reference("B")]));
}

#[test]
fn required_only_choices_are_dropped() {
    let mut schema = properties(json!({"a": {"type": "string"}, "b": {"type": "string"}}));
    schema["anyOf"] = json!([{"required": ["a"]}, {"title": "By b", "required": ["b"]}]);
    let (document, report) = with(schema, json!({}));
    assert!(thing(&document).get("oneOf").is_none());
    assert_eq!(names(thing(&document)), ["a", "b"]);
    assert_eq!(reported(&report, "drop_required_only_choices"), ["Thing: left out `oneOf`"]);
}

#[test]
fn distinct_constants_become_tag() {
    let kind = |value: &str| json!({"type": "string", "enum": [value]});
    let choice = |value: &str| json!({"type": "object", "required": ["kind"], "properties": {"kind": kind(value), "n": {"type": "integer"}}});
    let list = json!({"type": "array", "items": {"oneOf": [reference("One"), choice("two")]}});
    let (document, report) = with(properties(json!({"list": list})), json!({"One": choice("one")}));
    assert_eq!(thing(&document)["properties"]["list"]["items"]["allOf"], json!([reference("ThingListItem")]));
    let union = &report.notes.unions["ThingListItem"];
    let choices = [("one".to_owned(), "One".to_owned()), ("two".to_owned(), "ThingListItemTwo".to_owned())];
    assert_eq!((union.tag.as_str(), union.choices.as_slice()), ("kind", choices.as_slice()));
    assert_eq!(component(&document, "One")["properties"]["kind"], json!({"type": "string"}));
    // A value of two choices, or an optional property, isn't a tag.
    let (_, report) = with(
        json!({"oneOf": [reference("One"), reference("Two")]}),
        json!({"One": choice("x"), "Two": choice("x")}),
    );
    assert!(report.notes.unions.is_empty());
    let may = properties(json!({"kind": kind("y")}));
    let (_, report) =
        with(json!({"oneOf": [reference("One"), reference("Two")]}), json!({"One": choice("x"), "Two": may}));
    assert!(report.notes.unions.is_empty());
}

#[test]
fn alias_of_plain_type_is_resolved() {
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
    assert_eq!(reported(&report, "inline_plain_types").len(), 5);
    // A recursive list can't be inlined.
    let (document, _) = with(json!({"type": "array", "items": reference("Thing")}), json!({}));
    assert_eq!(thing(&document)["items"], reference("Thing"));
}

#[test]
fn shapeless_part_applies_to_whole() {
    let (document, report) = with(
        properties(json!({
            "kind": {"allOf": [reference("Kind"), {"nullable": true, "description": "d"}]},
            "text": {"allOf": [{"type": "string"}, {"maxLength": 5}]},
            "other": {"allOf": [reference("Other"), {"nullable": true}, {"required": ["x"]}]},
        })),
        json!({"Kind": {"type": "string", "enum": ["a", "b"]}, "Other": properties(json!({"x": {"type": "string"}}))}),
    );
    let fields = &thing(&document)["properties"];
    assert_eq!(fields["kind"], json!({"allOf": [reference("Kind")], "nullable": true, "description": "d"}));
    assert_eq!(fields["text"], json!({"type": "string"}));
    assert_eq!(fields["other"], json!({"allOf": [reference("ThingOther")], "nullable": true}));
    assert_eq!(component(&document, "ThingOther")["required"], json!(["x"]));
    assert_eq!(reported(&report, "merge_shapeless_parts").len(), 4);
}

#[test]
fn map_part_does_not_type_other_fields() {
    let map = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let of = |parts: Value| {
        with(json!({"allOf": parts}), json!({"Other": properties(json!({"x": {"type": "string"}}))})).0
    };
    let document = of(json!([reference("Other"), map]));
    assert_eq!(names(thing(&document)), ["x"]);
    assert_eq!(thing(&document)["additionalProperties"], reference("Json"));
    let (document, _) = with(properties(json!({"counts": {"allOf": [{"type": "object"}, map]}})), json!({}));
    assert_eq!(thing(&document)["properties"]["counts"]["additionalProperties"], json!({"type": "integer"}));
}

#[test]
fn composed_choice_is_named_anywhere() {
    let of = |name: &str| properties(json!({name: {"type": "string"}}));
    let mut either = properties(json!({"kind": {"type": "string", "enum": ["a", "a2", "b"]}}));
    either["oneOf"] = json!([reference("A"), reference("B")]);
    either["discriminator"] = json!({"propertyName": "kind", "mapping": {"a": "A", "a2": "A", "b": "B"}});
    let (document, report) = with(properties(json!({"either": either})), json!({"A": of("a"), "B": of("b")}));
    assert_eq!(thing(&document)["properties"]["either"]["allOf"], json!([reference("ThingEither")]));
    assert_eq!(names(component(&document, "ThingEitherA")), ["a", "kind"]);
    let choices = &report.notes.unions["ThingEither"].choices;
    let choices: Vec<(&str, &str)> =
        choices.iter().map(|(value, name)| (value.as_str(), name.as_str())).collect();
    assert_eq!(choices, [("a", "ThingEitherA"), ("a2", "ThingEitherA"), ("b", "ThingEitherB")]);
}

#[test]
fn choice_of_constants_is_enumeration() {
    let described = json!({"type": "string", "oneOf": [{"const": "a", "description": "A."}, {"const": "b", "title": "B"}]});
    let narrower = json!({"type": "string", "enum": ["a"], "allOf": [reference("Described")]});
    let (document, report) = with(
        properties(
            json!({"kind": reference("Described"), "one": narrower, "other": {"anyOf": [{"const": "a"}, reference("Described")]}}),
        ),
        json!({"Described": described}),
    );
    assert_eq!(component(&document, "Described"), &json!({"type": "string", "enum": ["a", "b"]}));
    assert_eq!(component(&document, "ThingOne"), &json!({"type": "string", "enum": ["a"]}));
    assert_eq!(component(&document, "ThingOther")["oneOf"].as_array().unwrap().len(), 2);
    assert_eq!(reported(&report, "constant_choices_to_enum").len(), 2);
}
