//! Scans that an engine stops.

use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_datafusion::StopReading;
use synapse_test_backend::{Backend, Fault};

use crate::support::{EVENTS, events, started};

#[tokio::test]
async fn stopped_scan_ends_with_error() {
    let (backend, client) = started(Backend::builder().ground_truth_events(95)).await;
    let stop = StopReading::new();
    let config = SessionConfig::new().with_target_partitions(2).with_extension(Arc::new(stop.clone()));
    let session = SessionContext::new_with_config(config);
    session.register_table("t", events(&client).build().unwrap()).unwrap();
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).after(2).always());
    let query = session.sql("SELECT id, created_at FROM t").await.unwrap();
    let reading = tokio::spawn(query.collect());
    held.wait_for_hits(2).await;
    stop.stop();
    let error = reading.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("reading stopped"), "{error}");
}
