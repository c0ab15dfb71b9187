//! A checked source as the file of a form, which is sent in one request.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::options::UploadOptions;
use super::preflight::{CheckedSource, Preflight};
use super::progress::{ProgressReporter, UploadPhase};
use super::read_ahead::OpenSource;
use crate::generated::form_file::FormFile;
use crate::runtime::lock::lock;
use crate::values::upload_source::{ResumableSource, RewindableSource, StreamSource, UploadSource};

impl Preflight {
    /// Returns the size of the source in bytes.
    pub(crate) fn size(&self) -> u64 {
        match &self.source {
            CheckedSource::Resumable(opened, _) => opened.size,
            CheckedSource::OneShot(source) => source.size,
        }
    }

    /// Returns whether there is a session of an interrupted upload in chunks.
    pub(crate) fn resumes(&self) -> bool {
        matches!(self.source, CheckedSource::Resumable(_, Some(_)))
    }

    /// Returns the source as the file of a form, and its progress. Each attempt opens the source again. It fails
    /// before the form's end if the source isn't as it was checked.
    pub(crate) fn into_form_file(self, options: &UploadOptions) -> (FormFile, FormProgress) {
        let reporter = ProgressReporter::new(self.size(), options.on_progress.clone());
        let progress =
            FormProgress(Arc::new(Mutex::new(Attempts { size: self.size(), latest: 0, reporter })));
        let source: UploadSource = match self.source {
            CheckedSource::Resumable(opened, _) => {
                ResumableSource::from_rewindable(FormSource { opened, attempts: progress.0.clone() }).into()
            }
            CheckedSource::OneShot(StreamSource { stream, size }) => {
                let mut attempt = Attempt::begin(&progress.0);
                let blocks = attempt.clone();
                let sent = stream::poll_fn(move |_| {
                    attempt.end();
                    Poll::Ready(None)
                });
                let stream = stream.inspect_ok(move |block| blocks.more(block.len())).chain(sent);
                StreamSource { stream: Box::pin(stream), size }.into()
            }
        };
        let name = options.file_name.clone().unwrap_or(self.file_name);
        (FormFile::from(source).file_name(name), progress)
    }
}

/// The progress of a form with a file. When it is dropped, nothing more is reported.
pub(crate) struct FormProgress(Arc<Mutex<Attempts>>);

/// Attempts are counted: while one begins, a thread may still read for the one before.
struct Attempts {
    size: u64,
    latest: u64,
    reporter: ProgressReporter,
}

impl FormProgress {
    /// Reports that the server has the file.
    pub(crate) fn complete(self) {
        let mut attempts = lock(&self.0);
        attempts.latest += 1;
        let size = attempts.size;
        attempts.reporter.enter(UploadPhase::Complete, size);
    }
}

impl Drop for FormProgress {
    fn drop(&mut self) {
        lock(&self.0).latest += 1;
    }
}

/// An attempt at sending the file.
#[derive(Clone)]
struct Attempt {
    attempts: Arc<Mutex<Attempts>>,
    number: u64,
}

impl Attempt {
    fn begin(attempts: &Arc<Mutex<Attempts>>) -> Self {
        let mut latest = lock(attempts);
        latest.latest += 1;
        latest.reporter.enter(UploadPhase::Sending, 0);
        Attempt { attempts: attempts.clone(), number: latest.latest }
    }

    fn more(&self, bytes: usize) {
        let attempts = lock(&self.attempts);
        if attempts.latest == self.number {
            attempts.reporter.more(bytes as u64);
        }
    }

    /// Reports that the whole file is sent.
    fn end(&mut self) {
        let mut attempts = lock(&self.attempts);
        if attempts.latest == self.number {
            let size = attempts.size;
            attempts.reporter.enter(UploadPhase::Completing, size);
        }
    }
}

/// A source that was checked, and may not change after that.
struct FormSource {
    opened: OpenSource,
    attempts: Arc<Mutex<Attempts>>,
}

impl RewindableSource for FormSource {
    fn size(&self) -> io::Result<u64> {
        Ok(self.opened.size)
    }

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let (reader, opened) = (self.opened.reader(offset)?, self.opened.clone());
        Ok(Box::new(FormReader { reader, opened, attempt: Attempt::begin(&self.attempts) }))
    }

    /// Errors name the source as the user gave it.
    fn file_name(&self) -> Option<String> {
        Some(self.opened.shown())
    }
}

struct FormReader {
    reader: Box<dyn Read + Send>,
    opened: OpenSource,
    attempt: Attempt,
}

impl Read for FormReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(buffer)?;
        if bytes > 0 {
            self.attempt.more(bytes);
        } else if !buffer.is_empty() {
            // The rest of the form isn't sent before this read: without it, the server refuses the form.
            match self.opened.change_since().map_err(io::Error::other)? {
                Some(change) => return Err(io::Error::other(change)),
                None => self.attempt.end(),
            }
        }
        Ok(bytes)
    }
}
