//! Plans downloads without sending requests, for the fuzz targets.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::digest_headers::header_digests;
use super::entity::{Entity, Plan, plan};

/// What a response was planned to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The offset of the range request; `None` if the whole file was requested.
    pub asked_from: Option<u64>,
    /// The range that the response's bytes are written to; its end is an upper limit. `None` if no bytes are
    /// written.
    pub written: Option<(u64, u64)>,
    /// The size of the file that was known before.
    pub known: Option<u64>,
    /// The size that is known after the response.
    pub size: Option<u64>,
    /// All bytes are assumed to be there.
    pub complete: bool,
    /// Number of digests in the headers.
    pub digests: usize,
}

/// Downloads a file from these responses. Each has a status, headers and a body of the given number of bytes.
pub fn placed(responses: impl IntoIterator<Item = (StatusCode, HeaderMap, u64)>) -> Vec<Placed> {
    let (mut known, mut there, mut doubt) = (Entity::default(), 0, None);
    let mut all = Vec::new();
    for (status, headers, length) in responses {
        let asked_from = Some(there).filter(|there| *there > 0 && known.if_range().is_some());
        let header_digests = header_digests(&headers, asked_from.is_some());
        let digests = header_digests.whole.len() + header_digests.message.len() + header_digests.either.len();
        let mut placed =
            Placed { asked_from, written: None, known: known.size, size: None, complete: false, digests };
        match plan(status, &headers, asked_from, &known, doubt) {
            Err(_) => {}
            Ok(Plan::Restart { claimed, .. }) => (there, doubt) = (0, claimed),
            Ok(Plan::Complete(entity)) => {
                (placed.size, placed.complete) = (entity.size, true);
                known = entity;
            }
            Ok(Plan::Whole(entity)) => {
                there = length.min(entity.size.unwrap_or(u64::MAX));
                placed.written = Some((0, there));
                placed.size = entity.size;
                (known, doubt) = (entity, None);
            }
            Ok(Plan::Rest(rest)) => {
                let end = rest.end.min(there.saturating_add(length));
                placed.written = Some((there, end));
                placed.size = rest.entity.size;
                (there, known) = (end, rest.entity);
            }
        }
        all.push(placed);
    }
    all
}
