//! The options of an upload.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::progress::OnProgress;
use crate::runtime::plain_file::path_problem;
use crate::upload::session::UploadSession;

/// Assembling a file of several gigabytes takes the server half a minute or more.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(300);

type OnSession = Arc<dyn Fn(&UploadSession) + Send + Sync>;

/// The options of an upload.
#[derive(Clone, Default)]
pub(crate) struct UploadOptions {
    pub(crate) chunk_size: Option<u64>,
    pub(crate) file_name: Option<String>,
    pub(crate) chunk_timeout: Option<Duration>,
    pub(crate) completion_timeout: Option<Duration>,
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) on_session: Option<OnSession>,
    pub(crate) session_file: Option<PathBuf>,
}

impl UploadOptions {
    /// Returns how long the server may take to assemble the file.
    pub(crate) fn completion_timeout(&self) -> Duration {
        self.completion_timeout.unwrap_or(COMPLETION_TIMEOUT)
    }

    /// Returns what is invalid.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.chunk_size == Some(0) {
            problems.push("chunk_size: it is zero".to_owned());
        }
        if self.chunk_timeout.is_some_and(|timeout| timeout.is_zero()) {
            problems.push("chunk_timeout: it is zero".to_owned());
        }
        if self.completion_timeout().is_zero() {
            problems.push("completion_timeout: it is zero".to_owned());
        }
        if let Some(problem) = self.session_file.as_deref().and_then(path_problem) {
            problems.push(format!("session_file: {problem}"));
        }
        match self.file_name.as_deref() {
            Some("") => problems.push("file_name: it is empty".to_owned()),
            Some(name) if name.contains(['\r', '\n', '\0']) => {
                problems.push("file_name: it contains a line break or a NUL".to_owned());
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

/// The setters of every type that uploads; they set its field `upload`.
macro_rules! upload_setters {
    () => {
        /// Sets the size of a chunk in bytes. The default is 50 MiB. For a one-shot source, whose chunk is
        /// kept in memory, it is 8 MiB. It has no effect for a data file that is sent in one request.
        pub fn chunk_size(mut self, bytes: u64) -> Self {
            self.upload.chunk_size = Some(bytes);
            self
        }

        /// Sets the file name that is sent to the server; the default is the file's own name.
        pub fn file_name(mut self, name: impl Into<String>) -> Self {
            self.upload.file_name = Some(name.into());
            self
        }

        /// Sets how long one chunk may take, including its response; the default is the client's
        /// [`timeout`](crate::BackendClientBuilder::timeout). A chunk of which no byte is sent or received
        /// ends by the read time-out. It has no effect for a data file that is sent in one request: set `timeout`.
        pub fn chunk_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.upload.chunk_timeout = Some(timeout);
            self
        }

        /// Sets how long the server may take to assemble the file; the default is 5 minutes. If the response
        /// is lost, the server is polled for as long again to find out whether the upload is complete.
        ///
        /// For a data file that is sent in one request, it is the read time-out of that request, unless the call has
        /// its own.
        pub fn completion_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.upload.completion_timeout = Some(timeout);
            self
        }

        /// Sets a callback for the progress of the upload. It is called after each block and at the beginning
        /// of each phase.
        ///
        /// It is called in order, from the task or thread that sends the file: it must not block. `Complete`
        /// comes last, and only on success.
        pub fn on_progress(
            mut self,
            callback: impl Fn($crate::UploadProgress) + Send + Sync + 'static,
        ) -> Self {
            self.upload.on_progress = Some(std::sync::Arc::new(callback));
            self
        }

        /// Sets a callback that receives the upload's session after each chunk. The session can be passed to
        /// [`resume_chunked_upload`](crate::BackendClient::resume_chunked_upload). A one-shot source has no
        /// session, and neither has a data file that is sent in one request.
        ///
        /// It is called from the task that sends the file: it must not block.
        pub fn on_session(
            mut self,
            offered: impl Fn(&$crate::UploadSession) + Send + Sync + 'static,
        ) -> Self {
            self.upload.on_session = Some(std::sync::Arc::new(offered));
            self
        }

        /// Keeps the upload's session in this file. The file is written atomically after each chunk, and
        /// removed when the call has succeeded. If the file exists and belongs to the source, the upload
        /// resumes from it. The size of the source and the MD5 of what was sent are compared before anything
        /// is sent or a complete upload is used. The time of the last change may differ.
        ///
        /// If the session is of another file, or has a format that this crate doesn't know, nothing of its
        /// upload is used. The upload starts from the beginning, a warning with the reason is logged, and the
        /// session is replaced. A complete upload is also not used if nothing proves that it is of this file.
        /// It is an error if the file contains something other than a session, is longer than 64 KiB, or
        /// isn't a regular file of this user: a symbolic link, a file with other names (hard links), a FIFO,
        /// or a device.
        ///
        /// The session contains the upload's URL, which may be signed: on Unix only its owner may read the
        /// file.
        pub fn session_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
            self.upload.session_file = Some(path.into());
            self
        }
    };
}
pub(crate) use upload_setters;
