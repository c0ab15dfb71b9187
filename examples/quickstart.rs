//! The main task from end to end: uploads a model file of 120 MB, creates the model, lists and gets models,
//! and streams every ground-truth event.
//!
//! Runs on an embedded backend, or on a real one if `SYNAPSE_BASE_URL` and `SYNAPSE_API_TOKEN` are set. For a
//! real one, set `SYNAPSE_PROJECT` to the id of your project, in which the model is created:
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use synapse_backend_client::{BackendClient, UploadPhase, json};
use synapse_test_backend::Backend;

/// Size of the model file, in bytes.
const MODEL_SIZE: u64 = 120_000_000;

/// The fields of an event to decode; the others are skipped.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    data_type: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let real = set("SYNAPSE_BASE_URL").is_some() && set("SYNAPSE_API_TOKEN").is_some();
    // The embedded backend lives as long as this binding.
    let (client, project, _backend) = if real {
        let project = set("SYNAPSE_PROJECT")
            .ok_or("set SYNAPSE_PROJECT to the id of the project to create the model in")?;
        (BackendClient::from_env()?, project.parse()?, None)
    } else {
        let backend = Backend::builder()
            .models(20)
            .ground_truth_events(10_000)
            .newest(SystemTime::now())
            .start()
            .await?;
        let client = BackendClient::builder(backend.url()).access_token(backend.token()).build()?;
        (client, Backend::FIRST_PROJECT, Some(backend))
    };
    println!("backend            {} ({})", client.base_url(), if real { "real" } else { "embedded" });

    let directory = tempfile::tempdir()?;
    let file = directory.path().join("model.pt");
    let began = Instant::now();
    write_model_file(&file)?;
    report("model file", began, &format!("{MODEL_SIZE} bytes written to {}", file.display()));

    let created = create_model(&client, &file, project).await?;
    models(&client, created).await?;
    events(&client).await?;

    match client.get_model(i64::MAX).await {
        Err(error) if error.is_not_found() => println!("a missing model    {error}"),
        Err(error) => return Err(error.into()),
        Ok(model) => println!("a missing model    exists: {}", model.name),
    }
    Ok(())
}

async fn create_model(client: &BackendClient, file: &Path, project: i64) -> Result<i64, Box<dyn Error>> {
    let began = Instant::now();
    let bar = ProgressBar::new(MODEL_SIZE).with_style(ProgressStyle::with_template(
        "  uploading {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg}",
    )?);
    let shown = bar.clone();
    let model = client
        .create_model(file, |m| {
            m.name("Object Detection Model v2")
                .description("An improved object detection model")
                .model_type("detection")
                .project(project)
                .metrics(json!({"accuracy": 0.92, "precision": 0.89, "recall": 0.94, "f1_score": 0.91}))
                .configuration(json!({"input_size": [640, 640], "num_classes": 10, "framework": "pytorch"}))
        })
        .on_progress(move |progress| {
            shown.set_position(progress.bytes_sent);
            if progress.phase == UploadPhase::Completing {
                shown.set_message("the server assembles the file");
            }
        })
        .await?;
    bar.finish_and_clear();
    report(
        "create_model",
        began,
        &format!("model {} {:?}, accuracy {}", model.id, model.name, model.metrics["accuracy"]),
    );
    Ok(model.id)
}

async fn models(client: &BackendClient, created: i64) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let page = client.list_models().params(|p| p.model_type("detection").page_size(5)).await?;
    report(
        "list_models",
        began,
        &format!("{} of {} detection models", page.results.len(), page.count.unwrap_or_default()),
    );

    let began = Instant::now();
    let model = client.get_model(created).params(|p| p.expand(["metrics", "versions"])).await?;
    report("get_model", began, &format!("{} ({}), file {:?}", model.name, model.model_type, model.file));

    let began = Instant::now();
    let model = client.get_model(created).url_conversion("file", cdn).await?;
    report("url_conversion", began, &format!("file {:?}", model.file));
    Ok(())
}

/// Returns the same path on a CDN, without the signature.
fn cdn(url: &str) -> String {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or(url, |(_, path)| path);
    let path = path.split('?').next().unwrap_or(path);
    format!("https://cdn.example.com/{}", path.trim_start_matches('/'))
}

async fn events(client: &BackendClient) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(
        "  ground truth {wide_bar} {human_pos}/{human_len} {per_sec}",
    )?);
    let mut events = client.list_ground_truth_events().list_all_as::<Event>().concurrency(8).stream();
    let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
    let mut count: u64 = 0;
    while let Some(event) = events.next().await {
        let data_type = event?.data_type.unwrap_or_else(|| "unknown".to_owned());
        *by_type.entry(data_type).or_default() += 1;
        count += 1;
        if count % 100 == 1 {
            bar.set_length(events.total().unwrap_or(count));
            bar.set_position(count);
        }
    }
    bar.finish_and_clear();
    let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{name} {count}")).collect();
    report("list_all", began, &format!("{count} ground-truth events: {}", types.join(", ")));

    let began = Instant::now();
    let typed = client
        .list_ground_truth_events()
        .params(|p| p.created_after(SystemTime::now() - Duration::from_secs(30 * 86_400)));
    let page = typed.await?;
    report("last 30 days", began, &format!("{} events", page.count.unwrap_or_default()));
    let Some(version) = page.results.first().and_then(|event| event.ground_truth_dataset_version.id()) else {
        return Ok(());
    };

    let began = Instant::now();
    let version = client.get_ground_truth_version(version).await?;
    let detail = format!(
        "{} of {}: {} events",
        version.version.map(|version| version.to_string()).unwrap_or_default(),
        version.ground_truth_dataset["name"],
        version.event_count.unwrap_or_default()
    );
    report("version", began, &detail);
    Ok(())
}

fn report(what: &str, began: Instant, detail: &str) {
    println!("{what:<18} {detail} ({:.0?})", began.elapsed());
}

/// Writes incompressible bytes, similar to weights.
fn write_model_file(path: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..MODEL_SIZE / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes())?;
    }
    file.flush()
}
