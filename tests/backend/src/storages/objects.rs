//! The objects that presigned URLs were given out for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::links::seal;
use crate::settings::Settings;

pub(crate) struct Objects {
    key: u64,
    prefix: String,
    /// URLs of an earlier epoch have expired.
    epoch: AtomicU64,
    all: Mutex<BTreeMap<String, Object>>,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) filename: String,
    pub(super) size: u64,
    /// The announced media type, which a single `PUT` must have.
    pub(super) content_type: Option<String>,
    pub(super) provider: String,
    pub(super) body: ObjectBody,
    /// The data file that a confirmation has made of it.
    pub(super) confirmed: Option<i64>,
}

#[derive(Debug, Clone)]
pub(super) enum ObjectBody {
    Single(Option<Stored>),
    Parts { upload_id: String, parts: BTreeMap<u64, Stored> },
}

/// Received bytes.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) md5: String,
    pub(super) sha1: String,
}

impl Stored {
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.md5)
    }
}

impl Objects {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            key: settings.seed,
            prefix: settings.signature_prefix.clone(),
            epoch: AtomicU64::new(1),
            all: Mutex::default(),
        }
    }

    /// Makes all URLs given out so far expire.
    pub(crate) fn expire(&self) {
        self.epoch.fetch_add(1, Relaxed);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// Signs a path with the parameters that select a part.
    pub(super) fn signature(&self, path: &str, part: &str, epoch: u64) -> String {
        format!("{}{}", self.prefix, seal(self.key ^ epoch.rotate_left(16), &format!("{path}?{part}")))
    }

    /// Returns the keys and sizes of the objects that were received whole or in part.
    pub(crate) fn received(&self) -> Vec<(String, u64)> {
        let size = |object: &Object| match &object.body {
            ObjectBody::Single(stored) => stored.as_ref().map(|stored| stored.size),
            ObjectBody::Parts { parts, .. } => {
                (!parts.is_empty()).then(|| parts.values().map(|part| part.size).sum())
            }
        };
        self.lock().iter().filter_map(|(key, object)| Some((key.clone(), size(object)?))).collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
