//! Starts a Synapse test backend: `synapse-test-backend --port 8000 --events 10000 --models 20`.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use synapse_test_backend::{Backend, BackendBuilder};

const HELP: &str = "\
A Synapse backend with generated data, for trying and testing clients.

Usage: synapse-test-backend [OPTIONS]

  --host HOST            the address to listen on (127.0.0.1)
  --port PORT            the port to listen on; 0 means any free port (8000)
  --events COUNT         the number of ground-truth events (10000)
  --models COUNT         the number of models (20)
  --tasks COUNT          the number of annotation tasks (200)
  --assignments COUNT    the number of assignments (200)
  --data-units COUNT     the number of data units (200)
  --jobs COUNT           the number of jobs (20)
  --token TOKEN          the access token to accept (test-access-token)
  --latency-ms MS        the delay of each response, in milliseconds (0)
  --max-page-size COUNT  the largest page size (1000)
  --path-prefix PATH     serve below this path, such as /api/v1
  --cursor               use cursors instead of page numbers in lists
  -h, --help             show this
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let builder = match arguments(std::env::args().skip(1)) {
        Ok(Some(builder)) => builder,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("synapse-test-backend: {message}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    let backend = match builder.start().await {
        Ok(backend) => backend,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            eprintln!("synapse-test-backend: {error}");
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("synapse-test-backend: cannot listen: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (url, token) = (backend.url(), backend.token());
    println!(
        "Synapse test backend is listening.\n\n  URL    {url}\n  token  {token}\n\n\
         export SYNAPSE_BASE_URL={url}\nexport SYNAPSE_API_TOKEN={token}\n\n\
         curl -H 'Synapse-Access-Token: Token {token}' '{url}/models/?page_size=2'\n\nPress Ctrl-C to stop."
    );
    match tokio::signal::ctrl_c().await {
        Ok(()) => println!("\nStopping."),
        Err(error) => eprintln!("synapse-test-backend: cannot wait for Ctrl-C: {error}"),
    }
    backend.shutdown().await;
    ExitCode::SUCCESS
}

/// Returns the settings from the arguments, or `None` if help is requested.
fn arguments(mut args: impl Iterator<Item = String>) -> Result<Option<BackendBuilder>, String> {
    // Recording is off because no test can query this process for its requests.
    let quiet = Backend::builder().record_requests(false).newest(SystemTime::now());
    let mut builder = quiet.port(8000).ground_truth_events(10_000);
    while let Some(argument) = args.next() {
        // `--name value` and `--name=value` are equivalent.
        let (name, mut inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut value =
            || inline.take().or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
        builder = match name.as_str() {
            "-h" | "--help" => return Ok(None),
            "--host" => builder.host(value()?),
            "--port" => builder.port(number(&name, &value()?)?),
            "--events" => builder.ground_truth_events(number(&name, &value()?)?),
            "--models" => builder.models(number(&name, &value()?)?),
            "--tasks" => builder.tasks(number(&name, &value()?)?),
            "--assignments" => builder.assignments(number(&name, &value()?)?),
            "--data-units" => builder.data_units(number(&name, &value()?)?),
            "--jobs" => builder.jobs(number(&name, &value()?)?),
            "--token" => builder.token(value()?),
            "--latency-ms" => builder.latency(Duration::from_millis(number(&name, &value()?)?)),
            "--max-page-size" => builder.max_page_size(number(&name, &value()?)?),
            "--path-prefix" => builder.path_prefix(value()?),
            "--cursor" => builder.cursor_pagination(true),
            _ => return Err(format!("unknown argument {name}")),
        };
        if inline.is_some() {
            return Err(format!("{name} takes no value"));
        }
    }
    Ok(Some(builder))
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} needs a whole number in range, not `{text}`"))
}
