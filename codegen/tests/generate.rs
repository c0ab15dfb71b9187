//! The generated code of each case.

use serde_json::{Value, json};
use synapse_codegen::document::read;
use synapse_codegen::generate::{Settings, Target, generate, generate_with};

/// Returns the code without white space, so that line breaks don't matter.
fn code(document: Value) -> String {
    let code = generate(document).map(|generated| generated.code).unwrap_or_else(|error| panic!("{error}"));
    code.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn own_document() -> Value {
    read(concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi").as_ref()).unwrap()
}

fn document(operations: Value, schemas: Value) -> Value {
    json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": operations, "components": {"schemas": schemas},
    })
}

fn answer(schema: Value) -> Value {
    json!({"200": {"description": "", "content": {"application/json": {"schema": schema}}}})
}

#[test]
fn every_operation_is_generated_once() {
    let document = own_document();
    let code = code(document.clone());
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let described = format!("OperationInfo::new( \"{id}\",");
            let described = code.replace("new(\"", "new( \"").matches(&described).count();
            assert_eq!(described, 1, "{id}");
            // What follows a `#` isn't sent.
            let shown = path.split('#').next().unwrap();
            assert!(code.contains(&format!("`{} {shown}`", method.to_uppercase())), "{id}");
            count += 1;
        }
    }
    assert_eq!(code.matches("impl rt::Described for").count(), count);
    for gone in ["async fn send", "api-version", "ResponseValue", "ClientHooks", "unwrap()"] {
        assert!(!code.contains(gone), "{gone} is still there");
    }
}

#[test]
fn dependent_has_no_handwritten_parts() {
    let target = Target::Dependent { exported_at: "own_crate" };
    let generated = generate_with(own_document(), Settings { target, ..Settings::default() });
    let generated = generated.map_err(|error| panic!("{error}")).ok().unwrap();
    assert!(generated.absent.is_empty());
    // Handwritten code takes over neither.
    for method in ["fn create_model(", "fn start_chunked_upload("] {
        assert!(generated.methods.contains(method), "{method}\n{}", generated.methods);
    }
    for part in ["pub trait Methods: ::std::convert::AsRef<BackendClient>", "# use own_crate::Methods as _;"]
    {
        assert!(generated.methods.contains(part), "{part}\n{}", generated.methods);
    }
    assert!(generated.table.contains("[`get_model`](Methods::get_model)"), "{}", generated.table);
    // Paths in the code, not in its documentation.
    for code in [&generated.code, &generated.methods] {
        let own: Vec<&str> = code.lines().filter(|line| line.contains("crate::")).collect();
        assert!(own.iter().all(|line| line.contains("own_crate::") || !line.contains(" crate::")), "{own:?}");
        assert!(code.contains("::synapse_backend_client::"), "{code}");
    }
}

#[test]
fn code_carries_descriptions() {
    let code = code(own_document()).replace("( mut", "(mut");
    assert!(code.contains(
        "///Only models of the project with this id. pub fn project(mut self, value: impl rt::In<i64>)"
    ));
    assert!(code.contains(
        "///The chunk's byte range in the file: `bytes <first>-<last>/<total>`. pub fn content_range(mut self,"
    ));
    assert!(
        code.contains(
            "///How the model is configured, such as its input size. pub fn configuration(mut self,"
        )
    );
}

#[test]
fn only_request_types_have_builders() {
    let code = code(own_document());
    assert!(code.contains("#[derive(PartialEq)] #[non_exhaustive] pub struct Model {"));
    assert!(code.contains("pub fn builder() -> builder::ModelCreate"));
    assert!(!code.contains("pub fn builder() -> builder::Model {"));
    assert!(code.contains("impl crate::Page for ModelPage"));
}

#[test]
fn enumeration_accepts_unknown_text() {
    let operation = json!({"get": {"operationId": "get_kind", "responses": answer(json!({"$ref": "#/components/schemas/Kind"}))}});
    let kind = json!({"type": "string", "enum": ["a-b", "unrecognized"]});
    let code = code(document(json!({"/kind/": operation}), json!({"Kind": kind})));
    assert!(code.contains("AB, ///`unrecognized` Unrecognized,"), "{code}");
    assert!(code.contains("UnrecognizedValue(::std::string::String)"));
    assert!(code.contains("\"a-b\" => Self::AB"));
}

