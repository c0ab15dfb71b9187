//! Exports every event of a dataset version to a file of JSON Lines, in the server's own text. Killed, it
//! goes on where it was when it is started again.
//!
//! Runs on an embedded backend, or on a real one where `SYNAPSE_BASE_URL` and `SYNAPSE_API_TOKEN` are set:
//!
//! ```text
//! cargo run --release --example export_ground_truth [version] [file]
//! ```
//!
//! Beside the file stands `<file>.checkpoint` until the export is complete: where the list is, and how long
//! the file was then. What was written after it is cut off and written again.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use synapse_backend_client::{BackendClient, Checkpoint, ListPolicy};
use synapse_test_backend::Backend;

/// Events on a page.
const PAGE_SIZE: i64 = 1_000;
/// Pages between one checkpoint and the next.
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

/// What is kept beside the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of the file, in bytes.
    length: u64,
    events: u64,
    list: Checkpoint,
}

/// Writes every event of `version` to the file, from where it was left.
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
            "{} is shorter than its checkpoint says: delete {}",
            path.display(),
            kept_at.display()
        )
        .into());
    }
    // What was written after the checkpoint comes again.
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);

    let list = client
        .list_ground_truth_events()
        .params(|p| p.ground_truth_dataset_versions([version]).page_size(page_size));
    // A list that somebody works on is read to its end, and what came of that is told.
    let mut list = list.list_all_raw().concurrency(8).policy(ListPolicy::Lenient).deduplicate(true);
    if let Some(kept) = kept {
        println!("going on after {events} events");
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
            // The file first: a checkpoint never tells of what isn't there.
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
        println!("meanwhile          {event}");
    }
    if report.duplicates > 0 {
        println!("meanwhile          {} events came again, and were dropped", report.duplicates);
    }
    Ok(())
}

/// Writes an item as a line of its own, and gives its length in bytes.
fn write_line(out: &mut impl Write, item: &[u8]) -> std::io::Result<u64> {
    if item.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        // Between the parts of a JSON text a line break is as good as a space; within its strings there is
        // none.
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

/// Puts it in the place of what was kept before: the one or the other is there at any time.
fn keep(path: &Path, kept: &Kept) -> Result<(), Box<dyn Error>> {
    let new = path.with_extension("checkpoint.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(())
}
