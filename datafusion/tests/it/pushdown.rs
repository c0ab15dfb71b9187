//! Filters and limits that reach the server.

use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, plan, requests, rows, session_of, started};

#[tokio::test]
async fn limit_asks_for_no_page_more() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).build().unwrap(), 4);
    assert_eq!(rows(&session, "SELECT id FROM t LIMIT 25").await.len(), 25);
    assert_eq!(requests(&backend).len(), 3);

    // Without a page size of the call, no item more is requested.
    backend.clear_requests();
    let table = synapse_datafusion::ListTables::table(&client, |client| client.list_ground_truth_events());
    let session = session_of(table.build().unwrap(), 4);
    assert_eq!(rows(&session, "SELECT id FROM t LIMIT 5").await.len(), 5);
    let sizes: Vec<_> =
        backend.requests().iter().map(|request| request.query_value("page_size").unwrap()).collect();
    assert_eq!(sizes, ["5"]);
    assert!(rows(&session, "SELECT id FROM t LIMIT 0").await.is_empty());
    assert_eq!(requests(&backend).len(), 1);
}

#[tokio::test]
async fn filter_of_field_reaches_server() {
    let (backend, client) = started(Backend::builder().models(40)).await;
    let table = synapse_datafusion::ListTables::table(&client, |client| client.list_models());
    let session = session_of(table.build().unwrap(), 2);
    let all = rows(&session, "SELECT id, model_type FROM t").await;
    let detection = all.iter().filter(|row| row[1] == "detection").count();
    backend.clear_requests();
    let found = rows(&session, "SELECT id FROM t WHERE model_type = 'detection' AND is_active").await;
    assert!(found.len() <= detection);
    let request = &backend.requests()[0];
    assert_eq!(request.query_value("model_type").as_deref(), Some("detection"));
    assert_eq!(request.query_value("is_active").as_deref(), Some("true"));

    // DataFusion applies the filter again if the server ignores it.
    backend.inject(
        Fault::edit_json(|page| {
            for model in page["results"].as_array_mut().unwrap() {
                model["model_type"] = "segmentation".into();
            }
        })
        .on("GET", "/models/")
        .always(),
    );
    assert!(rows(&session, "SELECT id FROM t WHERE model_type = 'detection'").await.is_empty());
}

#[tokio::test]
async fn trusted_filter_has_limit_and_count() {
    let (backend, client) = started(Backend::builder().models(40)).await;
    let table = |trust| {
        let table = synapse_datafusion::ListTables::table(&client, |client| {
            client.list_models().params(|p| p.page_size(5))
        });
        session_of(table.trust_filters(trust).build().unwrap(), 1)
    };
    let count = "SELECT count(*) FROM t WHERE model_type = 'detection'";
    let by_hand = rows(&table(false), count).await;
    assert!(requests(&backend).len() > 1);
    backend.clear_requests();
    assert_eq!(rows(&table(true), count).await, by_hand);
    assert_eq!(requests(&backend).len(), 1);
}

#[tokio::test]
async fn parameter_without_field_is_a_column() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).filter_columns(true).build().unwrap(), 2);
    let found = rows(&session, "SELECT id, search FROM t WHERE search = '안개'").await;
    assert!(!found.is_empty() && found.len() < 95 && found.iter().all(|row| row[1] == "안개"), "{found:?}");
    assert!(
        backend.requests().iter().all(|request| request.query_value("search").as_deref() == Some("안개"))
    );
    let both = rows(&session, "SELECT id FROM t WHERE search = '안개' AND search = '눈'").await;
    assert!(both.is_empty());
    // Without a value, the column would make other filters wrong.
    for sql in [
        "SELECT * FROM t",
        "SELECT id FROM t WHERE search LIKE '%x%'",
        "SELECT id FROM (SELECT * FROM t LIMIT 10) WHERE search = '안개'",
        "SELECT count(*) FILTER (WHERE search = '안개') FROM t",
    ] {
        let error = match session.sql(sql).await {
            Ok(frame) => frame.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("is a parameter of the request"), "{sql}: {error}");
    }
    // It is hidden unless asked for.
    let plain = session_of(events(&client).build().unwrap(), 2);
    assert!(plain.sql("SELECT search FROM t").await.is_err());
}

