//! How lists are read, as the schema of a response and `x-pagination` say it.

use serde_json::{Value, json};
use synapse_codegen::generate::generate;

/// Returns the description of the list in the generated code, or the error.
fn pagination(operation: Value, schema: Value) -> Result<String, String> {
    let mut operation = operation;
    operation["operationId"] = "list_things".into();
    if operation["responses"].is_null() {
        operation["responses"] =
            json!({"200": {"description": "", "content": {"application/json": {"schema": schema}}}});
    }
    let item = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
    let generated = generate(json!({
        "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
        "paths": {"/things/": {"get": operation}}, "components": {"schemas": {"Item": item}},
    }))?;
    let code = generated.code.split_whitespace().collect::<String>();
    let info = code.split_once("pagination:Some(").map(|(_, rest)| rest.split_once("..rt::").unwrap().0);
    let item = code
        .split_once("PagedOperationforListThings{typeItem=")
        .map(|(_, rest)| rest.split_once(';').unwrap().0);
    let described = info.map_or("none", |info| info.trim_end_matches(',').strip_suffix(')').unwrap());
    let described = described.trim_end_matches(',').replace("rt::Pagination::new()", "DRF");
    Ok(format!("{described} {}", item.unwrap_or("-")))
}

fn items() -> Value {
    json!({"type": "array", "items": {"$ref": "#/components/schemas/Item"}})
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn query(names: &[&str]) -> Value {
    let parameters: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}})).collect();
    json!({"parameters": parameters})
}

#[test]
fn pagination_is_derived_from_the_schema() {
    let link = json!({"type": "string", "format": "uri", "nullable": true});
    let number = json!({"type": "integer", "nullable": true});
    let text = json!({"type": "string", "nullable": true});
    for (parameters, schema, expected) in [
        (&[][..], object(json!({"results": items(), "next": link, "count": number})), "DRF types::Item"),
        (&[], object(json!({"results": items(), "next": link})), "DRF.no_count() types::Item"),
        (&[], object(json!({"results": items(), "next": text})), "DRF.no_count() types::Item"),
        (&[], object(json!({"results": items()})), "DRF.no_count().no_next() -"),
        (
            &["page"],
            object(
                json!({"results": items(), "pagination": object(json!({"next": number, "count": number}))}),
            ),
            r#"DRF.count("pagination.count").next_value("pagination.next","page") types::Item"#,
        ),
        // Without a parameter that takes it, a number leads nowhere.
        (
            &[],
            object(json!({"results": items(), "pagination": object(json!({"next": number}))})),
            "DRF.no_count().no_next() -",
        ),
        (
            &[],
            object(json!({"links": object(json!({"next": link})), "results": items()})),
            r#"DRF.no_count().next_link("links.next") types::Item"#,
        ),
        (
            &[],
            object(
                json!({"_links": object(json!({"next": object(json!({"href": link}))})), "items": items()}),
            ),
            r#"DRF.items("items").no_count().next_link("_links.next.href") types::Item"#,
        ),
        (
            &["cursor"],
            object(json!({"data": items(), "meta": object(json!({"next_cursor": text, "total": number}))})),
            r#"DRF.items("data").count("meta.total").next_value("meta.next_cursor","cursor") types::Item"#,
        ),
        // `count` may be the number of items on a page.
        (
            &["cursor"],
            object(
                json!({"items": items(), "count": number, "next_cursor": text, "meta": object(json!({"total": number}))}),
            ),
            r#"DRF.items("items").count("meta.total").next_value("next_cursor","cursor") types::Item"#,
        ),
        // This parameter may be a credential.
        (&["token"], object(json!({"items": items(), "next_cursor": text})), "none -"),
        (
            &["pageToken"],
            object(json!({"things": items(), "nextPageToken": text})),
            r#"DRF.items("things").no_count().next_value("nextPageToken","pageToken") types::Item"#,
        ),
        // Which of two lists has the items isn't known.
        (&[], object(json!({"a": items(), "b": items(), "next": link})), "none -"),
        (&["page"], items(), "none -"),
        (&[], object(json!({"name": text, "next": link})), "none -"),
    ] {
        let found = pagination(query(parameters), schema.clone()).unwrap();
        assert_eq!(found, expected, "{schema}");
    }
}

