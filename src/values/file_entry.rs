//! [`FileEntry`]: a file in a file field of any shape.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::json_text::decode::text_of;
use crate::error::json_text::members::name;
use crate::error::json_text::scan::Scanner;
use crate::values::file_shapes::{FileObject, Found, Shapes, Wanted, literal};
use crate::values::file_url::FileUrl;
use crate::values::json::Json;
use crate::values::local_paths;

/// A file in a file field: see [`Json::files`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FileEntry {
    /// The file's key in the field; `None` if it has no key, for example in a list. Files with the same key
    /// share the string.
    pub name: Option<Arc<str>>,
    /// The file's URL; `None` if a [download](crate::BackendClient::download_to) replaced it by a `path`.
    pub url: Option<FileUrl>,
    /// The size in bytes, if the field contains it.
    pub size: Option<u64>,
    /// The checksum, if the field contains one of at most 254 bytes.
    pub checksum: Option<String>,
    path: Option<PathBuf>,
}

impl FileEntry {
    /// Returns the local path that [`download_to`](crate::BackendClient::download_to) wrote instead of the
    /// URL; `None` if the file was not downloaded.
    ///
    /// Only downloads of this process set a path. A string from the server never becomes one, not even an
    /// entry `path` with or without a `url`. So the result is also `None` for a response that another process
    /// downloaded and saved. If you trust that process, use the string itself as the path, from
    /// [`url`](FileEntry::url) or the field's `path`.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref().or_else(|| self.url.as_ref()?.as_path())
    }

    fn of_object(name: Option<Arc<str>>, object: &FileObject, text: &str) -> Self {
        let path = literal(text, object.path).and_then(text_of).filter(|path| local_paths::is_known(path));
        FileEntry {
            name,
            url: object.url.and_then(|at| url_at(text, at.get())),
            size: object.size(text),
            checksum: object.checksum(text).map(Cow::into_owned),
            path: path.map(|path| PathBuf::from(path.into_owned())),
        }
    }
}

impl fmt::Debug for FileEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileEntry")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("path", &self.path)
            .finish()
    }
}

impl Json {
    /// Returns the files of a file field, in the order of the text. The field may be a URL, an object of name
    /// -> URL or of name -> object with `url` (or with `path`, if
    /// [`download_to`](crate::BackendClient::download_to) wrote it), one such object, or a list of those.
    /// Empty for null and for a value that isn't a file field.
    ///
    /// The text is read once, whatever else it contains: a lone surrogate, which is read as U+FFFD, a number
    /// out of range, or any depth of nesting.
    ///
    /// ```
    /// use synapse_backend_client::json;
    ///
    /// let files = json!({"image": {"url": "/media/1.png", "size": 7}, "text": "https://h/2.txt"}).files();
    /// assert_eq!(files[0].name.as_deref(), Some("image"));
    /// assert_eq!((files[0].url.as_deref(), files[0].size), (Some("/media/1.png"), Some(7)));
    /// // Nothing was downloaded.
    /// assert_eq!((files[0].path(), files[1].path()), (None, None));
    /// ```
    pub fn files(&self) -> Vec<FileEntry> {
        let text = self.text();
        let mut shapes = Shapes::new(text, Wanted::Files);
        if let Some(first) = shapes.scanner.next() {
            shapes.field(first);
        }
        // A key of many files, such as the key of a list, is stored once.
        let mut names: HashMap<NonZeroUsize, Option<Arc<str>>> = HashMap::new();
        let mut name_of = |key: Option<NonZeroUsize>| {
            let name = names
                .entry(key?)
                .or_insert_with(|| literal(text, key).map(|literal| Arc::from(name(literal))));
            name.clone()
        };
        let entry = |found: &Found| {
            let name = name_of(found.name);
            match found.object.and_then(|object| shapes.objects.get(object.get())) {
                Some(object) => FileEntry::of_object(name, object, text),
                None => {
                    FileEntry { name, url: url_at(text, found.at), size: None, checksum: None, path: None }
                }
            }
        };
        shapes.found.iter().map(entry).collect()
    }
}

