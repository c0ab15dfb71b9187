//! [`PendingEntry`]: an entry of the cache whose file is being downloaded. The file is renamed and added
//! in one step, on the same blocking thread.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::digest::ExpectedDigest;
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::download::cache::{
    AddedFile, CacheKey, Expected, FileCache, FileGone, FileRecord, Lease, NewFile, Validators, Waiting,
};
use crate::error::Result;
use crate::runtime::file_id::FileId;
use crate::runtime::lock::lock;

/// The file of a cache that is requested.
#[derive(Debug, Clone)]
pub(super) struct CacheRequest {
    pub(super) key: CacheKey,
    pub(super) expected: Expected,
    pub(super) checksum: Option<ExpectedDigest>,
}

/// A file that is being downloaded into a cache. Clones share their state.
#[derive(Debug, Clone)]
pub(super) struct PendingEntry(Arc<CacheTarget>);

#[derive(Debug)]
struct CacheTarget {
    cache: FileCache,
    request: CacheRequest,
    /// Where the file is to be stored.
    new: NewFile,
    /// How long to wait for the cache's lock.
    waiting: Waiting,
    observation: Mutex<CacheObservation>,
}

#[derive(Debug, Default)]
struct CacheObservation {
    /// Validators of the responses that were used. `None` if no response was: another process downloaded the
    /// file, or the URL contains it.
    validators: Option<Validators>,
    added: Option<Lease>,
}

impl PendingEntry {
    pub(super) fn new(cache: &FileCache, request: CacheRequest, new: NewFile, waiting: Waiting) -> Self {
        PendingEntry(Arc::new(CacheTarget {
            cache: cache.clone(),
            request,
            new,
            waiting,
            observation: Mutex::default(),
        }))
    }

    /// Opens the file's part, which all URLs of the file share. The writer is `None` if another download
    /// holds the part. Blocks.
    pub(super) fn open(&self) -> Result<(PartLocation, Option<Writer>)> {
        let target = self.0.new.path().to_owned();
        let location = PartLocation::new(target, &self.0.request.key.hex())?
            .in_cache(self.0.cache.parts_directory(), self.clone());
        let writer = Writer::open(&location)?;
        Ok((location, writer))
    }

    /// Records the headers of a response whose bytes are used, or which says that all bytes are there.
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let new = Validators::of(headers);
        let mut observation = lock(&self.0.observation);
        // A partial response is of the same version as the responses before it.
        let before = observation.validators.take().filter(|_| status != StatusCode::OK).unwrap_or_default();
        observation.validators = Some(new.or(before));
    }

    /// Renames the part to its name in the cache and adds it. Returns its path. Blocks.
    pub(super) fn commit(&self, part: &Path, metadata: &Metadata) -> Result<PathBuf> {
        let validators = lock(&self.0.observation).validators.take();
        let Expected { size, digest } = &self.0.request.expected;
        let bytes = metadata.len();
        // The server may report the size of the stored file, although it sends it in another coding.
        let stored_size = size.filter(|size| *size != bytes);
        let file_record =
            validators.map(|validators| FileRecord::new(validators, stored_size, digest.clone()));
        let content = AddedFile { bytes, id: FileId::of(metadata), file_record };
        let lease = self.0.cache.commit(&self.0.new, part, &content, &self.0.waiting.again())?;
        let path = lease.path().to_owned();
        lock(&self.0.observation).added = Some(lease);
        Ok(path)
    }

    /// Returns the file that was added; `None` if another download stored it.
    pub(super) fn added(&self) -> Option<Lease> {
        lock(&self.0.observation).added.take()
    }

    /// Adds a file to the cache that another download stored; `None` if it no longer exists. Blocks.
    pub(super) fn add_existing(&self, bytes: u64) -> Result<Option<Lease>> {
        let content = AddedFile { bytes, ..AddedFile::default() };
        match self.0.cache.add_existing(&self.0.new, &content, &self.0.waiting.again()) {
            Err(error) if error.detail::<FileGone>().is_some() => Ok(None),
            added => added.map(Some),
        }
    }
}
