//! [`Export`]: a list as Parquet or Arrow files, which resumes after a kill.

use std::fmt;
use std::fs::{self, File};
use std::future::IntoFuture;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use synapse_backend_client::{ListPage, ListPages, ListReport, RawItem};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::errors;
use crate::file_writer::{FileWriter, Written};
use crate::journal::{self, Counts, Entry, Journal, Plan};
use crate::metrics::ScanMetrics;
use crate::page_decoder::PageDecoder;
use crate::scan::Scan;
use crate::table::ListTable;

/// The default number of pages of a file.
const PAGES: u64 = 50;
/// The default size of a row group, in compressed bytes.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Batches that are decoded while one is written.
const BATCHES_AHEAD: usize = 2;
/// The file that is locked while an export runs.
const LOCK: &str = "export.lock";

/// The format of an export's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExportFormat {
    /// Parquet, compressed by zstd.
    #[default]
    Parquet,
    /// Arrow IPC files, also called Feather 2, compressed by zstd.
    ArrowIpc,
}

impl ExportFormat {
    fn extension(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::ArrowIpc => "arrow",
        }
    }
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportProgress {
    /// Rows that are in complete files or were passed to the file that is being written.
    pub rows: u64,
    /// Rows of the whole list; `None` if the list has no count.
    pub total_rows: Option<u64>,
    /// Bytes of complete files.
    pub bytes: u64,
    /// Files that are complete.
    pub files: usize,
}

/// What an export has written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Rows in all files.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The files, in the list's order.
    pub files: Vec<PathBuf>,
    /// Files that an earlier run had completed.
    pub resumed_files: usize,
    /// Values that didn't fit their column. They are null there, and in `_extra` if that is exported.
    pub misfits: u64,
    /// Anomalies of the list that the table's [policy](crate::ListTableBuilder::policy) allows.
    pub anomalies: u64,
    /// Repeated items that were dropped.
    pub duplicates: u64,
    /// Pages that were skipped, whose rows are missing.
    pub skipped_pages: u64,
}

type OnProgress = Box<dyn FnMut(ExportProgress) + Send>;

/// Writes a list into the files of a directory: returned by [`ListTable::export`].
///
/// The list is read in its order, and every so many pages become a file, `part-00000.parquet` and so on. A file gets its name when it
/// is complete and stored. If the export is killed or fails, another call with the same table and directory continues after the last
/// complete file: at most the file that was being written is lost. A list that changes meanwhile, or repeats items, fails unless the
/// table's [policy](crate::ListTableBuilder::policy) allows it.
///
/// A directory with other files is refused, and so is one whose export is complete. The journal `export.jsonl` has the list's parameters.
/// Headers and conversions of the call aren't in it: resume with the same ones.
///
/// Columns of signed URLs, such as `files`, are written as the server sent them, and expire; a `url_conversion` of the call replaces
/// them.
///
/// ```no_run
/// # async fn example(client: synapse_backend_client::BackendClient) -> datafusion::common::Result<()> {
/// use synapse_datafusion::ListTables as _;
///
/// let events = client.table(|client| client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123])));
/// let report = events
///     .build()?
///     .export("/data/events-123")
///     .columns(["id", "data"])
///     .on_progress(|progress| println!("{} of {:?} events", progress.rows, progress.total_rows))
///     .await?;
/// println!("{} events in {} files", report.rows, report.files.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "an export does nothing until it is awaited"]
pub struct Export {
    table: Arc<ListTable>,
    directory: PathBuf,
    columns: Option<Vec<String>>,
    format: ExportFormat,
    pages: u64,
    row_group_bytes: usize,
    on_progress: Option<OnProgress>,
}

impl ListTable {
    /// Returns an export of the list into the files of a directory, which is created if it is missing.
    pub fn export(self: &Arc<Self>, directory: impl Into<PathBuf>) -> Export {
        Export {
            table: self.clone(),
            directory: directory.into(),
            columns: None,
            format: ExportFormat::default(),
            pages: PAGES,
            row_group_bytes: ROW_GROUP_BYTES,
            on_progress: None,
        }
    }
}