#[test]
fn headers_lead_to_the_next_page() {
    let response = |headers: Value| json!({"200": {"description": "", "headers": headers, "content": {"application/json": {"schema": items()}}}});
    let text = json!({"schema": {"type": "string"}});
    let found = pagination(json!({"responses": response(json!({"Link": text}))}), Value::Null).unwrap();
    assert_eq!(found, r#"DRF.items("").no_count().link_header() types::Item"#);
    let both = json!({"link": text, "X-Total-Count": text});
    let found = pagination(json!({"responses": response(both)}), Value::Null).unwrap();
    assert_eq!(found, r#"DRF.items("").count_header("x-total-count").link_header() types::Item"#);
}

#[test]
fn extension_says_what_the_schema_lacks() {
    let free = json!({"type": "object"});
    let nested = object(json!({"data": object(json!({"rows": items()}))}));
    for (said, schema, expected) in [
        (json!(false), object(json!({"results": items(), "next": {"type": "string"}})), "none -"),
        (
            json!({"items": "rows", "next": "more"}),
            free.clone(),
            r#"DRF.items("rows").no_count().next_link("more") crate::Json"#,
        ),
        (
            json!({"items": "data.rows", "next": "page.next", "parameter": "p", "count": "page.all"}),
            nested,
            r#"DRF.items("data.rows").count("page.all").next_value("page.next","p") types::Item"#,
        ),
        (
            json!({"next": {"header": "X-Next"}, "parameter": "page", "count": {"header": "X-All"}}),
            items(),
            r#"DRF.items("").count_header("x-all").next_header("x-next","page") types::Item"#,
        ),
        (
            json!({"count": false}),
            object(json!({"results": items(), "next": {"type": "string"}, "count": {"type": "integer"}})),
            "DRF.no_count() types::Item",
        ),
    ] {
        let found = pagination(json!({"x-pagination": said}), schema).unwrap();
        assert_eq!(found, expected, "{said}");
    }
}

#[test]
fn malformed_pagination_is_an_error() {
    let page = object(json!({"results": items(), "next": {"type": "integer"}}));
    for (said, reason) in [
        (json!(true), "it is neither `false` nor an object"),
        (json!({"nxt": "a"}), "`nxt` is none of `items`, `count`, `next`, `parameter`"),
        (json!({"items": "a..b"}), "`items` isn't a path, such as `data.rows`"),
        (json!({"next": 7}), "`next` is neither a path, such as `meta.next`, nor `{header: …}` nor `false`"),
        (json!({"next": {"header": "a b"}}), "`next` isn't `{header: …}` with the name of a header"),
        (
            json!({"next": {"header": "X-Next"}}),
            "the header `x-next` has a page's number or cursor: name the query `parameter` that takes it",
        ),
        (
            json!({"items": "", "count": "n"}),
            "a response that is a list has no fields: name headers as `{header: …}`",
        ),
        (
            json!({"next": {"header": "Link"}, "parameter": "page"}),
            "the header `Link` has a URL, which is no value of a `parameter`",
        ),
        (json!({"parameter": ""}), "`parameter` isn't the name of a query parameter"),
        (json!({"next": "next"}), "`next` is a number: name the query `parameter` that takes it"),
    ] {
        let error = pagination(json!({"x-pagination": said}), page.clone()).unwrap_err();
        assert_eq!(error, format!("GET /things/ (list_things): `x-pagination`: {reason}"));
    }
    let free = pagination(json!({"x-pagination": {"next": "more"}}), json!({"type": "object"})).unwrap_err();
    assert!(
        free.ends_with("it doesn't say which field has the `items`, and neither does the schema"),
        "{free}"
    );
    let error = pagination(json!({"x-identity": "id"}), page).unwrap_err();
    assert_eq!(error, "GET /things/ (list_things): `x-identity` isn't a list of field names");
}
