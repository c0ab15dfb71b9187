//! Whether a cache takes many files whose URLs differ in their query only, as happens where a scheme that
//! isn't known signs them: each signature is a file of its own then.

use std::hash::{BuildHasher, RandomState};

/// Paths that are watched at a time.
const WATCHED: usize = 64;

/// So many more files of one path than of the others are many.
const MANY: u32 = 100;

/// Counts the files of the paths that have most of them, in bounded memory (the algorithm of Misra and
/// Gries): what is counted is at most how many there are.
#[derive(Debug, Default)]
pub(super) struct Variants {
    hasher: RandomState,
    counts: Vec<(u64, u32)>,
    warned: bool,
}

impl Variants {
    /// Counts a file that was added. Returns `true` once: if its path has many by now.
    pub(super) fn add(&mut self, path: &str) -> bool {
        if self.warned {
            return false;
        }
        let hash = self.hasher.hash_one(path);
        if let Some((_, count)) = self.counts.iter_mut().find(|(counted, _)| *counted == hash) {
            *count += 1;
            self.warned = *count >= MANY;
            return self.warned;
        }
        match self.counts.len() < WATCHED {
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
        assert!(variants.counts.len() <= WATCHED);
    }

    #[test]
    fn distinct_paths_are_not_variants() {
        let mut variants = Variants::default();
        assert!(!(0..10_000).any(|number| variants.add(&format!("https://h/{}", number % 5_000))));
        assert!(variants.counts.len() <= WATCHED);
    }
}
