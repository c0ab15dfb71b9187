//! What can be uploaded: a file, bytes in memory, a source that can be opened again, or a one-shot stream.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::{AsyncRead, ReadBuf};

use crate::values::from_paths::from_paths;

/// What is uploaded: a path, bytes in memory, a [`ResumableSource`], or a [`StreamSource`].
///
/// A string is always a path. Content is given as `Bytes`, `Vec<u8>` or `&'static [u8]`, or with
/// [`bytes`](UploadSource::bytes).
///
/// ```
/// use synapse_backend_client::UploadSource;
/// let from_path: UploadSource = "/data/model.pt".into();
/// let from_memory: UploadSource = vec![1_u8, 2, 3].into();
/// let from_text = UploadSource::bytes("id,name\n1,a\n");
/// ```
pub struct UploadSource(pub(crate) SourceKind);

pub(crate) enum SourceKind {
    Resumable(ResumableSource),
    OneShot(StreamSource),
}

/// A source whose bytes can be read again, also by another process: a path, bytes in memory, or a
/// [`RewindableSource`].
///
/// An interrupted upload of it can be resumed: what the server already has isn't sent again.
///
/// A string is always a path. Content is given as `Bytes`, `Vec<u8>` or `&'static [u8]`, or with
/// [`bytes`](ResumableSource::bytes).
#[derive(Clone)]
pub struct ResumableSource(pub(crate) Resumable);

#[derive(Clone)]
pub(crate) enum Resumable {
    Path(PathBuf),
    Bytes(Bytes),
    RewindableSource(Arc<dyn RewindableSource>),
}

/// A source that can be opened again at any offset, such as an object in a store or a member of an archive.
///
/// ```
/// use std::io::{self, Read, Seek, SeekFrom};
/// use synapse_backend_client::{RewindableSource, ResumableSource};
///
/// struct Shared(std::path::PathBuf);
///
/// impl RewindableSource for Shared {
///     fn size(&self) -> io::Result<u64> {
///         Ok(std::fs::metadata(&self.0)?.len())
///     }
///
///     fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
///         let mut file = std::fs::File::open(&self.0)?;
///         file.seek(SeekFrom::Start(offset))?;
///         Ok(Box::new(file))
///     }
/// }
///
/// let source = ResumableSource::from_rewindable(Shared("/data/model.pt".into()));
/// ```
pub trait RewindableSource: Send + Sync + 'static {
    /// Returns the size in bytes. Called on a thread that may block. The upload fails if the source has more
    /// or fewer bytes.
    ///
    /// # Errors
    /// Returns an error if the size can't be determined.
    fn size(&self) -> io::Result<u64>;

    /// Opens the source for reading from `offset`, in bytes. Called on a thread that may block.
    ///
    /// # Errors
    /// Returns an error if the source can't be opened.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;

    /// Returns when the source was last changed; `None` if that isn't known. A different time means that the
    /// source was changed while it was uploaded.
    fn modified(&self) -> Option<std::time::SystemTime> {
        None
    }

    /// Returns the file name that is sent to the server, unless another one is set.
    fn file_name(&self) -> Option<String> {
        None
    }
}

impl UploadSource {
    /// Creates a source from the file at a path. A string converts into the same.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        ResumableSource::path(path).into()
    }

    /// Creates a source from bytes in memory. A string given here is content.
    ///
    /// ```
    /// use synapse_backend_client::UploadSource;
    /// let table = UploadSource::bytes("id,name\n1,a\n");
    /// ```
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        ResumableSource::bytes(content).into()
    }
}

impl ResumableSource {
    /// Creates a source from the file at a path. A string converts into the same.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        ResumableSource(Resumable::Path(path.into()))
    }

    /// Creates a source from bytes in memory. A string given here is content.
    ///
    /// ```
    /// use synapse_backend_client::ResumableSource;
    /// let table = ResumableSource::bytes("id,name\n1,a\n");
    /// ```
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        ResumableSource(Resumable::Bytes(content.into()))
    }

    /// Creates a source from your own type.
    pub fn from_rewindable(source: impl RewindableSource) -> Self {
        ResumableSource(Resumable::RewindableSource(Arc::new(source)))
    }
}

/// A one-shot stream whose length is known.
///
/// The current chunk is kept in memory (8 MiB by default), so that it can be sent again if it fails. An
/// upload of such a source can't be resumed, neither in this process nor in another one.
///
/// ```
/// use synapse_backend_client::StreamSource;
/// # fn example(pipe: impl tokio::io::AsyncRead + Send + 'static) {
/// let source = StreamSource::reader(pipe, 1_048_576);
/// # }
/// ```
pub struct StreamSource {
    pub(crate) stream: SourceStream,
    pub(crate) size: u64,
}

