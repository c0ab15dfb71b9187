//! What may be set for an upload.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::progress::OnProgress;
use crate::runtime::plain_file::path_problem;
use crate::upload::session::UploadSession;

/// Assembling a file of several gigabytes takes the server half a minute and more.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(300);

type OnSession = Arc<dyn Fn(&UploadSession) + Send + Sync>;

/// What may be set for an upload.
#[derive(Clone)]
pub(crate) struct UploadOptions {
    pub(crate) chunk_size: Option<u64>,
    pub(crate) file_name: Option<String>,
    pub(crate) chunk_timeout: Option<Duration>,
    pub(crate) completion_timeout: Duration,
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) on_session: Option<OnSession>,
    pub(crate) session_file: Option<PathBuf>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        UploadOptions {
            chunk_size: None,
            file_name: None,
            chunk_timeout: None,
            completion_timeout: COMPLETION_TIMEOUT,
            on_progress: None,
            on_session: None,
            session_file: None,
        }
    }
}

impl UploadOptions {
    /// What can't be right.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.chunk_size == Some(0) {
            problems.push("chunk_size: it is zero".to_owned());
        }
        if self.chunk_timeout.is_some_and(|timeout| timeout.is_zero()) {
            problems.push("chunk_timeout: it is zero".to_owned());
        }
        if self.completion_timeout.is_zero() {
            problems.push("completion_timeout: it is zero".to_owned());
        }
        if let Some(problem) = self.session_file.as_deref().and_then(path_problem) {
            problems.push(format!("session_file: {problem}"));
        }
        match self.file_name.as_deref() {
            Some("") => problems.push("file_name: it is empty".to_owned()),
            Some(name) if name.contains(['\r', '\n', '\0']) => {
                problems.push("file_name: it holds a line break or a zero".to_owned());
            }
            _ => {}
        }
        problems
    }
}

impl fmt::Debug for UploadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadOptions")
            .field("chunk_size", &self.chunk_size)
            .field("file_name", &self.file_name)
            .field("chunk_timeout", &self.chunk_timeout)
            .field("completion_timeout", &self.completion_timeout)
            .field("on_progress", &self.on_progress.is_some())
            .field("on_session", &self.on_session.is_some())
            .field("session_file", &self.session_file)
            .finish()
    }
}

/// The setters of everything that uploads, into its field `upload`.
macro_rules! upload_setters {
    () => {
        /// Bytes of the file in a chunk; 50 MiB unless set, and 8 MiB of a source that comes once, which
        /// keeps the chunk in memory.
        pub fn chunk_size(mut self, bytes: u64) -> Self {
            self.upload.chunk_size = Some(bytes);
            self
        }

        /// The name that the server is told; the file's own unless set.
        pub fn file_name(mut self, name: impl Into<String>) -> Self {
            self.upload.file_name = Some(name.into());
            self
        }

        /// How long one chunk may take, its answer included; without a limit unless set. What doesn't move at
        /// all ends by the read time-out.
        pub fn chunk_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.upload.chunk_timeout = Some(timeout);
            self
        }

        /// How long the server may take to assemble the file; 5 minutes unless set. Where the answer is lost,
        /// it is asked for as long again whether the upload is complete.
        pub fn completion_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.upload.completion_timeout = timeout;
            self
        }

        /// Told how far the upload has come, after each piece and at each phase.
        ///
        /// Called in order, from the task that sends: it must not block. `Complete` comes last, and only on
        /// success.
        pub fn on_progress(
            mut self,
            callback: impl Fn($crate::UploadProgress) + Send + Sync + 'static,
        ) -> Self {
            self.upload.on_progress = Some(std::sync::Arc::new(callback));
            self
        }

        /// Offered the upload's session after each chunk: what
        /// [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload) takes. A source that comes
        /// once has none.
        ///
        /// Called from the task that sends: it must not block.
        pub fn on_session(
            mut self,
            offered: impl Fn(&$crate::UploadSession) + Send + Sync + 'static,
        ) -> Self {
            self.upload.on_session = Some(std::sync::Arc::new(offered));
            self
        }

        /// Keeps the upload's session in this file: written after each chunk, whole or not at all, and
        /// removed when what is awaited has succeeded. Where the file is there and belongs to what is
        /// uploaded, the upload goes on from it: its size is compared, and the MD5 of what was sent, before
        /// anything is sent or a complete upload is used; the time of the last change may be another.
        ///
        /// Where the session is of another file, or of a format that this crate doesn't know, nothing of its
        /// upload is used: the upload starts again from its beginning, a warning is traced that tells why,
        /// and the session is replaced. A complete upload of which nothing proves that it is this file's is
        /// not used either. A file that holds something else than a session, or is longer than 64 KiB, is an
        /// error, and so is what isn't a regular file of this user's: a symbolic link, a file with other
        /// names (hard links), a FIFO, a device.
        ///
        /// The session holds the upload's URL, which may be signed: on Unix only its owner may read the file.
        pub fn session_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.upload.session_file = Some(path.into());
            self
        }
    };
}
pub(crate) use upload_setters;
