//! Which state of a file a response is of, and what a response is good for (RFC 9110, sections 8.8, 13.1.5
//! and 14).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::content_range::{Range, of_part, unsatisfied};
use super::digests::{Digest, Named, named, stored_size};
use crate::transport::{CodingName, codings};

/// One state of a file at the server: what its parts are told apart from those of another by, and what is
/// known of its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    /// Strong: the same one means the same bytes.
    #[serde(default)]
    etag: Option<String>,
    /// Where it is strong as well.
    #[serde(default)]
    last_modified: Option<String>,
    /// Those of the same file that aren't strong: others mean that it changed. Nothing is resumed by them.
    #[serde(skip)]
    weak_etag: Option<String>,
    #[serde(skip)]
    weak_last_modified: Option<String>,
    /// Bytes of the whole, as they come.
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// Bytes of what the server stores, where that is another form of what comes.
    #[serde(default)]
    pub(super) stored_size: Option<u64>,
    /// The content codings of the bytes that come, in the order in which they were applied.
    #[serde(default)]
    pub(super) codings: Vec<CodingName>,
    /// The file is of a type that is compressed in itself.
    #[serde(default)]
    pub(super) is_archive: bool,
    /// Of all bytes, as they come.
    #[serde(default)]
    pub(super) digests: Vec<Digest>,
}

/// What a response is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It holds the whole file, of this state.
    Whole(Entity),
    /// It holds bytes that follow those that are there.
    Rest(Box<Rest>),
    /// All bytes are there.
    Complete(Entity),
    /// What is there is of no use: the whole has to be asked for.
    Restart {
        why: &'static str,
        /// The size that the response names, against what was known.
        claimed: Option<u64>,
    },
}

/// A part that follows what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// With all that is known now.
    pub(super) entity: Entity,
    /// Where its last byte ends.
    pub(super) end: u64,
    /// The digests of this part's bytes, and those that may be.
    pub(super) message: Vec<Digest>,
    pub(super) either: Vec<Digest>,
}

/// What two responses' validators say of the states that they are of.
#[derive(Debug, PartialEq, Eq)]
enum Compared {
    Same,
    Other,
    /// Nothing that is sure.
    Unknown,
}

impl Entity {
    pub(super) fn of(headers: &HeaderMap, size: Option<u64>) -> Self {
        let (etag, weak_etag) = split(text(headers, ETAG), is_strong);
        let date = |name| text(headers, name).and_then(|date| httpdate::parse_http_date(date).ok());
        // Within the same second the file may have changed once more.
        let strong = date(LAST_MODIFIED).zip(date(DATE)).is_some_and(|(modified, now)| {
            now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1))
        });
        let (last_modified, weak_last_modified) = split(text(headers, LAST_MODIFIED), |_| strong);
        // Of a message that holds all bytes, each digest is of all bytes.
        let Named { whole, .. } = named(headers, false);
        Entity {
            etag,
            last_modified,
            weak_etag,
            weak_last_modified,
            size,
            stored_size: stored_size(headers),
            codings: codings(headers),
            is_archive: text(headers, CONTENT_TYPE).is_some_and(is_archive),
            digests: whole,
        }
    }

    /// What a server is told to give the rest only of this state by; nothing where it can't be.
    pub(super) fn if_range(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }

    /// Whether the response to a request for a part is of another state.
    fn is_other(&self, headers: &HeaderMap) -> bool {
        let differs = |known: &Option<String>, name| {
            known.as_deref().zip(text(headers, name)).is_some_and(|(a, b)| a != b)
        };
        differs(&self.etag, ETAG) || (self.etag.is_none() && differs(&self.last_modified, LAST_MODIFIED))
    }

    /// Whether a part is one of bytes of another form. It needn't say which (RFC 9110, section 15.3.7).
    fn is_otherwise_coded(&self, headers: &HeaderMap) -> bool {
        let codings = codings(headers);
        !codings.is_empty() && codings != self.codings
    }

    /// Whether another response that gives the whole is of the same state.
    fn compared(&self, other: &Entity) -> Compared {
        let pair = |own: &Option<String>, other: &Option<String>| Some(own.as_deref()? == other.as_deref()?);
        let (etags, weak) = (pair(&self.etag, &other.etag), pair(&self.weak_etag, &other.weak_etag));
        let dates = pair(&self.last_modified, &other.last_modified);
        // A date that has become strong meanwhile is the same one.
        let modified =
            |entity: &Entity| entity.last_modified.clone().or_else(|| entity.weak_last_modified.clone());
        match etags {
            _ if self.codings != other.codings => Compared::Other,
            Some(true) => Compared::Same,
            Some(false) => Compared::Other,
            None if weak == Some(false) || pair(&modified(self), &modified(other)) == Some(false) => {
                Compared::Other
            }
            None if dates == Some(true) => Compared::Same,
            None => Compared::Unknown,
        }
    }

    /// With what a response's head says of the whole besides; `None` if that is another digest than is known.
    pub(super) fn learn(mut self, size: Option<u64>, digests: Vec<Digest>) -> Option<Self> {
        self.size = self.size.or(size);
        for digest in digests {
            match self.digests.iter().find(|known| known.stands_for(&digest)) {
                Some(known) if *known != digest => return None,
                Some(_) => {}
                None => self.digests.push(digest),
            }
        }
        Some(self)
    }
}

