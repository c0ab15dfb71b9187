//! Acquires a file's part file. Another download may hold it, and may finish the file in the meantime.

use std::time::{Duration, Instant};

use super::DownloadOptions;
use super::completion::too_large;
use super::part::Part;
use super::part_location::PartLocation;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::blocking::blocking;
use crate::runtime::clock::Clock;

/// Intervals between two checks whether another download of the same file has ended.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How long another download of the same file may make no progress before waiting for it fails.
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// What was acquired.
pub(super) enum Acquired {
    Part(Box<Part>),
    /// Another download finished the file. Its size in bytes.
    File(u64),
}

/// Acquires the part of a file, unless it is already `opened`; or the file, if another download finishes it
/// and it matches what is expected.
///
/// # Errors
/// Returns an error if no file can be created there, or if another download holds the part and makes no
/// progress.
pub(super) async fn acquire(
    clock: &dyn Clock,
    options: &DownloadOptions,
    location: &PartLocation,
    mut opened: Option<Writer>,
    deadline: Option<Instant>,
) -> Result<Acquired> {
    // The part was tried before, and another download held it.
    let mut waited = opened.is_none() && location.is_claimed_before();
    loop {
        let part = match opened.take() {
            Some(writer) => Some(Part::of(writer, options.checksum.clone()).await?),
            None => part(clock, options, location, deadline, std::mem::take(&mut waited)).await?,
        };
        if let Some(part) = part {
            return Ok(Acquired::Part(Box::new(part)));
        }
        let (location, size, checksum) = (location.clone(), options.size, options.checksum.clone());
        if let Some(bytes) = blocking(move || location.as_expected(size, checksum.as_ref())).await? {
            return match options.max_size.filter(|most| bytes > *most) {
                Some(most) => Err(too_large(most)),
                None => Ok(Acquired::File(bytes)),
            };
        }
    }
}

/// Waits until no other download holds the part. `None` if another download has finished the file meanwhile.
/// `waited` is whether another download held it before.
async fn part(
    clock: &dyn Clock,
    options: &DownloadOptions,
    location: &PartLocation,
    deadline: Option<Instant>,
    mut waited: bool,
) -> Result<Option<Part>> {
    let lock_timeout = options.lock_timeout.unwrap_or(LOCK_TIMEOUT);
    let (mut moved, mut seen) = (clock.now(), 0);
    let mut look = MIN_POLL_INTERVAL;
    loop {
        let opened = Part::open(location.clone(), options.checksum.clone()).await?;
        let location = location.clone();
        if let Some(part) = opened {
            return match waited {
                true => blocking(move || Some(part).filter(|_| !location.has_changed())).await,
                false => Ok(Some(part)),
            };
        }
        waited = true;
        let size = blocking(move || location.part_size()).await?;
        if size != seen {
            (moved, seen) = (clock.now(), size);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let message = "timed out while another download of this file was in progress";
            return Err(Error::new(ErrorKind::Timeout, message).timed_out());
        }
        if clock.now().duration_since(moved) > lock_timeout {
            let message = format!(
                "another download of this file made no progress for {lock_timeout:?} (`lock_timeout`): its process may hang; end it, or raise `lock_timeout`"
            );
            return Err(Error::new(ErrorKind::Timeout, message).timed_out());
        }
        clock.sleep(look).await;
        look = (look * 2).min(MAX_POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::runtime::clock::TestClock;

    #[tokio::test]
    async fn file_of_another_download_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let location = || PartLocation::new(directory.path().join("file.bin"), "https://h/x").unwrap();
        let mut other = Writer::open(&location()).unwrap().unwrap();
        let location = location();
        assert!(Writer::open(&location).unwrap().is_none());
        other.write(&[Bytes::from_static(b"abc")]).unwrap();
        other.name(false).unwrap();
        let options = DownloadOptions::default();
        let acquired = acquire(&*TestClock::new(), &options, &location, None, None).await.unwrap();
        assert!(matches!(acquired, Acquired::File(3)));
    }
}
