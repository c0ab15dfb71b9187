//! Tokens and secret fields are shown nowhere.

use synapse_datafusion::ListTables as _;
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, plan, rows, session, session_of, started};

const MARKER: &str = "hunter2hunter2";

#[tokio::test]
async fn token_is_shown_nowhere() {
    let (backend, client) = started(Backend::builder().ground_truth_events(35).token(MARKER)).await;
    let table = events(&client).build().unwrap();
    let mut shown = vec![format!("{table:?} {table:#?}")];
    let session = session_of(table, 2);
    shown.push(plan(&session, "SELECT id FROM t WHERE category = 'train'").await);
    shown.push(rows(&session, "EXPLAIN ANALYZE VERBOSE SELECT id FROM t").await.concat().join("\n"));
    let physical = session.sql("SELECT id FROM t").await.unwrap().create_physical_plan().await.unwrap();
    shown.push(format!("{physical:?} {physical:#?}"));
    shown.push(format!("{:?}", session.state().config().options()));
    backend.inject(
        Fault::response(403).json(format!("{{\"detail\": \"no {MARKER}\"}}")).on("GET", EVENTS).always(),
    );
    let error = session.sql("SELECT created_at FROM t").await.unwrap().collect().await.unwrap_err();
    shown.push(format!("{error} {error:?} {error:#?}"));
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        shown.push(format!("{error} {error:?}"));
        source = error.source();
    }
    for text in shown {
        assert!(!text.contains(MARKER), "{text}");
    }
}

#[tokio::test]
async fn secret_field_has_no_column() {
    let (_backend, client) = started(Backend::builder().agents(3)).await;
    let session = session(1);
    session.register_table("t", client.table(|client| client.list_agents()).build().unwrap()).unwrap();
    assert!(session.sql("SELECT token FROM t").await.is_err());
    let shown = rows(&session, "SELECT * FROM t").await.concat().join(" ");
    let asked = client.table(|client| client.list_agents()).secret_columns(true).build().unwrap();
    session.register_table("s", asked).unwrap();
    let tokens = rows(&session, "SELECT token FROM s").await.concat();
    assert!(tokens.iter().all(|token| token == "∅" || !shown.contains(token.as_str())), "{shown}");
    assert!(tokens.iter().any(|token| token != "∅"));
}
