//! Which texts are paths of files that this process downloaded: no text that a server chose is taken for one.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, PoisonError, RwLock};

/// The paths that conversions put into answers, for as long as the process lives: answers may be kept that
/// long. Of each only a hash is kept, of 64 bits under a random key that no server knows: among a million
/// paths, one of 18 trillion guesses is taken for a path.
#[derive(Default)]
struct LocalPaths {
    hasher: RandomState,
    known: RwLock<HashSet<u64>>,
}

static LOCAL_PATHS: LazyLock<LocalPaths> = LazyLock::new(LocalPaths::default);

/// Remembers a path that stands in the place of a URL from now on.
pub(crate) fn remember(path: &str) {
    let hash = LOCAL_PATHS.hasher.hash_one(path);
    LOCAL_PATHS.known.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
}

/// Whether this very text was remembered.
pub(crate) fn is_known(text: &str) -> bool {
    let hash = LOCAL_PATHS.hasher.hash_one(text);
    LOCAL_PATHS.known.read().unwrap_or_else(PoisonError::into_inner).contains(&hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_path_is_known() {
        assert!(!is_known("/cache/a.png"));
        remember("/cache/a.png");
        assert!(is_known("/cache/a.png"));
        for other in ["/cache/a.pn", "/cache/a.png/", "/cache/./a.png", "cache/a.png", ""] {
            assert!(!is_known(other), "{other}");
        }
    }
}