impl Export {
    /// Sets the columns, in this order; all by default.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the format of the files; Parquet by default.
    pub fn format(mut self, format: ExportFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets how many pages a file has: 50 by default. A kill loses at most one file.
    pub fn pages_per_file(mut self, pages: u64) -> Self {
        self.pages = pages.max(1);
        self
    }

    /// Sets the size at which a row group of a Parquet file ends, in compressed bytes: 32 MiB by default. Memory grows with it.
    pub fn row_group_bytes(mut self, bytes: usize) -> Self {
        self.row_group_bytes = bytes.max(1);
        self
    }

    /// Calls `report` after each batch and each file. It must not block.
    pub fn on_progress(mut self, report: impl FnMut(ExportProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(report));
        self
    }

    async fn run(mut self) -> Result<ExportReport> {
        let scans = self.scans()?;
        fs::create_dir_all(&self.directory).map_err(|error| self.failed(&self.directory, &error))?;
        let lock = Arc::new(self.lock()?);
        let opened = Journal::open(&self.directory);
        let opened = opened.map_err(|error| self.failed(&self.journal_file(), &error))?;
        let (scan, journal, pages, first) = match opened {
            Some(journal) => self.resume(scans, journal)?,
            None => self.begin(scans).await?,
        };
        let resumed = journal.files.len();
        let metrics = ScanMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let decoder = PageDecoder::new(Arc::new(scan.clone()), BATCH_ROWS, metrics);
        let run = Run { scan, journal, decoder, counted: Counts::default(), lock };
        let journal = self.write(run, pages, first).await?;
        let Counts { rows, bytes, misfits, anomalies, duplicates, skipped_pages } = journal.total;
        Ok(ExportReport {
            rows,
            bytes,
            files: (0..journal.files.len()).map(|index| self.file(index)).collect(),
            resumed_files: resumed,
            misfits,
            anomalies,
            duplicates,
            skipped_pages,
        })
    }

    /// Begins a new export. If the server doesn't know a narrower list, the export reads the table's own.
    async fn begin(&mut self, scans: Vec<Scan>) -> Result<Begun> {
        let entries = fs::read_dir(&self.directory).map_err(|error| self.failed(&self.directory, &error))?;
        for entry in entries {
            let name = entry?.file_name();
            let is_own = [LOCK, journal::NEW_FILE].iter().any(|own| name.to_str() == Some(own));
            if !is_own {
                return exec_err!(
                    "{}: the directory has other files: choose an empty one",
                    self.directory.display()
                );
            }
        }
        let mut scans = scans.into_iter().peekable();
        while let Some(scan) = scans.next() {
            let mut pages = scan.whole().pages();
            match pages.next().await.transpose() {
                Ok(first) => {
                    let journal = Journal::create(&self.directory, self.plan(&scan));
                    let journal = journal.map_err(|error| self.failed(&self.journal_file(), &error))?;
                    return Ok((scan, journal, pages, first));
                }
                Err(error) if error.is_not_found() && scans.peek().is_some() => {}
                Err(error) => return Err(errors::of_client(error)),
            }
        }
        exec_err!("the table has no list")
    }

    /// Continues an export.
    fn resume(&self, scans: Vec<Scan>, journal: Journal) -> Result<Begun> {
        let is_same = |scan: &Scan| scan.operation() == journal.plan.list;
        let scan = scans.iter().find(|scan| is_same(scan)).or(scans.last()).cloned();
        let scan = scan.ok_or_else(|| exec_datafusion_err!("the table has no list"))?;
        if let Some(difference) = journal.plan.difference(&self.plan(&scan)) {
            return exec_err!(
                "{}: the directory has another export: {difference}. Choose another directory",
                self.directory.display()
            );
        }
        for (index, counts) in journal.files.iter().enumerate() {
            let path = self.file(index);
            let is_complete = fs::symlink_metadata(&path)
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == counts.bytes);
            if !is_complete {
                return exec_err!(
                    "{}: the journal says that this file is complete with {} bytes, which it isn't: export into another directory",
                    path.display(),
                    counts.bytes
                );
            }
        }
        if journal.is_complete {
            return exec_err!(
                "{}: the export is complete, with {} rows in {} files. Choose another directory",
                self.directory.display(),
                journal.total.rows,
                journal.files.len()
            );
        }
        let list = match &journal.checkpoint {
            Some(checkpoint) => scan.whole().resume(checkpoint.clone()),
            None => scan.whole(),
        };
        Ok((scan, journal, list.pages(), None))
    }

