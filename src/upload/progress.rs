//! The progress of an upload, and how it is reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The progress of an upload.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct UploadProgress {
    /// Bytes of the file that were handed to the connection or that the server already had, at most
    /// [`bytes_total`](UploadProgress::bytes_total). While hashing: bytes that were hashed.
    pub bytes_sent: u64,
    /// Size of the file in bytes.
    pub bytes_total: u64,
    /// Bytes per second since this phase began; zero at its beginning.
    pub bytes_per_second: f64,
    /// The current phase.
    pub phase: UploadPhase,
}

/// The phases of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadPhase {
    /// A resumed upload reads again what was sent before, to compute the digest of the whole file.
    Hashing,
    /// The file is being sent.
    Sending,
    /// Everything is sent; the server processes the file.
    Completing,
    /// The server has the whole file. If the file was sent in chunks, the server has compared its MD5.
    Complete,
}

pub(crate) type OnProgress = Arc<dyn Fn(UploadProgress) + Send + Sync>;

/// Counts the bytes that were sent, and reports them to the callback.
#[derive(Clone)]
pub(super) struct ProgressReporter {
    total: u64,
    sent: Arc<AtomicU64>,
    /// When the phase began, and how many bytes were sent then.
    began: (Instant, u64),
    phase: UploadPhase,
    on_progress: Option<OnProgress>,
}

impl ProgressReporter {
    pub(super) fn new(total: u64, on_progress: Option<OnProgress>) -> Self {
        ProgressReporter {
            total,
            sent: Arc::default(),
            began: (Instant::now(), 0),
            phase: UploadPhase::Sending,
            on_progress,
        }
    }

    /// Begins `phase`, with this many bytes sent.
    pub(super) fn enter(&mut self, phase: UploadPhase, bytes: u64) {
        self.phase = phase;
        self.began = (Instant::now(), bytes);
        self.at(bytes);
    }

    /// Sets the number of bytes that are sent. It decreases if some must be sent again.
    pub(super) fn at(&self, bytes: u64) {
        self.sent.store(bytes, Ordering::Relaxed);
        self.report(bytes);
    }

    pub(super) fn more(&self, bytes: u64) {
        self.report(self.sent.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes));
    }

    fn report(&self, bytes: u64) {
        let Some(on_progress) = &self.on_progress else { return };
        let (began, before) = self.began;
        let seconds = began.elapsed().as_secs_f64();
        let moved = bytes.saturating_sub(before) as f64;
        on_progress(UploadProgress {
            bytes_sent: bytes.min(self.total),
            bytes_total: self.total,
            bytes_per_second: if seconds > 0.0 { moved / seconds } else { 0.0 },
            phase: self.phase,
        });
    }
}