fn url_at(text: &str, at: usize) -> Option<FileUrl> {
    let mut scanner = Scanner::from(text, at);
    let url = scanner.next()?;
    text_of(scanner.text(url)).map(|url| FileUrl::from(url.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn files_found_in_every_shape() {
        for (field, expected) in [
            (json!("/a"), vec![(None, "/a")]),
            (json!({"x": "/a", "y": null, "z": 3}), vec![(Some("x"), "/a")]),
            (
                json!({"x": {"url": "/a"}, "y": {"path": "/b"}, "z": {"size": 1}}),
                vec![(Some("x"), "/a"), (Some("y"), "no URL")],
            ),
            (json!({"x": [{"url": "/a"}, "/b"]}), vec![(Some("x"), "/a"), (Some("x"), "/b")]),
            (json!([{"url": "/a", "name": "n"}, "/b", null]), vec![(None, "/a"), (None, "/b")]),
            (json!({"url": "/a", "name": "n"}), vec![(None, "/a")]),
            (json!([{"x": "/a", "y": null}, {"x": "/b", "name": "n"}]), vec![(Some("x"), "/a")]),
            (json!(null), vec![]),
            (json!(7), vec![]),
        ] {
            let files = field.files();
            let seen: Vec<_> = files
                .iter()
                .map(|file| (file.name.as_deref(), file.url.as_deref().unwrap_or("no URL")))
                .collect();
            assert_eq!(seen, expected, "{field}");
        }
    }

    fn urls(text: &str) -> Vec<(Option<String>, Option<String>)> {
        let json: Json = serde_json::from_str(text).unwrap();
        let of = |file: &FileEntry| {
            (file.name.as_deref().map(str::to_owned), file.url.as_deref().map(str::to_owned))
        };
        json.files().iter().map(of).collect()
    }

    #[test]
    fn odd_json_keeps_its_files() {
        let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
        let objects = format!("{}1{}", "{\"a\":".repeat(1_000_000), "}".repeat(1_000_000));
        for odd in [r#""\ud83d""#, "1e999", &format!("{open}{close}"), &objects] {
            let text = format!(r#"{{"odd": {{"x": {odd}}}, "a": {{"url": "/a", "n": {odd}}}, "b": "/b"}}"#);
            assert_eq!(
                urls(&text),
                [(Some("a".into()), Some("/a".into())), (Some("b".into()), Some("/b".into()))]
            );
        }
        assert_eq!(urls(r#"{"\ud83d": "/\ude00a"}"#), [(Some("\u{fffd}".into()), Some("/\u{fffd}a".into()))]);
        assert_eq!(urls(&format!("{open}\"/a\"{close}")), [(None, Some("/a".into()))]);
        assert_eq!(urls(&format!("[{}\"/a\"]", "null, ".repeat(1_000_000))), [(None, Some("/a".into()))]);
    }

    #[test]
    fn last_of_duplicate_keys_counts() {
        let named = |name: &str, url: &str| (Some(name.to_owned()), Some(url.to_owned()));
        for (text, expected) in [
            (r#"{"a": "/1", "b": "/2", "a": "/3"}"#, vec![named("b", "/2"), named("a", "/3")]),
            (r#"{"a": {"url": "/1"}, "\u0061": null}"#, vec![]),
            (r#"{"a": ["/1", "/2"], "a": ["/3"]}"#, vec![named("a", "/3")]),
            (r#"{"a": {"url": "/1", "url": "/2"}}"#, vec![named("a", "/2")]),
            (r#"[{"a": "/1", "a": "/2"}, {"a": "/3"}]"#, vec![named("a", "/2"), named("a", "/3")]),
            (r#"{"url": "/1", "url": null, "a": "/2"}"#, vec![named("a", "/2")]),
        ] {
            assert_eq!(urls(text), expected, "{text}");
        }
    }

    #[test]
    fn server_text_is_never_a_local_path() {
        crate::values::local_paths::remember("/cache/own.png");
        for (field, paths) in [
            (r#"{"path": "/etc/passwd"}"#, [None]),
            (r#"{"url": null, "path": "/etc/passwd"}"#, [None]),
            (r#"{"url": "/media/a", "path": "/etc/passwd"}"#, [None]),
            (r#"{"path": "/cache/own.png", "path": "/etc/passwd"}"#, [None]),
            (r#"{"a": {"p\u0061th": "/etc/passwd"}}"#, [None]),
            (r#"["/etc/passwd"]"#, [None]),
            (r#"["C:\\secret"]"#, [None]),
            (r#"["/cache/../cache/own.png"]"#, [None]),
            (r#"["/cache/own.png"]"#, [Some("/cache/own.png")]),
            (r#"{"size": 3, "path": "/cache/own.png"}"#, [Some("/cache/own.png")]),
        ] {
            let json: Json = serde_json::from_str(field).unwrap();
            let files = json.files();
            let seen: Vec<_> = files.iter().map(|file| file.path().and_then(|path| path.to_str())).collect();
            assert_eq!(seen, paths, "{field}");
            assert!(files.iter().all(|file| !format!("{file:?}").contains("path: Some(\"/etc")), "{files:?}");
        }
        assert_eq!(FileUrl::from("/etc/passwd").as_path(), None);
        assert_eq!(FileUrl::from("/cache/own.png").as_path(), Some(Path::new("/cache/own.png")));
    }

    #[test]
    fn files_of_one_key_share_its_name() {
        let key = "k".repeat(100_000);
        let text = format!("{{\"{key}\": [{}]}}", vec!["\"/a\""; 10_000].join(","));
        let files = serde_json::from_str::<Json>(&text).unwrap().files();
        assert_eq!(files.len(), 10_000);
        assert!(
            files
                .iter()
                .all(|file| Arc::ptr_eq(file.name.as_ref().unwrap(), files[0].name.as_ref().unwrap()))
        );
        // Also if other files are in between.
        let text =
            format!("{{\"{key}\": [{}]}}", vec!["\"/a\", {\"x\": {\"url\": \"/b\"}}"; 10_000].join(","));
        let files = serde_json::from_str::<Json>(&text).unwrap().files();
        let names: std::collections::HashSet<_> =
            files.iter().filter_map(|file| file.name.as_ref()).map(Arc::as_ptr).collect();
        assert!(files.len() == 20_000 && names.len() <= 10_001, "{} {}", files.len(), names.len());
    }
}
