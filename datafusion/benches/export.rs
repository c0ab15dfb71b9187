//! Exports of events to Parquet, beside a loop by hand over the same list in the same run. Each runs in a process of its own, so
//! that its peak memory is its own.
//!
//! ```text
//! cargo bench --manifest-path datafusion/Cargo.toml --bench export -- [events] [rounds] [latency in ms]
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde::Deserialize;
use serde_json::value::RawValue;
use synapse_backend_client::{BackendClient, Expandable, RawItem, Timestamp};
use synapse_datafusion::ListTables as _;
use synapse_test_backend::Backend;

const CONCURRENCY: usize = 8;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Ok(variant) = std::env::var("BENCH_VARIANT") {
        return runtime.block_on(measured(&variant));
    }
    // `cargo bench` adds an argument of its own.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let events = numbers.next().unwrap_or(100_000);
    let rounds = numbers.next().unwrap_or(3);
    let latency = Duration::from_millis(numbers.next().unwrap_or(0));
    let backend = runtime.block_on(
        Backend::builder().ground_truth_events(events).record_requests(false).latency(latency).start(),
    )?;
    println!(
        "{events} events, {rounds} rounds, latency {latency:?}; time and peak memory (VmHWM) of each process"
    );
    let variants = ["raw", "loop", "export", "copy", "loop-narrow", "export-narrow", "copy-narrow"];
    let mut results = vec![Vec::new(); variants.len()];
    for _ in 0..rounds {
        for (variant, results) in variants.iter().zip(&mut results) {
            let directory = tempfile::tempdir()?;
            let output = Command::new(std::env::current_exe()?)
                .env("BENCH_VARIANT", variant)
                .env("BENCH_URL", backend.url())
                .env("BENCH_TOKEN", backend.token())
                .env("BENCH_DIRECTORY", directory.path())
                .output()?;
            if !output.status.success() {
                return Err(format!("{variant}: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            let text = String::from_utf8(output.stdout)?;
            let mut words = text.split_whitespace();
            let mut number = || words.next().and_then(|word| word.parse::<f64>().ok()).ok_or("no figure");
            let (seconds, peak, rows) = (number()?, number()?, number()?);
            assert_eq!(rows, events as f64, "{variant}");
            results.push((seconds, peak, size(directory.path())));
        }
    }
    let median = |results: &mut Vec<(f64, f64, u64)>| {
        results.sort_by(|a, b| a.0.total_cmp(&b.0));
        results[results.len() / 2]
    };
    let medians: Vec<_> = results.iter_mut().map(median).collect();
    let seconds = |variant: &str| medians[variants.iter().position(|other| *other == variant).unwrap_or(0)].0;
    for (variant, (time, peak, bytes)) in variants.iter().zip(&medians) {
        let of_loop = seconds(if variant.ends_with("narrow") { "loop-narrow" } else { "loop" }) / time;
        println!(
            "{variant:14} {time:7.2} s {:9.0} rows/s {of_loop:5.2} x loop {:7.1} MiB peak {:8.1} MiB written",
            events as f64 / time,
            peak / 1024.0,
            *bytes as f64 / f64::from(1 << 20),
        );
    }
    Ok(())
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

async fn measured(variant: &str) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name);
    let client =
        BackendClient::builder(variable("BENCH_URL")?).access_token(variable("BENCH_TOKEN")?).build()?;
    let directory = variable("BENCH_DIRECTORY")?;
    let began = Instant::now();
    let rows = match variant {
        "raw" => raw(&client).await?,
        "loop" => by_hand::<Event>(&client, &directory).await?,
        "loop-narrow" => by_hand::<Narrow>(&client, &directory).await?,
        "export" | "export-narrow" => {
            let export = table(&client)?.export(directory);
            match variant {
                "export" => export.await?.rows,
                _ => export.columns(["id", "data"]).await?.rows,
            }
        }
        _ => {
            let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
            context.register_table("events", table(&client)?)?;
            let columns = if variant == "copy" { "*" } else { "id, data" };
            let sql = format!(
                "COPY (SELECT {columns} FROM events) TO '{directory}/events.parquet' OPTIONS ('format.compression' 'zstd(1)')"
            );
            let batches = context.sql(&sql).await?.collect().await?;
            use datafusion::arrow::array::AsArray as _;
            use datafusion::arrow::datatypes::UInt64Type;
            batches[0].column(0).as_primitive::<UInt64Type>().value(0)
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    println!("{seconds} {} {rows}", peak.ok_or("no VmHWM")?);
    Ok(())
}

fn table(client: &BackendClient) -> Result<Arc<synapse_datafusion::ListTable>, Failure> {
    let events = client.table(|client| client.list_ground_truth_events().params(|p| p.page_size(1000)));
    Ok(events.concurrency(CONCURRENCY).build()?)
}

/// Only reads.
async fn raw(client: &BackendClient) -> Result<u64, Failure> {
    let list = client.list_ground_truth_events().params(|p| p.page_size(1000)).list_all_raw();
    let mut pages = list.concurrency(CONCURRENCY).pages();
    let mut rows = 0;
    while let Some(page) = pages.next().await {
        rows += page?.items.len() as u64;
    }
    Ok(rows)
}

/// What a program that knows its columns would write. It drops other fields, which a table keeps in `_extra`.
trait Rows: Default + Send {
    fn schema() -> Schema;
    fn push(&mut self, item: &RawItem) -> Result<(), Failure>;
    fn finish(&mut self) -> Vec<ArrayRef>;
    fn pages(client: &BackendClient) -> synapse_backend_client::ListPages<RawItem>;
}

async fn by_hand<R: Rows>(client: &BackendClient, directory: &str) -> Result<u64, Failure> {
    let schema = Arc::new(R::schema());
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let file = File::create(format!("{directory}/events.parquet"))?;
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
    let (mut pages, mut rows, mut count) = (R::pages(client), R::default(), 0);
    while let Some(page) = pages.next().await {
        for item in page?.items {
            rows.push(&item)?;
            count += 1;
        }
        writer.write(&RecordBatch::try_new(schema.clone(), rows.finish())?)?;
        if writer.in_progress_size() > 32 << 20 {
            writer.flush()?;
        }
    }
    writer.close()?;
    Ok(count)
}

#[derive(Deserialize)]
struct EventItem<'t> {
    id: i64,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
    #[serde(borrow)]
    files: Option<&'t RawValue>,
    #[serde(borrow)]
    classes: Option<&'t RawValue>,
    #[serde(borrow)]
    metadata: Option<&'t RawValue>,
    category: Option<String>,
    pgh_id: Option<i64>,
    data_unit: Option<Expandable>,
    ground_truth_dataset_version: Option<Expandable>,
    created_at: Option<Timestamp>,
}

#[derive(Default)]
struct Event {
    id: Int64Builder,
    data: StringBuilder,
    files: StringBuilder,
    classes: StringBuilder,
    metadata: StringBuilder,
    category: StringBuilder,
    pgh_id: Int64Builder,
    data_unit: Int64Builder,
    version: Int64Builder,
    created_at: TimestampMicrosecondBuilder,
}

impl Rows for Event {
    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("data", DataType::Utf8, true),
            Field::new("files", DataType::Utf8, true),
            Field::new("classes", DataType::Utf8, true),
            Field::new("metadata", DataType::Utf8, true),
            Field::new("category", DataType::Utf8, true),
            Field::new("pgh_id", DataType::Int64, true),
            Field::new("data_unit", DataType::Int64, true),
            Field::new("ground_truth_dataset_version", DataType::Int64, true),
            Field::new("created_at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ])
    }

    fn push(&mut self, item: &RawItem) -> Result<(), Failure> {
        let event: EventItem = serde_json::from_slice(item.as_bytes())?;
        self.id.append_value(event.id);
        self.data.append_option(event.data.map(RawValue::get));
        self.files.append_option(event.files.map(RawValue::get));
        self.classes.append_option(event.classes.map(RawValue::get));
        self.metadata.append_option(event.metadata.map(RawValue::get));
        self.category.append_option(event.category);
        self.pgh_id.append_option(event.pgh_id);
        self.data_unit.append_option(event.data_unit.and_then(|unit| unit.id()));
        self.version.append_option(event.ground_truth_dataset_version.and_then(|version| version.id()));
        let time = event.created_at.and_then(|time| time.to_jiff().ok());
        self.created_at.append_option(time.map(|time| time.as_microsecond()));
        Ok(())
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.id.finish()),
            Arc::new(self.data.finish()),
            Arc::new(self.files.finish()),
            Arc::new(self.classes.finish()),
            Arc::new(self.metadata.finish()),
            Arc::new(self.category.finish()),
            Arc::new(self.pgh_id.finish()),
            Arc::new(self.data_unit.finish()),
            Arc::new(self.version.finish()),
            Arc::new(self.created_at.finish()),
        ]
    }

    fn pages(client: &BackendClient) -> synapse_backend_client::ListPages<RawItem> {
        let list = client.list_ground_truth_events().params(|p| p.page_size(1000));
        list.list_all_raw().concurrency(CONCURRENCY).pages()
    }
}

#[derive(Deserialize)]
struct NarrowItem<'t> {
    id: i64,
    #[serde(borrow)]
    data: Option<&'t RawValue>,
}

#[derive(Default)]
struct Narrow {
    id: Int64Builder,
    data: StringBuilder,
}

impl Rows for Narrow {
    fn schema() -> Schema {
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("data", DataType::Utf8, true)])
    }

    fn push(&mut self, item: &RawItem) -> Result<(), Failure> {
        let event: NarrowItem = serde_json::from_slice(item.as_bytes())?;
        self.id.append_value(event.id);
        self.data.append_option(event.data.map(RawValue::get));
        Ok(())
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![Arc::new(self.id.finish()), Arc::new(self.data.finish())]
    }

    fn pages(client: &BackendClient) -> synapse_backend_client::ListPages<RawItem> {
        let list = client.list_ground_truth_events_data().params(|p| p.page_size(1000));
        list.list_all_raw().concurrency(CONCURRENCY).pages()
    }
}
