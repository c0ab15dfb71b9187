//! [`Watch`]: what a cache learns of a download whose file it takes. It takes it on the thread that names it, once it is named.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::checksum::Checksum;
use super::place::Place;
use super::writer::Writer;
use crate::download::cache::{
    CacheKey, Content, Expected, Facts, FileCache, Gone, Lease, NewFile, Validators, Waiting,
};
use crate::error::Result;
use crate::runtime::file_id::FileId;

/// Which file of a cache is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: CacheKey,
    pub(super) expected: Expected,
    pub(super) checksum: Option<Checksum>,
}

/// A download into a cache. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Watching>);

#[derive(Debug)]
struct Watching {
    cache: FileCache,
    wanted: Wanted,
    /// Where it is to be put.
    new: NewFile,
    /// For how long the cache's lock is waited for.
    waiting: Waiting,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    /// Of the responses that were used; `None` if none was: another process brought the file, or it was in
    /// the URL.
    validators: Option<Validators>,
    added: Option<Lease>,
}

impl Watch {
    pub(super) fn new(cache: &FileCache, wanted: Wanted, new: NewFile, waiting: Waiting) -> Self {
        Watch(Arc::new(Watching { cache: cache.clone(), wanted, new, waiting, watched: Mutex::default() }))
    }

    /// Opens the file's part, which all URLs of the file share; no writer if another download has it. Blocks.
    pub(super) fn open(&self) -> Result<(Place, Option<Writer>)> {
        let target = self.0.new.path().to_owned();
        let place = Place::new(target, &self.0.wanted.key.hex())?
            .in_cache(self.0.cache.parts_directory(), self.clone());
        let writer = Writer::open(&place)?;
        Ok((place, writer))
    }

    /// A response whose bytes are used, or that says that all are there.
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let new = Validators::of(headers);
        let mut watched = self.watched();
        // A part is of the same state as those before it.
        let before = watched.validators.take().filter(|_| status != StatusCode::OK).unwrap_or_default();
        watched.validators = Some(new.or(before));
    }

    /// Gives the file its name in the cache, which takes it. Returns where it is. Blocks.
    pub(super) fn name(&self, part: &Path, metadata: &Metadata) -> Result<PathBuf> {
        let validators = self.watched().validators.take();
        let Expected { size, digest } = &self.0.wanted.expected;
        let bytes = metadata.len();
        // The server may tell the size of what it stores, which comes compressed.
        let told_size = size.filter(|size| *size != bytes);
        let facts = validators.map(|validators| Facts::new(validators, told_size, digest.clone()));
        let content = Content { bytes, id: FileId::of(metadata), facts };
        let lease = self.0.cache.name(&self.0.new, part, &content, &self.0.waiting.again())?;
        let path = lease.path().to_owned();
        self.watched().added = Some(lease);
        Ok(path)
    }

    /// The file that was added; `None` if another download brought it.
    pub(super) fn added(&self) -> Option<Lease> {
        self.watched().added.take()
    }

    /// Adds a file to the cache that another download brought; `None` if it isn't there any more. Blocks.
    pub(super) fn add_anothers(&self, bytes: u64) -> Result<Option<Lease>> {
        let content = Content { bytes, ..Content::default() };
        match self.0.cache.added(&self.0.new, &content, &self.0.waiting.again()) {
            Err(error) if error.detail::<Gone>().is_some() => Ok(None),
            added => added.map(Some),
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
