//! The backend as a program.

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_synapse-test-backend"))
}

#[test]
fn bad_arguments_exit_with_status_2() {
    for (args, message) in [
        (vec!["--port", "many"], "--port needs a whole number in range, not `many`"),
        (vec!["--port"], "--port needs a value"),
        (vec!["--cursor=yes"], "--cursor takes no value"),
        (vec!["--frobnicate"], "unknown argument --frobnicate"),
        (vec!["--path-prefix", "a b"], "path_prefix `a b` must be plain path segments"),
    ] {
        let output = binary().args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{args:?}");
    }
    let help = binary().arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--events"));
}

#[tokio::test]
async fn prints_url_and_token() {
    let mut process = binary()
        .args(["--port=0", "--token", "mine", "--models", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open to the end, because the program prints more.
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let exported: Vec<String> = lines.by_ref().filter(|line| line.starts_with("export ")).take(2).collect();
    let url = exported[0].strip_prefix("export SYNAPSE_BASE_URL=").unwrap();
    assert_eq!(exported[1], "export SYNAPSE_API_TOKEN=mine");
    let request = common::client().get(format!("{url}/models/")).header("Synapse-Access-Token", "Token mine");
    let (status, page) = common::read(request.send().await.unwrap()).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!((status.as_u16(), &page["count"]), (200, &3.into()));
}
