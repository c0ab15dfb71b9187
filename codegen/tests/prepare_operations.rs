//! Rules for operations and their parameters.

mod support;

use serde_json::{Value, json};
use support::{component, document, get, prepared, reference, reported};
use synapse_codegen::selection::Selection;

fn parameters(list: Value) -> Value {
    document(json!({"parameters": list}), json!({"type": "string"}))
}

/// The names of the parameters of `GET /things/`, sorted.
fn names(document: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        get(document)["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn path_without_slash_is_kept() {
    let mut given = document(json!({}), json!({"type": "string"}));
    let item = given["paths"]["/things/"].clone();
    given["paths"]["others/"] = item.clone();
    given["paths"]["things/"] = item;
    given["paths"]["others/"]["get"]["operationId"] = json!("list_others");
    let (prepared, report) = prepared(given);
    assert!(prepared["paths"]["/others/"]["get"].is_object());
    assert_eq!(
        reported(&report, "start_paths_with_slash"),
        ["others/: /others/ is sent", "things/: /things/ is sent"]
    );
    // Of two equal paths, one is left out and reported.
    let left: Vec<&str> = report.left_out.iter().map(|left| left.operation.as_str()).collect();
    assert_eq!(left, ["GET things/ (list_things)"]);
}

#[test]
fn every_operation_has_unique_id() {
    let mut given = document(json!({"operationId": null}), json!({"type": "string"}));
    let mut item = given["paths"]["/things/"].clone();
    item["get"]["operationId"] = json!("listThings");
    given["paths"]["/a/"] = item.clone();
    item["get"]["operationId"] = json!("list_things");
    given["paths"]["/b/{id}/"] = item.clone();
    item["get"]["operationId"] = json!("result");
    given["paths"]["/c/"] = item;
    let (prepared, report) = prepared(given);
    let id = |path: &str| prepared["paths"][path]["get"]["operationId"].as_str().unwrap();
    assert_eq!(
        [id("/things/"), id("/a/"), id("/b/{id}/"), id("/c/")],
        ["get_things", "listThings", "list_things_2", "result_2"]
    );
    assert_eq!(reported(&report, "make_operation_ids_unique").len(), 3);
}

#[test]
fn only_requests_and_answers_stay() {
    let mut given = document(
        json!({"callbacks": {"done": {}}, "servers": [{"url": "/v2"}], "security": [{}], "x-more": 1, "responses": null}),
        json!({"type": "string"}),
    );
    given["components"]["securitySchemes"] = json!({"token": {"type": "nonsense"}});
    given["servers"] = json!("nonsense");
    given["info"] = json!({"title": "t", "contact": 7});
    let (prepared, report) = prepared(given);
    assert_eq!(prepared["info"], json!({"title": "t", "version": ""}));
    assert!(prepared.get("servers").is_none() && prepared["components"].get("securitySchemes").is_none());
    assert_eq!(get(&prepared).as_object().unwrap().keys().collect::<Vec<_>>(), ["operationId", "responses"]);
    assert_eq!(
        reported(&report, "keep_requests_and_responses"),
        [
            "GET /things/ (list_things): left out `callbacks`",
            "GET /things/ (list_things): left out `servers`"
        ]
    );
    assert_eq!(
        reported(&report, "add_missing_responses"),
        ["GET /things/ (list_things): `responses` is missing"]
    );
}

#[test]
fn file_in_json_body_makes_it_a_form() {
    let body = |types: &[&str], schema: Value| {
        let content: serde_json::Map<String, Value> =
            types.iter().map(|name| ((*name).to_owned(), json!({"schema": schema}))).collect();
        prepared(document(json!({"requestBody": {"content": content}}), json!({"type": "string"})))
    };
    let file = json!({"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}});
    let (raw, _) = body(&["application/json", "multipart/form-data"], file.clone());
    assert!(get(&raw)["requestBody"]["content"]["application/octet-stream"].is_object());
    // A request body has no read-only fields.
    let mut read_only = file;
    read_only["properties"]["file"]["readOnly"] = json!(true);
    let (json, _) = body(&["application/json", "multipart/form-data"], read_only);
    assert!(get(&json)["requestBody"]["content"]["application/json"].is_object());
    // If a field may be the file's URL, the body is JSON or a form.
    let link = json!({"type": "object", "properties": {"file": {"type": "string", "format": "uri"}}});
    let (json, report) = body(&["application/json", "multipart/form-data"], link.clone());
    assert!(get(&json)["requestBody"]["content"]["application/json"].is_object());
    assert!(report.notes.forms["list_things"].fields["file"].is_file);
    assert!(body(&["application/json"], link).1.notes.forms.is_empty());
    // A single type is the body's type.
    let (_, report) = body(&["text/csv"], json!({"type": "string"}));
    assert_eq!(report.notes.request_types["list_things"], "text/csv");
    let (_, report) = body(&["multipart/form-data"], json!({}));
    assert!(report.notes.request_types.is_empty() && report.notes.optional_bodies.contains("list_things"));
}

#[test]
fn vendor_json_is_json_bytes_are_bytes() {
    let answer = |types: Value| {
        prepared(document(
            json!({"responses": {"200": {"description": "", "content": types}}}),
            json!({"type": "string"}),
        ))
    };
    let schema = json!({"schema": reference("Thing")});
    let (vendor, report) = answer(json!({"application/vnd.api+json": schema}));
    assert!(get(&vendor)["responses"]["200"]["content"]["application/json"].is_object());
    assert_eq!(report.notes.answer_types["list_things"], "application/vnd.api+json");
    let bytes = json!({"schema": {"type": "string", "format": "binary"}});
    let (file, report) = answer(json!({"application/json": bytes}));
    assert!(get(&file)["responses"]["200"]["content"]["application/octet-stream"].is_object());
    assert_eq!(reported(&report, "keep_one_response_type").len(), 1);
    let (table, report) = answer(json!({"text/csv": {"schema": {"type": "string"}}, "text/plain": {}}));
    assert!(get(&table)["responses"]["200"]["content"]["application/octet-stream"].is_object());
    assert_eq!(report.notes.answer_types["list_things"], "text/csv");
    assert_eq!(
        reported(&report, "keep_one_response_type"),
        ["GET /things/ (list_things): text/csv is asked for; left out text/plain"]
    );
}

#[test]
fn unsendable_parameters_are_dropped() {
    let mut given = parameters(json!([
        {"name": "gone", "in": "path", "required": true, "schema": {"type": "string"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}},
        {"name": "Accept", "in": "header", "schema": {"type": "string"}},
        {"name": "q", "in": "query"},
        {"name": "q", "in": "query", "schema": {"type": "integer"}},
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
    ]));
    let item = given["paths"]["/things/"].take();
    given["paths"] = json!({"/things/{id}/": item});
    let (prepared, report) = prepared(given);
    let list = &prepared["paths"]["/things/{id}/"]["get"]["parameters"];
    let mut names: Vec<&str> = list.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["filter", "id", "q", "session"]);
    let session = list.as_array().unwrap().iter().find(|p| p["name"] == "session").unwrap();
    assert_eq!((&session["in"], &session["x-cookie"]), (&json!("header"), &json!(true)));
    assert_eq!(reported(&report, "make_parameters_sendable").len(), 6);
}

#[test]
fn query_object_becomes_its_properties() {
    let schema =
        json!({"type": "object", "properties": {"age": {"type": "integer"}, "name": {"type": "string"}}});
    let (deep, report) = prepared(parameters(json!([
        {"name": "filter", "in": "query", "style": "deepObject", "explode": true, "schema": schema},
    ])));
    assert_eq!(names(&deep), ["filter[age]", "filter[name]"]);
    assert_eq!(reported(&report, "split_query_objects").len(), 1);
    let (form, _) = prepared(parameters(json!([{"name": "filter", "in": "query", "schema": schema}])));
    assert_eq!(names(&form), ["age", "name"]);
    let (text, report) =
        prepared(parameters(json!([{"name": "filter", "in": "query", "explode": false, "schema": schema}])));
    assert_eq!(get(&text)["parameters"][0]["schema"], json!({"type": "string"}));
    assert_eq!(reported(&report, "simplify_parameters").len(), 1);
}

#[test]
fn query_lists_are_joined_as_declared() {
    let list = |items: Value| json!({"type": "array", "items": items});
    let (prepared, report) = prepared(parameters(json!([
        {"name": "ids", "in": "query", "explode": false, "schema": list(json!({"type": "integer", "minimum": 1}))},
        {"name": "pipes", "in": "query", "style": "pipeDelimited", "schema": list(json!({"type": "integer"}))},
        {"name": "tags", "in": "query", "schema": list(json!({"type": "string", "enum": ["a", "b"]}))},
        {"name": "X-Words", "in": "header", "schema": list(json!({"type": "string"}))},
    ])));
    let schema = |name: &str| {
        get(&prepared)["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["name"] == name)
            .map(|p| p["schema"].clone())
            .unwrap()
    };
    assert_eq!(schema("ids"), list(json!({"type": "integer"})));
    assert_eq!(schema("tags"), json!({"allOf": [reference("StringList")]}));
    assert_eq!(schema("X-Words"), json!({"type": "string"}));
    let joined = &report.notes.joined["list_things"];
    assert_eq!(
        joined.iter().map(|(name, by)| (name.as_str(), *by)).collect::<Vec<_>>(),
        [("ids", ","), ("pipes", "|")]
    );
}

#[test]
fn clashing_setters_are_renamed() {
    let text = json!({"type": "string"});
    let mut given = parameters(json!([
        {"name": "id", "in": "query", "schema": text}, {"name": "id", "in": "path", "required": true, "schema": text},
        {"name": "created__gte", "in": "query", "schema": text}, {"name": "created_gte", "in": "query", "schema": text},
        {"name": "new", "in": "query", "schema": text}, {"name": "body", "in": "query", "schema": text},
    ]));
    given["paths"]["/things/"]["get"]["requestBody"] =
        json!({"content": {"application/json": {"schema": reference("Thing")}}});
    let item = given["paths"]["/things/"].take();
    given["paths"] = json!({"/things/{id}/": item});
    let (_, report) = prepared(given);
    let renamed: Vec<(&str, &str)> =
        report.notes.parameters["list_things"].iter().map(|r| (r.from.as_str(), r.wire.as_str())).collect();
    assert_eq!(
        renamed,
        [
            ("id_query", "id"),
            ("created_gte_query", "created_gte"),
            ("new_query", "new"),
            ("body_query", "body")
        ]
    );
}

#[test]
fn expandable_key_is_id_or_object() {
    let expand = json!([{"name": "expand", "in": "query", "schema": {"type": "array", "items": {"type": "string", "enum": ["owner"]}}}]);
    let mut given = document(
        json!({"parameters": expand}),
        json!({"type": "object", "properties": {"results": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}),
    );
    given["components"]["schemas"]["Item"] =
        json!({"type": "object", "properties": {"owner": {"type": "integer"}, "other": {"type": "integer"}}});
    let (prepared, report) = prepared(given);
    let item = &component(&prepared, "Item")["properties"];
    assert_eq!(item["owner"]["allOf"], json!([reference("Expandable")]));
    assert_eq!(item["other"], json!({"type": "integer"}));
    assert_eq!(reported(&report, "mark_expandable_keys").len(), 1);
}

#[test]
fn selection_reports_what_it_leaves_out() {
    let operation = |id: &str, tag: &str| json!({"get": {"operationId": id, "tags": [tag], "responses": {"200": {"description": ""}}}});
    let whole = json!({"paths": {
        "/a/": operation("a", "one"), "/b/": operation("b", "two"), "b/c/": operation("c", "three"), "/d/": operation("d", "three"),
    }});
    let apply = |text: &str| {
        let mut document = whole.clone();
        let left = Selection::parse(text)
            .and_then(|selection| selection.apply(&mut document, "SYNAPSE_OPENAPI_ONLY"));
        left.map(|left| {
            (document["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>(), left.len())
        })
    };
    assert_eq!(apply("one, /b/"), Ok((vec!["/a/".to_owned(), "/b/".to_owned(), "b/c/".to_owned()], 1)));
    assert_eq!(apply("three").unwrap().1, 2);
    let error = apply("one,/x/").unwrap_err();
    assert_eq!(
        error,
        "no path begins with `/x/`; there are the tags one, three, two and paths in /a, /b, /d"
    );
    assert!(apply("models").unwrap_err().starts_with("no operation has the tag `models`"));
    assert_eq!(apply(" , ").unwrap_err(), "it names neither a tag nor the beginning of a path");
}

#[test]
fn shaped_answer_of_any_type_is_json() {
    let answer = |name: &str, schema: Value| {
        let content = json!({name: {"schema": schema}});
        let (document, report) = prepared(document(
            json!({"responses": {"200": {"description": "", "content": content}}}),
            json!({}),
        ));
        let content = get(&document)["responses"]["200"]["content"].as_object().unwrap();
        let kept = content.keys().next().unwrap().clone();
        (kept, report.notes.answer_types.get("list_things").cloned())
    };
    let any = Some("application/json, */*;q=0.1".to_owned());
    let list = json!({"type": "array", "items": {"type": "string"}});
    assert_eq!(answer("*/*", reference("Json")), ("application/octet-stream".to_owned(), None));
    assert_eq!(answer("*/*", list.clone()), ("application/json".to_owned(), any.clone()));
    assert_eq!(answer("application/*; charset=utf-8", list), ("application/json".to_owned(), any));
    assert_eq!(
        answer("*/*", json!({"type": "string", "format": "binary"})),
        ("application/octet-stream".to_owned(), None)
    );
    assert_eq!(answer("*/*", json!({"type": "string"})), ("application/octet-stream".to_owned(), None));
}

#[test]
fn header_names_are_valid_and_unique() {
    let header = |name: &str| json!({"name": name, "in": "header", "schema": {"type": "string"}});
    let (document, report) =
        prepared(parameters(json!([header("X-Trace"), header("x-trace"), header("a b"), header("é")])));
    assert_eq!(names(&document), ["X-Trace"]);
    let reported = reported(&report, "make_parameters_sendable");
    assert_eq!(
        reported.iter().filter(|reported| reported.contains("it is no name of a header")).count(),
        2,
        "{reported:?}"
    );
    assert!(
        reported.iter().any(|reported| reported.ends_with("`x-trace`: it stands there twice")),
        "{reported:?}"
    );
}

#[test]
fn shared_path_item_is_selected() {
    let mut given = document(json!({}), json!({"type": "string"}));
    let item = json!({"get": {"operationId": "shared", "tags": ["odd"], "responses": {}}, "put": {"operationId": "other", "responses": {}}});
    given["components"]["pathItems"] = json!({"Odd": item});
    given["paths"]["/odd/"] = json!({"$ref": "#/components/pathItems/Odd"});
    let left_out = Selection::parse("odd").unwrap().apply(&mut given, "SYNAPSE_OPENAPI_ONLY").unwrap();
    let left_out: Vec<&str> = left_out.iter().map(|left_out| left_out.operation.as_str()).collect();
    assert_eq!(left_out, ["PUT /odd/ (other)", "GET /things/ (list_things)"]);
    assert!(given["paths"]["/odd/"]["get"].is_object());
}

#[test]
fn invalid_parameters_are_reported() {
    let nameless = json!({"in": "query", "schema": {"type": "string"}});
    let both = json!({"name": "a", "in": "query", "schema": {"type": "string"}, "content": {"application/json": {}}});
    let (document, report) = prepared(document(
        json!({"parameters": [nameless, both], "responses": {"200": null}}),
        json!({"type": "string", "minProperties": -3}),
    ));
    assert_eq!(names(&document), ["a"]);
    assert!(
        get(&document)["parameters"][0].get("content").is_none()
            && get(&document)["responses"]["200"].is_object()
    );
    assert!(
        reported(&report, "make_parameters_sendable")[0]
            .ends_with("left out the parameter ``: it has no name")
    );
}

#[test]
fn clashing_path_parameters_stay_in_order() {
    let parameter =
        |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let operation = json!({
        "operationId": "get_thing", "parameters": [parameter("a-b"), parameter("a_b"), parameter("a.b")],
        "responses": {"200": {"description": ""}},
    });
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {"/{a-b}/x/{a_b}/y/{a.b}/": {"get": operation}},
    });
    let (prepared, _) = prepared(document);
    let paths = prepared["paths"].as_object().unwrap();
    let (path, item) = paths.iter().find(|(_, item)| item.get("get").is_some()).unwrap();
    let names: Vec<&str> =
        item["get"]["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(*path, format!("/{{{}}}/x/{{{}}}/y/{{{}}}/", names[0], names[1], names[2]));
}

#[test]
fn renamed_placeholder_changes_everywhere() {
    let parameter =
        |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    let operation = |id: &str, name: &str| json!({"get": {"operationId": id, "parameters": [parameter(name)], "responses": {}}});
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {
            "/a/{send}/b/{send}/": operation("twice", "send"),
            "/c/{send}/": operation("renamed", "send"), "/c/{send_path}/": operation("kept", "send_path"),
        },
    });
    let (prepared, _) = prepared(document);
    let mut at: Vec<(&str, &str, &str)> = prepared["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(path, item)| {
            let operation = item.get("get")?;
            Some((
                operation["operationId"].as_str()?,
                path.as_str(),
                operation["parameters"][0]["name"].as_str()?,
            ))
        })
        .collect();
    at.sort_unstable();
    assert_eq!(
        at,
        [
            ("kept", "/c/{send_path}/", "send_path"),
            ("renamed", "/c/{send_path_}/", "send_path_"),
            ("twice", "/a/{send_path}/b/{send_path}/", "send_path"),
        ]
    );
}

#[test]
fn parts_of_query_object_may_be_required() {
    let schema = json!({"type": "object", "required": ["age"], "properties": {
        "age": {"type": "integer", "description": "In years."}, "name": {"type": "string"},
    }});
    let parts = |required: bool| {
        let (document, _) = prepared(parameters(json!([
            {"name": "of", "in": "query", "required": required, "description": "Who.", "schema": schema},
        ])));
        let mut parts = get(&document)["parameters"].as_array().unwrap().clone();
        parts.sort_by_key(|part| part["name"].to_string());
        parts
            .iter()
            .map(|part| {
                (part["required"].as_bool().unwrap(), part["description"].as_str().unwrap().to_owned())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(true), [(true, "In years.".to_owned()), (false, "Who.".to_owned())]);
    assert_eq!(parts(false), [(false, "In years.".to_owned()), (false, "Who.".to_owned())]);
}

#[test]
fn ranges_of_types_and_statuses_are_answers() {
    let schema = json!({"schema": {"type": "integer"}});
    let (document, report) = prepared(document(
        json!({
            "requestBody": {"content": {"application/*+json": schema}},
            "responses": {"2XX": {"description": "", "content": {"application/json": schema}}, "204": {"description": ""}},
        }),
        json!({}),
    ));
    assert_eq!(report.notes.empty_answers["list_things"], 0);
    assert!(get(&document)["requestBody"]["content"]["application/json"].is_object());
    assert!(report.notes.request_types.is_empty());
}

#[test]
fn extension_beside_paths_is_left_alone() {
    let mut given = document(json!({}), json!({"type": "string"}));
    given["paths"]["x-templates"] =
        json!({"get": {"requestBody": {"$ref": "#/components/requestBodies/Missing"}}});
    let (prepared, _) = prepared(given);
    assert!(get(&prepared).is_object());
}
