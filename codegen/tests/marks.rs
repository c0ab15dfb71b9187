//! `x-secret`, `x-alias`, `x-alternatives` and `x-case-insensitive`: what the preparation makes of them, and the code.

mod support;

use serde_json::{Value, json};
use support::{both_ways, component, document, prepared, reference, refused, reported, thing};
use synapse_codegen::generate::{Settings, generate, generate_with};

/// The code without white space and commas at ends, so that line breaks don't matter.
struct Code(String);

impl Code {
    fn of(document: Value) -> Self {
        Code::with(document, Settings::default())
    }

    fn with(document: Value, settings: Settings<'_>) -> Self {
        let code = generate_with(document, settings).map(|generated| generated.code);
        Code(squeezed(&code.unwrap_or_else(|error| panic!("{error}"))))
    }

    fn count(&self, part: &str) -> usize {
        self.0.matches(&squeezed(part)).count()
    }

    #[track_caller]
    fn has(&self, part: &str) {
        assert!(self.count(part) > 0, "{part}\n{}", self.0);
    }
}

fn squeezed(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",)", ")").replace(",]", "]").replace(",>", ">")
}

fn text(more: Value) -> Value {
    let mut schema = json!({"type": "string"});
    support::merge(&mut schema, more);
    schema
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn secret() -> Value {
    text(json!({"x-secret": true}))
}

fn list(more: Value) -> Value {
    let mut schema = json!({"type": "array", "items": {"type": "string"}});
    support::merge(&mut schema, more);
    schema
}

#[test]
fn secret_outlives_every_rule() {
    let mut given = both_ways(json!({"allOf": [reference("Base"), object(json!({
        "id": {"type": "integer", "readOnly": true}, "pin": {"type": "string", "description": "Again."},
        "innerThing": object(json!({"isWord": secret(), "plain": text(json!({}))})),
        "link": text(json!({"format": "uri", "x-secret": true, "nullable": true})),
        "free": {"x-secret": true}, "not": text(json!({"x-secret": false})),
    }))]}));
    given["components"]["schemas"]["Base"] = object(json!({
        "pin": secret(), "vault": {"allOf": [reference("Vault")], "x-secret": true},
        "bare": {"$ref": "#/components/schemas/Vault", "x-secret": true},
        "type": text(json!({"x-secret": true, "x-name": "kind"})),
    }));
    given["components"]["schemas"]["Vault"] = object(json!({"door": text(json!({}))}));
    let (document, report) = prepared(given);
    for name in ["Thing", "ThingRequest"] {
        let properties = component(&document, name)["properties"].as_object().unwrap();
        let marked = properties.iter().filter(|(_, property)| property["x-secret"] == true);
        let marked: Vec<&String> = marked.map(|(name, _)| name).collect();
        assert_eq!(marked, ["bare", "free", "kind", "link", "pin", "vault"], "{name}");
        assert_eq!(report.notes.secrets[name].iter().collect::<Vec<_>>(), marked);
    }
    let inner = &component(&document, "ThingInnerThing")["properties"];
    assert_eq!((&inner["isWord"]["x-secret"], inner["plain"].get("x-secret")), (&json!(true), None));
    assert!(!document.to_string().contains("x-marks"), "{document}");
}

#[test]
fn secrets_of_choices_and_queries_stay() {
    let filter = json!({"name": "f", "in": "query", "style": "deepObject", "schema": object(json!({"key_text": secret(), "b": text(json!({}))}))});
    let mut given = document(
        json!({"parameters": [filter, {"name": "q", "in": "query", "x-secret": true, "schema": {"type": "string"}}]}),
        json!({"allOf": [reference("Base"), {"oneOf": [object(json!({"one": secret()})), object(json!({"two": text(json!({}))}))]}]}),
    );
    given["components"]["schemas"]["Base"] = object(json!({"base": secret()}));
    let (document, report) = prepared(given);
    let secrets: Vec<_> =
        report.notes.secrets.values().map(|names| names.iter().cloned().collect::<Vec<_>>()).collect();
    assert_eq!(secrets, [vec!["base", "one"], vec!["base"]]);
    let parameters = support::get(&document)["parameters"].as_array().unwrap();
    let marked = parameters.iter().filter(|parameter| parameter["x-secret"] == true);
    let marked: Vec<_> = marked.filter_map(|parameter| parameter["name"].as_str()).collect();
    assert_eq!(marked, ["f[key_text]", "q"], "{parameters:?}");
}

#[test]
fn types_with_secret_have_own_debug() {
    let mut given = both_ways(object(json!({
        "id": {"type": "integer", "readOnly": true}, "pin": secret(), "name": text(json!({})),
        "owner": reference("Owner"), "plain": reference("Plain"),
    })));
    given["components"]["schemas"]["Owner"] =
        object(json!({"code": text(json!({"x-secret": true, "x-alias": ["old"]}))}));
    given["components"]["schemas"]["Plain"] = object(json!({"a": text(json!({}))}));
    let code = Code::of(given);
    let shown = "rt::show_fields(f, \"Thing\", &[(\"id\", &self.id), (\"name\", &self.name), (\"owner\", &self.owner), (\"pin\", &rt::HIDDEN), (\"plain\", &self.plain), (\"extra\", &rt::Masked(&self.extra, &[\"code\", \"old\", \"owner\", \"pin\"]))";
    code.has(shown);
    assert_eq!(code.count("rt::show_fields("), 3);
    code.has("(\"owner\", &rt::Masked(&self.owner, &[\"code\", \"old\"]))");
    code.has("(\"extra\", &rt::Masked(&self.extra, &[\"code\", \"old\", \"pin\"]))");
    code.has("rt::hide_problem(&mut self.pin, \"pin\");");
    let derived = |name: &str| {
        let before = code.0.split(&format!("pubstruct{name}{{")).next().unwrap();
        before
            .rsplit("#[derive(")
            .take(2)
            .any(|derives| derives.contains("Debug,") || derives.contains("Debug)"))
    };
    assert!(derived("Plain") && !derived("Thing") && !derived("ThingRequest") && !derived("Owner"));
}

#[test]
fn form_fields_can_be_secret() {
    let mut given = document(json!({}), json!({"type": "object"}));
    let fields = object(json!({"pin": secret(), "owner": reference("Owner"), "a": text(json!({}))}));
    given["paths"]["/things/"]["post"] = json!({"operationId": "send", "responses": {"204": {"description": ""}},
        "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": fields}}}});
    given["components"]["schemas"]["Owner"] = object(json!({"code": secret()}));
    let code = Code::of(given);
    code.has("rt::FormField::new(\"pin\").secret()");
    code.has("rt::FormField::new(\"owner\").hiding(&[\"code\"])");
    code.has("rt::FormField::new(\"a\")");
    assert_eq!(code.count(".secret()"), 1);
}

