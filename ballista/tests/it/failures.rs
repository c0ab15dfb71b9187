//! Executors that die, and queries that fail.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use synapse_test_backend::http::request::Parts;
use synapse_test_backend::{Backend, Fault};

use crate::support::{
    CONNECTION, Cluster, EVENTS, events, executors_pages, query, rows, sender, until, within,
};

/// The path of the events' narrower list.
const EVENTS_DATA: &str = "/sdk/ground_truth_events/data/";

/// Whether a request is an executor's.
fn is_executors(request: &Parts) -> bool {
    request
        .headers
        .get("user-agent")
        .and_then(|agent| agent.to_str().ok())
        .is_some_and(|agent| agent.contains("(executor-"))
}

/// Kills one of two executors when this many pages were requested, and checks the result.
async fn kill_executor(executor: usize, after: u64) {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let mut cluster = Cluster::start(&backend, 2).await;
    let held =
        backend.inject(Fault::hold_before().on("GET", EVENTS).when(is_executors).after(after).always());
    let session = cluster.session(8).await;
    let counted = tokio::spawn(async move {
        rows(&session, "SELECT sum(id), count(DISTINCT id), count(id) FROM t WHERE id % 2 = 1").await
    });
    within(held.wait_for_hits(1)).await;
    cluster.executors[executor].kill();
    held.remove();
    let odd: i64 = (1001..1001 + 395).filter(|id| id % 2 == 1).sum();
    assert_eq!(within(counted).await.unwrap(), [[odd.to_string(), "198".to_owned(), "198".to_owned()]]);
    assert!(executors_pages(&backend).len() >= 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_dies_at_first_page() {
    kill_executor(0, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_dies_half_way() {
    kill_executor(0, 17).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_dies_near_end() {
    kill_executor(0, 36).await;
}

/// The results of a stage are lost with an executor, while another stage runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_dies_after_its_stage() {
    let backend = Backend::builder().ground_truth_events(195).models(25).start().await.unwrap();
    let mut cluster = Cluster::start(&backend, 2).await;
    let session = cluster.session(4).await;
    let models = synapse_ballista::table(CONNECTION, "list_models").parameter("page_size", "10");
    session.register_table("m", models.build().unwrap()).unwrap();
    let held = backend.inject(Fault::hold_before().on("GET", "/models/").when(is_executors).always());
    let sql = "SELECT count(a.id), sum(a.id) FROM t a JOIN m b ON a.id % 25 = b.id % 25";
    let joined = tokio::spawn(async move { rows(&session, sql).await });
    within(held.wait_for_hits(1)).await;
    let requests = || backend.requests().into_iter().filter(|request| request.path == EVENTS_DATA);
    let read = || requests().filter(|request| sender(request).starts_with("executor")).count();
    until("the events are read", async || read() == 20).await;
    let reader = requests().map(|request| sender(&request)).find(|sender| sender.starts_with("executor"));
    let reader: usize = reader.unwrap().trim_start_matches("executor-").parse().unwrap();
    cluster.executors[reader].kill();
    held.remove();
    let sum: i64 = (1001..1001 + 195).sum();
    assert_eq!(within(joined).await.unwrap(), [["195".to_owned(), sum.to_string()]]);
    assert!(read() > 20);
}

/// Returns how many points are chosen: `SYNAPSE_SOAK=1` chooses ten, which differ from run to run.
fn points() -> ProptestConfig {
    match std::env::var("SYNAPSE_SOAK").is_ok_and(|soak| soak == "1") {
        true => ProptestConfig::with_cases(10),
        false => ProptestConfig { cases: 1, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() },
    }
}

proptest! {
    #![proptest_config(points())]
    #[test]
    fn executor_dies_at_any_point(executor in 0_usize..2, after in 0_u64..37) {
        tokio::runtime::Runtime::new().unwrap().block_on(kill_executor(executor, after));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_executor_leaves_result_right() {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let mut cluster = Cluster::start(&backend, 2).await;
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).when(is_executors).after(9).always());
    let session = cluster.session(8).await;
    let counted = tokio::spawn(async move { rows(&session, "SELECT sum(id), count(id) FROM t").await });
    within(held.wait_for_hits(4)).await;
    cluster.executors[0].terminate();
    held.remove();
    let sum: i64 = (1001..1001 + 395).sum();
    assert_eq!(within(counted).await.unwrap(), [[sum.to_string(), "395".to_owned()]]);
    // Its results are lost with it: others read at most the parts that it had read, but none that they had read themselves.
    let pages = executors_pages(&backend);
    assert!(
        (1..=40).all(|page| matches!(pages.iter().filter(|other| **other == page).count(), 1 | 2)),
        "{pages:?}"
    );
    until("the executor ends", async || cluster.executors[0].has_ended().is_some()).await;
    assert!(cluster.executors[0].has_ended().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_limit_ends_an_executor() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let mut cluster = Cluster::start_with(&backend, 1, &|name, command| {
        if name.starts_with("executor") {
            command.args(["--drain-limit", "1"]);
        }
    })
    .await;
    let held = backend.inject(Fault::hold_before().on("GET", EVENTS).when(is_executors).always());
    let session = cluster.session(4).await;
    let counted = tokio::spawn(async move { query(&session, "SELECT count(id) FROM t").await });
    within(held.wait_for_hits(2)).await;
    cluster.executors[0].terminate();
    until("the executor ends", async || cluster.executors[0].has_ended().is_some()).await;
    counted.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growing_list_fails_naming_page() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    let is_page = |request: &Parts| request.uri.query().is_some_and(|query| query.contains("page=7"));
    backend
        .inject(Fault::edit_json(|page| page["count"] = 96.into()).on("GET", EVENTS).when(is_page).always());
    let session = cluster.session(4).await;
    let error = query(&session, "SELECT sum(id) FROM t").await.unwrap_err().to_string();
    assert!(error.contains("page 7") && error.contains("part "), "{error}");
    backend.clear_faults();
    // A failed job leaves nothing behind.
    assert_eq!(rows(&session, "SELECT count(id) FROM t").await, [["95"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_job_stops_other_executor() {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let cluster = Cluster::start(&backend, 2).await;
    // The first pages of four parts are held, but that of the first part fails later.
    let is_page = |request: &Parts, page: u64| {
        let wanted = format!("page={page}");
        is_executors(request)
            && request.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == wanted))
    };
    let failing = backend
        .inject(Fault::hold_before().on("GET", EVENTS).when(move |request| is_page(request, 6)).always());
    let held = backend.inject(
        Fault::hold_before()
            .on("GET", EVENTS)
            .when(move |request| is_executors(request) && !is_page(request, 6) && !is_page(request, 7))
            .always(),
    );
    let session = cluster.session(8).await;
    let failed = tokio::spawn(async move { query(&session, "SELECT sum(id) FROM t").await.unwrap_err() });
    within(failing.wait_for_hits(1)).await;
    within(held.wait_for_hits(3)).await;
    backend.inject(Fault::response(403).on("GET", EVENTS).when(move |request| is_page(request, 7)).always());
    failing.remove();
    let error = within(failed).await.unwrap().to_string();
    assert!(error.contains("403"), "{error}");
    // The failing task ended by itself.
    cluster.until_aborted(3).await;
    held.remove();
    backend.clear_faults();
    let session = cluster.session(1).await;
    assert_eq!(rows(&session, "SELECT count(id) FROM t WHERE id > 1100").await, [["295"]]);
    // A part has five pages. The vcore of the failed task may have begun another part.
    assert!(executors_pages(&backend).len() <= 5 + 1 + 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_token_on_one_is_an_error() {
    let backend = Backend::builder().ground_truth_events(395).start().await.unwrap();
    let cluster = Cluster::start_with(&backend, 2, &|name, command| {
        if name == "executor-1" {
            command.env("SYNAPSE_API_TOKEN", "syn_wrong");
        }
    })
    .await;
    let session = cluster.session(8).await;
    let error = query(&session, "SELECT sum(id), count(id) FROM t").await.unwrap_err().to_string();
    assert!(error.contains("401") || error.contains("403"), "{error}");
    assert!(!error.contains("syn_wrong"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_connection_is_named() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let other = Backend::builder().ground_truth_events(5).start().await.unwrap();
    let cluster = Cluster::start_with(&backend, 2, &|name, command| {
        if name != "executor-1" {
            command
                .env("SYNAPSE_STAGING_BASE_URL", backend.url())
                .env("SYNAPSE_STAGING_API_TOKEN", backend.token());
        }
    })
    .await;
    let session = cluster.empty_session(8).await;
    let table = |connection: &str| {
        synapse_ballista::table(connection, "list_ground_truth_events").parameter("page_size", "10")
    };
    session.register_table("missing", table("production").build().unwrap()).unwrap();
    let error = query(&session, "SELECT sum(id) FROM missing").await.unwrap_err().to_string();
    assert!(error.contains("SYNAPSE_PRODUCTION_BASE_URL"), "{error}");
    // Only one executor lacks it.
    session.register_table("partly", table("staging").build().unwrap()).unwrap();
    let error = query(&session, "SELECT sum(id) FROM partly").await.unwrap_err().to_string();
    assert!(error.contains("SYNAPSE_STAGING_BASE_URL"), "{error}");
    let other_url = table("default").base_url(other.url());
    session.register_table("other", other_url.build().unwrap()).unwrap();
    let error = query(&session, "SELECT sum(id) FROM other").await.unwrap_err().to_string();
    assert!(error.contains("base URL"), "{error}");
    assert_eq!(other.requests().len(), 0);
    let same = events().base_url(backend.url());
    session.register_table("same", same.build().unwrap()).unwrap();
    assert_eq!(rows(&session, "SELECT count(id) FROM same").await, [["95"]]);
}
