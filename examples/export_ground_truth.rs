//! Exports every event of a dataset version to a JSON Lines file, as the server's own text. A killed export
//! resumes when it is started again.
//!
//! Runs on an embedded backend, or on a real one if `SYNAPSE_BASE_URL` and `SYNAPSE_API_TOKEN` are set:
//!
//! ```text
//! cargo run --release --example export_ground_truth [version] [file]
//! ```
//!
//! Until the export is complete, `<file>.checkpoint` is next to the file. It holds the checkpoint of the list
//! and the length of the file at that time. Bytes after that length are truncated and exported again.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use synapse_backend_client::{BackendClient, Checkpoint, ListPolicy};
use synapse_test_backend::Backend;

/// Events per page.
const PAGE_SIZE: i64 = 1_000;
/// Pages between two checkpoints.
const PAGES: u32 = 8;

#[tokio::main]
#[allow(dead_code, reason = "a test starts the export by itself")]
async fn main() -> Result<(), Box<dyn Error>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    // The embedded backend lives as long as this binding.
    let (client, _backend) = if set("SYNAPSE_BASE_URL").is_some() && set("SYNAPSE_API_TOKEN").is_some() {
        (BackendClient::from_env()?, None)
    } else {
        let backend = Backend::builder().ground_truth_events(100_000).record_bodies(false).start().await?;
        (BackendClient::builder(backend.url()).access_token(backend.token()).build()?, Some(backend))
    };
    let mut arguments = std::env::args().skip(1);
    let version = arguments.next().map_or(Ok(Backend::FIRST_VERSION), |version| version.parse())?;
    let file = PathBuf::from(arguments.next().unwrap_or_else(|| format!("events-{version}.jsonl")));
    export(&client, version, PAGE_SIZE, &file).await
}

/// The content of the checkpoint file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Length of the file, in bytes.
    length: u64,
    events: u64,
    list: Checkpoint,
}

/// Writes every event of `version` to the file, starting at the checkpoint if there is one.
pub async fn export(
    client: &BackendClient,
    version: i64,
    page_size: i64,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let kept_at = beside(path);
    let kept: Option<Kept> = match std::fs::read(&kept_at) {
        Ok(text) => Some(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
    let (mut length, mut events) = kept.as_ref().map_or((0, 0), |kept| (kept.length, kept.events));
    if file.metadata()?.len() < length {
        return Err(format!(
            "{} is shorter than recorded in its checkpoint: delete {} to export from the beginning",
            path.display(),
            kept_at.display()
        )
        .into());
    }
    // The list resumes at the checkpoint, so the bytes after it are fetched again.
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);

    let list = client
        .list_ground_truth_events()
        .params(|p| p.ground_truth_dataset_versions([version]).page_size(page_size));
    // A list that changes during the export is read to its end, and the anomalies are printed.
    let mut list = list.list_all_raw().concurrency(8).policy(ListPolicy::Lenient).deduplicate(true);
    if let Some(kept) = kept {
        println!("resuming after {events} events");
        list = list.resume(kept.list);
    }
    let mut pages = list.pages();
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("  exporting {wide_bar} {pos}/{len} {per_sec} {eta}")?)
        .with_position(events);
    let mut since = 0;
    while let Some(page) = pages.next().await {
        for event in &page?.items {
            length += write_line(&mut out, event.as_bytes())?;
            events += 1;
        }
        bar.set_length(pages.list().total().unwrap_or(events));
        bar.set_position(events);
        since += 1;
        if since == PAGES {
            since = 0;
            // The file first: a checkpoint must not refer to events that aren't on disk.
            out.flush()?;
            out.get_ref().sync_data()?;
            keep(&kept_at, &Kept { length, events, list: pages.list().checkpoint() })?;
        }
    }
    out.flush()?;
    out.get_ref().sync_data()?;
    match std::fs::remove_file(&kept_at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => bar.finish_and_clear(),
    }

    let seconds = began.elapsed().as_secs_f64();
    let report = pages.list().report();
    println!("exported           {events} events, {length} bytes, to {}", path.display());
    println!(
        "in this run        {} events of {} pages in {seconds:.1} s, {:.0} a second",
        report.items,
        report.pages,
        report.items as f64 / seconds
    );
    for event in &report.anomalies {
        println!("anomaly            {event}");
    }
    if report.duplicates > 0 {
        println!("duplicates         {} events, dropped", report.duplicates);
    }
    Ok(())
}

/// Writes an item as one line, and returns the line's length in bytes.
fn write_line(out: &mut impl Write, item: &[u8]) -> std::io::Result<u64> {
    if item.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        // Between JSON tokens a line break is equivalent to a space. JSON strings contain no raw line breaks.
        let line: Vec<u8> =
            item.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
        out.write_all(&line)?;
    } else {
        out.write_all(item)?;
    }
    out.write_all(b"\n")?;
    Ok(item.len() as u64 + 1)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".checkpoint");
    path.with_file_name(name)
}

/// Replaces the checkpoint file atomically: either the old or the new one exists at any time.
fn keep(path: &Path, kept: &Kept) -> Result<(), Box<dyn Error>> {
    let new = path.with_extension("checkpoint.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(())
}
