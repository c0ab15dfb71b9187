//! A file that is being downloaded, under a temporary name until it is complete.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::digest::ExpectedDigest;
use super::digest_headers::HeaderDigest;
use super::entity::Entity;
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::blocking::{blocking, drop_blocking};
use crate::runtime::lock::lock;

/// Number of bytes that are collected before they are written at once.
const BATCH: usize = 1 << 20;

/// The part of a file, locked for as long as this exists.
///
/// Dropping it keeps the received bytes: collected bytes are still written, and the lock is held until then.
pub(super) struct Part {
    entity: Option<Entity>,
    pub(super) checksum: Option<ExpectedDigest>,
    /// Number of bytes that are written or being written.
    written: u64,
    batch: Vec<Bytes>,
    gathered: usize,
    /// Something was learned that the metadata doesn't contain yet.
    learned: bool,
    shared: Arc<Shared>,
    /// The running write. The next bytes are received meanwhile.
    writing: Option<JoinHandle<Result<()>>>,
}

/// The writer and the queue of bytes to write. Whoever locks the writer writes the queue first, so that the
/// bytes stay in order.
struct Shared {
    queue: Mutex<Vec<Bytes>>,
    writer: Mutex<Writer>,
}

impl Shared {
    /// Writes the queue, and the metadata if it is missing.
    fn write(&self, writer: &mut Writer) -> Result<()> {
        loop {
            let batch = std::mem::take(&mut *lock(&self.queue));
            writer.write(&batch)?;
            if batch.is_empty() {
                return Ok(());
            }
        }
    }
}

/// The bytes of a dropped part that are still to be written. They are written on drop, even if no blocking
/// thread is available.
struct Rest(Arc<Shared>);

impl Drop for Rest {
    fn drop(&mut self) {
        // If a write fails, the next download resumes with fewer bytes.
        let _ = self.0.write(&mut lock(&self.0.writer));
    }
}

impl Part {
    /// Opens the part of a file, or creates one; `None` if another download holds it.
    pub(super) async fn open(
        location: PartLocation,
        checksum: Option<ExpectedDigest>,
    ) -> Result<Option<Self>> {
        match blocking(move || Writer::open(&location)).await?? {
            Some(writer) => Part::of(writer, checksum).await.map(Some),
            None => Ok(None),
        }
    }

    /// Creates the part for a writer that is already open.
    pub(super) async fn of(writer: Writer, checksum: Option<ExpectedDigest>) -> Result<Self> {
        let mut part = Part {
            entity: writer.entity.clone(),
            checksum,
            written: writer.written,
            batch: Vec::new(),
            gathered: 0,
            learned: false,
            shared: Arc::new(Shared { queue: Mutex::default(), writer: Mutex::new(writer) }),
            writing: None,
        };
        let algorithms = part.algorithms();
        if part.written > 0 && !algorithms.is_empty() {
            lock(&part.shared.writer).hash(algorithms);
            // Hashes chunk by chunk, so that the work stops when the download is dropped.
            while part.on_writer(Writer::hash_next).await? {}
        }
        Ok(part)
    }

    /// Returns the number of bytes received so far.
    pub(super) fn len(&self) -> u64 {
        self.written + self.gathered as u64
    }

    pub(super) fn entity(&self) -> Option<&Entity> {
        self.entity.as_ref()
    }

    /// Returns whether the bytes can be resumed: the version of the file is known, or the expected digest of
    /// the whole file is.
    pub(super) fn is_resumable(&self) -> bool {
        self.entity.as_ref().is_some_and(|entity| entity.if_range().is_some() || self.checksum.is_some())
    }

    /// Returns the algorithms of the digests that are compared at the end.
    fn algorithms(&self) -> Vec<super::digest::Algorithm> {
        let named = self.entity.iter().flat_map(|entity| &entity.digests).map(|digest| digest.algorithm);
        named.chain(self.checksum.as_ref().map(|checksum| checksum.algorithm)).collect()
    }

