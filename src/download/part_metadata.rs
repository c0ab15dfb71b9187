//! The metadata of a part: a file next to it that says which file and version the part belongs to. A part is
//! resumed only if its metadata is for the same file and the same target name.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::entity::Entity;
use crate::runtime::plain_file;

/// Version of the format.
const FORMAT: u32 = 2;

/// The maximum length of a metadata file, in bytes. One usually has a few hundred.
const MAX_LENGTH: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct PartMetadata<E> {
    format: u32,
    /// Hash of the URL and the target name: metadata that was moved here or planted has another hash.
    of: String,
    #[serde(flatten)]
    entity: E,
}

/// The result of reading a part's metadata.
pub(super) enum StoredMetadata {
    Missing,
    /// The version of the file that the part belongs to; `None` if the metadata is unusable.
    Found(Option<Entity>),
}

/// Reads the metadata at `path` for a part that has `length` bytes of the file `of`.
///
/// # Errors
/// Returns an error if what exists there isn't our own file, or can't be read.
pub(super) fn read(path: &Path, of: &str, length: u64) -> io::Result<StoredMetadata> {
    let opened = plain_file::if_there(plain_file::open_own(path, OpenOptions::new().read(true)))?;
    let Some(file) = opened else { return Ok(StoredMetadata::Missing) };
    let mut text = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut text)?;
    Ok(StoredMetadata::Found(parse(&text, of, length)))
}

/// Parses metadata: returns which version of the file `of` the `length` bytes belong to, if they can be
/// resumed.
fn parse(text: &[u8], of: &str, length: u64) -> Option<Entity> {
    if text.len() as u64 > MAX_LENGTH {
        return None;
    }
    let metadata: PartMetadata<Entity> = serde_json::from_slice(text).ok()?;
    let is_usable = metadata.format == FORMAT
        && metadata.of == of
        && length > 0
        && metadata.entity.size.is_none_or(|size| length <= size);
    // Without a valid `If-Range` value, the server would send the rest of any version.
    let sendable =
        metadata.entity.if_range().is_none_or(|validator| HeaderValue::from_str(validator).is_ok());
    (is_usable && sendable).then_some(metadata.entity)
}

/// Writes metadata, and overwrites one of our own. Returns whether it was written: `false` if something that
/// isn't ours has the name.
///
/// # Errors
/// Returns an error if it can't be written.
pub(super) fn write(path: &Path, of: &str, entity: &Entity) -> io::Result<bool> {
    let text = serde_json::to_vec(&PartMetadata { format: FORMAT, of: of.to_owned(), entity })?;
    let mut file = match plain_file::create_own(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let Ok(file) = plain_file::open_own(path, OpenOptions::new().write(true)) else {
                return Ok(false);
            };
            file
        }
        Err(error) => return Err(error),
    };
    file.write_all(&text)?;
    // Removes the rest of longer metadata.
    file.set_len(text.len() as u64)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OF: &str = "0123456789abcdef";
    const TEXT: &str =
        r#"{"format":2,"of":"0123456789abcdef","etag":"\"a\"","last_modified":null,"size":100}"#;

    #[test]
    fn only_matching_metadata_is_resumed() {
        assert_eq!(parse(TEXT.as_bytes(), OF, 100).and_then(|entity| entity.size), Some(100));
        assert!(parse(TEXT.as_bytes(), OF, 1).is_some());
        assert!(parse(TEXT.as_bytes(), OF, 0).is_none());
        assert!(parse(TEXT.as_bytes(), OF, 101).is_none());
        assert!(parse(TEXT.as_bytes(), "0123456789abcdee", 100).is_none());
        assert!(parse(TEXT.replace("\\\"a\\\"", "\\\"a\\n\\\"").as_bytes(), OF, 100).is_none());
    }

    #[test]
    fn metadata_overwrites_only_own_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metadata");
        let long: Entity =
            serde_json::from_str(&format!("{{\"etag\": \"\\\"{}\\\"\"}}", "x".repeat(1_000))).unwrap();
        let short: Entity = serde_json::from_str("{\"etag\": \"\\\"y\\\"\"}").unwrap();
        for entity in [&short, &long, &short] {
            assert!(write(&path, OF, entity).unwrap());
            let StoredMetadata::Found(read) = read(&path, OF, 1).unwrap() else { panic!("there is one") };
            assert_eq!(read.as_ref(), Some(entity));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path, OF, 1), Ok(StoredMetadata::Missing)));
        std::fs::create_dir(&path).unwrap();
        assert!(read(&path, OF, 1).is_err());
        assert!(!write(&path, OF, &short).unwrap(), "it isn't ours");
    }

    proptest! {
        #[test]
        fn any_metadata_gives_valid_entity(
            at in 0..TEXT.len(), with in any::<u8>(), cut in 0..TEXT.len(), length in 0_u64..200, any in any::<Vec<u8>>(),
        ) {
            let mut text = TEXT.as_bytes().to_vec();
            text[at] = with;
            for text in [&text[..], &text[..cut], &any] {
                if let Some(entity) = parse(text, OF, length) {
                    prop_assert!(length > 0 && entity.size.is_none_or(|size| length <= size));
                    prop_assert!(entity.if_range().is_none_or(|validator| HeaderValue::from_str(validator).is_ok()));
                }
            }
        }
    }
}
