//! [`UploadState`]: where an upload is and what comes next, without input or output.

use std::ops::Range;

use super::protocol::{next_offset, offset_of};
use crate::generated::raw::types::ChunkedUpload;

/// This many bytes always count as progress, whatever the chunk's size.
const PROGRESS_BYTES: u64 = 64 << 10;

/// What is sent next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// A chunk with these bytes.
    Chunk(Range<u64>),
    /// The request for completion.
    Completion,
}

/// What an exchange with the server leads to.
pub(super) enum Step {
    /// The upload continues at its offset.
    Continue,
    /// The upload restarted from its first byte.
    Restart,
    /// The upload is complete.
    Completed(Box<ChunkedUpload>),
}

/// How far a chunk brought the upload.
#[derive(Debug, PartialEq)]
pub(super) struct Advance {
    /// The number of bytes that the server took, if they are too few to count as progress.
    pub(super) stalled_at: Option<u64>,
    /// The upload is further than it was when it last made progress.
    pub(super) is_progress: bool,
}

/// The state of an upload.
#[derive(Debug)]
pub(super) struct UploadState {
    /// Bytes of the source.
    pub(super) size: u64,
    /// Bytes of a chunk.
    pub(super) chunk_size: u64,
    /// The byte that the server expects next.
    offset: u64,
    /// The value of `offset` when the upload last made progress.
    progress_offset: u64,
    restarted: bool,
    /// What the server has can't be used any more.
    pub(super) is_unrecoverable: bool,
}

impl UploadState {
    pub(super) fn new(size: u64, chunk_size: u64) -> Self {
        UploadState {
            size,
            chunk_size,
            offset: 0,
            progress_offset: 0,
            restarted: false,
            is_unrecoverable: false,
        }
    }

