//! Lists that are split into tables.

use std::collections::BTreeSet;

use proptest::prelude::*;
use synapse_backend_client::ListPolicy;
use synapse_datafusion::ListTables as _;
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, query, requests, rows, session, session_of, started};

#[tokio::test]
async fn parts_have_each_item_once() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let tables = events(&client).split(&session(4), 3).await.unwrap().tables;
    assert_eq!(requests(&backend).len(), 1);
    let mut ids = Vec::new();
    for table in tables {
        backend.clear_requests();
        let session = session_of(table, 4);
        // Neither a filter nor a limit changes which items a part has.
        ids.extend(rows(&session, "SELECT id FROM t WHERE created_at > '2000-01-01T00:00:00Z'").await);
        assert!(!requests(&backend).iter().any(|request| request.contains("created")));
        let first = rows(&session, "SELECT id FROM t LIMIT 1").await.remove(0);
        assert!(ids.contains(&first));
    }
    assert_eq!(ids.len(), 95);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 95);
}

#[tokio::test]
async fn changed_list_is_not_read_in_parts() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let tables = events(&client).split(&session(4), 3).await.unwrap().tables;
    backend.inject(Fault::edit_json(|page| page["count"] = 96.into()).on("GET", EVENTS).always());
    let session = session_of(tables[1].clone(), 4);
    let error = session.sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("96 items, but had 95"), "{error}");
}

#[tokio::test]
async fn split_refuses_lists_without_count() {
    let builder = Backend::builder().ground_truth_events(25).cursor_pagination(true);
    let (_backend, client) = started(builder).await;
    let lenient = events(&client).policy(ListPolicy::Lenient).split(&session(4), 3).await;
    assert!(lenient.unwrap_err().to_string().contains("strict"));
    let tables = events(&client).split(&session(4), 3).await.unwrap().tables;
    let session = session_of(tables[0].clone(), 4);
    let error = session.sql("SELECT id FROM t").await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("no count"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let error = tables[0].export(directory.path().join("out")).await.unwrap_err().to_string();
    assert!(error.contains("one part"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn split_keeps_any_list_whole(items in 0_u64..60, page_size in 1_u32..20, parts in 0_usize..30, narrow in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_backend, client) = started(Backend::builder().ground_truth_events(items)).await;
            let list = client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(page_size)));
            let mut ids = Vec::new();
            for table in list.narrow(narrow).split(&session(4), parts).await.unwrap().tables {
                let session = session_of(table, 4);
                query(&session, "SELECT count(*) FROM t").await;
                ids.extend(rows(&session, "SELECT id, data FROM t").await.into_iter().map(|row| row[0].clone()));
            }
            assert_eq!(ids.len() as u64, items);
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        });
    }
}
