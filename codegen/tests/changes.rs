//! The changes of a document in the documentation of the generated module.

mod support;

use serde_json::json;
use support::{document, reference};
use synapse_codegen::changes::markdown;
use synapse_codegen::generate::generate;
use synapse_codegen::prepare::{Change, LeftOut, Report};

fn change(rule: &'static str, place: &str, what: &str) -> Change {
    Change { rule, place: place.to_owned(), what: what.to_owned() }
}

fn left_out(operation: &str, why: &str) -> LeftOut {
    LeftOut { operation: operation.to_owned(), why: why.to_owned() }
}

#[test]
fn changes_are_listed_by_operation() {
    let parameters = json!([
        {"name": "id", "in": "query", "schema": {"type": "string"}}, {"name": "ID", "in": "query", "schema": {"type": "object"}},
    ]);
    let mut document = document(
        json!({"parameters": parameters, "responses": {"200": {"description": ""}, "202": {"description": ""}}}),
        json!({}),
    );
    document["paths"]["/things/"]["query"] = json!({"operationId": "search_things", "responses": {}});
    document["paths"]["/things/"]["put"] = json!({"operationId": "put_things", "responses": {"200": {"description": "",
        "content": {"application/json": {"schema": reference("A")}}}},
        "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {"type": "object"}}}}});
    document["components"]["schemas"]["A"] = json!({"type": "object", "properties": {
        "isIt": {"type": "boolean"}, "is_it": {"type": "boolean"}, "level": {"type": "integer", "enum": [1, 2], "maximum": 3}}});
    let generated = generate(document).map_err(|error| panic!("{error}")).ok().unwrap();
    let text = markdown(&generated.report, "SYNAPSE_OPENAPI_ONLY");
    assert_eq!(
        text.split_once("every change.\n").unwrap().1,
        "\n## Operations\n\n\
         - GET /things/ (list\\_things)\n  \
           - left out the 202 answer beside another 2xx\n  \
           - `ID` is text\n  \
           - `ID` in the query is set by `id_query`\n\
         - PUT /things/ (put\\_things)\n  \
           - the body isn't JSON, but content of type `multipart/form-data`\n\
         - QUERY /things/ (search\\_things)\n  \
           - left out: the method `QUERY` isn't supported: use `client.request`\n\
         \n## Types\n\n\
         - A\n  \
           - level: a plain integer\n  \
           - isIt: the field `is_it_field`; `isIt` on the wire\n"
    );
    assert_eq!(markdown(&Report::default(), "SYNAPSE_OPENAPI_ONLY"), "");
}

#[test]
fn hostile_changes_are_plain_lines() {
    let evil = "a\n```\nfn main() { panic!() }\n```\n    code <script>[x](y) `one` **b** # c\u{202e} | https://x.example";
    let mut report = Report::default();
    report.changes.push(change("keep_one_success", &format!("GET /{evil} (x)"), evil));
    report.changes.push(change("keep_one_success", evil, &format!("{evil} `")));
    report.left_out.push(left_out(evil, evil));
    let text = markdown(&report, "SYNAPSE_OPENAPI_ONLY");
    for line in text.lines().skip(3).filter(|line| !line.is_empty() && !line.starts_with("## ")) {
        assert!(line.starts_with("- ") || line.starts_with("  - "), "{line}");
        let bare = line
            .replace("\\`", "")
            .replace("\\<", "")
            .replace("\\[", "")
            .replace("\\*", "")
            .replace("\\#", "");
        assert!(!bare.contains("```") && !bare.contains(['<', '[', '*', '#', '\u{202e}']), "{line}");
    }
    report.changes.clear();
    report.left_out.clear();
    report.changes.push(change("keep_one_success", "A.b", "`<code>` _x_"));
    assert!(markdown(&report, "ONLY").contains("- A\n  - b: `<code>` \\_x\\_\n"));
}

#[test]
fn large_list_of_changes_is_short() {
    let mut report = Report::default();
    for index in 0..5_000 {
        for part in 0..20 {
            let place = format!("GET /{index}/ (get_{index})");
            report.changes.push(change(
                "keep_one_success",
                &place,
                &format!("part {part} {}", "x".repeat(2_000)),
            ));
        }
        report.changes.push(change("keep_unknown_fields", &format!("T{index}"), "routine"));
        report.left_out.push(left_out(&format!("PUT /{index}/ (put_{index})"), "ONLY doesn't select it"));
    }
    let text = markdown(&report, "ONLY");
    assert!(text.lines().count() < 500 && text.len() < 150_000, "{} {}", text.lines().count(), text.len());
    assert!(text.contains("  - … and 12 more\n") && text.contains("- … and 4956 more\n"), "{text}");
    assert!(text.contains("5000 operations aren't selected (ONLY)") && !text.contains("routine"), "{text}");
}
