//! Downloads a dataset version, its events and their files, into a directory. `events.jsonl` contains the
//! paths of the files, which are in `files/`. A later program reads these paths as plain texts, because
//! `FileEntry::path` returns only paths that its own process downloaded. A second run downloads only missing
//! files. A killed run resumes at the next start.
//!
//! Runs twice on an embedded backend, or once on a real one if `SYNAPSE_BASE_URL` and `SYNAPSE_API_TOKEN` are
//! set:
//!
//! ```text
//! cargo run --release --example download_dataset [version] [directory]
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use synapse_backend_client::{BackendClient, FileCache};
use synapse_test_backend::Backend;

/// The number of concurrent downloads.
const CONCURRENCY: usize = 16;

#[tokio::main]
#[allow(dead_code, reason = "a test starts the download by itself")]
async fn main() -> Result<(), Box<dyn Error>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let mut arguments = std::env::args().skip(1);
    let version = arguments.next().map_or(Ok(Backend::FIRST_VERSION), |version| version.parse())?;
    let directory = PathBuf::from(arguments.next().unwrap_or_else(|| format!("dataset-{version}")));
    if set("SYNAPSE_BASE_URL").is_some() && set("SYNAPSE_API_TOKEN").is_some() {
        return download(&BackendClient::from_env()?, version, &directory).await;
    }
    let backend = Backend::builder().ground_truth_events(2_000).record_bodies(false).start().await?;
    let client = BackendClient::builder(backend.url()).access_token(backend.token()).build()?;
    download(&client, version, &directory).await?;
    println!("again, from the cache");
    download(&client, version, &directory).await
}

/// Downloads every event of `version` and its files.
pub async fn download(client: &BackendClient, version: i64, directory: &Path) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    // The cache keeps the files that it returns until it is dropped, even if other processes use the
    // directory.
    let cache = FileCache::open(directory.join("files"))?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "  downloading {wide_bar} {pos}/{len} files {msg} {per_sec}",
    )?);
    let shown = bar.clone();
    let files = client.download_to(&cache).concurrency(CONCURRENCY).on_progress(move |all| {
        shown.set_length(all.files as u64);
        shown.set_position(all.files_complete as u64);
        shown.set_message(format!("{:.1} MB", all.bytes_received as f64 / 1e6));
    });

    let events = directory.join("events.jsonl");
    let beside = directory.join("events.jsonl.new");
    let mut out = BufWriter::new(File::create(&beside)?);
    let list = client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([version]));
    let mut list = list.url_conversion_with("files", files).list_all_raw().stream();
    while let Some(event) = list.next().await {
        out.write_all(event?.as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.into_inner()?.sync_all()?;
    // The file has either all new events or those of the last run.
    std::fs::rename(&beside, &events)?;
    bar.finish_and_clear();

    let statistics = cache.statistics();
    println!("events             {} in {}", list.report().items, events.display());
    println!(
        "files              {}, {:.1} MB in {}",
        statistics.files,
        statistics.bytes as f64 / 1e6,
        cache.dir().display()
    );
    println!("from the cache     {} of {}", statistics.hits, statistics.hits + statistics.misses);
    println!("took               {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}
