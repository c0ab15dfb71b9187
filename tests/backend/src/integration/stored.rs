//! Files that came with releases and log entries.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::links::FileLinks;
use crate::media::UNSAFE;

#[derive(Debug, Default)]
pub(crate) struct StoredFiles(Mutex<Vec<Stored>>);

#[derive(Debug)]
struct Stored {
    name: String,
    path: PathBuf,
    size: u64,
    md5: String,
}

impl StoredFiles {
    /// Adds a file and returns the decoded path of its link.
    pub(crate) fn add(&self, name: &str, path: PathBuf, size: u64, md5: String) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.replace('/', "_");
        let link = format!("{}/{name}", all.len());
        all.push(Stored { name, path, size, md5 });
        link
    }

    /// Returns the path, size and MD5 of the file at a decoded path.
    pub(crate) fn find(&self, link: &str) -> Option<(PathBuf, u64, String)> {
        let (number, name) = link.split_once('/')?;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = all.get(number.parse::<usize>().ok()?).filter(|stored| stored.name == name)?;
        Some((stored.path.clone(), stored.size, stored.md5.clone()))
    }
}

/// Returns the URL of a stored file.
pub(crate) fn url(link: &str, links: &FileLinks<'_>) -> String {
    let segments: Vec<String> =
        link.split('/').map(|part| percent_encoding::utf8_percent_encode(part, UNSAFE).to_string()).collect();
    links.url(&format!("/media/stored/{}", segments.join("/")))
}
