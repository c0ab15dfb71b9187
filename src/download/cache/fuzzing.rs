//! The cache's parsers, for the fuzz targets.

use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use super::index::Index;
use super::journal_line::sealed;
use super::key::{KeyBy, KeyHash};
use super::leases::OtherLeases;
use super::signed_url::without_signature;
use super::{Expected, FileCache, Found};
use crate::error::Result;

/// Returns the names of the directory and the file of a URL.
pub(crate) fn name(url: &str) -> (String, String) {
    let key = KeyBy::Url.key(url, b"", "");
    let path = key.hash.path(Path::new(""), &key.extension);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    assert_eq!(KeyHash::of_name(name), Some((key.hash, &*key.extension)), "the name is parsed differently");
    (key.hash.shard(), name.to_owned())
}

/// Returns whether a text is a file name of the cache.
pub(crate) fn is_name(text: &str) -> bool {
    KeyHash::of_name(text).is_some()
}

/// Returns a URL without its signature.
pub(crate) fn unsigned(url: &str) -> String {
    without_signature(url).into_owned()
}

/// Returns the number of files in a journal, and their total size in bytes.
pub(crate) fn index(lines: &[u8]) -> (u64, u128) {
    let mut index = Index::new(PathBuf::new());
    // Reading from memory can't fail.
    let _ = index.read_on(&mut BufReader::new(lines));
    (index.files(), index.bytes())
}

/// Returns the number of leases in a lease file.
pub(crate) fn lease_count(file: &[u8]) -> usize {
    let mut other = OtherLeases::default();
    let _ = other.read_on(Cursor::new(file));
    other.count()
}

/// Returns a journal line with its checksum.
pub(crate) fn line(text: &str) -> String {
    sealed(text)
}

/// Returns the path of the first version of a URL's file.
pub(crate) fn path(cache: &FileCache, url: &str) -> PathBuf {
    let key = cache.key(url, b"");
    key.hash.path(cache.dir(), &key.extension)
}

/// Returns the path of a URL's file, if it is in the cache. The lease lasts until the handle is dropped.
pub(crate) fn find(cache: &FileCache, url: &str) -> Result<Option<PathBuf>> {
    match cache.find(&cache.key(url, b""), &Expected::default(), &cache.waiting())? {
        Found::Here(lease) | Found::Unverified(lease) => Ok(Some(lease.keep())),
        Found::Missing => Ok(None),
    }
}
