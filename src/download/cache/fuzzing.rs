//! The cache's own texts, for the fuzz targets.

use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use super::index::Index;
use super::journal_line::sealed;
use super::key::{KeyBy, KeyHash};
use super::leases::Other;
use super::signed_url::without_signature;
use super::{Expected, FileCache, Found};
use crate::error::Result;

/// The name that a URL's file gets, after that of its directory.
pub(crate) fn name(url: &str) -> (String, String) {
    let key = KeyBy::Url.key(url, b"", "");
    let path = key.hash.path(Path::new(""), &key.extension);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    assert_eq!(KeyHash::of_name(name), Some((key.hash, &*key.extension)), "the name is read otherwise");
    (key.hash.shard(), name.to_owned())
}

/// Whether a text is a name of the cache's.
pub(crate) fn is_name(text: &str) -> bool {
    KeyHash::of_name(text).is_some()
}

/// A URL without its signature.
pub(crate) fn unsigned(url: &str) -> String {
    without_signature(url).into_owned()
}

/// How many files a journal's lines come to, and their bytes.
pub(crate) fn index(lines: &[u8]) -> (u64, u128) {
    let mut index = Index::new(PathBuf::new());
    // Bytes in memory can always be read.
    let _ = index.read_on(&mut BufReader::new(lines));
    (index.files(), index.bytes())
}

/// How many files a handle holds whose file this is.
pub(crate) fn holds(file: &[u8]) -> usize {
    let mut other = Other::default();
    let _ = other.read_on(Cursor::new(file));
    other.count()
}

/// A journal's line with its checksum.
pub(crate) fn line(text: &str) -> String {
    sealed(text)
}

/// Where the first version of a URL's file is.
pub(crate) fn path(cache: &FileCache, url: &str) -> PathBuf {
    let key = cache.key(url, b"");
    key.hash.path(cache.dir(), &key.extension)
}

/// The file of a URL, if the cache has it; held until the handle is dropped.
pub(crate) fn find(cache: &FileCache, url: &str) -> Result<Option<PathBuf>> {
    match cache.find(&cache.key(url, b""), &Expected::default(), &cache.waiting())? {
        Found::Here(lease) | Found::Unverified(lease) => Ok(Some(lease.keep())),
        Found::Missing => Ok(None),
    }
}
