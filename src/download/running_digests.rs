//! Digests of the bytes of a file, computed as the bytes are written. Each digest has its own position.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::digest::{Algorithm, DigestValue, Hasher};

/// Number of bytes of a file that are hashed at a time. A download that is dropped stops after this many.
const MAX_BYTES_PER_STEP: u64 = 64 << 20;

/// Running digests of the same bytes, at most one for each algorithm.
#[derive(Default)]
pub(super) struct RunningDigests(Vec<RunningDigest>);

struct RunningDigest {
    algorithm: Algorithm,
    hasher: Hasher,
    /// The offset up to which the bytes are hashed.
    to: u64,
}

impl RunningDigests {
    /// Adds a digest that starts at byte `from`, unless there is one for this algorithm.
    pub(super) fn want(&mut self, algorithm: Algorithm, from: u64) {
        if self.0.iter().all(|running| running.algorithm != algorithm) {
            self.0.push(RunningDigest { algorithm, hasher: algorithm.hasher(), to: from });
        }
    }

    /// Hashes the bytes at the offset `at` that a digest does not cover yet. A digest that has not reached
    /// this offset yet is not updated.
    pub(super) fn update(&mut self, at: u64, bytes: &[u8]) {
        for running in &mut self.0 {
            let skip = running.to.checked_sub(at).and_then(|skip| usize::try_from(skip).ok());
            if let Some(rest) = skip.and_then(|skip| bytes.get(skip..)) {
                running.hasher.update(rest);
                running.to += rest.len() as u64;
            }
        }
    }

    /// Restarts the digests that have hashed more than the remaining `length` bytes.
    pub(super) fn cut(&mut self, length: u64) {
        for running in self.0.iter_mut().filter(|running| running.to > length) {
            (running.hasher, running.to) = (running.algorithm.hasher(), 0);
        }
    }

    /// Hashes another 64 MiB of a file's first `length` bytes if a digest is behind. Returns whether one was
    /// behind. Leaves the file position at the end.
    pub(super) fn hash_next(&mut self, mut file: &File, length: u64) -> io::Result<bool> {
        let Some(from) = self.0.iter().map(|running| running.to).min().filter(|to| *to < length) else {
            return Ok(false);
        };
        file.seek(SeekFrom::Start(from))?;
        let end = length.min(from.saturating_add(MAX_BYTES_PER_STEP));
        let mut buffer = vec![0; 256 << 10];
        let mut at = from;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.update(at, &buffer[..read]);
            at += read as u64;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(true)
    }

    /// Returns the computed digests by algorithm.
    pub(super) fn finish(self) -> DigestValues {
        DigestValues(self.0.into_iter().map(|running| (running.algorithm, running.hasher.finish())).collect())
    }
}

/// Computed digests by algorithm.
#[derive(Default)]
pub(super) struct DigestValues(Vec<(Algorithm, DigestValue)>);

impl DigestValues {
    pub(super) fn of(&self, algorithm: Algorithm) -> Option<&DigestValue> {
        self.0.iter().find(|(own, _)| *own == algorithm).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn late_algorithm_catches_up() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|index| (index * 7) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        let mut digests = RunningDigests::default();
        digests.want(Algorithm::Crc32, 0);
        digests.want(Algorithm::Md5, 0);
        file.write_all(&bytes[..600]).unwrap();
        digests.update(0, &bytes[..600]);
        // This digest is added in the middle of the file.
        digests.want(Algorithm::Sha256, 0);
        digests.update(600, &bytes[600..]);
        file.write_all(&bytes[600..]).unwrap();
        assert!(digests.hash_next(&file, 1_000).unwrap());
        assert!(!digests.hash_next(&file, 1_000).unwrap());
        digests.cut(1_000);
        // Digests beyond the cut are restarted.
        digests.want(Algorithm::Crc32c, 400);
        digests.cut(300);
        assert!(digests.hash_next(&file, 1_000).unwrap());
        let digest_values = digests.finish();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Md5, Algorithm::Sha256] {
            let mut alone = algorithm.hasher();
            alone.update(&bytes);
            assert_eq!(digest_values.of(algorithm), Some(&alone.finish()), "{algorithm:?}");
        }
        assert_eq!(digest_values.of(Algorithm::Sha1), None);
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 1_000);
        assert!(
            RunningDigests(vec![RunningDigest {
                algorithm: Algorithm::Md5,
                hasher: Algorithm::Md5.hasher(),
                to: 0
            }])
            .hash_next(&file, 2_000)
            .is_err()
        );
    }
}