#[tokio::test]
async fn explain_shows_request_and_parts() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).build().unwrap(), 3);
    let plan = plan(&session, "SELECT id, data FROM t WHERE category = 'train'").await;
    for text in [
        "FetchExec",
        "list_ground_truth_events",
        "category: [\"train\"], page_size: \"10\" }",
        "parts=3",
        "columns=[",
    ] {
        assert!(plan.contains(text), "{text}: {plan}");
    }
}

#[tokio::test]
async fn preset_parameter_always_holds() {
    let (backend, client) = started(Backend::builder().models(40)).await;
    let list = |client: &synapse_backend_client::BackendClient| {
        client.list_models().params(|p| p.model_type("detection"))
    };
    let table = synapse_datafusion::ListTables::table(&client, list).trust_filters(true);
    let session = session_of(table.build().unwrap(), 2);
    let all = rows(&session, "SELECT model_type FROM t").await;
    assert!(!all.is_empty() && all.iter().all(|row| row[0] == "detection"));
    assert!(rows(&session, "SELECT id FROM t WHERE model_type = 'segmentation'").await.is_empty());
    assert_eq!(rows(&session, "SELECT id FROM t WHERE model_type = 'detection'").await.len(), all.len());
    assert!(
        backend
            .requests()
            .iter()
            .all(|request| request.query_value("model_type").as_deref() == Some("detection"))
    );
}

#[tokio::test]
async fn copied_file_has_rows_of_list() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let session = session_of(events(&client).build().unwrap(), 3);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.parquet");
    let path = path.to_str().unwrap();
    let copied = rows(&session, &format!("COPY (SELECT id, data, created_at FROM t) TO '{path}'")).await;
    assert_eq!(copied, [["95"]]);
    session.register_parquet("copy", path, Default::default()).await.unwrap();
    for sql in ["SELECT id, data, created_at FROM {} ORDER BY id", "SELECT count(*), sum(id) FROM {}"] {
        assert_eq!(
            rows(&session, &sql.replace("{}", "copy")).await,
            rows(&session, &sql.replace("{}", "t")).await
        );
    }
}

#[tokio::test]
async fn reader_that_waits_bounds_requests() {
    use futures_util::StreamExt as _;

    let (backend, client) = started(Backend::builder().ground_truth_events(4_000)).await;
    let session = session_of(events(&client).concurrency(4).build().unwrap(), 2);
    let mut stream = session.sql("SELECT * FROM t").await.unwrap().execute_stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    // Until nothing is requested any more, though the reader waits.
    let mut before = 0;
    while backend.in_flight() > 0 || requests(&backend).len() > before {
        before = requests(&backend).len();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
    assert!(before < 80, "{before} of 400 pages");
    let rest: usize =
        stream.map(|batch| batch.unwrap().num_rows()).fold(0, async |sum, rows| sum + rows).await;
    assert!(rest > 3_000);
}

#[tokio::test]
async fn deadline_ends_scan() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    backend.inject(Fault::hold_before().on("GET", EVENTS).after(3).always());
    let table = events(&client).deadline(std::time::Duration::from_millis(300)).build().unwrap();
    let session = session_of(table, 2);
    let error = session.sql("SELECT created_at FROM t").await.unwrap().collect().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("within the time-out of 300ms for the whole list"), "{text}");
}

#[tokio::test]
async fn dropping_reader_stops_requests() {
    use futures_util::StreamExt as _;

    let (backend, client) = started(Backend::builder().ground_truth_events(2_000)).await;
    let session = session_of(events(&client).concurrency(4).build().unwrap(), 2);
    let mut stream = session.sql("SELECT * FROM t").await.unwrap().execute_stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    while backend.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    let requests = requests(&backend).len();
    assert!(requests < 60, "{requests} of 200 pages");
    assert!(backend.peak_in_flight() <= 4);
    let _ = EVENTS;
}
