//! Remembers the paths of files that this process downloaded. A string from the server never counts as such a
//! path.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, PoisonError, RwLock};

/// The paths that conversions wrote into responses, for the life of the process, since responses may be kept
/// that long. Only a 64-bit hash of each path is kept, with a random key that no server knows: with a million
/// paths, one in 18 trillion guesses matches by chance.
static KNOWN: LazyLock<RwLock<HashSet<u64>>> = LazyLock::new(RwLock::default);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Remembers a path that replaces a URL.
pub(crate) fn remember(path: &str) {
    let hash = HASHER.hash_one(path);
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
}

/// Returns whether exactly this text was remembered.
pub(crate) fn is_known(text: &str) -> bool {
    let hash = HASHER.hash_one(text);
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).contains(&hash)
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