    /// Restarts with no bytes, for this version of the file.
    pub(super) async fn begin(&mut self, entity: Option<Entity>) -> Result<()> {
        self.batch.clear();
        (self.gathered, self.learned) = (0, false);
        self.settled().await?;
        self.entity = entity.clone();
        let (keeps, algorithms) = (self.is_resumable(), self.algorithms());
        let begin = move |writer: &mut Writer| {
            writer.reset_digests();
            writer.hash(algorithms);
            (writer.keeps, writer.entity) = (keeps, entity);
            Ok(())
        };
        // A new file has nothing to remove.
        let is_new = self.written == 0 && lock(&self.shared.writer).is_new();
        self.written = 0;
        if is_new {
            return begin(&mut lock(&self.shared.writer));
        }
        self.on_writer(|writer| writer.empty().and_then(|()| begin(writer))).await
    }

    /// Records what else is now known about the file.
    pub(super) async fn learn(&mut self, entity: Entity) -> Result<()> {
        if self.entity.as_ref() == Some(&entity) {
            return Ok(());
        }
        self.settled().await?;
        self.entity = Some(entity.clone());
        self.learned = true;
        let mut writer = lock(&self.shared.writer);
        writer.hash(self.algorithms());
        (writer.entity, writer.metadata_written) = (Some(entity), false);
        Ok(())
    }

    /// Starts a message whose bytes have these digests.
    pub(super) async fn begin_message(&mut self, digests: &[HeaderDigest]) -> Result<()> {
        self.settled().await?;
        lock(&self.shared.writer).hash_message(self.len(), digests);
        Ok(())
    }

    /// Ends a message: returns the digests that its bytes don't match.
    pub(super) async fn end_message(
        &mut self,
        digests: Vec<HeaderDigest>,
    ) -> Result<Vec<(HeaderDigest, String)>> {
        self.on_writer(move |writer| {
            let digest_values = writer.message_digest_values();
            let problem = |digest: HeaderDigest| {
                let problem = digest.problem(digest_values.of(digest.algorithm)?)?;
                Some((digest, problem))
            };
            Ok(digests.into_iter().filter_map(problem).collect())
        })
        .await
    }

    /// Removes the bytes after the first `length` ones.
    pub(super) async fn cut(&mut self, length: u64) -> Result<()> {
        if self.len() == length {
            return Ok(());
        }
        self.on_writer(move |writer| writer.cut(length)).await?;
        self.written = length;
        Ok(())
    }

    /// Adds the bytes that follow.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered += bytes.len();
        self.batch.push(bytes);
        if self.gathered < BATCH {
            return Ok(());
        }
        self.settled().await?;
        self.hand_over();
        let shared = self.shared.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || shared.write(&mut lock(&shared.writer))));
        Ok(())
    }

    fn hand_over(&mut self) {
        self.written += std::mem::take(&mut self.gathered) as u64;
        lock(&self.shared.queue).append(&mut self.batch);
    }

    /// Waits until the bytes that were handed over are written.
    async fn settled(&mut self) -> Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let back = writing.await;
        self.writing = None;
        back.map_err(|_| {
            Error::new(ErrorKind::ConnectionLost, "the runtime was shut down while a file was written")
        })?
    }

    /// Writes all received bytes, and then does work that needs the writer.
    pub(super) async fn on_writer<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.settled().await?;
        self.hand_over();
        let shared = self.shared.clone();
        blocking(move || {
            let mut writer = lock(&shared.writer);
            shared.write(&mut writer)?;
            work(&mut writer)
        })
        .await?
    }

    /// Skips the metadata of a part that is renamed at once: it will not be resumed.
    pub(super) async fn skip_metadata(&mut self) -> Result<()> {
        self.settled().await?;
        let mut writer = lock(&self.shared.writer);
        writer.metadata_written |= writer.written == 0;
        Ok(())
    }

    /// Keeps the bytes for another download to resume. Returns how many bytes are kept.
    pub(super) async fn keep(mut self) -> u64 {
        if !self.is_resumable() || self.len() == 0 {
            return 0;
        }
        self.on_writer(|writer| Ok(writer.kept())).await.unwrap_or(0)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_resumable() || (self.gathered == 0 && self.writing.is_none() && !self.learned) {
            return;
        }
        self.hand_over();
        drop_blocking(Rest(self.shared.clone()));
    }
}
