//! A file on its way: under a temporary name beside its own, which it gets when all of it is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::checksum::Checksum;
use super::digests::Digest;
use super::entity::Entity;
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::blocking::{blocking, drop_apart};

/// Bytes that are gathered before they are written at once.
const BATCH: usize = 1 << 20;

/// The part of a file that is there, locked for as long as this lives.
///
/// Dropping it keeps what came: what is gathered is written as well, and the lock is held until it is.
pub(super) struct Part {
    entity: Option<Entity>,
    pub(super) checksum: Option<Checksum>,
    /// Bytes that are written, or being written.
    written: u64,
    batch: Vec<Bytes>,
    gathered: usize,
    /// The note doesn't say yet what was learned.
    learned: bool,
    shared: Arc<Shared>,
    /// Writes go on while the next bytes are received.
    writing: Option<JoinHandle<Result<()>>>,
}

/// The writer, and what waits for it. Whoever has the writer writes all of that first, so that bytes come in
/// their order.
struct Shared {
    queue: Mutex<Vec<Bytes>>,
    writer: Mutex<Writer>,
}

impl Shared {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits, and the note where it is missing.
    fn write(&self, writer: &mut Writer) -> Result<()> {
        loop {
            let batch = std::mem::take(&mut *self.queue());
            writer.write(&batch)?;
            if batch.is_empty() {
                return Ok(());
            }
        }
    }
}

/// What of a part that was given up is still to be written: it is, also where no thread takes it any more.
struct Rest(Arc<Shared>);

impl Drop for Rest {
    fn drop(&mut self) {
        // What can't be written isn't there the next time.
        let _ = self.0.write(&mut self.0.writer());
    }
}

impl Part {
    /// Takes up the part of a file, or begins one; nothing where another download has it.
    pub(super) async fn open(location: PartLocation, checksum: Option<Checksum>) -> Result<Option<Self>> {
        match blocking(move || Writer::open(&location)).await?? {
            Some(writer) => Part::of(writer, checksum).await.map(Some),
            None => Ok(None),
        }
    }

    /// The part of a file that was opened.
    pub(super) async fn of(writer: Writer, checksum: Option<Checksum>) -> Result<Self> {
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
            part.shared.writer().hash(algorithms);
            // Piece by piece, so that a download that is given up doesn't go on.
            while part.on_writer(Writer::hash_on).await? {}
        }
        Ok(part)
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.written + self.gathered as u64
    }

    pub(super) fn entity(&self) -> Option<&Entity> {
        self.entity.as_ref()
    }

    /// Whether what is there can be gone on from: it is known which state of the file it is of, or the
    /// whole's digest is.
    pub(super) fn is_resumable(&self) -> bool {
        self.entity.as_ref().is_some_and(|entity| entity.if_range().is_some() || self.checksum.is_some())
    }

    /// The digests of all bytes that are compared in the end.
    fn algorithms(&self) -> Vec<super::checksum::Algorithm> {
        let named = self.entity.iter().flat_map(|entity| &entity.digests).map(|digest| digest.algorithm);
        named.chain(self.checksum.as_ref().map(|checksum| checksum.algorithm)).collect()
    }

    /// Begins anew, with nothing, for this state of the file.
    pub(super) async fn begin(&mut self, entity: Option<Entity>) -> Result<()> {
        self.batch.clear();
        (self.gathered, self.learned) = (0, false);
        self.settled().await?;
        self.entity = entity.clone();
        let (keeps, algorithms) = (self.is_resumable(), self.algorithms());
        let begin = move |writer: &mut Writer| {
            writer.hash_anew();
            writer.hash(algorithms);
            (writer.keeps, writer.entity) = (keeps, entity);
            Ok(())
        };
        // A file that is new has nothing to be taken away.
        let is_new = self.written == 0 && self.shared.writer().is_new();
        self.written = 0;
        if is_new {
            return begin(&mut self.shared.writer());
        }
        self.on_writer(|writer| writer.empty().and_then(|()| begin(writer))).await
    }

    /// More is known of the file that the bytes are of.
    pub(super) async fn learn(&mut self, entity: Entity) -> Result<()> {
        if self.entity.as_ref() == Some(&entity) {
            return Ok(());
        }
        self.settled().await?;
        self.entity = Some(entity.clone());
        self.learned = true;
        let mut writer = self.shared.writer();
        writer.hash(self.algorithms());
        (writer.entity, writer.noted) = (Some(entity), false);
        Ok(())
    }

    /// A message begins whose bytes have these digests.
    pub(super) async fn begin_message(&mut self, digests: &[Digest]) -> Result<()> {
        self.settled().await?;
        self.shared.writer().hash_message(self.len(), digests);
        Ok(())
    }

    /// What is wrong with the bytes of the message, by its digests.
    pub(super) async fn end_message(&mut self, digests: Vec<Digest>) -> Result<Vec<(Digest, String)>> {
        self.on_writer(move |writer| {
            let digest_values = writer.message_digest_values();
            let problem = |digest: Digest| {
                let problem = digest.problem(digest_values.of(digest.algorithm)?)?;
                Some((digest, problem))
            };
            Ok(digests.into_iter().filter_map(problem).collect())
        })
        .await
    }

    /// Takes away what follows the first `length` bytes.
    pub(super) async fn cut(&mut self, length: u64) -> Result<()> {
        if self.len() == length {
            return Ok(());
        }
        self.on_writer(move |writer| writer.cut(length)).await?;
        self.written = length;
        Ok(())
    }

    /// The bytes that follow.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered += bytes.len();
        self.batch.push(bytes);
        if self.gathered < BATCH {
            return Ok(());
        }
        self.settled().await?;
        self.hand_over();
        let shared = self.shared.clone();
        self.writing = Some(tokio::task::spawn_blocking(move || shared.write(&mut shared.writer())));
        Ok(())
    }

    fn hand_over(&mut self) {
        self.written += std::mem::take(&mut self.gathered) as u64;
        self.shared.queue().append(&mut self.batch);
    }

    /// Waits until what was handed over is written.
    async fn settled(&mut self) -> Result<()> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let back = writing.await;
        self.writing = None;
        back.map_err(|_| {
            Error::new(ErrorKind::ConnectionLost, "the runtime was shut down while a file was written")
        })?
    }

    /// Writes all that came, and does what needs the file besides.
    pub(super) async fn on_writer<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.settled().await?;
        self.hand_over();
        let shared = self.shared.clone();
        blocking(move || {
            let mut writer = shared.writer();
            shared.write(&mut writer)?;
            work(&mut writer)
        })
        .await?
    }

    /// Nobody goes on from a part that gets its name at once: it needs no note.
    pub(super) async fn needs_no_note(&mut self) -> Result<()> {
        self.settled().await?;
        let mut writer = self.shared.writer();
        writer.noted |= writer.written == 0;
        Ok(())
    }

    /// Keeps what is there, so that another download goes on from it. Tells how many bytes that are.
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
        drop_apart(Rest(self.shared.clone()));
    }
}