pub(crate) type SourceStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl StreamSource {
    /// Uploads `size` bytes from a reader; more or fewer bytes are an error.
    pub fn reader(reader: impl AsyncRead + Send + 'static, size: u64) -> Self {
        let (mut reader, mut room) = (Box::pin(reader), BytesMut::new());
        let blocks = stream::poll_fn(move |context| {
            // Short reads share an allocation.
            if room.is_empty() {
                room = BytesMut::zeroed(READ_SIZE);
            }
            let mut buffer = ReadBuf::new(&mut room);
            ready!(reader.as_mut().poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            Poll::Ready((read > 0).then(|| Ok(room.split_to(read).freeze())))
        });
        StreamSource { stream: Box::pin(blocks), size }
    }

    /// Uploads `size` bytes from a stream; more or fewer bytes are an error.
    pub fn stream<E>(stream: impl Stream<Item = Result<Bytes, E>> + Send + 'static, size: u64) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let blocks = stream.map_err(io::Error::other);
        // An empty block is not the end.
        let blocks = blocks.try_filter(|block| std::future::ready(!block.is_empty()));
        // An upload that restarts reads the end again.
        StreamSource { stream: Box::pin(blocks.fuse()), size }
    }
}

/// Number of bytes that are requested from a reader at a time.
const READ_SIZE: usize = 64 << 10;

impl fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SourceKind::Resumable(source) => fmt::Debug::fmt(source, f),
            SourceKind::OneShot(source) => fmt::Debug::fmt(source, f),
        }
    }
}

impl fmt::Debug for ResumableSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Resumable::Path(path) => write!(f, "ResumableSource({})", path.display()),
            // Megabytes of a model don't belong in a log.
            Resumable::Bytes(bytes) => write!(f, "ResumableSource({} bytes)", bytes.len()),
            Resumable::RewindableSource(_) => f.write_str("ResumableSource(…)"),
        }
    }
}

impl fmt::Debug for StreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamSource({} bytes)", self.size)
    }
}

impl From<ResumableSource> for UploadSource {
    fn from(source: ResumableSource) -> Self {
        UploadSource(SourceKind::Resumable(source))
    }
}

impl From<StreamSource> for UploadSource {
    fn from(source: StreamSource) -> Self {
        UploadSource(SourceKind::OneShot(source))
    }
}

/// Implements `From` for a type that can be made from bytes: `from_content_types!(Target, bytes => expression)`,
/// where `bytes` are `Bytes`. A string isn't among the types: it is a path.
macro_rules! from_content_types {
    ($target:ty, $bytes:ident => $made:expr) => {
        $crate::values::upload_source::from_content_types!(
            $target, $bytes => $made; bytes::Bytes, Vec<u8>, &'static [u8]
        );
    };
    ($target:ty, $bytes:ident => $made:expr; $($source:ty),*) => {
        $(impl From<$source> for $target {
            fn from(bytes: $source) -> Self {
                let $bytes = bytes::Bytes::from(bytes);
                $made
            }
        })*

        impl<const N: usize> From<&'static [u8; N]> for $target {
            fn from(bytes: &'static [u8; N]) -> Self {
                let $bytes = bytes::Bytes::from_static(bytes);
                $made
            }
        }
    };
}
pub(crate) use from_content_types;

from_paths!(UploadSource, path => UploadSource::path(path));
from_paths!(ResumableSource, path => ResumableSource::path(path));
from_content_types!(UploadSource, bytes => UploadSource::bytes(bytes));
from_content_types!(ResumableSource, bytes => ResumableSource::bytes(bytes));

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use super::*;

    #[test]
    fn string_is_a_path_bytes_are_content() {
        let (text, path) = ("/data/model.pt".to_owned(), Path::new("/data/model.pt"));
        let paths: [UploadSource; 12] = [
            "/data/model.pt".into(),
            text.clone().into(),
            (&text).into(),
            OsStr::new("/data/model.pt").into(),
            OsString::from("/data/model.pt").into(),
            (&OsString::from("/data/model.pt")).into(),
            path.into(),
            path.to_owned().into(),
            (&path.to_owned()).into(),
            Box::<Path>::from(path).into(),
            Cow::Borrowed(path).into(),
            UploadSource::path(text),
        ];
        for source in paths {
            assert_eq!(format!("{source:?}"), "ResumableSource(/data/model.pt)");
        }
        let contents: [UploadSource; 7] = [
            Bytes::from_static(b"abc").into(),
            vec![1_u8, 2, 3].into(),
            b"abc".as_slice().into(),
            b"abc".into(),
            UploadSource::bytes("abc"),
            UploadSource::bytes("abc".to_owned()),
            ResumableSource::bytes("abc").into(),
        ];
        for source in contents {
            assert_eq!(format!("{source:?}"), "ResumableSource(3 bytes)");
        }
    }
}
