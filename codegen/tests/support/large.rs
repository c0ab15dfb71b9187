//! A large document in the style of drf-spectacular: resources with lists, filters, nested objects, choices
//! and actions. Every other resource uses OpenAPI 3.1.

use serde_json::{Map, Value, json};

const RESOURCES: [&str; 25] = [
    "annotation",
    "agent",
    "assignment",
    "audit_log",
    "campaign",
    "collection",
    "comment",
    "data_file",
    "data_unit",
    "dataset",
    "device",
    "experiment",
    "group",
    "invitation",
    "job",
    "label",
    "member",
    "model",
    "permission",
    "plugin",
    "project",
    "review",
    "storage",
    "task",
    "workshop",
];

/// Returns two letters for each of about a hundred countries.
fn countries() -> Vec<String> {
    (b'A'..b'S')
        .flat_map(|one| (b'A'..b'P').map(move |two| [one, two].map(char::from).iter().collect()))
        .collect()
}

/// Returns a document with 150 operations on 25 resources.
pub fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for (index, name) in RESOURCES.iter().enumerate() {
        // Five resources refer to each other in a cycle.
        let next = RESOURCES[index / 5 * 5 + (index + 1) % 5];
        resource(name, next, index % 2 == 1, &mut paths, &mut schemas);
    }
    schemas.insert("CountryEnum".to_owned(), json!({"enum": countries(), "type": "string"}));
    schemas.insert("BlankEnum".to_owned(), json!({"enum": [""]}));
    schemas.insert("NullEnum".to_owned(), json!({"enum": [null]}));
    json!({
        "openapi": "3.1.0",
        "info": {"title": "대규모 API", "version": "4.2.0 (v2)", "summary": "s", "description": "모든 리소스"},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "webhooks": {"finished": {"post": {"operationId": "finished", "responses": {"200": {"description": ""}}}}},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"tokenAuth": {"type": "http", "scheme": "bearer"}},
        },
        "servers": [{"url": "/api/v2"}],
    })
}