#[test]
fn case_insensitive_values_are_noted() {
    let kind = json!({"type": "string", "enum": ["A-b", "c", "", "-C2"], "x-case-insensitive": true});
    let mut given = document(
        json!({"parameters": [{"name": "q", "in": "query", "schema": kind}]}),
        object(json!({"kind": reference("Kind"), "own": kind, "plain": {"type": "string", "enum": ["A"]},
            "list": {"type": "array", "items": kind, "x-case-insensitive": true},
            "constants": {"oneOf": [{"enum": ["x"], "type": "string"}, {"enum": ["y"], "type": "string"}], "x-case-insensitive": true},
            "number": {"type": "integer", "enum": [1, 2], "x-case-insensitive": true}})),
    );
    given["components"]["schemas"]["Kind"] = kind.clone();
    let (document, report) = prepared(given.clone());
    let noted: Vec<_> = report.notes.case_insensitive.iter().collect();
    assert_eq!(noted, ["Kind", "ThingConstants", "ThingListItem", "ThingOwn"]);
    assert!(!document.to_string().contains("x-case-insensitive"));
    let misplaced = reported(&report, "correct_properties");
    let misplaced = misplaced.iter().filter(|line| line.contains("no effect")).cloned().collect::<Vec<_>>();
    let why = "`x-case-insensitive` has no effect: it is no enumeration of texts in a body";
    assert_eq!(
        misplaced,
        [
            format!("Thing.list: {why}"),
            format!("Thing.number: {why}"),
            format!("GET /things/ (list_things): {why}")
        ]
    );
    let code = Code::of(given);
    code.has("text if text.eq_ignore_ascii_case(\"A-b\") => Self::AB,");
    code.has("text if text.eq_ignore_ascii_case(\"-C2\") => Self::C2,");
    assert_eq!(code.count("*self == Self::from(other)"), 4);
    code.has("\"A\" => Self::A,");
    code.has("Self::AB => \"A-b\",");
}

