//! Queries of a cluster have the results of one process.

use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_backend_client::BackendClient;
use synapse_ballista::synapse_datafusion::ListTables as _;
use synapse_test_backend::Backend;

use crate::support::{Cluster, events, rows};

const QUERIES: [(&str, &str); 12] = [
    ("join", "SELECT a.id, b.category FROM t a JOIN t b ON a.id = b.id + 1 ORDER BY a.id"),
    (
        "union",
        "SELECT n, count(*) FROM (SELECT id AS n FROM t UNION ALL SELECT id + 1000 FROM t) GROUP BY n ORDER BY n",
    ),
    ("sort", "SELECT id, category, data FROM t ORDER BY category DESC, id"),
    ("window", "SELECT id, row_number() OVER (PARTITION BY category ORDER BY id) FROM t ORDER BY id"),
    ("group", "SELECT category, count(*), min(id), max(created_at) FROM t GROUP BY category ORDER BY 1"),
    ("distinct", "SELECT DISTINCT category FROM t ORDER BY 1"),
    ("limit", "SELECT id FROM t ORDER BY id DESC LIMIT 7"),
    ("subquery", "SELECT id FROM t WHERE id > (SELECT avg(id) FROM t) ORDER BY id"),
    ("having", "SELECT category, sum(id) FROM t GROUP BY category HAVING count(*) > 10 ORDER BY 1"),
    ("count distinct", "SELECT count(DISTINCT category), count(DISTINCT id % 7) FROM t"),
    (
        "case",
        "SELECT sum(CASE WHEN id % 3 = 0 THEN 1 ELSE 0 END), count(CASE WHEN category = 'train' THEN 1 END) FROM t",
    ),
    (
        "filter",
        "SELECT count(id) FROM t WHERE category = 'train' AND id IN (SELECT id FROM t WHERE id % 2 = 0)",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_agree_with_one_process() {
    let backend = Backend::builder().ground_truth_events(195).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(6).await;
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build().unwrap();
    let local = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    let table = client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(10)));
    local.register_table("t", table.build().unwrap()).unwrap();
    for (name, sql) in QUERIES {
        let expected = rows(&local, sql).await;
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(rows(&session, sql).await, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_writes_all_rows() {
    let backend = Backend::builder().ground_truth_events(195).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(6).await;
    let file = cluster.directory.path().join("events.parquet");
    let sql = format!("COPY (SELECT id, data, created_at FROM t) TO '{}' STORED AS PARQUET", file.display());
    assert_eq!(rows(&session, &sql).await, [["195"]]);
    let local = SessionContext::new();
    local.register_parquet("written", file.to_str().unwrap(), Default::default()).await.unwrap();
    let sum: i64 = (1001..1001 + 195).sum();
    let read = rows(&local, "SELECT count(*), sum(id), count(DISTINCT id), count(data) FROM written").await;
    assert_eq!(read, [["195".to_owned(), sum.to_string(), "195".to_owned(), "195".to_owned()]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_with_views_is_refused() {
    let backend = Backend::builder().ground_truth_events(5).start().await.unwrap();
    let cluster = Cluster::start(&backend, 1).await;
    let session = cluster.empty_session(2).await;
    let views =
        events().text_columns(synapse_ballista::synapse_datafusion::TextColumns::Views).build().unwrap();
    session.register_table("v", Arc::clone(&views) as _).unwrap();
    let error = crate::support::query(&session, "SELECT data FROM v").await.unwrap_err().to_string();
    assert!(error.contains("synapse_ballista::table"), "{error}");
}
