//! [`FileWriter`]: writes batches into one Parquet or Arrow file.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter as IpcWriter, IpcWriteOptions};
use datafusion::common::{DataFusionError, Result};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::ExportFormat;
use super::journal;

/// What a file has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// Writes batches into a partial file, which gets its name at the end. The partial file is deleted if the writer is dropped before.
pub(crate) struct FileWriter {
    format: Format,
    partial: Partial,
    rows: u64,
}

enum Format {
    Parquet(ArrowWriter<BufWriter<File>>),
    Ipc(IpcWriter<BufWriter<File>>),
}

/// A file that is deleted unless it is renamed.
struct Partial(Option<PathBuf>);

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The next run overwrites it.
            let _ = fs::remove_file(path);
        }
    }
}

impl FileWriter {
    /// Creates the partial file.
    pub(crate) fn create(
        path: &Path,
        schema: SchemaRef,
        format: ExportFormat,
        row_group_bytes: usize,
    ) -> Result<Self> {
        journal::remove(path)?;
        let file = BufWriter::new(File::options().write(true).create_new(true).open(path)?);
        let partial = Partial(Some(path.to_owned()));
        let format = match format {
            ExportFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(None)
                    .set_max_row_group_bytes(Some(row_group_bytes))
                    .build();
                Format::Parquet(ArrowWriter::try_new(file, schema, Some(properties))?)
            }
            ExportFormat::ArrowIpc => {
                let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
                Format::Ipc(IpcWriter::try_new_with_options(file, &schema, options)?)
            }
        };
        Ok(FileWriter { format, partial, rows: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.format {
            Format::Parquet(writer) => writer.write(batch)?,
            Format::Ipc(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Completes and stores the file, and gives it its name.
    pub(crate) fn finish(mut self, path: &Path) -> Result<Written> {
        let file = match self.format {
            Format::Parquet(writer) => writer.into_inner()?,
            Format::Ipc(mut writer) => {
                writer.finish()?;
                writer.into_inner()?
            }
        };
        let file = file.into_inner().map_err(|error| DataFusionError::from(error.into_error()))?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        if let Some(partial) = &self.partial.0 {
            fs::rename(partial, path)?;
        }
        self.partial.0 = None;
        Ok(Written { rows: self.rows, bytes })
    }
}
