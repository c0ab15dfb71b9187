//! Table functions, and JSON functions over JSON columns.

use synapse_backend_client::__generated::OperationInfo;
use synapse_backend_client::{ListField, ListOperation, Pagination, ParameterInfo, ValueKind};
use synapse_datafusion::TextColumns;
use synapse_test_backend::Backend;

use crate::support::{events, rows, session, session_of, started};

#[tokio::test]
async fn function_sets_parameters() {
    let (backend, client) = started(Backend::builder().models(40)).await;
    let session = session(2);
    synapse_datafusion::register(&session, &client).unwrap();
    let found =
        rows(&session, "SELECT model_type FROM list_models('model_type', 'detection', 'page_size', 7)").await;
    assert!(!found.is_empty() && found.iter().all(|row| row[0] == "detection"));
    assert_eq!(backend.requests()[0].query_value("page_size").as_deref(), Some("7"));
    for (sql, problem) in [
        ("SELECT * FROM list_models('nothing', 1)", "`nothing`: the operation has no such parameter"),
        ("SELECT * FROM list_models('search')", "the last parameter has no value"),
        ("SELECT * FROM list_models('project', 'x' || 'y' || random())", "no literal"),
    ] {
        let error = session.sql(sql).await.unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn json_functions_read_both_texts() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(60)).await;
    let mut results = Vec::new();
    for text in [TextColumns::Views, TextColumns::Plain] {
        let mut session = session_of(events(&client).text_columns(text).build().unwrap(), 2);
        datafusion_functions_json::register_all(&mut session).unwrap();
        let sql = "SELECT json_get_str(data, 'classification', 'weather') AS w, count(*) FROM t GROUP BY w ORDER BY w";
        results.push(rows(&session, sql).await);
        let arrows = "SELECT count(*) FROM t WHERE (data->'classification'->>'weather') = '비'";
        results.push(rows(&session, arrows).await);
    }
    assert!(results[0].len() > 1, "{results:?}");
    assert_eq!((&results[0], &results[1]), (&results[2], &results[3]));
}

/// The list of another document, as generated code describes it.
static BOOKS: &[ListOperation] = &[ListOperation::new(
    &OperationInfo {
        parameters: &[
            ParameterInfo::query("genre").of(ValueKind::Text),
            ParameterInfo::query("author").of(ValueKind::Integer),
        ],
        pagination: Some(Pagination::new().identified_by(&["isbn"])),
        ..OperationInfo::new("books_list", "GET", "/books/")
    },
    "books",
    &[
        ListField::new("isbn", ValueKind::Text),
        ListField::new("genre", ValueKind::Text).nullable().enumerated(&["novel", "poem"]),
        ListField::new("author", ValueKind::IdOrObject).nullable().aliases(&["writer"]),
        ListField::new("pages", ValueKind::Integer).nullable(),
        ListField::new("key", ValueKind::Text).nullable().secret(),
    ],
    &[],
    || BOOKS,
)];

#[tokio::test]
async fn other_document_is_registered() {
    let server = wiremock::MockServer::start().await;
    let page = r#"{"count": 2, "next": null, "results": [
        {"isbn": "a", "genre": "novel", "writer": {"id": 7, "name": "w"}, "pages": 300, "key": "secret"},
        {"isbn": "b", "genre": "other", "author": 8, "pages": "many"}]}"#;
    let response = wiremock::ResponseTemplate::new(200).set_body_raw(page, "application/json");
    wiremock::Mock::given(wiremock::matchers::path("/books/")).respond_with(response).mount(&server).await;
    let client = synapse_backend_client::BackendClient::builder(server.uri()).build().unwrap();
    let session = session(2);
    assert_eq!(synapse_datafusion::register_lists(&session, &client, BOOKS).unwrap(), ["synapse.books_list"]);
    let sql = "SELECT isbn, genre, author, author_json, pages, _extra FROM synapse.books_list WHERE author = 7 OR pages IS NULL";
    assert_eq!(
        rows(&session, sql).await,
        [
            ["a", "novel", "7", r#"{"id": 7, "name": "w"}"#, "300", "∅"],
            ["b", "other", "8", "∅", "∅", r#"{"pages":"many"}"#],
        ]
    );
    assert_eq!(rows(&session, "SELECT isbn FROM books_list('genre', 'novel')").await.len(), 2);
    let requests = server.received_requests().await.unwrap();
    let queries: Vec<_> = requests.iter().map(|request| request.url.query().unwrap_or_default()).collect();
    assert_eq!(queries, ["", "genre=novel"]);
}