fn changed() -> Plan {
    restart("the file changed")
}

fn restart(why: &'static str) -> Plan {
    Plan::Restart { why, claimed: None }
}

/// What a response is good for where the bytes from `offset` on were asked for; or, with none, the whole.
///
/// `known` is what earlier responses said of the file: a size that was named is not forgotten, unless the
/// response is of another state. `doubt` is another size that was claimed for the same state: one that is
/// claimed twice is believed.
pub(super) fn plan(
    status: StatusCode,
    headers: &HeaderMap,
    offset: Option<u64>,
    known: &Entity,
    doubt: Option<u64>,
) -> Result<Plan, String> {
    match status {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
            Ok(whole(Entity::of(headers, length(headers)), known, doubt))
        }
        StatusCode::PARTIAL_CONTENT => match (of_part(headers), offset) {
            (Some(Range { first: 0, last, size: Some(size) }), None) if last + 1 == size => {
                Ok(whole(Entity::of(headers, Some(size)), known, doubt))
            }
            (_, None) => {
                Err("the server gave a part of the file although all of it was asked for".to_owned())
            }
            (None, Some(_)) => Ok(restart("a part without its place")),
            (Some(range), Some(offset)) => Ok(rest(headers, range, offset, known)),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if offset.is_some() => {
            let size = unsatisfied(headers);
            let is_all =
                size.is_some() && offset == size && known.size.is_none_or(|known| Some(known) == size);
            match known.is_other(headers) {
                true => Ok(changed()),
                false if is_all => Ok(Plan::Complete(Entity { size, ..known.clone() })),
                false => Ok(Plan::Restart { why: "there is no such part", claimed: size }),
            }
        }
        _ => Err(format!("the server answered {} and no file", status.as_u16())),
    }
}

/// A response that gives the whole, from its first byte.
fn whole(entity: Entity, known: &Entity, doubt: Option<u64>) -> Plan {
    match (known.compared(&entity), known.size, entity.size) {
        (Compared::Same, Some(known), Some(size)) if known != size && doubt != Some(size) => {
            Plan::Restart { why: "the server names two sizes of the same file", claimed: Some(size) }
        }
        (Compared::Same | Compared::Unknown, known, None) => Plan::Whole(Entity { size: known, ..entity }),
        _ => Plan::Whole(entity),
    }
}

/// A response that gives a part, from `offset` on if it is what was asked for.
fn rest(headers: &HeaderMap, range: Range, offset: u64, known: &Entity) -> Plan {
    if range.first != offset {
        return restart("another part than was asked for");
    }
    if known.is_other(headers) || known.is_otherwise_coded(headers) {
        return changed();
    }
    match known.size {
        Some(known) if range.size.is_some_and(|size| size != known) => {
            return Plan::Restart { why: "the file changed", claimed: range.size };
        }
        Some(known) if range.last >= known => return restart("a part beyond the file's end"),
        _ => {}
    }
    let Named { whole, message, either } = named(headers, true);
    match known.clone().learn(range.size, whole) {
        Some(entity) => Plan::Rest(Box::new(Rest { entity, end: range.last + 1, message, either })),
        None => changed(),
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.trim().parse().ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A validator that is strong, or one that is not.
fn split(validator: Option<&str>, is_strong: impl Fn(&str) -> bool) -> (Option<String>, Option<String>) {
    let validator = validator.map(str::to_owned);
    match validator.as_deref().is_some_and(is_strong) {
        true => (validator, None),
        false => (None, validator),
    }
}

fn is_strong(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

/// Types of files that are compressed in themselves: some servers also label them as compressed on the way.
fn is_archive(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let types =
        ["gzip", "x-gzip", "gzip-compressed", "x-gtar-compressed", "x-tgz", "x-compressed", "zstd", "x-zstd"];
    let subtype = media
        .split_once('/')
        .filter(|(main, _)| main.eq_ignore_ascii_case("application"))
        .map(|(_, sub)| sub);
    subtype.is_some_and(|subtype| types.iter().any(|own| own.eq_ignore_ascii_case(subtype)))
}

#[cfg(test)]
mod tests;
