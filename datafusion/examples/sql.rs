//! Queries the lists of a backend by SQL.
//!
//! Runs on an embedded backend, or on a real one if `SYNAPSE_BASE_URL` and `SYNAPSE_API_TOKEN` are set:
//!
//! ```text
//! cargo run --release --manifest-path datafusion/Cargo.toml --example sql -- \
//!     "SELECT model_type, count(*) FROM synapse.list_models GROUP BY model_type"
//! ```

use std::error::Error;
use std::time::Instant;

use clap::Parser;
use datafusion::prelude::SessionContext;
use synapse_backend_client::BackendClient;
use synapse_test_backend::Backend;

#[derive(Parser)]
struct Arguments {
    /// The query. Tables are called `synapse.<operation>`, such as `synapse.list_models`; `SHOW TABLES` lists them.
    #[arg(
        default_value = "SELECT id, data->'classification'->>'weather' AS weather FROM synapse.list_ground_truth_events LIMIT 10"
    )]
    query: String,
    /// Print the plan in place of the rows, with what was requested and how long each step took.
    #[arg(long)]
    explain: bool,
    /// Ground-truth events of the embedded backend.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // The embedded backend lives as long as this binding.
    let (client, _backend) = if set("SYNAPSE_BASE_URL").is_some() && set("SYNAPSE_API_TOKEN").is_some() {
        (BackendClient::from_env()?, None)
    } else {
        let backend =
            Backend::builder().ground_truth_events(arguments.events).record_bodies(false).start().await?;
        (BackendClient::builder(backend.url()).access_token(backend.token()).build()?, Some(backend))
    };
    let config = datafusion::prelude::SessionConfig::new().with_information_schema(true);
    let mut context = SessionContext::new_with_config(config);
    datafusion_functions_json::register_all(&mut context)?;
    synapse_datafusion::register(&context, &client)?;
    println!("{}", client.base_url());
    let began = Instant::now();
    let explain = if arguments.explain { "EXPLAIN ANALYZE " } else { "" };
    context.sql(&format!("{explain}{}", arguments.query)).await?.show().await?;
    println!("{:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}
