//! Files that are not stored: their bytes are computed from a seed at any offset, so no file is ever in
//! memory whole.

use crate::data::noise::mix;

/// A kind of file that a data unit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Image,
    Text,
    Video,
    Audio,
    PointCloud,
    Annotation,
}

impl FileKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Image, Self::Text, Self::Video, Self::Audio, Self::PointCloud, Self::Annotation];

    /// The key of the file in `files`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Image => "image_1",
            Self::Text => "text_1",
            Self::Video => "video_1",
            Self::Audio => "audio_1",
            Self::PointCloud => "pcd_1",
            Self::Annotation => "data_meta_1",
        }
    }

    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Image => "image_1.png",
            Self::Text => "text_1.txt",
            Self::Video => "video_1.mp4",
            Self::Audio => "audio_1.wav",
            Self::PointCloud => "pcd_1.pcd",
            Self::Annotation => "data_meta_1.json",
        }
    }

    pub(crate) fn data_type(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::PointCloud => "pcd",
            Self::Annotation => "data_meta",
        }
    }

    pub(crate) fn size(self, seed: u64, unit: i64) -> i64 {
        let (least, span) = match self {
            Self::Image => (600, 3_400),
            Self::Text | Self::Annotation => (200, 800),
            Self::Video => (60_000, 200_000),
            Self::Audio | Self::PointCloud => (4_000, 12_000),
        };
        least + (mix(self.key(seed, unit), 0) % span) as i64
    }

    pub(crate) fn content(self, seed: u64, unit: i64) -> Content {
        let (head, tail, letters): (&'static [u8], &'static [u8], bool) = match self {
            Self::Image => (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82", false),
            Self::Text => (b"", b"\n", true),
            Self::Video => (b"\0\0\0\x18ftypmp42", b"", false),
            Self::Audio => (b"RIFF\x24\0\0\0WAVEfmt ", b"", false),
            Self::PointCloud => (b"# .PCD v0.7 - Point Cloud Data file format\n", b"", false),
            Self::Annotation => (br#"{"annotations":{},"checked":true,"note":""#, b"\"}\n", true),
        };
        let size = self.size(seed, unit) as u64;
        Content { key: self.key(seed, unit), size, head, tail, letters }
    }

    fn key(self, seed: u64, unit: i64) -> u64 {
        mix(mix(seed, unit as u64), 100 + self as u64)
    }
}

/// The content of a generated file.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    key: u64,
    size: u64,
    head: &'static [u8],
    tail: &'static [u8],
    /// Whether the middle consists of letters instead of arbitrary bytes.
    letters: bool,
}

impl Content {
    pub(crate) fn noise(key: u64, size: u64) -> Self {
        Self { key, size, head: b"", tail: b"", letters: false }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns a strong `ETag` of exactly these bytes.
    pub(crate) fn etag(&self) -> String {
        format!("\"{:016x}-{:x}\"", mix(self.key, 1), self.size)
    }

    /// Returns the bytes from `start` on, limited by `length` and the end of the file.
    pub(crate) fn read(&self, start: u64, length: usize) -> Vec<u8> {
        let end = start.saturating_add(length as u64).min(self.size);
        let mut out = Vec::with_capacity(end.saturating_sub(start) as usize + 8);
        let mut word = start / 8;
        while word * 8 < end {
            out.extend_from_slice(&mix(self.key, word + 2).to_le_bytes());
            word += 1;
        }
        out.drain(..(start % 8).min(out.len() as u64) as usize);
        out.truncate(end.saturating_sub(start) as usize);
        if self.letters {
            for byte in &mut out {
                *byte = b"etaoin shrdlucmfwypvbgkqjxz abcdefghijklmnopqrstuvwxyz  aeiou el"
                    [usize::from(*byte & 63)];
            }
        }
        let tail_at = self.size.saturating_sub(self.tail.len() as u64);
        overlay(&mut out, start, self.head, 0);
        overlay(&mut out, start, self.tail, tail_at);
        out
    }
}

/// Copies `patch`, which is at offset `at` of the file, into `window`, which begins at offset `start`.
fn overlay(window: &mut [u8], start: u64, patch: &[u8], at: u64) {
    for (place, byte) in (at..).zip(patch) {
        if let Some(target) = place.checked_sub(start).and_then(|i| window.get_mut(i as usize)) {
            *target = *byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, FileKind};

    #[test]
    fn any_window_matches_whole_content() {
        for content in
            [FileKind::Image.content(1, 7), FileKind::Annotation.content(1, 7), Content::noise(3, 1001)]
        {
            let whole = content.read(0, usize::MAX);
            assert_eq!(whole.len() as u64, content.size());
            for (start, length) in
                [(0, 1), (1, 20), (7, 9), (whole.len() as u64 - 3, 100), (whole.len() as u64, 5)]
            {
                let window = content.read(start, length);
                assert_eq!(window, whole[start as usize..].iter().copied().take(length).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn annotation_files_are_json() {
        let text = FileKind::Annotation.content(5, 9).read(0, usize::MAX);
        serde_json::from_slice::<serde_json::Value>(&text).unwrap();
    }
}
