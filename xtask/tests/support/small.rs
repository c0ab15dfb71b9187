//! A small document.

use serde_json::Value;

/// Returns a small document.
pub fn document() -> Value {
    let page = |of: &str| {
        serde_json::json!({"description": "", "content": {"application/json": {"schema": {
            "type": "object",
            "required": ["results"],
            "properties": {"results": {"type": "array", "items": {"$ref": format!("#/components/schemas/{of}")}}}
        }}}})
    };
    serde_json::json!({
        "openapi": "3.0.3",
        "info": {"title": "small", "version": "1"},
        "security": [{"token": []}],
        "paths": {
            "/models/": {
                "get": {
                    "operationId": "list_models",
                    "parameters": [
                        {"name": "project", "in": "query", "schema": {"type": "integer", "format": "int64"}},
                        {"name": "order", "in": "query", "schema": {"type": "string", "enum": ["id", "name"]}},
                        {"name": "ids", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}}},
                        {"$ref": "#/components/parameters/Search"}
                    ],
                    "responses": {"200": page("Model"), "404": {"description": ""}}
                },
                "post": {
                    "operationId": "create_model",
                    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ModelCreate"}}}},
                    "responses": {"201": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}}}
                }
            },
            "/models/{id}/": {
                "get": {
                    "operationId": "get_model",
                    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer", "format": "int64"}}],
                    "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}}}
                }
            },
            "/uploads/": {
                "put": {
                    "operationId": "start_upload",
                    "parameters": [{"name": "Content-Range", "in": "header", "required": true, "schema": {"type": "string"}}],
                    "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Chunk"}}}},
                    "responses": {"204": {"description": ""}}
                }
            }
        },
        "components": {
            "parameters": {"Search": {"name": "search", "in": "query", "schema": {"type": "string"}}},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Token"}},
            "schemas": {
                "Json": {},
                "Kind": {"type": "string", "enum": ["detection", "segmentation"]},
                "Model": {
                    "type": "object",
                    "required": ["id", "kind"],
                    "properties": {
                        "id": {"type": "integer", "format": "int64"},
                        "kind": {"$ref": "#/components/schemas/Kind"},
                        "title": {"type": "string", "nullable": true},
                        "size": {"type": "integer", "format": "int64"},
                        "metrics": {"allOf": [{"$ref": "#/components/schemas/Json"}]}
                    }
                },
                "ModelCreate": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 100},
                        "comment": {"type": "string", "nullable": true},
                        "active": {"type": "boolean", "default": true}
                    }
                },
                "Chunk": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}},
                "Problem": {"type": "object", "properties": {"detail": {"type": "string"}}}
            }
        }
    })
}
