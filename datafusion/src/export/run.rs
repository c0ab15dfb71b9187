//! How an export runs: it begins or resumes, and writes pages into files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use synapse_backend_client::{ListPage, ListPages, ListReport, RawItem};

use super::file_writer::Written;
use super::journal::{self, Counts, Entry, Journal, Plan};
use super::open_file::{OpenFile, closed};
use super::{Export, ExportProgress, ExportReport};
use crate::errors;
use crate::metrics::ScanMetrics;
use crate::page_decoder::PageDecoder;
use crate::scan::Scan;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// The file that is locked while an export runs.
const LOCK: &str = "export.lock";

impl Export {
    pub(super) async fn run(mut self) -> Result<ExportReport> {
        let scans = self.scans()?;
        fs::create_dir_all(&self.directory).map_err(|error| self.failed(&self.directory, &error))?;
        let lock = Arc::new(self.lock()?);
        let opened = Journal::open(&self.directory);
        let opened = opened.map_err(|error| self.failed(&self.journal_file(), &error))?;
        let (scan, journal, pages, first) = match opened {
            Some(journal) => self.resume(&scans, journal)?,
            None => self.begin(scans).await?,
        };
        let resumed = journal.files.len();
        let metrics = ScanMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        let decoder = PageDecoder::new(Arc::new(scan.clone()), BATCH_ROWS, metrics);
        let run = Run { scan, journal, decoder, counted: Counts::default(), lock };
        let journal = self.write(run, pages, first).await?;
        Ok(self.report_of(&journal, resumed))
    }

    /// Returns the report of the directory's export if it is complete; `None` if it isn't, or if there is none.
    ///
    /// # Errors
    /// Returns an error if the directory has another export, or if a file isn't what was exported.
    pub fn finished(&self) -> Result<Option<ExportReport>> {
        let opened = Journal::open(&self.directory);
        let opened = opened.map_err(|error| self.failed(&self.journal_file(), &error))?;
        let Some(journal) = opened else { return Ok(None) };
        self.compare(&self.scans()?, &journal)?;
        Ok(journal.is_complete.then(|| self.report_of(&journal, journal.files.len())))
    }

    fn report_of(&self, journal: &Journal, resumed_files: usize) -> ExportReport {
        let Counts { rows, bytes, misfits, anomalies, duplicates, skipped_pages, omitted } = journal.total;
        let files = (0..journal.files.len()).map(|index| self.file(index)).collect();
        ExportReport {
            rows,
            bytes,
            files,
            resumed_files,
            misfits,
            anomalies,
            duplicates,
            skipped_pages,
            omitted,
        }
    }

    /// Begins a new export. If the server doesn't know a narrower list, the export reads the table's own.
    async fn begin(&mut self, scans: Vec<Scan>) -> Result<Started> {
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
    fn resume(&self, scans: &[Scan], journal: Journal) -> Result<Started> {
        let scan = self.compare(scans, &journal)?;
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

    /// Returns the scan of a journal's export.
    ///
    /// # Errors
    /// Returns an error if it is another export than this one, or if a file isn't what was exported.
    fn compare(&self, scans: &[Scan], journal: &Journal) -> Result<Scan> {
        let is_same = |scan: &Scan| scan.operation() == journal.plan.list;
        let scan = scans.iter().find(|scan| is_same(scan)).or(scans.last()).cloned();
        let scan = scan.ok_or_else(|| exec_datafusion_err!("the table has no list"))?;
        if let Some(difference) = journal.plan.difference(&self.plan(&scan)) {
            return exec_err!(
                "{}: the directory has another export: {difference}. Choose another directory",
                self.directory.display()
            );
        }
        for (index, bytes) in journal.files.iter().enumerate() {
            let path = self.file(index);
            let is_complete = fs::symlink_metadata(&path)
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() == *bytes);
            if !is_complete {
                return exec_err!(
                    "{}: this file was changed or removed after it was exported: it isn't a file of {bytes} bytes. Export into another \
                     directory",
                    path.display()
                );
            }
        }
        Ok(scan)
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
                    file.write(batch).await;
                }
            }
            let open_rows = open.as_ref().map_or(0, |file| file.rows);
            self.report(&run.journal, pages.list().total(), open_rows);
            if is_end || is_full {
                let written = match open.take() {
                    Some(file) => Some(file.finish().await?),
                    None => None,
                };
                let counts = run.counts(written, pages.list().report());
                let entry = Entry {
                    file: written.is_some(),
                    counts,
                    checkpoint: pages.list().checkpoint(),
                    end: is_end,
                };
                run.journal.add(entry).map_err(|error| self.failed(&self.journal_file(), &error))?;
                self.report(&run.journal, pages.list().total(), 0);
            }
            if is_end {
                return Ok(run.journal);
            }
        }
    }

    /// Returns the scans of the export's columns: that of a narrower list first.
    fn scans(&self) -> Result<Vec<Scan>> {
        if self.table.options().split.is_some() {
            return plan_err!(
                "export: the table has one part of a list: export the whole list, or copy the part"
            );
        }
        let schema = datafusion::catalog::TableProvider::schema(self.table.as_ref());
        let projection = match &self.columns {
            // Columns of parameters have no value here.
            None => Some(self.table.item_columns()),
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

    /// Opens the next file.
    fn open(&self, run: &Run) -> OpenFile {
        let index = run.journal.files.len();
        let (path, partial) = (self.file(index), self.partial(index));
        OpenFile::create(
            path,
            partial,
            run.scan.schema.clone(),
            self.format,
            self.row_group_bytes,
            run.lock.clone(),
        )
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
type Started = (Scan, Journal, ListPages<RawItem>, Option<ListPage<RawItem>>);

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
    fn counts(&mut self, written: Option<Written>, report: &ListReport) -> Counts {
        let now = Counts {
            misfits: self.decoder.misfits(),
            anomalies: report.anomalies.len() as u64,
            duplicates: report.duplicates,
            skipped_pages: report.page_failures.len() as u64,
            omitted: report.omitted,
            ..Counts::default()
        };
        let before = std::mem::replace(&mut self.counted, now);
        Counts {
            rows: written.map_or(0, |written| written.rows),
            bytes: written.map_or(0, |written| written.bytes),
            misfits: now.misfits.saturating_sub(before.misfits),
            anomalies: now.anomalies.saturating_sub(before.anomalies),
            duplicates: now.duplicates.saturating_sub(before.duplicates),
            skipped_pages: now.skipped_pages.saturating_sub(before.skipped_pages),
            omitted: now.omitted.saturating_sub(before.omitted),
        }
    }
}

/// Returns the columns with their types.
fn columns_of(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| format!("{}: {}", field.name(), field.data_type())).collect()
}
