//! Lists that are split into tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use synapse_backend_client::{BackendClient, ListPolicy};
use synapse_datafusion::{Connections, EnvironmentConnections, ListTable, ListTables as _, SplitList};
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, requests, rows, session, session_of, started};

/// Returns the ids of a query over a table `t`.
async fn ids(table: Arc<ListTable>, sql: &str) -> Vec<String> {
    let rows = rows(&session_of(table, 4), sql).await;
    rows.into_iter().map(|row| row[0].clone()).collect()
}

async fn failure(table: Arc<ListTable>, sql: &str) -> String {
    session_of(table, 4).sql(sql).await.unwrap().collect().await.unwrap_err().to_string()
}

fn assert_each_once(ids: &[String], items: usize) {
    assert_eq!(ids.len(), items);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), items);
}

#[tokio::test]
async fn parts_have_each_item_once() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let split = events(&client).split(&session(4), 3).await.unwrap();
    assert_eq!(requests(&backend).len(), 2);
    assert_eq!((split.items(), split.parts()), (95, 3));
    let mut all = Vec::new();
    for index in 0..3 {
        let table = split.table(index).unwrap();
        backend.clear_requests();
        // Neither a filter nor a limit changes which items a part has.
        let part = ids(table.clone(), "SELECT id FROM t WHERE created_at > '2000-01-01T00:00:00Z'").await;
        assert!(!requests(&backend).iter().any(|request| request.contains("created")));
        assert!(part.contains(&ids(table.clone(), "SELECT id FROM t LIMIT 1").await[0]));
        let range = split.range(index).unwrap();
        assert_eq!(ids(table, "SELECT count(*) FROM t").await, [(range.end - range.start).to_string()]);
        all.extend(part);
    }
    assert_each_once(&all, 95);
    assert!(split.table(3).unwrap_err().to_string().contains("no part 3"));
}

#[tokio::test]
async fn other_page_size_keeps_items() {
    // A server sends pages of another size than before.
    let (_backend, client) = started(Backend::builder().ground_truth_events(95).max_page_size(20)).await;
    let (_smaller, other) = started(Backend::builder().ground_truth_events(95).max_page_size(7)).await;
    let list = |client: &BackendClient| {
        client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(30)))
    };
    let (split, of_other) = (
        list(&client).split(&session(4), 4).await.unwrap(),
        list(&other).split(&session(4), 4).await.unwrap(),
    );
    let mut all = Vec::new();
    for index in 0..split.parts() {
        let split = if index % 2 == 0 { &split } else { &of_other };
        all.extend(ids(split.table(index).unwrap(), "SELECT id FROM t").await);
    }
    assert_each_once(&all, 95);
}

#[tokio::test]
async fn changed_list_is_not_read_in_parts() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let split = events(&client).split(&session(4), 3).await.unwrap();
    backend.inject(Fault::edit_json(|page| page["count"] = 96.into()).on("GET", EVENTS).always());
    let error = failure(split.table(1).unwrap(), "SELECT id FROM t").await;
    assert!(error.contains("96 items, but had 95"), "{error}");
}

#[tokio::test]
async fn parts_read_one_list() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let split = events(&client).split(&session(4), 3).await.unwrap();
    backend.inject(Fault::response(404).on("GET", "/sdk/ground_truth_events/data/").always());
    let error = failure(split.table(1).unwrap(), "SELECT id, data FROM t").await;
    assert!(error.contains("narrow(false)"), "{error}");
}

#[tokio::test]
async fn split_refuses_lists_without_count() {
    let builder = Backend::builder().ground_truth_events(95).cursor_pagination(true);
    let (backend, client) = started(builder).await;
    let lenient = events(&client).policy(ListPolicy::Lenient).split(&session(4), 3).await;
    assert!(lenient.unwrap_err().to_string().contains("strict"));
    let error = events(&client).split(&session(4), 3).await.unwrap_err().to_string();
    assert!(error.contains("can't be split"), "{error}");
    assert_eq!(requests(&backend).len(), 1);
}

#[tokio::test]
async fn part_is_not_exported() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(25)).await;
    let split = events(&client).split(&session(4), 3).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let part = split.table(0).unwrap();
    let error = part.export(directory.path().join("out")).await.unwrap_err().to_string();
    assert!(error.contains("one part"), "{error}");
}

#[tokio::test]
async fn split_survives_its_text() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    #[derive(Debug)]
    struct Own(BackendClient);
    impl Connections for Own {
        fn client(&self, _: &str) -> datafusion::common::Result<BackendClient> {
            Ok(self.0.clone())
        }
    }
    let connections = Arc::new(Own(client));
    let list = ListTable::named_with(connections.clone(), "own", "list_ground_truth_events");
    let split = list.parameter("page_size", "10").split(&session(4), 4).await.unwrap();
    let text = split.to_text().unwrap();
    assert!(!text.contains(backend.token()));
    let read = SplitList::from_text(text.as_bytes(), connections).unwrap();
    let mut all = Vec::new();
    for index in 0..read.parts() {
        all.extend(ids(read.table(index).unwrap(), "SELECT id FROM t").await);
    }
    assert_each_once(&all, 95);
    for (from, to) in [
        ("\"parts\":4", "\"parts\":0"),
        ("\"parts\":4", "\"parts\":11"),
        ("strict", "lenient"),
        ("\"size\":10", "\"size\":0"),
    ] {
        let forged = text.replace(from, to);
        assert_ne!(forged, text);
        let read = SplitList::from_text(forged.as_bytes(), Arc::new(EnvironmentConnections::new()));
        assert!(read.is_err(), "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn split_keeps_any_list_whole(
        (items, page_size) in (0_u64..60, 1_u32..20),
        (parts, narrow) in (0_usize..30, any::<bool>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_backend, client) = started(Backend::builder().ground_truth_events(items)).await;
            let list = client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(page_size)));
            let split = list.narrow(narrow).split(&session(4), parts).await.unwrap();
            let mut all = Vec::new();
            for index in 0..split.parts() {
                let table = split.table(index).unwrap();
                let range = split.range(index).unwrap();
                let count = (range.end - range.start).to_string();
                assert_eq!(ids(table.clone(), "SELECT count(*) FROM t").await, [count]);
                all.extend(ids(table, "SELECT id, data FROM t").await);
            }
            assert_each_once(&all, items as usize);
        });
    }
}
