//! Clients that go before their query ends.

use std::process::{Command, Stdio};

use ballista::prelude::SessionConfigExt as _;
use ballista::prelude::SessionContextExt as _;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use synapse_test_backend::{Backend, Fault, Injected};

use crate::support::{Cluster, EVENTS, events, executors_pages, rows, within};

/// The variables of the client process.
const URL: &str = "TEST_SCHEDULER_URL";
const PULL: &str = "TEST_CLIENT_PULL";

const SUM: &str = "SELECT sum(id), count(data) FROM t";

async fn session(url: &str, pull: &str) -> SessionContext {
    let config =
        SessionConfig::new_with_ballista().with_target_partitions(8).set_str("ballista.client.pull", pull);
    let config = synapse_ballista::config(config);
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let session = SessionContext::remote_with_state(&url.replace("http:", "df:"), state).await.unwrap();
    session.register_table("t", events().build().unwrap()).unwrap();
    session
}

/// The process of a client; not a test.
#[test]
#[ignore = "the process of a client that other tests start"]
fn process_of_a_client() {
    let (Ok(url), Ok(pull)) = (std::env::var(URL), std::env::var(PULL)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { rows(&session(&url, &pull).await, SUM).await });
}

/// Checks that the executors requested this many pages, and request no more of them when those that are held are answered.
async fn assert_nothing_is_read(backend: &Backend, cluster: &Cluster, held: Injected, pages: usize) {
    held.remove();
    // The cluster still works. Tasks that went on would read at the same time.
    let session = cluster.session(1).await;
    assert_eq!(rows(&session, "SELECT count(id) FROM t").await, [["395"]]);
    assert_eq!(executors_pages(backend).len(), pages + 40);
}

/// Kills a client while its executors read, and checks that they stop.
async fn kill_client(pull: &str) {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    // The scheduler's page and ten others are answered; four, one for each vcore, are in flight then.
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).after(11).always());
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clients::process_of_a_client", "--ignored", "--nocapture"])
        .env(URL, &cluster.url)
        .env(PULL, pull)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    within(held.wait_for_hits(4)).await;
    client.kill().unwrap();
    client.wait().unwrap();
    cluster.until_aborted(4).await;
    assert_nothing_is_read(&backend, &cluster, held, 14).await;
    assert!(cluster.scheduler.log().contains("its client is gone"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_client_ends_its_job() {
    kill_client("false").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_polling_client_ends_job() {
    kill_client("true").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_client_keeps_its_job() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let cluster = Cluster::start(&backend, 1).await;
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).after(5).always());
    for pull in ["true", "false"] {
        let session = session(&cluster.url, pull).await;
        let query = tokio::spawn(async move { rows(&session, "SELECT count(id) FROM t").await });
        within(held.wait_for_hits(2)).await;
        // Longer than the idle limit of two seconds.
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(3));
        ticks.tick().await;
        ticks.tick().await;
        held.remove();
        assert_eq!(within(query).await.unwrap(), [["95"]]);
        assert!(!cluster.scheduler.log().contains("its client is gone"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_stream_ends_its_job() {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).after(5).always());
    let session = session(&cluster.url, "false").await;
    let query = tokio::spawn(async move { rows(&session, SUM).await });
    within(held.wait_for_hits(4)).await;
    query.abort();
    cluster.until_aborted(4).await;
    assert_nothing_is_read(&backend, &cluster, held, 8).await;
}
