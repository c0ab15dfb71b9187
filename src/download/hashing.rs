//! Digests of bytes that are written one after the other, each as far as it has come.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::checksum::{Algorithm, DigestValue, Hasher};

/// How much of a file is read at a time to be hashed, in bytes: a download that is given up meanwhile ends
/// after it.
const AT_ONCE: u64 = 64 << 20;

/// Digests under way of the same bytes, of one algorithm each.
#[derive(Default)]
pub(super) struct Hashing(Vec<Running>);

struct Running {
    algorithm: Algorithm,
    hasher: Hasher,
    /// Up to which byte it has come.
    to: u64,
}

impl Hashing {
    /// Begins one more, at byte `from`; nothing where there is one of this algorithm.
    pub(super) fn want(&mut self, algorithm: Algorithm, from: u64) {
        if self.0.iter().all(|running| running.algorithm != algorithm) {
            self.0.push(Running { algorithm, hasher: algorithm.hasher(), to: from });
        }
    }

    /// Takes in bytes that stand at `at`. One that hasn't come so far yet is left behind.
    pub(super) fn update(&mut self, at: u64, bytes: &[u8]) {
        for running in self.0.iter_mut().filter(|running| running.to == at) {
            running.hasher.update(bytes);
            running.to += bytes.len() as u64;
        }
    }

    /// Begins those anew that took in more than the bytes that are left.
    pub(super) fn cut(&mut self, length: u64) {
        for running in self.0.iter_mut().filter(|running| running.to > length) {
            (running.hasher, running.to) = (running.algorithm.hasher(), 0);
        }
    }

    /// Takes in another 64 MiB of a file's first `length` bytes, where one has been left behind; and whether
    /// there was one. Leaves the file at its end.
    pub(super) fn go_on(&mut self, mut file: &File, length: u64) -> io::Result<bool> {
        let Some(from) = self.0.iter().map(|running| running.to).min().filter(|to| *to < length) else {
            return Ok(false);
        };
        file.seek(SeekFrom::Start(from))?;
        let end = length.min(from.saturating_add(AT_ONCE));
        let mut buffer = vec![0; 256 << 10];
        let mut at = from;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.catch_up(at, &buffer[..read]);
            at += read as u64;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(true)
    }

    /// As [`update`](Hashing::update), also for one that stands within the bytes.
    fn catch_up(&mut self, at: u64, bytes: &[u8]) {
        for running in &mut self.0 {
            let skip = running.to.checked_sub(at).and_then(|skip| usize::try_from(skip).ok());
            if let Some(rest) = skip.and_then(|skip| bytes.get(skip..)) {
                running.hasher.update(rest);
                running.to += rest.len() as u64;
            }
        }
    }

    /// What the bytes come to, by algorithm.
    pub(super) fn finish(self) -> DigestValues {
        DigestValues(self.0.into_iter().map(|running| (running.algorithm, running.hasher.finish())).collect())
    }
}

/// What bytes come to, by algorithm.
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
        let mut hashing = Hashing::default();
        hashing.want(Algorithm::Crc32, 0);
        hashing.want(Algorithm::Md5, 0);
        file.write_all(&bytes[..600]).unwrap();
        hashing.update(0, &bytes[..600]);
        // Learned in the middle.
        hashing.want(Algorithm::Sha256, 0);
        hashing.update(600, &bytes[600..]);
        file.write_all(&bytes[600..]).unwrap();
        assert!(hashing.go_on(&file, 1_000).unwrap());
        assert!(!hashing.go_on(&file, 1_000).unwrap());
        hashing.cut(1_000);
        // What is cut off is begun anew.
        hashing.want(Algorithm::Crc32c, 400);
        hashing.cut(300);
        assert!(hashing.go_on(&file, 1_000).unwrap());
        let digest_values = hashing.finish();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Md5, Algorithm::Sha256] {
            let mut alone = algorithm.hasher();
            alone.update(&bytes);
            assert_eq!(digest_values.of(algorithm), Some(&alone.finish()), "{algorithm:?}");
        }
        assert_eq!(digest_values.of(Algorithm::Sha1), None);
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 1_000);
        assert!(
            Hashing(vec![Running { algorithm: Algorithm::Md5, hasher: Algorithm::Md5.hasher(), to: 0 }])
                .go_on(&file, 2_000)
                .is_err()
        );
    }
}
