//! [`CacheWatch`]: what a cache learns of a download whose file it takes. It takes it on the thread that names it, once it is named.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::checksum::Checksum;
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::download::cache::{
    AddedFile, CacheKey, Expected, FileCache, FileGone, FileRecord, Lease, NewFile, Validators, Waiting,
};
use crate::error::Result;
use crate::runtime::file_id::FileId;

/// Which file of a cache is wanted.
#[derive(Debug, Clone)]
pub(super) struct CacheRequest {
    pub(super) key: CacheKey,
    pub(super) expected: Expected,
    pub(super) checksum: Option<Checksum>,
}

/// A download into a cache. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct CacheWatch(Arc<CacheTarget>);

#[derive(Debug)]
struct CacheTarget {
    cache: FileCache,
    request: CacheRequest,
    /// Where it is to be put.
    new: NewFile,
    /// For how long the cache's lock is waited for.
    waiting: Waiting,
    observation: Mutex<CacheObservation>,
}

#[derive(Debug, Default)]
struct CacheObservation {
    /// Of the responses that were used; `None` if none was: another process brought the file, or it was in
    /// the URL.
    validators: Option<Validators>,
    added: Option<Lease>,
}

impl CacheWatch {
    pub(super) fn new(cache: &FileCache, request: CacheRequest, new: NewFile, waiting: Waiting) -> Self {
        CacheWatch(Arc::new(CacheTarget {
            cache: cache.clone(),
            request,
            new,
            waiting,
            observation: Mutex::default(),
        }))
    }

    /// Opens the file's part, which all URLs of the file share; no writer if another download has it. Blocks.
    pub(super) fn open(&self) -> Result<(PartLocation, Option<Writer>)> {
        let target = self.0.new.path().to_owned();
        let location = PartLocation::new(target, &self.0.request.key.hex())?
            .in_cache(self.0.cache.parts_directory(), self.clone());
        let writer = Writer::open(&location)?;
        Ok((location, writer))
    }

    /// A response whose bytes are used, or that says that all are there.
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let new = Validators::of(headers);
        let mut observation = self.observation();
        // A part is of the same state as those before it.
        let before = observation.validators.take().filter(|_| status != StatusCode::OK).unwrap_or_default();
        observation.validators = Some(new.or(before));
    }

    /// Gives the file its name in the cache, which takes it. Returns where it is. Blocks.
    pub(super) fn name(&self, part: &Path, metadata: &Metadata) -> Result<PathBuf> {
        let validators = self.observation().validators.take();
        let Expected { size, digest } = &self.0.request.expected;
        let bytes = metadata.len();
        // The server may tell the size of what it stores, which comes compressed.
        let stored_size = size.filter(|size| *size != bytes);
        let file_record =
            validators.map(|validators| FileRecord::new(validators, stored_size, digest.clone()));
        let content = AddedFile { bytes, id: FileId::of(metadata), file_record };
        let lease = self.0.cache.name(&self.0.new, part, &content, &self.0.waiting.again())?;
        let path = lease.path().to_owned();
        self.observation().added = Some(lease);
        Ok(path)
    }

    /// The file that was added; `None` if another download brought it.
    pub(super) fn added(&self) -> Option<Lease> {
        self.observation().added.take()
    }

    /// Adds a file to the cache that another download brought; `None` if it isn't there any more. Blocks.
    pub(super) fn add_anothers(&self, bytes: u64) -> Result<Option<Lease>> {
        let content = AddedFile { bytes, ..AddedFile::default() };
        match self.0.cache.added(&self.0.new, &content, &self.0.waiting.again()) {
            Err(error) if error.detail::<FileGone>().is_some() => Ok(None),
            added => added.map(Some),
        }
    }

    fn observation(&self) -> MutexGuard<'_, CacheObservation> {
        self.0.observation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