    /// Returns the byte that the server expects next.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn next(&self) -> Next {
        match self.offset < self.size {
            true => Next::Chunk(self.offset..self.size.min(self.offset.saturating_add(self.chunk_size))),
            false => Next::Completion,
        }
    }

    /// Applies the server's answer to a chunk. `given` is the position up to which the connection took bytes, and
    /// `offset` the byte that the server expects next: it may respond before the whole chunk was sent.
    ///
    /// # Errors
    /// Returns what is wrong with `offset`.
    pub(super) fn accept(
        &mut self,
        chunk: &Range<u64>,
        given: u64,
        offset: Option<i64>,
    ) -> Result<Advance, String> {
        let sent = chunk.start..given.clamp(chunk.start, chunk.end);
        let offset = next_offset(&sent, offset)?;
        let enough = chunk.end.min(chunk.start.saturating_add(self.min_progress()));
        let stalled_at = (offset < enough).then_some(offset - chunk.start);
        Ok(Advance { stalled_at, is_progress: self.advance(offset) })
    }

    /// Continues at the server's offset. The server was sent at most `sent` bytes. Returns whether the upload made
    /// progress.
    ///
    /// # Errors
    /// Returns what is wrong with `offset`.
    pub(super) fn sync(&mut self, offset: Option<i64>, sent: u64) -> Result<bool, String> {
        offset_of(offset, sent).map(|offset| self.advance(offset))
    }

    fn advance(&mut self, offset: u64) -> bool {
        self.offset = offset;
        // A server that takes one byte at a time would need one request per byte: that isn't progress.
        let is_progress = offset >= self.progress_offset.saturating_add(self.min_progress())
            || (offset == self.size && offset > self.progress_offset);
        if is_progress {
            self.progress_offset = offset;
        }
        is_progress
    }

    /// Returns how many bytes the server must take for the upload to make progress.
    fn min_progress(&self) -> u64 {
        (self.chunk_size / 16).clamp(1, PROGRESS_BYTES)
    }

    /// Restarts the upload from its first byte. Returns whether it may: this happens only once.
    pub(super) fn restart(&mut self) -> bool {
        self.begin();
        !std::mem::replace(&mut self.restarted, true)
    }

    /// Begins at the first byte, as if nothing had been sent.
    pub(super) fn begin(&mut self) {
        (self.offset, self.progress_offset) = (0, 0);
    }

    /// Resumes at the offset of a session.
    pub(super) fn resume_at(&mut self, offset: u64) {
        self.offset = offset;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_answers_are_no_progress() {
        let mut state = UploadState::new(100 << 20, 50 << 20);
        let chunk = 0..50 << 20;
        let stalled = |taken| Advance { stalled_at: Some(taken), is_progress: false };
        assert_eq!(state.accept(&chunk, 50 << 20, Some(0)), Ok(stalled(0)));
        assert_eq!(state.accept(&chunk, 50 << 20, Some(1)), Ok(stalled(1)));
        assert_eq!(state.next(), Next::Chunk(1..(50 << 20) + 1));
        let progress = Advance { stalled_at: None, is_progress: true };
        assert_eq!(
            state.accept(&(1..(50 << 20) + 1), 50 << 20, Some(64 << 10)),
            Ok(Advance { stalled_at: Some((64 << 10) - 1), is_progress: true })
        );
        assert_eq!(state.accept(&((64 << 10)..100 << 20), 100 << 20, None), Ok(progress));
        assert_eq!(state.next(), Next::Completion);
    }

    #[test]
    fn part_of_small_chunk_is_progress() {
        let mut state = UploadState::new(3_200, 1_600);
        let few = Advance { stalled_at: Some(99), is_progress: false };
        assert_eq!(state.accept(&(0..1_600), 1_600, Some(99)), Ok(few));
        assert_eq!(state.sync(Some(100), 1_600), Ok(true));
    }

    #[test]
    fn end_of_source_is_progress() {
        let mut state = UploadState::new(1_650, 1_600);
        state.accept(&(0..1_600), 1_600, None).unwrap();
        let last = Advance { stalled_at: None, is_progress: true };
        assert_eq!(state.accept(&(1_600..1_650), 1_650, None), Ok(last));
    }

    #[test]
    fn upload_restarts_once() {
        let mut state = UploadState::new(10, 4);
        state.accept(&(0..4), 4, None).unwrap();
        assert!(state.restart());
        assert_eq!(state.next(), Next::Chunk(0..4));
        assert!(!state.restart());
    }

    #[test]
    fn empty_source_is_completed_at_once() {
        assert_eq!(UploadState::new(0, 4).next(), Next::Completion);
    }

    /// What happens to an upload.
    #[derive(Debug, Clone)]
    enum Event {
        /// The server answers a chunk, of which the connection took a part.
        Answer {
            given: u64,
            offset: Option<i64>,
        },
        /// The chunk fails, and the server says its offset.
        Sync {
            offset: Option<i64>,
        },
        Restart,
    }

    fn event() -> impl Strategy<Value = Event> {
        let offset = || prop_oneof![Just(None), (-1..70_i64).prop_map(Some), any::<i64>().prop_map(Some)];
        prop_oneof![
            8 => (0..70_u64, offset()).prop_map(|(given, offset)| Event::Answer { given, offset }),
            4 => offset().prop_map(|offset| Event::Sync { offset }),
            1 => Just(Event::Restart),
        ]
    }

    proptest! {
        #[test]
        fn any_events_keep_the_state_valid(
            size in 0..64_u64,
            chunk_size in 1..40_u64,
            events in prop::collection::vec(event(), 0..200),
        ) {
            let mut state = UploadState::new(size, chunk_size);
            // The furthest position that was sent, and the last offset with progress.
            let (mut sent, mut last) = (0, 0);
            for event in events {
                let before = state.offset;
                let is_progress = match (event, state.next()) {
                    (Event::Answer { given, offset }, Next::Chunk(chunk)) => {
                        prop_assert!(chunk.start == before && chunk.start < chunk.end && chunk.end <= size);
                        prop_assert!(chunk.end - chunk.start <= chunk_size);
                        let given = given.clamp(chunk.start, chunk.end);
                        sent = sent.max(given);
                        match state.accept(&chunk, given, offset) {
                            Ok(advance) => {
                                prop_assert!(chunk.start <= state.offset && state.offset <= given);
                                advance.is_progress
                            }
                            Err(_) => {
                                prop_assert_eq!(state.offset, before);
                                false
                            }
                        }
                    }
                    (Event::Sync { offset }, _) => state.sync(offset, sent).unwrap_or_default(),
                    (Event::Restart, _) => {
                        state.restart();
                        (sent, last) = (0, 0);
                        false
                    }
                    (Event::Answer { .. }, Next::Completion) => false,
                };
                prop_assert!(state.offset <= sent, "{state:?}");
                // Progress is always further than before, so that it can't happen without end.
                prop_assert!(!is_progress || state.offset > last, "{state:?}");
                if is_progress {
                    last = state.offset;
                }
            }
        }
    }
}