fn pascal(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn answer(status: &str, schema: Value) -> Value {
    let error = json!({"type": "object", "properties": {"detail": {"type": "string"}}});
    json!({
        status: {"content": {"application/json": {"schema": schema}}, "description": ""},
        "400": {"content": {"application/json": {"schema": error}}, "description": ""},
        "404": {"description": "No such object."},
    })
}

fn nullable(schema: Value, modern: bool) -> Value {
    match modern {
        true => json!({"anyOf": [schema, {"type": "null"}]}),
        false => {
            let mut schema = schema;
            schema["nullable"] = json!(true);
            schema
        }
    }
}

fn resource(
    name: &str,
    next: &str,
    modern: bool,
    paths: &mut Map<String, Value>,
    schemas: &mut Map<String, Value>,
) {
    let (kind, next) = (pascal(name), pascal(next));
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let body = |schema: &str, required: bool| {
        let content = json!({"schema": reference(schema)});
        json!({
            "content": {"application/json": content, "application/x-www-form-urlencoded": content, "multipart/form-data": content},
            "required": required,
        })
    };
    let id = json!({"in": "path", "name": "id", "schema": {"type": "integer"}, "description": format!("{name}의 id"), "required": true});
    let description =
        format!("# {kind}\n\n{name}를 다룹니다.\n\n```\nclient.{name}s()\n```\n\n    {name}.save()\n");
    paths.insert(format!("/api/{name}s/"), json!({
        "get": {
            "operationId": format!("{name}s_list"), "description": description, "tags": [name],
            "parameters": [
                {"in": "query", "name": "ids", "explode": false, "style": "form", "schema": {"type": "array", "items": {"type": "integer"}}},
                {"in": "query", "name": "created__gte", "schema": {"type": "string", "format": "date-time"}},
                {"in": "query", "name": "created_gte", "schema": {"type": "string", "format": "date-time"}},
                {"in": "query", "name": "status", "schema": reference(&format!("{kind}StatusEnum"))},
                {"in": "query", "name": "ordering", "schema": {"type": "array", "items": {"enum": ["name", "-name"], "type": "string"}}},
                {"in": "query", "name": "page", "description": "A page number within the paginated result set.", "schema": {"type": "integer"}},
            ],
            "responses": answer("200", reference(&format!("Paginated{kind}List"))),
        },
        "post": {
            "operationId": format!("{name}s_create"), "tags": [name], "requestBody": body(&kind, true),
            "responses": answer("201", reference(&kind)),
        },
    }));
    paths.insert(format!("/api/{name}s/{{id}}/"), json!({
        "parameters": [id],
        "get": {"operationId": format!("{name}s_retrieve"), "tags": [name], "responses": answer("200", reference(&kind))},
        "put": {
            "operationId": format!("{name}s_update"), "tags": [name], "requestBody": body(&kind, true),
            "responses": answer("200", reference(&kind)),
        },
        "patch": {
            "operationId": format!("{name}s_partial_update"), "tags": [name], "requestBody": body(&format!("Patched{kind}"), false),
            "responses": answer("200", reference(&kind)),
        },
        "delete": {"operationId": format!("{name}s_destroy"), "tags": [name], "responses": {"204": {"description": "No response body"}}},
    }));
    let choice =
        json!([reference(&format!("{kind}StatusEnum")), reference("BlankEnum"), reference("NullEnum")]);
    let meta = if modern { json!(true) } else { json!({}) };
    let mut properties = json!({
        "id": {"type": "integer", "readOnly": true},
        "name": {"type": "string", "maxLength": 100, "title": kind},
        "is_global": {"type": "boolean", "default": false}, "isGlobal": {"type": "boolean"},
        "status": {"oneOf": choice, "nullable": true},
        "level": {"enum": [1, 2, 3], "type": "integer", "minimum": 0, "maximum": 2147483647},
        "note": nullable(json!({"type": "string"}), modern),
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 10},
        "meta": meta,
        "owner": {"type": "object", "title": "Owner", "properties": {"id": {"type": "integer"}, "email": {"type": "string", "format": "email"}}},
        "next": nullable(json!({"allOf": [reference(&next)]}), modern),
        "created": {"type": "string", "format": "date-time", "readOnly": true},
        "score": {"type": "string", "format": "decimal", "pattern": "^-?\\d{0,3}(?:\\.\\d{0,2})?$"},
        "password": {"type": "string", "writeOnly": true},
        "fixed": if modern { json!({"const": "fixed"}) } else { json!({"enum": ["fixed"], "type": "string"}) },
        "country": reference("CountryEnum"),
        "either": {"type": if modern { json!(["integer", "string", "null"]) } else { json!("string") }},
    });
    let patched = properties.clone();
    if modern {
        properties["sibling"] =
            json!({"$ref": format!("#/components/schemas/{kind}StatusEnum"), "description": "d"});
    }
    let schema = json!({"type": "object", "properties": properties, "required": ["id", "name", "created", "password"]});
    schemas.insert(kind.clone(), schema);
    schemas.insert(format!("Patched{kind}"), json!({"type": "object", "properties": patched}));
    // The name that an inline type of the resource would have.
    schemas.insert(format!("{kind}Owner"), json!({"type": "string"}));
    schemas.insert(
        format!("{kind}StatusEnum"),
        json!({"enum": ["open", "closed", "on_hold"], "type": "string", "description": "* `open` - 열림"}),
    );
    let link = json!({"type": "string", "nullable": true, "format": "uri"});
    schemas.insert(format!("Paginated{kind}List"), json!({
        "type": "object", "required": ["count", "results"],
        "properties": {"count": {"type": "integer"}, "next": link, "previous": link, "results": {"type": "array", "items": reference(&kind)}},
    }));
}
