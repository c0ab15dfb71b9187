//! [`FileEntry`]: a file of a file field, whatever shape that is of.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::file_url::{FileUrl, names_a_url};
use crate::json::Json;

/// A file of a file field: see [`Json::files`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FileEntry {
    /// The key that it has in the field; nothing where it has none, in a list for instance.
    pub name: Option<String>,
    /// Where it is, as the field says; nothing where a [download](crate::BackendClient::download_to) put a `path` there.
    pub url: Option<FileUrl>,
    /// Its size in bytes, where the field says it.
    pub size: Option<u64>,
    /// Its checksum, where the field says it.
    pub checksum: Option<String>,
    path: Option<PathBuf>,
}

impl FileEntry {
    /// The local path that [`download_to`](crate::BackendClient::download_to) put in the place of the URL. Nothing where a URL
    /// with a scheme stands there.
    ///
    /// A field of bare URLs doesn't tell a path from a URL on the server's host (`/media/x.png`): whoever asks knows which it
    /// is.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref().or_else(|| self.url.as_ref()?.as_path())
    }

    fn bare(name: Option<&str>, url: &str) -> Self {
        let url = Some(FileUrl::from(url));
        FileEntry { name: name.map(str::to_owned), url, size: None, checksum: None, path: None }
    }

    fn object(name: Option<&str>, value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let (url, path) = (text("url").map(FileUrl::from), text("path").map(PathBuf::from));
        (url.is_some() || path.is_some()).then(|| FileEntry {
            name: name.map(str::to_owned),
            url,
            path,
            size: value.get("size").and_then(Value::as_u64),
            checksum: text("checksum").map(str::to_owned),
        })
    }
}

impl fmt::Debug for FileEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileEntry").field("name", &self.name).field("url", &self.url).field("path", &self.path).finish()
    }
}

impl Json {
    /// The files of a file field: a URL, an object of name -> URL or of name -> object with `url` (or `path`, where
    /// [`download_to`](crate::BackendClient::download_to) put it), one such object, or a list of those. Null has none, nor has
    /// what is no file field.
    ///
    /// ```
    /// use synapse_backend_client::json;
    ///
    /// let files = json!({"image": {"path": "/data/1.png", "size": 7}, "text": {"url": "https://h/2.txt"}}).files();
    /// assert_eq!(files[0].name.as_deref(), Some("image"));
    /// assert_eq!(files[0].path(), Some("/data/1.png".as_ref()));
    /// assert_eq!((files[0].size, files[1].path()), (Some(7), None));
    /// ```
    pub fn files(&self) -> Vec<FileEntry> {
        fn of(name: Option<&str>, value: &Value, bare: bool, files: &mut Vec<FileEntry>) {
            match value {
                Value::String(url) => files.push(FileEntry::bare(name, url)),
                Value::Array(items) => {
                    for item in items {
                        of(name, item, item.as_object().is_some_and(holds_only_urls), files);
                    }
                }
                Value::Object(entries) => match FileEntry::object(name, value) {
                    Some(file) => files.push(file),
                    None => {
                        for (key, value) in entries.iter().filter(|(_, value)| bare || value.is_object()) {
                            match value {
                                Value::Object(_) => files.extend(FileEntry::object(Some(key), value)),
                                _ => of(Some(key), value, false, files),
                            }
                        }
                    }
                },
                _ => {}
            }
        }
        let mut files = Vec::new();
        if let Ok(value) = self.try_value() {
            of(None, value, true, &mut files);
        }
        files
    }
}

/// Whether an object in a list is name -> URL: by all that it holds.
fn holds_only_urls(entries: &Map<String, Value>) -> bool {
    entries.iter().all(|(key, value)| value.is_null() || value.as_str().is_some_and(|text| names_a_url(key, text)))
}

#[cfg(test)]
mod tests {
    use crate::json;

    #[test]
    fn every_shape_has_its_files() {
        for (field, expected) in [
            (json!("/a"), vec![(None, "/a")]),
            (json!({"x": "/a", "y": null, "z": 3}), vec![(Some("x"), "/a")]),
            (json!({"x": {"url": "/a"}, "y": {"path": "/b"}, "z": {"size": 1}}), vec![(Some("x"), "/a"), (Some("y"), "/b")]),
            (json!({"x": [{"url": "/a"}, "/b"]}), vec![(Some("x"), "/a"), (Some("x"), "/b")]),
            (json!([{"url": "/a", "name": "n"}, "/b", null]), vec![(None, "/a"), (None, "/b")]),
            (json!({"url": "/a", "name": "n"}), vec![(None, "/a")]),
            (json!([{"x": "/a", "y": null}, {"x": "/b", "name": "n"}]), vec![(Some("x"), "/a")]),
            (json!(null), vec![]),
            (json!(7), vec![]),
        ] {
            let files = field.files();
            let seen: Vec<_> = files.iter().map(|file| (file.name.as_deref(), file.path().unwrap().to_str().unwrap())).collect();
            assert_eq!(seen, expected, "{field}");
        }
    }
}