#[test]
fn large_enumeration_avoids_macro() {
    let operation = json!({"get": {"operationId": "get_kind", "responses": answer(json!({"$ref": "#/components/schemas/Kind"}))}});
    let values: Vec<String> = (0..300).map(|number| format!("v{number}")).collect();
    let code =
        code(document(json!({"/kind/": operation}), json!({"Kind": {"type": "string", "enum": values}})));
    assert!(
        code.contains("rt::open_enum_schema( &[ \"v0\", \"v1\",") && !code.contains("json_schema!"),
        "{code}"
    );
}

#[test]
fn empty_and_byte_answers_have_kinds() {
    let operations = json!({
        "/gone/{id}/": {"delete": {
            "operationId": "delete_thing", "responses": {"204": {"description": ""}},
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
        }},
        "/file/": {"get": {"operationId": "get_file", "responses": {"200": {"description": "", "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}}},
        "/table/": {"get": {"operationId": "get_table", "responses": {"200": {"description": "", "content": {
            "text/csv": {"schema": {"type": "string"}}}}}}},
        "/vendor/": {"get": {"operationId": "get_vendor", "responses": {"200": {"description": "", "content": {
            "application/vnd.api+json": {"schema": {"type": "string"}}}}}}},
    });
    let code = code(document(operations, json!({})));
    assert!(code.contains("type Output = (); type Decoder = rt::EmptyDecoder;"));
    assert!(code.contains("type Output = rt::ByteStream; type Decoder = rt::BytesDecoder;"));
    assert!(code.contains(r#"parameters: &[rt::ParameterInfo::path("id")]"#), "{code}");
    // Bytes are accepted in any type, JSON only as JSON.
    assert!(
        code.contains("accept: Some(\"text/csv, */*;q=0.1\")")
            && code.contains("accept: Some(\"application/vnd.api+json\")")
    );
}

#[test]
fn maybe_empty_answer_is_option() {
    let mut responses = answer(json!({"type": "integer"}));
    responses["204"] = json!({"description": ""});
    let code =
        code(document(json!({"/n/": {"get": {"operationId": "get_n", "responses": responses}}}), json!({})));
    assert!(code.contains("type Output = ::std::option::Option<i64>;"), "{code}");
    assert!(code.contains("type Decoder = rt::OptionalJsonDecoder<i64, 200u16>;"), "{code}");
}

/// Generates an operation that sends and receives `schema`.
fn both(schemas: Value) -> String {
    let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}});
    let operation = json!({
        "operationId": "set_thing", "requestBody": {"required": true, "content": content},
        "responses": {"200": {"description": "", "content": content}},
    });
    code(document(json!({"/things/": {"put": operation}}), schemas))
}

#[test]
fn list_setter_converts_each_item() {
    let code = both(json!({
        "Thing": {"type": "object", "properties": {
            "kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "ids": {"type": "array", "items": {"type": "integer"}},
        }},
    }))
    .replace(' ', "")
    .replace(",>", ">")
    .replace(",)", ")");
    for setter in [
        "pubfnkinds(mutself,value:implrt::In<::std::vec::Vec<super::ThingKindsItem>>)->Self{rt::set(&mutself.kinds,\"kinds\",value,",
        "pubfnparts(mutself,value:implrt::In<::std::vec::Vec<super::ThingPartsItem>>)->Self{",
        "pubfnids(mutself,value:implrt::In<::std::vec::Vec<i64>>)->Self{",
        "implrt::ArgumentforThingPartsItem{",
    ] {
        assert!(code.contains(setter), "{setter}\n{code}");
    }
}

#[test]
fn nested_body_parts_have_builders() {
    let part =
        |name: &str| json!({"type": "object", "properties": {name: {"type": "string", "nullable": true}}});
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let list = json!({"Thing": {"type": "array", "items": reference("Part")}, "Part": part("a")});
    let choice = json!({"Thing": {"oneOf": [reference("Part"), reference("Other")]}, "Part": part("a"), "Other": part("b")});
    for schemas in [list, choice] {
        let code = both(schemas);
        assert!(code.contains("pub fn builder() -> builder::Part"), "{code}");
        assert!(code.contains("pub fn a_null(mut self)"), "{code}");
    }
}

#[test]
fn recursive_fields_are_optional_unboxed() {
    let field = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let code = both(json!({
        "Thing": {"type": "object", "properties": {"itself": field("Thing"), "link": field("Link")}},
        "Link": {"type": "object", "properties": {"of": field("Thing")}},
    }));
    assert!(!code.contains("::std::boxed::Box<::std::option::Option<"), "{code}");
    assert_eq!(
        code.matches("#[serde(skip_serializing_if = \"::std::option::Option::is_none\")]").count(),
        3,
        "{code}"
    );
    assert!(!code.contains("TryInto<::std::boxed::Box<"), "{code}");
}

#[test]
fn tag_decides_despite_rust_type_names() {
    let solid = |kind: &str| json!({"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": [kind]}, "next": {"$ref": "#/components/schemas/Thing"}}});
    let code = both(json!({
        "Thing": {
            "oneOf": [{"$ref": "#/components/schemas/Box"}, {"$ref": "#/components/schemas/Vec"}],
            "discriminator": {"propertyName": "kind", "mapping": {"box": "#/components/schemas/Box", "vec": "#/components/schemas/Vec"}},
        },
        "Box": solid("box"),
        "Vec": solid("vec"),
    }))
    .replace(' ', "");
    assert!(code.contains("Unrecognized(crate::Json)"), "{code}");
}

#[test]
fn untagged_choice_is_best_fit() {
    let code = both(json!({
        "Thing": {"oneOf": [{"$ref": "#/components/schemas/Short"}, {"$ref": "#/components/schemas/Long"}, {"type": "string"}]},
        "Short": {"type": "object", "properties": {"a": {"type": "string"}}},
        "Long": {"type": "object", "properties": {"a": {"type": "string"}, "bC": {"type": "string"}}},
    }))
    .replace(' ', "")
    .replace(",)", ")");
    let code = code.replace("rt::", "").replace(",]", "]");
    assert!(
        code.contains(r#"by_fit(&value,&[Shape::Object(&["a"]),Shape::Object(&["a","bC"]),Shape::Other])"#),
        "{code}"
    );
    assert!(code.contains("Unrecognized(crate::Json)"), "{code}");
}

#[test]
fn invalid_openapi_error_names_place() {
    let broken = json!({"/a/": {"get": {"operationId": "a", "responses": answer(json!({"type": "string", "externalDocs": 5}))}}});
    let error = generate(document(broken, json!({}))).err().unwrap();
    assert!(error.starts_with("GET /a/ (a): ") && error.lines().count() == 1, "{error}");
    let operation = json!({"get": {"operationId": "a", "responses": answer(json!({"$ref": "#/components/schemas/Bad"}))}});
    let error = generate(document(
        json!({"/a/": operation}),
        json!({"Bad": {"type": "object", "externalDocs": 5, "properties": {"x": {"type": "string"}}}}),
    ));
    let error = error.err().unwrap();
    assert!(
        error.starts_with("components.schemas.Bad (of GET /a/ (a)): ") && error.lines().count() == 1,
        "{error}"
    );
}

#[test]
fn values_of_enumerations_are_named() {
    let code = code(document(
        json!({"/things/": {"get": {"operationId": "list_things", "responses": answer(json!({"$ref": "#/components/schemas/Thing"}))}}}),
        json!({"Thing": {"type": "object", "properties": {
            "level": {"type": "integer", "enum": [1, 2]},
            "sign": {"type": "string", "enum": ["+", "-", "*"]},
            "case": {"type": "string", "enum": ["utf8", "UTF-8"]},
            "kind": {"type": "string", "enum": ["a", "b", "a"]},
        }}}),
    ));
    assert!(code.contains("pub level: ::std::option::Option<i64>"), "{code}");
    assert!(
        code.contains(r#"Self::Asterisk => "*""#) && code.contains(r#"Self::UtfMinus8 => "UTF-8""#),
        "{code}"
    );
}

#[test]
fn descriptions_are_not_doctests() {
    let description = "Lists.\r\n\r\n```\nlet x = 1\n```\n\n    indented()\n    again()\n\nA list:\n* a\n    * b\n\n~~~python\nx\n";
    let code = generate(document(
        json!({"/things/": {"get": {"operationId": "list_things", "description": description, "responses": answer(json!({}))}}}),
        json!({}),
    ));
    let code = code.map(|generated| generated.code).unwrap_or_else(|error| panic!("{error}"));
    let documentation = r#"doc = "Lists.\n\n```text\nlet x = 1\n```\n\n   indented()\n   again()\n\nA list:\n* a\n    * b\n\n~~~text\nx"#;
    assert!(
        code.contains("#[cfg_attr(") && code.contains("not(doctest)") && code.contains(documentation),
        "{code}"
    );
    // A fence of the same length closes a fence. Marks on one line are inline code.
    let description = "a\n````\nb\n```\nc\n````\n```d``` e\nf";
    let code = generate(document(
        json!({"/things/": {"get": {"operationId": "list_things", "description": description, "responses": answer(json!({}))}}}),
        json!({}),
    ));
    let code = code.map(|generated| generated.code).unwrap_or_else(|error| panic!("{error}"));
    assert!(code.contains(r#""a\n````text\nb\n```\nc\n````\n```d``` e\nf"#), "{code}");
}

#[test]
fn reserved_names_and_headers_still_work() {
    let parameter =
        |name: &str, holder: &str| json!({"name": name, "in": holder, "schema": {"type": "string"}});
    let parameters = json!([
        parameter("api-version", "header"),
        parameter("header_map", "query"),
        parameter("from", "query")
    ]);
    let operation = json!({"operationId": "from", "parameters": parameters, "responses": answer(json!({"$ref": "#/components/schemas/Thing"}))});
    let put = json!({
        "operationId": "put_thing", "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
        "responses": {"204": {"description": ""}},
    });
    let object = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    let field = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let code = code(document(
        json!({"/things/": {"get": operation, "put": put}}),
        json!({
            "Thing": {"type": "object", "properties": {
                "a": field("A"), "d": field("D"), "default": field("Default"), "fields": field("Fields"),
                "@type": {"type": "string"}, "type": {"type": "string"},
            }},
            "A": object, "D": object, "Default": object, "Fields": object,
        }),
    ));
    for row in [
        r#"header("api_version") .named("api-version")"#,
        r#"query("header_map_query") .named("header_map")"#,
        r#"query("from")"#,
    ] {
        assert!(code.replace(").named", ") .named").contains(row), "{row}\n{code}");
    }
    assert!(code.contains(r#"rename = "@type""#) && code.contains(r#"rename = "type")"#), "{code}");
    // Clashing names are renamed, and a document can't have the internal ones.
    for named in ["pub struct Default2 ", "struct __Fields;", "fn deserialize<__D: ", "visit_map<__A: "] {
        assert!(code.contains(named), "{named}\n{code}");
    }
}

#[test]
fn shared_path_item_counts_per_use() {
    let operation = json!({"operationId": "things", "responses": {"204": {"description": ""}}});
    let shared = json!({"$ref": "#/components/pathItems/Things"});
    let mut given = document(json!({"/a/": shared, "/b/": shared, "x-note": {"get": {}}}), json!({}));
    given["components"]["pathItems"] = json!({"Things": {"get": operation}});
    let generated = generate(given).map_err(|error| panic!("{error}")).ok().unwrap();
    assert_eq!(generated.operations.iter().collect::<Vec<_>>(), ["things", "things_2"]);
}

#[test]
fn wire_names_are_kept_in_errors() {
    let kind = json!({"type": "string", "enum": ["a", "b"]});
    let code = code(document(
        json!({"/things/": {"get": {"operationId": "list_things", "responses": answer(json!({"$ref": "#/components/schemas/Thing"}))}}}),
        json!({"Thing": {"type": "object", "required": ["default-kind", "flatten-it"], "properties": {"default-kind": kind, "flatten-it": kind}}}),
    ));
    for name in ["default-kind", "flatten-it"] {
        let required = code.contains(&format!(r#"rt::required(field_0, "{name}")?"#))
            || code.contains(&format!(r#"rt::required(field_1, "{name}")?"#));
        assert!(required, "{name}\n{code}");
    }
}

#[test]
fn names_of_prelude_and_arguments_compile() {
    let parameter = |name: &str, holder: &str| json!({"name": name, "in": holder, "required": holder == "path", "schema": {"type": "string"}});
    let get = |id: &str, parameters: Value| json!({"get": {"operationId": id, "parameters": parameters, "responses": answer(json!({"type": "integer"}))}});
    let code = generate(document(
        json!({
            "/a/": get("some", json!([])),
            "/b/": get("none", json!([])),
            "/c/{raw}/": get("files", json!([parameter("raw", "path")])),
            "/d/": get(" list_tasks ", json!([parameter("q ", "query"), {"name": "ids", "in": "query", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}}])),
        }),
        json!({}),
    ));
    let generated = code.map_err(|error| panic!("{error}")).ok().unwrap();
    let text = generated.code.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!text.contains("pub struct Some(") && !text.contains("pub struct None("), "{text}");
    assert!(text.contains(r#"query("ids").joined(",")"#) && text.contains(r#"named("q ")"#), "{text}");
    let methods = generated.methods.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(methods.contains("self.call(|__raw| __raw.files(raw))"), "{methods}");
}

#[test]
fn only_readable_lists_are_in_table() {
    let items =
        json!({"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}});
    let page = json!({"type": "object", "properties": {"results": items, "next": {"type": "string", "nullable": true}}});
    let operation = |id: &str, page: &Value| json!({"operationId": id, "responses": answer(page.clone())});
    let bare = json!({"type": "object", "properties": {"results": items}});
    let code = code(document(
        json!({
            "/things/": {"get": operation("list_things", &page), "post": operation("search_things", &page), "patch": operation("change_things", &page)},
            "/bare/": {"get": operation("list_bare", &bare)},
        }),
        json!({}),
    ));
    let table = code.split_once("pub static LISTS").unwrap().1.split_once("];").unwrap().0;
    assert!(table.contains("builder::ListThings") && table.matches("builder::").count() == 1, "{table}");
    for (builder, is_paged) in
        [("ListThings", true), ("SearchThings", true), ("ChangeThings", false), ("ListBare", false)]
    {
        let paged = code.contains(&format!("impl rt::PagedOperation for {builder} "));
        assert_eq!(paged, is_paged, "{builder}\n{code}");
    }
}

#[test]
fn list_field_has_words_alias_and_secret() {
    let item = json!({"type": "object", "required": ["id"], "properties": {
        "id": {"type": "integer"}, "kind": {"type": "string", "enum": ["a", "-a", ""]},
        "total": {"type": "integer", "x-alias": ["count"]}, "key": {"type": "string", "x-secret": true},
    }});
    let page = json!({"type": "object", "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "next": {"type": "string", "nullable": true},
    }});
    let operation = json!({"operationId": "list_items", "responses": answer(page)});
    let code = code(document(json!({"/items/": {"get": operation}}), json!({"Item": item})));
    let table = code.split_once("pub static LISTS").unwrap().1.split_whitespace().collect::<String>();
    for field in [
        r#"ListField::new("key",rt::ValueKind::Text).nullable().secret()"#,
        r#"ListField::new("kind",rt::ValueKind::Text).nullable().enumerated(&["a","-a",""])"#,
        r#"ListField::new("total",rt::ValueKind::Integer).nullable().aliases(&["count"])"#,
    ] {
        assert!(table.contains(field), "{field}\n{table}");
    }
}

#[test]
fn renamed_field_can_be_cleared() {
    let code = both(json!({"Thing": {"type": "object", "properties": {
        "is_global": {"type": "boolean"}, "isGlobal": {"type": "boolean", "nullable": true},
    }}}));
    assert!(code.contains("pub fn is_global_field_null(mut self)"), "{code}");
    assert!(!code.contains("pub fn is_global_null(mut self)"), "{code}");
}

#[test]
fn list_field_that_holds_null_is_nullable() {
    let item = json!({"type": "object", "required": ["id", "owner", "meta"], "properties": {
        "id": {"type": "integer"}, "owner": {"type": "integer", "nullable": true},
        "meta": {"type": "object", "nullable": true},
    }});
    let page = json!({"type": "object", "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "next": {"type": "string", "nullable": true},
    }});
    let expand = json!({"name": "expand", "in": "query", "schema": {"type": "array", "items": {"type": "string", "enum": ["owner"]}}});
    let operation = json!({"operationId": "list_items", "parameters": [expand], "responses": answer(page)});
    let code = code(document(json!({"/items/": {"get": operation}}), json!({"Item": item})));
    for field in [
        r#"rt::ListField::new("id", rt::ValueKind::Integer),"#,
        r#"rt::ListField::new("meta", rt::ValueKind::Json).nullable()"#,
        r#"rt::ListField::new("owner", rt::ValueKind::IdOrObject).nullable()"#,
    ] {
        assert!(code.contains(field), "{field}\n{code}");
    }
}

#[test]
fn description_needs_no_builder() {
    let object = |field: Value| json!({"type": "object", "properties": {"a": field}});
    let text = json!({"type": "string", "description": "Made of Other things."});
    let mut operations = json!({"/things/": {}, "/others/": {}});
    let content = |name: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
    operations["/things/"]["post"] = json!({
        "operationId": "create_thing", "requestBody": {"required": true, "content": content("Thing")},
        "responses": {"204": {"description": ""}},
    });
    operations["/others/"]["get"] = json!({
        "operationId": "get_other", "responses": {"200": {"description": "", "content": content("Other")}},
    });
    let schemas = json!({"Thing": object(text), "Other": object(json!({"type": "integer"}))});
    let code = code(document(operations, schemas));
    assert!(code.contains("pub fn builder() -> builder::Thing "), "{code}");
    assert!(!code.contains("pub fn builder() -> builder::Other "), "{code}");
}

#[test]
fn placeholder_may_stand_twice() {
    let parameter = json!({"name": "send", "in": "path", "required": true, "schema": {"type": "string"}});
    let operation =
        json!({"operationId": "twice", "parameters": [parameter], "responses": {"204": {"description": ""}}});
    let code = code(document(json!({"/a/{send}/b/{send}/": {"get": operation}}), json!({})));
    assert!(code.contains(r#""/a/{send_path}/b/{send_path}/""#), "{code}");
}

/// Returns the code of the methods without white space.
fn methods(document: Value) -> String {
    let generated = generate(document).map_err(|error| panic!("{error}")).ok().unwrap();
    generated.methods.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn form_is_documented_as_form() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "photo": {"type": "string", "format": "uri"}}});
    let upload = |types: &[&str]| {
        let content: serde_json::Map<String, Value> =
            types.iter().map(|name| ((*name).to_owned(), json!({"schema": schema}))).collect();
        let operation = json!({
            "operationId": "upload", "requestBody": {"required": true, "content": content},
            "responses": {"204": {"description": ""}},
        });
        methods(document(json!({"/files/": {"post": operation}}), json!({})))
    };
    for types in [&["multipart/form-data"][..], &["application/x-www-form-urlencoded", "multipart/form-data"]]
    {
        let methods = upload(types);
        for part in [
            "a form of type `multipart/form-data` ([`UploadForm`](types::form::UploadForm)).",
            "client.upload(|form| form.photo(\"/data/file.bin\")).await?",
        ] {
            assert!(methods.contains(part), "{part}\n{methods}");
        }
    }
    let methods = upload(&["application/json", "multipart/form-data"]);
    for part in [
        "as JSON. [`upload_form`](Self::upload_form) sends a form of type `multipart/form-data`",
        "client.upload(|body| body).await?",
        "client.upload_form(|form| form.photo(\"/data/file.bin\")).await?",
    ] {
        assert!(methods.contains(part), "{part}\n{methods}");
    }
    let methods = upload(&["image/jpeg", "image/png"]);
    assert!(methods.contains("content of type `image/jpeg` or `image/png`."), "{methods}");
}

#[test]
fn document_tells_what_is_idempotent() {
    let operation = |said: Value| {
        let operation =
            json!({"operationId": "send", "x-idempotent": said, "responses": {"204": {"description": ""}}});
        document(json!({"/things/": {"post": operation}}), json!({}))
    };
    let line = "The request is idempotent: it is sent again if its outcome is unknown.";
    assert!(code(operation(json!(true))).contains("idempotent: true,"));
    assert!(methods(operation(json!(true))).contains(line));
    assert!(!code(operation(json!(false))).contains("idempotent"));
    assert!(!methods(operation(json!(false))).contains(line));
    for other in [json!("yes"), json!(1), json!(null)] {
        let error = generate(operation(other)).err().unwrap();
        assert_eq!(error, "POST /things/ (send): `x-idempotent` is neither `true` nor `false`");
    }
}

#[test]
fn ids_of_the_document_are_kept() {
    let get = |id: &str| json!({"operationId": id, "responses": answer(json!({"type": "integer"}))});
    let whole = json!({"operationId": "tasks_read", "parameters": [{"name": "task_href", "in": "path", "required": true, "schema": {"type": "string"}}], "responses": answer(json!({"type": "integer"}))});
    let mut renamed = whole.clone();
    renamed["operationId"] = "objects_read".into();
    renamed["parameters"][0]["name"] = "key".into();
    renamed["parameters"][0]["x-name"] = "object_key".into();
    let code = code(document(
        json!({"/a/": {"get": get("things.list")}, "/b/": {"get": get("things.list")}, "{task_href}": {"get": whole}, "{key}": {"get": renamed}}),
        json!({}),
    ));
    assert_eq!(code.matches(r#"OperationInfo::new("things.list","#).count(), 2, "{code}");
    assert!(
        code.contains("pub fn things_list_2(")
            && code.contains(r#"new("tasks_read", "GET", "/{+task_href}")"#),
        "{code}"
    );
}

#[test]
fn odd_component_names_keep_null_setters() {
    for name in ["x-y", "사용자", "api.v1_thing"] {
        let content =
            json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
        let operation = json!({"operationId": "change", "requestBody": {"required": true, "content": content}, "responses": {"200": {"description": "", "content": content}}});
        let thing = json!({"type": "object", "properties": {"note": {"type": "string", "nullable": true}, "tag-list": {"type": "array", "items": {"type": "string"}}}});
        let code = code(document(json!({"/a/": {"patch": operation}}), json!({name: thing})));
        assert!(code.contains("pub fn note_null(mut self)"), "{name}\n{code}");
    }
}

#[test]
fn strict_document_is_taken_at_its_word() {
    let thing = json!({"type": "object", "required": ["id", "label", "owner"], "properties": {
        "id": {"type": "integer", "readOnly": true}, "label": {"type": "string", "readOnly": true},
        "owner": {"type": "integer"}, "note": {"type": "string"},
    }});
    let operation = json!({"operationId": "get_thing", "responses": answer(json!({"$ref": "#/components/schemas/Thing"}))});
    let given = document(json!({"/thing/": {"get": operation}}), json!({"Thing": thing}));
    for strict in [false, true] {
        let generated = generate_with(given.clone(), Settings { strict, ..Settings::default() });
        let code = generated.map(|generated| generated.code).unwrap_or_else(|error| panic!("{error}"));
        for (part, is_strict) in [
            ("pub label: ::std::option::Option<::std::string::String>", false),
            ("pub label: ::std::string::String", true),
            ("rt::Object::new(map, \"Thing\", |json| json)", false),
            ("rt::Object::strict(map)", true),
        ] {
            assert_eq!(code.contains(part), strict == is_strict, "{strict}: {part}\n{code}");
        }
        assert!(code.contains("pub id: i64") && code.contains("pub owner: i64"), "{code}");
    }
}
