//! Detects that a cache contains many files whose URLs differ only in their query. This happens if an unknown
//! scheme signs the URLs: then each signature makes another file.

use std::hash::{BuildHasher, RandomState};

/// Number of paths that are counted at a time.
const MAX_COUNTED_PATHS: usize = 64;

/// If a path has this many files more than the others, a warning is logged.
const WARNING_THRESHOLD: u32 = 100;

/// Counts the files of the most frequent paths in bounded memory (the algorithm of Misra and Gries). A count
/// is never higher than the real number of files.
#[derive(Debug, Default)]
pub(super) struct Variants {
    hasher: RandomState,
    counts: Vec<(u64, u32)>,
    warned: bool,
}

impl Variants {
    /// Counts a file that was added. Returns `true` once: when its path has many files.
    pub(super) fn add(&mut self, path: &str) -> bool {
        if self.warned {
            return false;
        }
        let hash = self.hasher.hash_one(path);
        if let Some((_, count)) = self.counts.iter_mut().find(|(counted, _)| *counted == hash) {
            *count += 1;
            self.warned = *count >= WARNING_THRESHOLD;
            return self.warned;
        }
        match self.counts.len() < MAX_COUNTED_PATHS {
            true => self.counts.push((hash, 1)),
            false => self.counts.retain_mut(|(_, count)| {
                *count -= 1;
                *count > 0
            }),
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_variants_of_path_reported_once() {
        let mut variants = Variants::default();
        let warned = (0..1_000).filter(|number| {
            let other = (0..3).any(|other| variants.add(&format!("https://h/{number}/{other}")));
            assert!(!other);
            variants.add("https://h/download") || variants.add("https://h/download")
        });
        assert_eq!(warned.count(), 1);
        assert!(variants.counts.len() <= MAX_COUNTED_PATHS);
    }

    #[test]
    fn distinct_paths_are_not_variants() {
        let mut variants = Variants::default();
        assert!(!(0..10_000).any(|number| variants.add(&format!("https://h/{}", number % 5_000))));
        assert!(variants.counts.len() <= MAX_COUNTED_PATHS);
    }
}
