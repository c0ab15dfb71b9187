//! The binaries: help, health and ends.

use synapse_test_backend::Backend;

use crate::support::{Cluster, EXECUTOR, SCHEDULER, command, until};

#[test]
fn help_shows_options_and_variables() {
    for (binary, prefix) in [(SCHEDULER, "SYNAPSE_SCHEDULER_"), (EXECUTOR, "SYNAPSE_EXECUTOR_")] {
        let output = command(binary).arg("--help").output().unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("there is no authentication"), "{help}");
        let options = help.lines().filter(|line| line.trim_start().starts_with("--")).count();
        // All but --log have a variable with the binary's prefix.
        assert!(options >= 8, "{help}");
        assert_eq!(help.matches(&format!("[env: {prefix}")).count(), options - 1, "{help}");
        assert!(!help.contains("token <") && !help.contains("--token"), "{help}");
    }
}

#[test]
fn wrong_option_is_named() {
    for (binary, arguments) in [
        (SCHEDULER, ["--bind", "nowhere"]),
        (SCHEDULER, ["--log", "info,x=loud"]),
        (EXECUTOR, ["--scheduler", "nowhere"]),
        (EXECUTOR, ["--bind", "0.0.0.0"]),
    ] {
        let output = command(binary).args(arguments).output().unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8(output.stderr).unwrap();
        let named = arguments[0].trim_start_matches('-');
        assert!(error.contains(named) || error.contains("external host"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_processes_leave_nothing() {
    let backend = Backend::builder().ground_truth_events(95).start().await.unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start_with(&backend, 1, &|_, command| {
        command.env("TMPDIR", temporary.path());
    })
    .await;
    let session = cluster.session(4).await;
    assert_eq!(crate::support::rows(&session, "SELECT count(id) FROM t").await, [["95"]]);
    let entries = || std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(entries(), 1);
    let health = |url: &str| command(SCHEDULER).args(["health", "--url", url]).output().unwrap();
    assert!(health(&cluster.url).status.success());
    cluster.executors[0].terminate();
    until("the executor ends", async || cluster.executors[0].has_ended().is_some()).await;
    assert!(cluster.executors[0].has_ended().unwrap().success());
    assert_eq!(entries(), 0);
    until("the scheduler isn't ready", async || !health(&cluster.url).status.success()).await;
    cluster.scheduler.terminate();
    until("the scheduler ends", async || cluster.scheduler.has_ended().is_some()).await;
    assert!(cluster.scheduler.has_ended().unwrap().success());
    let unreachable = health(&cluster.url);
    assert_eq!(unreachable.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executor_tells_its_health() {
    let backend = Backend::builder().ground_truth_events(5).start().await.unwrap();
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let _cluster = Cluster::start_with(&backend, 1, &|name, command| {
        if name == "executor-0" {
            command.args(["--health-bind", &address]);
        }
    })
    .await;
    let url = format!("http://{address}");
    until("the executor is ready", async || {
        command(EXECUTOR).args(["health", "--url", &url]).output().unwrap().status.success()
    })
    .await;
}
