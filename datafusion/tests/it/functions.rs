//! Table functions, and JSON functions over JSON columns.

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