#[test]
fn aliases_are_read_with_their_field() {
    let thing = json!({"type": "object", "required": ["a", "n"], "properties": {
        "a": list(json!({"x-alias": ["b", "c-d"]})), "n": {"type": "integer", "x-alias": ["m"]},
        "type": text(json!({"x-alias": ["kind"], "x-name": "sort"})),
    }});
    let (_, report) = prepared(document(json!({}), thing.clone()));
    assert_eq!(report.notes.aliases["Thing"]["a"], ["b", "c-d"]);
    assert_eq!(report.notes.aliases["Thing"]["sort"], ["kind"]);
    let code = Code::of(document(json!({}), thing));
    code.has("\"c-d\" => { field_2 = object.required::<::std::option::Option<");
    code.has("a: rt::required(rt::first([field_0, field_1, field_2]).flatten(), \"a\")?");
    code.has("\"m\" => { field_4 = object.plain::<::std::option::Option<i64>>()?;");
    code.has("\"kind\" => field_6 = Some(object.optional(\"kind\")?),");
    // In a request alone, there is nothing to read.
    let mut given = document(json!({}), json!({"type": "object"}));
    given["paths"]["/things/"]["post"] = json!({"operationId": "send", "responses": {"204": {"description": ""}},
        "requestBody": {"content": {"application/json": {"schema": object(json!({"a": text(json!({"x-alias": ["b"]}))}))}}}});
    let (_, report) = prepared(given);
    assert_eq!(
        reported(&report, "correct_properties"),
        ["SendBody.a: `x-alias` has no effect: it is in no response"]
    );
}

#[test]
fn alternatives_are_read_and_described() {
    let page = json!({"type": "object", "x-alternatives": {"array": "results", "item": "results"}, "required": ["results"],
        "properties": {"results": list(json!({})), "next": text(json!({"nullable": true}))}});
    let code = Code::of(document(json!({}), page.clone()));
    code.has("rt::with_item(deserializer, &[\"results\"], true)");
    code.has("let field_1 = Some(rt::items::<::std::string::String, __A>(seq)?);");
    code.has("transform = |schema: &mut schemars::Schema| rt::alternatives_schema(schema, \"results\", true, true)");
    code.has("rt::Pagination::new().no_count().or_array().or_item()");
    let settings = Settings { schemars: false, ..Settings::default() };
    assert_eq!(Code::with(document(json!({}), page.clone()), settings).count("schemars"), 0);
    // Only an array: no text is kept.
    let mut array = page;
    array["x-alternatives"] = json!({"array": "results"});
    let code = Code::of(document(json!({}), array));
    code.has("deserializer.deserialize_any(__Fields)");
    code.has(".or_array()");
    assert_eq!(code.count("rt::with_item") + code.count(".or_item()"), 0);
}

