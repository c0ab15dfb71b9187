//! What the tests share: the embedded backend, a session, and results as values.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_backend_client::BackendClient;
use synapse_datafusion::{ListTable, ListTableBuilder, ListTables as _};
use synapse_test_backend::{Backend, BackendBuilder};

/// The path of the events' list.
pub const EVENTS: &str = "/sdk/ground_truth_events/";

pub async fn started(builder: BackendBuilder) -> (Backend, BackendClient) {
    let backend = builder.start().await.unwrap();
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap();
    (backend, client)
}

/// Returns a session of this many partitions.
pub fn session(partitions: usize) -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions))
}

/// Returns a table of all events, with pages of 10.
pub fn events(client: &BackendClient) -> ListTableBuilder {
    client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(10)))
}

/// Returns a session with one table, `t`.
pub fn session_of(table: Arc<ListTable>, partitions: usize) -> SessionContext {
    let session = session(partitions);
    session.register_table("t", table).unwrap();
    session
}

/// Runs a query.
pub async fn query(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    session.sql(sql).await.unwrap().collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Returns the rows of a query as texts; null is `∅`.
pub async fn rows(session: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    texts(&query(session, sql).await)
}

pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        rows.extend(
            (0..batch.num_rows())
                .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    rows
}

/// Returns the plan of a query as one text.
pub async fn plan(session: &SessionContext, sql: &str) -> String {
    rows(session, &format!("EXPLAIN {sql}")).await.concat().join("\n")
}

/// Returns the paths and queries of the requests so far.
pub fn requests(backend: &Backend) -> Vec<String> {
    backend
        .requests()
        .iter()
        .map(|request| format!("{}?{}", request.path, request.query.as_deref().unwrap_or_default()))
        .collect()
}
