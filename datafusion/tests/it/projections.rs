//! Columns that are wanted decide what is fetched.

use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, rows, session_of, started};

#[tokio::test]
async fn narrower_list_has_all_columns() {
    let (backend, client) = started(Backend::builder().ground_truth_events(35)).await;
    let session = session_of(events(&client).build().unwrap(), 2);
    let narrow = rows(&session, "SELECT id, data FROM t ORDER BY id").await;
    assert!(backend.requests().iter().all(|request| request.path == format!("{EVENTS}data/")));
    backend.clear_requests();
    let wide = session_of(events(&client).narrow(false).build().unwrap(), 2);
    assert_eq!(rows(&wide, "SELECT id, data FROM t ORDER BY id").await, narrow);
    assert!(backend.requests().iter().all(|request| request.path == EVENTS));
}

#[tokio::test]
async fn older_server_lacks_narrower_list() {
    let (backend, client) = started(Backend::builder().ground_truth_events(35)).await;
    backend.inject(Fault::response(404).on("GET", "/sdk/ground_truth_events/data/").always());
    let session = session_of(events(&client).build().unwrap(), 1);
    for _ in 0..2 {
        assert_eq!(rows(&session, "SELECT id, data FROM t").await.len(), 35);
    }
    let asked = backend.requests().iter().filter(|request| request.path.ends_with("/data/")).count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn repeated_and_no_columns_work() {
    let (_backend, client) = started(Backend::builder().ground_truth_events(12)).await;
    let session = session_of(events(&client).build().unwrap(), 2);
    let twice = rows(&session, "SELECT id AS a, id + 0 AS b, data FROM t").await;
    assert!(twice.len() == 12 && twice.iter().all(|row| row[0] == row[1]));
    assert_eq!(rows(&session, "SELECT 'x' FROM t").await, vec![vec!["x".to_owned()]; 12]);
}