#[test]
fn malformed_extensions_are_named() {
    let of_property =
        |more: Value| document(json!({}), object(json!({"a": text(more), "b-c": text(json!({}))})));
    let of_thing = |more: Value| {
        let mut thing = object(json!({"a": list(json!({})), "b": text(json!({}))}));
        support::merge(&mut thing, more);
        document(json!({}), thing)
    };
    let alternatives = |more: Value| of_thing(json!({"x-alternatives": more}));
    let whole = "components.schemas.Thing: `x-alternatives`: ";
    let mut beside_reference = document(json!({}), object(json!({"a": list(json!({}))})));
    beside_reference["paths"]["/things/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] =
        json!({"allOf": [reference("Thing")], "x-alternatives": {"array": "a"}});
    let page = json!({"type": "object", "properties": {"next": text(json!({"x-alias": ["following"]})), "results": list(json!({}))}});
    for (document, reason) in [
        (of_property(json!({"x-secret": "yes"})), "Thing.a: `x-secret` is neither `true` nor `false`"),
        (of_property(json!({"x-alias": "b"})), "Thing.a: `x-alias` is no list of names"),
        (of_property(json!({"x-alias": []})), "Thing.a: `x-alias` is no list of names"),
        (of_property(json!({"x-alias": ["b-c"]})), "Thing.a: `x-alias: b-c`: `b-c` has this name"),
        (of_property(json!({"x-alias": ["a"]})), "Thing.a: `x-alias: a`: `a` has this name"),
        (of_property(json!({"x-alias": ["d", "d"]})), "Thing.a: `x-alias: d`: `a` has this name"),
        (
            of_thing(json!({"x-secret": true})),
            "Thing: `x-secret` has no effect here: it belongs to a property or a parameter",
        ),
        (
            document(json!({}), object(json!({"a": {"type": "array", "items": secret()}}))),
            "Thing.a.items: `x-secret` has no effect here",
        ),
        (alternatives(json!(["a"])), &format!("{whole}it is no object")),
        (alternatives(json!({})), &format!("{whole}it names no field")),
        (alternatives(json!({"array": 1})), &format!("{whole}it names no field")),
        (alternatives(json!({"list": "a"})), &format!("{whole}`list` is neither `array` nor `item`")),
        (
            alternatives(json!({"array": "a", "item": "b"})),
            &format!("{whole}`array` and `item` don't name the same field"),
        ),
        (alternatives(json!({"array": "b"})), &format!("{whole}`b` is no field with an array")),
        (alternatives(json!({"item": "z"})), &format!("{whole}`z` is no field with an array")),
        (
            document(json!({}), list(json!({"x-alternatives": {"array": "a"}}))),
            &format!("{whole}it isn't beside the properties of an object"),
        ),
        (
            beside_reference,
            "GET /things/ (list_things): `x-alternatives`: it isn't beside the properties of an object",
        ),
        (
            document(json!({}), text(json!({"enum": ["a"], "x-case-insensitive": 1}))),
            "Thing: `x-case-insensitive` is neither `true` nor `false`",
        ),
        (
            document(json!({}), text(json!({"enum": ["ab", "aB"], "x-case-insensitive": true}))),
            "Thing: `x-case-insensitive`: `aB` differs from another value only in case",
        ),
    ] {
        let error = refused(document);
        assert!(error.contains(reason), "{reason}\n{error}");
    }
    let error = generate(document(json!({}), page)).err().unwrap();
    assert!(error.contains("`x-alias`: a list's pages have `next` under one name"), "{error}");
}

#[test]
fn misplaced_alias_is_reported() {
    let (document, report) = prepared(document(json!({}), list(json!({"x-alias": ["a"]}))));
    assert_eq!(
        reported(&report, "correct_properties"),
        ["components.schemas.Thing: `x-alias` has no effect here"]
    );
    assert!(thing(&document).get("x-marks").is_none());
}
