//! Which version of a file a response belongs to, and how the response is used (RFC 9110, sections 8.8,
//! 13.1.5 and 14).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

use super::content_range::{Range, of_part, unsatisfied};
use super::digest_headers::{HeaderDigest, HeaderDigests, header_digests, stored_size};
use crate::transport::{CodingName, codings};

/// One version of a file on the server: its validators, and what is known about its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    /// A strong `ETag`: an equal one means equal bytes.
    #[serde(default)]
    etag: Option<String>,
    /// `Last-Modified`, if it is strong.
    #[serde(default)]
    last_modified: Option<String>,
    /// Weak validators: different ones mean that the file changed. They are not used to resume.
    #[serde(skip)]
    weak_etag: Option<String>,
    #[serde(skip)]
    weak_last_modified: Option<String>,
    /// Size of the whole file in bytes, as it is sent.
    #[serde(default)]
    pub(super) size: Option<u64>,
    /// Size in bytes of the stored file, if the server stores it in another form than it sends.
    #[serde(default)]
    pub(super) stored_size: Option<u64>,
    /// The content codings of the bytes that are sent, in the order in which they were applied.
    #[serde(default)]
    pub(super) codings: Vec<CodingName>,
    /// The file's media type is that of an archive, which is itself compressed.
    #[serde(default)]
    pub(super) is_archive: bool,
    /// Digests of the whole file, as it is sent.
    #[serde(default)]
    pub(super) digests: Vec<HeaderDigest>,
}

/// How a response is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It contains the whole file, in this version.
    Whole(Entity),
    /// It contains the bytes that follow the existing ones.
    Rest(Box<Rest>),
    /// All bytes are already there.
    Complete(Entity),
    /// The existing bytes can't be used: the whole file must be requested.
    Restart {
        why: &'static str,
        /// The size that the response gives, if it contradicts the known one.
        claimed: Option<u64>,
    },
}

/// A part that follows the existing bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The entity, with everything that is known now.
    pub(super) entity: Entity,
    /// The offset after its last byte.
    pub(super) end: u64,
    /// Digests of this part's bytes, and digests that are of this part or of the whole file.
    pub(super) message: Vec<HeaderDigest>,
    pub(super) either: Vec<HeaderDigest>,
}

/// The result of comparing the validators of two responses.
#[derive(Debug, PartialEq, Eq)]
enum Compared {
    Same,
    Other,
    /// The validators don't tell.
    Unknown,
}

impl Entity {
    pub(super) fn of(headers: &HeaderMap, size: Option<u64>) -> Self {
        let (etag, weak_etag) = split(text(headers, ETAG), is_strong);
        let date = |name| text(headers, name).and_then(|date| httpdate::parse_http_date(date).ok());
        // A date is weak if the file may have changed again within the same second.
        let strong = date(LAST_MODIFIED).zip(date(DATE)).is_some_and(|(modified, now)| {
            now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1))
        });
        let (last_modified, weak_last_modified) = split(text(headers, LAST_MODIFIED), |_| strong);
        // If a message contains the whole file, each digest is of the whole file.
        let HeaderDigests { whole, .. } = header_digests(headers, false);
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

    /// Returns the validator for `If-Range`; `None` if no validator is strong.
    pub(super) fn if_range(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }

    /// Returns whether the response to a range request belongs to another version.
    fn is_other(&self, headers: &HeaderMap) -> bool {
        let differs = |known: &Option<String>, name| {
            known.as_deref().zip(text(headers, name)).is_some_and(|(a, b)| a != b)
        };
        differs(&self.etag, ETAG) || (self.etag.is_none() && differs(&self.last_modified, LAST_MODIFIED))
    }

    /// Returns whether a part has other content codings. A 206 response may omit them (RFC 9110, section
    /// 15.3.7).
    fn is_otherwise_coded(&self, headers: &HeaderMap) -> bool {
        let codings = codings(headers);
        !codings.is_empty() && codings != self.codings
    }

    /// Compares the version with that of another response that contains the whole file.
    fn compared(&self, other: &Entity) -> Compared {
        let pair = |own: &Option<String>, other: &Option<String>| Some(own.as_deref()? == other.as_deref()?);
        let (etags, weak) = (pair(&self.etag, &other.etag), pair(&self.weak_etag, &other.weak_etag));
        let dates = pair(&self.last_modified, &other.last_modified);
        // A date may have become strong in the meantime and is still the same date.
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

    /// Adds what a response's headers say about the whole file. `None` if a digest contradicts a known one.
    pub(super) fn learn(mut self, size: Option<u64>, digests: Vec<HeaderDigest>) -> Option<Self> {
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

/// Decides how to use the response to a request for the bytes from `offset` on, or for the whole file if
/// `offset` is `None`.
///
/// `known` is what earlier responses said about the file: a known size is kept unless the response belongs to
/// another version. `doubt` is another size that was claimed for the same version: a size that is claimed
/// twice is accepted.
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
                Err("the server sent a part of the file although the whole file was requested".to_owned())
            }
            (None, Some(_)) => Ok(restart("a partial response without a valid `Content-Range`")),
            (Some(range), Some(offset)) => Ok(rest(headers, range, offset, known)),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if offset.is_some() => {
            let size = unsatisfied(headers);
            let is_all =
                size.is_some() && offset == size && known.size.is_none_or(|known| Some(known) == size);
            match known.is_other(headers) {
                true => Ok(changed()),
                false if is_all => Ok(Plan::Complete(Entity { size, ..known.clone() })),
                false => Ok(Plan::Restart { why: "the server has no such range", claimed: size }),
            }
        }
        _ => Err(format!("the server responded with {} and no file", status.as_u16())),
    }
}

/// Plans a response that contains the whole file, from its first byte.
fn whole(entity: Entity, known: &Entity, doubt: Option<u64>) -> Plan {
    match (known.compared(&entity), known.size, entity.size) {
        (Compared::Same, Some(known), Some(size)) if known != size && doubt != Some(size) => {
            Plan::Restart { why: "the server reported two sizes for the same file", claimed: Some(size) }
        }
        (Compared::Same | Compared::Unknown, known, None) => Plan::Whole(Entity { size: known, ..entity }),
        _ => Plan::Whole(entity),
    }
}

/// Plans a partial response. It must start at `offset`.
fn rest(headers: &HeaderMap, range: Range, offset: u64, known: &Entity) -> Plan {
    if range.first != offset {
        return restart("the server sent another range than the requested one");
    }
    if known.is_other(headers) || known.is_otherwise_coded(headers) {
        return changed();
    }
    match known.size {
        Some(known) if range.size.is_some_and(|size| size != known) => {
            return Plan::Restart { why: "the file changed", claimed: range.size };
        }
        Some(known) if range.last >= known => return restart("the server sent a range past the file's end"),
        _ => {}
    }
    let HeaderDigests { whole, message, either } = header_digests(headers, true);
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

/// Splits a validator into a strong and a weak one.
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

/// Returns whether a media type is that of an archive. Some servers also send `Content-Encoding` for these.
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
