//! [`Watch`]: what a cache learns of a download whose file it takes.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::file_cache::Validators;
use crate::file_id::FileId;

/// Kept by a download, and looked at when it is done. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Watched>>);

/// What was learned.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    /// `None` if no response was used: another process brought the file, or it was in the URL.
    pub(super) validators: Option<Validators>,
    /// The file that got the target's name.
    pub(super) id: Option<FileId>,
}

impl Watch {
    /// A response whose bytes are used, or that says that all are there.
    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap) {
        let new = Validators::of(headers);
        let mut watched = self.watched();
        // A part is of the same state as those before it.
        let before = watched.validators.take().filter(|_| status != StatusCode::OK).unwrap_or_default();
        watched.validators = Some(new.or(before));
    }

    /// The file is about to get the target's name.
    pub(super) fn named(&self, file: &File) {
        self.watched().id = file.metadata().ok().and_then(|metadata| FileId::of(&metadata));
    }

    pub(super) fn learned(&self) -> Watched {
        self.watched().clone()
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