    fn plan(&self, scan: &Scan) -> Plan {
        let options = &scan.options;
        Plan {
            version: Plan::VERSION,
            base_url: scan.list.client().base_url().to_owned(),
            list: scan.operation().to_owned(),
            options: format!(
                "{:?}, deduplicate: {}, skip_failed_pages: {}",
                options.policy, options.deduplicate, options.skip_failed_pages
            ),
            columns: columns_of(&scan.schema),
            format: self.format.extension().to_owned(),
        }
    }

    /// Writes the pages into files. `first` is a page that was fetched before.
    async fn write(
        &mut self,
        mut run: Run,
        mut pages: ListPages<RawItem>,
        mut first: Option<ListPage<RawItem>>,
    ) -> Result<Journal> {
        let mut open: Option<OpenFile> = None;
        loop {
            let page = match first.take() {
                Some(page) => Some(Ok(page)),
                None => pages.next().await,
            };
            let page = match page.transpose() {
                Ok(page) => page,
                Err(error) => return Err(closed(open, errors::of_client(error)).await),
            };
            let is_end = page.is_none();
            let batches = match &page {
                Some(page) => run.decoder.decode(page),
                None => Ok(Vec::new()),
            };
            let mut batches = match batches {
                Ok(batches) => batches,
                Err(error) => return Err(closed(open, error).await),
            };
            let is_full = open.as_ref().map_or(0, |file| file.pages) + 1 >= self.pages;
            if is_end || is_full {
                batches.extend(run.decoder.finish()?);
            }
            // A list without items has a file without rows.
            let needs_file = !batches.is_empty() || is_end && run.journal.files.is_empty();
            if needs_file || !is_end {
                let file = match &mut open {
                    Some(file) => file,
                    None => open.insert(self.open(&run)),
                };
                file.pages += u64::from(!is_end);
                for batch in batches {
                    file.rows += batch.num_rows() as u64;
                    if file.sender.send(Some(batch)).await.is_err() {
                        break;
                    }
                }
            }
            let open_rows = open.as_ref().map_or(0, |file| file.rows);
            self.report(&run.journal, pages.list().total(), open_rows);
            if is_end || is_full {
                let written = match open.take() {
                    Some(file) => Some(file.finish().await?),
                    None => None,
                };
                let file = written.map(|written| run.counts(written, pages.list().report()));
                let entry = Entry { file, checkpoint: pages.list().checkpoint(), end: is_end };
                run.journal.add(entry).map_err(|error| self.failed(&self.journal_file(), &error))?;
                self.report(&run.journal, pages.list().total(), 0);
            }
            if is_end {
                return Ok(run.journal);
            }
        }
    }

    /// Opens the next file. Compressing and writing are work of another thread.
    fn open(&self, run: &Run) -> OpenFile {
        let index = run.journal.files.len();
        let (path, partial) = (self.file(index), self.partial(index));
        let (sender, mut receiver) = mpsc::channel::<Option<RecordBatch>>(BATCHES_AHEAD);
        let (schema, format, row_group_bytes) = (run.scan.schema.clone(), self.format, self.row_group_bytes);
        let (at, directory, lock) = (partial.clone(), self.directory.clone(), run.lock.clone());
        // It ends when the sender is dropped, and deletes the partial file unless the file is complete.
        let writing = tokio::task::spawn_blocking(move || {
            // No other export may begin while this thread works.
            let _lock = lock;
            let mut writer = FileWriter::create(&at, schema, format, row_group_bytes)?;
            loop {
                match receiver.blocking_recv() {
                    Some(Some(batch)) => writer.write(&batch)?,
                    Some(None) => break,
                    None => return exec_err!("the export was dropped"),
                }
            }
            let written = writer.finish(&path)?;
            journal::sync_directory(&directory)?;
            Ok(written)
        });
        OpenFile { sender, writing, partial, pages: 0, rows: 0 }
    }

