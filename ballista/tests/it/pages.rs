//! Each page is read once, and the pages are spread over the executors.

use synapse_test_backend::Backend;

use crate::support::{Cluster, executors_pages, pages, rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_page_is_read_once() {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(8).await;
    let sum: i64 = (1001..1001 + 395).sum();
    let sql = "SELECT sum(id), count(id), count(DISTINCT id) FROM t";
    assert_eq!(rows(&session, sql).await, [[sum.to_string(), "395".to_owned(), "395".to_owned()]]);
    assert_eq!(executors_pages(&backend), (1..=40).collect::<Vec<_>>(), "{:?}", pages(&backend));
    let by_process = pages(&backend);
    assert_eq!(by_process["scheduler"], [1]);
    for executor in ["executor-0", "executor-1"] {
        assert!(by_process[executor].len() >= 5, "{by_process:?}");
    }
    backend.clear_requests();
    assert_eq!(rows(&session, "SELECT count(*) FROM t").await, [["395"]]);
    assert_eq!(pages(&backend).len(), 1, "{:?}", pages(&backend));
    assert_eq!(backend.requests().len(), 1);
}
