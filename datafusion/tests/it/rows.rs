//! A table has the rows of its list.

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Int64Type;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use synapse_backend_client::raw::LISTS;
use synapse_datafusion::{ListTables as _, TextColumns};
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, query, requests, rows, session, session_of, started};

#[tokio::test]
async fn table_has_items_of_list() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let items: Vec<_> = client.list_ground_truth_events().list_all_raw().try_collect().await.unwrap();
    for (partitions, text) in [(1, TextColumns::Views), (4, TextColumns::Plain), (16, TextColumns::Views)] {
        let session = session_of(events(&client).text_columns(text).build().unwrap(), partitions);
        let rows = rows(&session, "SELECT id, data, created_at FROM t ORDER BY id").await;
        assert_eq!(rows.len(), items.len());
        let mut values: Vec<serde_json::Value> = items.iter().map(|item| item.decode().unwrap()).collect();
        values.sort_by_key(|value| value["id"].as_i64());
        for (row, value) in rows.iter().zip(&values) {
            assert_eq!(row[0], value["id"].to_string());
            assert_eq!(serde_json::from_str::<serde_json::Value>(&row[1]).unwrap(), value["data"]);
        }
    }
}

#[tokio::test]
async fn each_page_is_requested_once() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).build().unwrap(), 4);
    let batches = query(&session, "SELECT sum(id), count(id), count(*) FROM t WHERE id > 0").await;
    let sum: i64 = (1001..1096).sum();
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), sum);
    assert_eq!(batches[0].column(1).as_primitive::<Int64Type>().value(0), 95);
    let mut pages: Vec<u64> = backend
        .requests()
        .iter()
        .map(|request| request.query_value("page").map_or(1, |page| page.parse().unwrap()))
        .collect();
    pages.sort_unstable();
    assert_eq!(pages, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn count_is_one_request() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).build().unwrap(), 4);
    assert_eq!(rows(&session, "SELECT count(*) FROM t").await, [["95"]]);
    assert_eq!(requests(&backend).len(), 1);
    // Rows that are read are as many.
    assert_eq!(rows(&session, "SELECT 1 AS one FROM t").await.len(), 95);
}

#[tokio::test]
async fn cursor_list_is_one_part() {
    let (_backend, client) =
        started(Backend::builder().ground_truth_events(95).cursor_pagination(true)).await;
    let session = session_of(events(&client).build().unwrap(), 4);
    let plan = crate::support::plan(&session, "SELECT id FROM t").await;
    assert!(plan.contains("parts=1"), "{plan}");
    assert_eq!(rows(&session, "SELECT count(DISTINCT id) FROM t").await, [["95"]]);
}

#[tokio::test]
async fn every_list_is_a_table() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(30).models(5)).await;
    let session = session(2);
    let names = synapse_datafusion::register(&session, &client).unwrap();
    let plain = LISTS.iter().filter(|list| !list.parameters().iter().any(|parameter| parameter.required));
    assert_eq!(names, plain.map(|list| format!("synapse.{}", list.id())).collect::<Vec<_>>());
    for name in names {
        let all = rows(&session, &format!("SELECT * FROM {name}")).await.len();
        let (_, id) = name.split_once('.').unwrap();
        let list = LISTS.iter().find(|list| list.id() == id).unwrap();
        let items: Vec<_> = client.list(list, [("", ""); 0]).try_collect().await.unwrap();
        assert_eq!(all, items.len(), "{name}");
    }
}

#[tokio::test]
async fn odd_items_lose_nothing() {
    let (backend, client) = started(Backend::builder().ground_truth_events(3)).await;
    let page = r#"{"count": 3, "next": null, "results": [
        {"id": 1, "data": {"big": 123456789012345678901234567890, "x": 1.50}, "new_field": [1,  2], "data_unit": {"id": 7, "name": "u"}},
        {"id": 2, "data": null, "created_at": "yesterday", "data_unit": 8},
        {"id": 3, "created_at": "2025-01-31T09:00:00.5+09:00"}]}"#;
    backend.inject(Fault::replace_body(page).on("GET", EVENTS).always());
    let session = session_of(events(&client).build().unwrap(), 1);
    let sql = "SELECT id, data, data_unit, data_unit_json, created_at, _extra FROM t ORDER BY id";
    assert_eq!(
        rows(&session, sql).await,
        [
            [
                "1",
                r#"{"big": 123456789012345678901234567890, "x": 1.50}"#,
                "7",
                r#"{"id": 7, "name": "u"}"#,
                "∅",
                r#"{"new_field":[1,  2]}"#
            ],
            ["2", "∅", "8", "∅", "∅", r#"{"created_at":"yesterday"}"#],
            ["3", "∅", "∅", "∅", "2025-01-31T00:00:00.500Z", "∅"],
        ]
    );
}

/// Returns how many cases there are: `SYNAPSE_SOAK=1` runs ten times as many, which differ from run to run.
fn cases() -> ProptestConfig {
    match std::env::var("SYNAPSE_SOAK").is_ok_and(|soak| soak == "1") {
        true => ProptestConfig::with_cases(200),
        false => ProptestConfig { cases: 20, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() },
    }
}

/// Which columns a case reads.
const PROJECTIONS: [&str; 5] =
    ["id", "id, data", "*", "created_at, id, _extra", "data_unit, files, id, id AS again"];

proptest! {
    #![proptest_config(cases())]

    /// Each item comes exactly once, whatever the sizes and faults; a list that changes is an error.
    #[test]
    fn each_item_comes_once(
        (items, size, partitions) in (1_u64..120, 1_i64..40, 1_usize..9),
        limit in prop::option::of(0_usize..130),
        projection in 0..PROJECTIONS.len(),
        (faulty, grows) in (any::<bool>(), prop::option::weighted(0.3, 1_u64..5)),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (backend, client) = started(Backend::builder().ground_truth_events(items)).await;
            if faulty {
                backend.inject(Fault::cut_answer(100).path(EVENTS).method("GET").after(1).times(2));
            }
            // Once it has grown, the count is another one.
            let grown = grows.map(|after| {
                backend.inject(Fault::edit_json(move |page| page["count"] = (items + 1).into()).path(EVENTS).method("GET").after(after).always())
            });
            let table = client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(size)));
            let session = session_of(table.build().unwrap(), partitions);
            let limited = limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"));
            let sql = format!("SELECT {} FROM t{limited}", PROJECTIONS[projection]);
            let result = session.sql(&sql).await.unwrap().collect().await;
            if grown.is_some_and(|grown| grown.hits() > 0) {
                let error = result.unwrap_err().to_string();
                assert!(error.contains("page"), "{error}");
                return;
            }
            let batches = result.unwrap();
            let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
            let mut ids = std::collections::BTreeSet::new();
            for batch in &batches {
                let id = batch.column_by_name("id").unwrap();
                ids.extend(id.as_primitive::<Int64Type>().values().iter().copied());
            }
            assert_eq!(rows, ids.len());
            assert_eq!(rows as u64, limit.map_or(items, |limit| items.min(limit as u64)));
        });
    }
}