    /// Returns the scans of the export's columns: that of a narrower list first.
    fn scans(&self) -> Result<Vec<Scan>> {
        let schema = datafusion::catalog::TableProvider::schema(self.table.as_ref());
        let projection = match &self.columns {
            None => None,
            Some(names) => {
                let index = |name: &String| {
                    schema
                        .index_of(name)
                        .map_err(|_| exec_datafusion_err!("export: the table has no column {name:?}"))
                };
                Some(names.iter().map(index).collect::<Result<Vec<usize>>>()?)
            }
        };
        self.table.whole_scans(projection.as_ref())
    }

    fn report(&mut self, journal: &Journal, total_rows: Option<u64>, open_rows: u64) {
        let Some(report) = &mut self.on_progress else { return };
        let Counts { rows, bytes, .. } = journal.total;
        report(ExportProgress { rows: rows + open_rows, total_rows, bytes, files: journal.files.len() });
    }

    /// Locks the directory.
    fn lock(&self) -> Result<File> {
        let path = self.directory.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| self.failed(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                exec_err!("{}: another process exports into this directory", self.directory.display())
            }
            Err(fs::TryLockError::Error(error)) => Err(self.failed(&path, &error)),
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) -> DataFusionError {
        exec_datafusion_err!("{}: {error}", path.display())
    }

    fn journal_file(&self) -> PathBuf {
        self.directory.join(journal::FILE)
    }

    fn file(&self, index: usize) -> PathBuf {
        self.directory.join(format!("part-{index:05}.{}", self.format.extension()))
    }

    fn partial(&self, index: usize) -> PathBuf {
        self.directory.join(format!("part-{index:05}.{}.partial", self.format.extension()))
    }
}

/// A new or resumed export: its scan, journal and pages, and the first page if it was fetched.
type Begun = (Scan, Journal, ListPages<RawItem>, Option<ListPage<RawItem>>);

/// An export that is running.
struct Run {
    scan: Scan,
    journal: Journal,
    decoder: PageDecoder,
    /// What the files of this run have counted.
    counted: Counts,
    lock: Arc<File>,
}

impl Run {
    /// Returns what was counted since the file before.
    fn counts(&mut self, written: Written, report: &ListReport) -> Counts {
        let now = Counts {
            misfits: self.decoder.misfits(),
            anomalies: report.anomalies.len() as u64,
            duplicates: report.duplicates,
            skipped_pages: report.page_failures.len() as u64,
            ..Counts::default()
        };
        let before = std::mem::replace(&mut self.counted, now);
        Counts {
            rows: written.rows,
            bytes: written.bytes,
            misfits: now.misfits.saturating_sub(before.misfits),
            anomalies: now.anomalies.saturating_sub(before.anomalies),
            duplicates: now.duplicates.saturating_sub(before.duplicates),
            skipped_pages: now.skipped_pages.saturating_sub(before.skipped_pages),
        }
    }
}

/// A file that is being written by another thread.
struct OpenFile {
    /// The batches; `None` completes the file.
    sender: mpsc::Sender<Option<RecordBatch>>,
    writing: JoinHandle<Result<Written>>,
    partial: PathBuf,
    pages: u64,
    rows: u64,
}

impl OpenFile {
    /// Completes the file.
    async fn finish(self) -> Result<Written> {
        // If the thread has ended, its own error follows.
        let _ = self.sender.send(None).await;
        let written = self.writing.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        written.map_err(|error| error.context(format!("writing {}", self.partial.display())))
    }
}

/// Deletes the file that is being written, and returns the error that ends the export.
async fn closed(open: Option<OpenFile>, error: DataFusionError) -> DataFusionError {
    if let Some(OpenFile { sender, writing, .. }) = open {
        drop(sender);
        // Its error is that of the dropped sender.
        let _ = writing.await;
    }
    error
}

/// Returns the columns with their types.
fn columns_of(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect()
}

impl IntoFuture for Export {
    type Output = Result<ExportReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ExportReport>> + Send>>;

    /// Runs the export.
    ///
    /// # Errors
    /// Returns an error if a page can't be fetched, an item lacks its identity, the list changes, a file can't be written, or the directory
    /// has another export or a complete one. Complete files stay; the same call resumes.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("table", &self.table)
            .field("directory", &self.directory)
            .field("columns", &self.columns)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
