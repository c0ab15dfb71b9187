//! Lists that change or fail while they are read.

use datafusion::common::DataFusionError;
use synapse_backend_client::ListPolicy;
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, rows, session_of, started};

async fn failure(session: &datafusion::prelude::SessionContext, sql: &str) -> DataFusionError {
    session.sql(sql).await.unwrap().collect().await.unwrap_err()
}

#[tokio::test]
async fn growing_list_fails_naming_page() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let grow = || {
        let is_later = |request: &synapse_test_backend::http::request::Parts| {
            request.uri.query().is_some_and(|query| query.contains("page=7"))
        };
        Fault::edit_json(|page| page["count"] = 96.into()).on("GET", EVENTS).when(is_later).always()
    };
    backend.inject(grow());
    let session = session_of(events(&client).build().unwrap(), 3);
    let error = failure(&session, "SELECT id, data, created_at FROM t").await.to_string();
    assert!(
        error.contains("page 7") && error.contains("part 1") && error.contains("list_ground_truth_events"),
        "{error}"
    );
    let lenient = session_of(events(&client).policy(ListPolicy::Lenient).build().unwrap(), 3);
    assert_eq!(rows(&lenient, "SELECT id, created_at FROM t").await.len(), 95);
}

#[tokio::test]
async fn item_without_id_is_named() {
    let (backend, client) = started(Backend::builder().ground_truth_events(3)).await;
    let page = r#"{"count": 2, "next": null, "results": [{"id": 1}, {"data": {}}]}"#;
    backend.inject(Fault::replace_body(page).on("GET", EVENTS).always());
    let session = session_of(events(&client).build().unwrap(), 1);
    let error = failure(&session, "SELECT id, created_at FROM t").await.to_string();
    assert!(error.contains("item 1 of page 1") && error.contains("\"id\""), "{error}");
}

#[tokio::test]
async fn failure_tells_transient_from_permanent() {
    let (backend, _) = started(Backend::builder().ground_truth_events(35)).await;
    let client = synapse_backend_client::BackendClient::builder(backend.url())
        .access_token(backend.token())
        .retry(synapse_backend_client::RetryPolicy::never())
        .build()
        .unwrap();
    let session = session_of(events(&client).build().unwrap(), 1);
    backend.inject(Fault::response(503).on("GET", EVENTS).always());
    let error = failure(&session, "SELECT id, created_at FROM t").await;
    assert!(matches!(error.find_root(), DataFusionError::IoError(_)), "{error:?}");
    backend.clear_faults();
    backend.inject(Fault::response(403).on("GET", EVENTS).always());
    let error = failure(&session, "SELECT id, created_at FROM t").await;
    assert!(matches!(error.find_root(), DataFusionError::External(_)), "{error:?}");
}
