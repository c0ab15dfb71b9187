//! Downloads without requests, for the fuzz targets.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::digests::named;
use super::entity::{Entity, Plan, plan};

/// What was made of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Bytes that were there, where those that follow were asked for.
    pub asked_from: Option<u64>,
    /// Where the response's bytes are written, and where they end at the latest; `None` if none are.
    pub written: Option<(u64, u64)>,
    /// The size that was known of the file.
    pub known: Option<u64>,
    /// The size that is known now.
    pub size: Option<u64>,
    /// All bytes are taken to be there.
    pub complete: bool,
    /// Digests that the head names.
    pub digests: usize,
}

/// Downloads a file that comes in these responses, each of a status, a head and so many bytes, as long as one
/// follows another.
pub fn placed(responses: impl IntoIterator<Item = (StatusCode, HeaderMap, u64)>) -> Vec<Placed> {
    let (mut known, mut there, mut doubt) = (Entity::default(), 0, None);
    let mut all = Vec::new();
    for (status, headers, length) in responses {
        let asked_from = Some(there).filter(|there| *there > 0 && known.if_range().is_some());
        let named = named(&headers, asked_from.is_some());
        let digests = named.whole.len() + named.message.len() + named.either.len();
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
