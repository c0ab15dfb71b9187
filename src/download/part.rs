//! A file on its way: under a temporary name beside its own, which it gets when all of it is there.

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::checksum::Checksum;
use super::entity::Entity;
use super::place::Place;
use super::writer::Writer;
use crate::blocking::blocking;
use crate::error::{Error, ErrorKind, Result};

/// Bytes that are gathered before they are written at once.
const BATCH: usize = 1 << 20;

/// The part of a file that is there, locked for as long as this lives.
pub(super) struct Part {
    place: Place,
    entity: Option<Entity>,
    checksum: Option<Checksum>,
    /// Bytes that are written, or being written.
    written: u64,
    batch: Vec<Bytes>,
    gathered: usize,
    writer: Slot,
}

/// Writes go on while the next bytes are received.
enum Slot {
    Here(Box<Writer>),
    Away(JoinHandle<Result<Box<Writer>>>),
    /// A write failed.
    Gone,
}

impl Part {
    /// Takes up the part of a file, or begins one; nothing where another download has it.
    pub(super) async fn open(place: Place, checksum: Option<Checksum>) -> Result<Option<Self>> {
        let opened = blocking(move || Writer::open(&place)).await??;
        let Some(mut writer) = opened else { return Ok(None) };
        if let Some(checksum) = &checksum {
            let mut hasher = checksum.hasher();
            let mut hashed = 0;
            // Piece by piece, so that a download that is given up doesn't go on.
            while hashed < writer.written {
                (writer, hasher, hashed) = blocking(move || writer.hash_on(hasher, hashed)).await??;
            }
            writer.hasher = Some(hasher);
        }
        let (place, written, entity) = (writer.place.clone(), writer.written, writer.entity.clone());
        Ok(Some(Part { place, entity, checksum, written, batch: Vec::new(), gathered: 0, writer: Slot::Here(writer) }))
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.written + self.gathered as u64
    }

    pub(super) fn entity(&self) -> Option<&Entity> {
        self.entity.as_ref()
    }

    /// Whether what is there can be gone on from: it is known which state of the file it is of, or the whole's digest is.
    pub(super) fn is_resumable(&self) -> bool {
        self.entity.as_ref().is_some_and(|entity| entity.if_range().is_some() || self.checksum.is_some())
    }

    /// Begins anew, with nothing, for this state of the file.
    pub(super) async fn begin(&mut self, entity: Option<Entity>) -> Result<()> {
        self.batch.clear();
        self.gathered = 0;
        let mut writer = self.writer().await?;
        writer.hasher = self.checksum.as_ref().map(Checksum::hasher);
        self.entity = entity.clone();
        // A file that is new has nothing to be taken away.
        if self.written > 0 || writer.noted {
            writer = blocking(move || writer.empty().map(|()| writer)).await??;
        }
        writer.keeps = self.is_resumable();
        writer.entity = entity;
        self.written = 0;
        self.writer = Slot::Here(writer);
        Ok(())
    }

    /// The bytes that follow.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<()> {
        self.gathered += bytes.len();
        self.batch.push(bytes);
        if self.gathered >= BATCH { self.write().await } else { Ok(()) }
    }

    /// Begins to write what is gathered, when what was gathered before is written.
    async fn write(&mut self) -> Result<()> {
        let mut writer = self.writer().await?;
        let batch = std::mem::take(&mut self.batch);
        self.written += std::mem::take(&mut self.gathered) as u64;
        self.writer = Slot::Away(tokio::task::spawn_blocking(move || writer.write(&batch).map(|()| writer)));
        Ok(())
    }

    /// The writer, when it is back; its place is empty until it is put there again.
    async fn writer(&mut self) -> Result<Box<Writer>> {
        if let Slot::Away(handle) = &mut self.writer {
            // Waited for in its place: who gives up meanwhile loses nothing.
            let back = handle.await;
            self.writer = Slot::Gone;
            let stopped = |_| Error::new(ErrorKind::Interrupted, "the runtime was shut down while a file was written");
            return back.map_err(stopped)?;
        }
        match std::mem::replace(&mut self.writer, Slot::Gone) {
            Slot::Here(writer) => Ok(writer),
            _ => Err(Error::new(ErrorKind::File, format!("{}: an earlier write failed", self.place.target.display()))),
        }
    }

    /// Keeps what is there, so that another download goes on from it. Tells how many bytes that are.
    pub(super) async fn keep(mut self) -> u64 {
        if !self.is_resumable() || self.len() == 0 {
            return 0;
        }
        if self.gathered > 0 && self.write().await.is_err() {
            return 0;
        }
        match self.writer().await {
            Ok(writer) => writer.kept(),
            Err(_) => 0,
        }
    }

    /// Gives the file its name, all of it being there.
    ///
    /// # Errors
    /// Where its digest is another than it should be: then what is there is of no use, and goes.
    pub(super) async fn finish(mut self, durable: bool) -> Result<()> {
        let mut writer = self.writer().await?;
        let batch = std::mem::take(&mut self.batch);
        let checksum = self.checksum.take();
        blocking(move || {
            // Nobody goes on from a part that is renamed at once.
            writer.noted |= writer.written == 0 && !batch.is_empty();
            writer.write(&batch)?;
            if let (Some(checksum), Some(hasher)) = (checksum, writer.hasher.take())
                && let Some(problem) = checksum.problem(hasher)
            {
                writer.discard();
                return Err(Error::new(ErrorKind::Download, problem));
            }
            writer.name(durable)
        })
        .await?
    }
}
