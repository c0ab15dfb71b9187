//! Which state of a file an answer is a part of, and what an answer is good for (RFC 9110, sections 8.8, 13.1.5 and 14).

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

/// One state of a file at the server: what its parts are told apart from those of another by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entity {
    /// Strong: the same one means the same bytes.
    #[serde(default)]
    etag: Option<String>,
    /// Where it is strong as well.
    #[serde(default)]
    last_modified: Option<String>,
    /// Bytes of the whole.
    #[serde(default)]
    pub(super) size: Option<u64>,
}

/// What an answer is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It holds the whole file, of this state.
    Whole(Entity),
    /// It holds bytes that follow those that are there.
    Rest { size: Option<u64> },
    /// All bytes are there.
    Complete,
    /// What is there is of no use: the whole has to be asked for.
    Anew(&'static str),
}

impl Entity {
    fn of(headers: &HeaderMap, size: Option<u64>) -> Self {
        let etag = text(headers, ETAG).filter(|etag| is_strong(etag)).map(str::to_owned);
        let date = |name| text(headers, name).and_then(|date| httpdate::parse_http_date(date).ok());
        // Within the same second the file may have changed once more.
        let strong = date(LAST_MODIFIED)
            .zip(date(DATE))
            .is_some_and(|(modified, now)| now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1)));
        let last_modified = text(headers, LAST_MODIFIED).filter(|_| strong).map(str::to_owned);
        Entity { etag, last_modified, size }
    }

    /// What a server is told to give the rest only of this state by; nothing where it can't be.
    pub(super) fn if_range(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }

    /// Whether an answer is of another state.
    fn is_other(&self, headers: &HeaderMap) -> bool {
        let differs = |known: &Option<String>, name| known.as_deref().zip(text(headers, name)).is_some_and(|(a, b)| a != b);
        differs(&self.etag, ETAG) || (self.etag.is_none() && differs(&self.last_modified, LAST_MODIFIED))
    }
}

/// What an answer is good for where the bytes from `offset` on were asked for; or, with none, the whole.
pub(super) fn plan(status: StatusCode, headers: &HeaderMap, offset: Option<u64>, entity: &Entity) -> Result<Plan, String> {
    match status {
        StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => Ok(Plan::Whole(Entity::of(headers, length(headers)))),
        StatusCode::PARTIAL_CONTENT => match (content_range(headers), offset) {
            (Some(Range { first: 0, last, size: Some(size) }), None) if last + 1 == size => {
                Ok(Plan::Whole(Entity::of(headers, Some(size))))
            }
            (_, None) => Err("the server gave a part of the file although all of it was asked for".to_owned()),
            (None, Some(_)) => Ok(Plan::Anew("a part without its place")),
            (Some(range), Some(offset)) if range.first != offset => Ok(Plan::Anew("another part than was asked for")),
            (Some(range), Some(_)) if entity.size.zip(range.size).is_some_and(|(a, b)| a != b) || entity.is_other(headers) => {
                Ok(Plan::Anew("the file changed"))
            }
            (Some(range), Some(_)) => Ok(Plan::Rest { size: range.size.or(entity.size) }),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if offset.is_some() => match unsatisfied(headers) {
            Some(size) if offset == Some(size) && !entity.is_other(headers) => Ok(Plan::Complete),
            _ => Ok(Plan::Anew("there is no such part")),
        },
        _ => Err(format!("the server answered {} and no file", status.as_u16())),
    }
}

struct Range {
    first: u64,
    last: u64,
    size: Option<u64>,
}

/// `bytes 0-499/1234`, where it makes sense.
fn content_range(headers: &HeaderMap) -> Option<Range> {
    let (range, size) = bytes_unit(headers)?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    (first <= last && size.is_none_or(|size| last < size)).then_some(Range { first, last, size })
}

/// `bytes */1234`.
fn unsatisfied(headers: &HeaderMap) -> Option<u64> {
    bytes_unit(headers)?.strip_prefix('*')?.trim().strip_prefix('/')?.trim().parse().ok()
}

fn bytes_unit(headers: &HeaderMap) -> Option<&str> {
    let (unit, rest) = text(headers, CONTENT_RANGE)?.trim().split_once(char::is_whitespace)?;
    unit.eq_ignore_ascii_case("bytes").then_some(rest.trim())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    text(headers, CONTENT_LENGTH)?.trim().parse().ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_strong(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn known() -> Entity {
        Entity { etag: Some("\"a\"".to_owned()), last_modified: None, size: Some(10) }
    }

    #[test]
    fn an_answer_is_good_for_what_its_head_says() {
        let part = |range: &str| headers(&[("content-range", range)]);
        let rest = || Plan::Rest { size: Some(10) };
        let plan = |status: u16, headers: &HeaderMap, offset| {
            super::plan(StatusCode::from_u16(status).unwrap(), headers, offset, &known())
        };
        assert_eq!(plan(206, &part("bytes 4-9/10"), Some(4)), Ok(rest()));
        assert_eq!(plan(206, &part("Bytes  4-6/10"), Some(4)), Ok(rest()));
        assert_eq!(plan(206, &part("bytes 4-9/*"), Some(4)), Ok(rest()));
        for wrong in ["bytes 3-9/10", "bytes 0-9/10", "bytes 4-9/11", "bytes 4-10/10", "bytes 9-4/10", "4-9/10", "bytes x-9/10"] {
            assert!(matches!(plan(206, &part(wrong), Some(4)), Ok(Plan::Anew(_))), "{wrong}");
        }
        assert!(matches!(plan(206, &HeaderMap::new(), Some(4)), Ok(Plan::Anew(_))));
        let changed = headers(&[("content-range", "bytes 4-9/10"), ("etag", "\"b\"")]);
        assert_eq!(plan(206, &changed, Some(4)), Ok(Plan::Anew("the file changed")));
        assert!(plan(206, &part("bytes 4-9/10"), None).is_err());
        assert!(matches!(plan(206, &part("bytes 0-9/10"), None), Ok(Plan::Whole(Entity { size: Some(10), .. }))));
        assert_eq!(plan(416, &part("bytes */10"), Some(10)), Ok(Plan::Complete));
        assert!(matches!(plan(416, &part("bytes */9"), Some(10)), Ok(Plan::Anew(_))));
        assert!(matches!(plan(416, &HeaderMap::new(), Some(10)), Ok(Plan::Anew(_))));
        let whole = headers(&[("content-length", "7"), ("etag", "\"b\"")]);
        let other = Entity { etag: Some("\"b\"".to_owned()), last_modified: None, size: Some(7) };
        assert_eq!(plan(200, &whole, Some(4)), Ok(Plan::Whole(other)));
        assert!(plan(204, &HeaderMap::new(), None).is_err());
    }

    #[test]
    fn only_a_strong_validator_resumes() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (pairs, expected) in [
            (vec![("etag", "\"x\"")], Some("\"x\"")),
            (vec![("etag", "W/\"x\"")], None),
            (vec![("etag", "x")], None),
            (vec![("last-modified", date)], None),
            (vec![("last-modified", date), ("date", date)], None),
            (vec![("last-modified", date), ("date", "Sun, 06 Nov 1994 08:49:38 GMT")], Some(date)),
            (vec![("etag", "W/\"x\""), ("last-modified", date), ("date", "Sun, 06 Nov 1994 08:49:38 GMT")], Some(date)),
        ] {
            assert_eq!(Entity::of(&headers(&pairs), None).if_range(), expected, "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn no_head_makes_bytes_stand_in_a_wrong_place(
            first in 0_u64..20, last in 0_u64..20, size in 0_u64..20, offset in 0_u64..20, text in "[ -~]{0,20}",
        ) {
            let made = headers(&[("content-range", &format!("bytes {first}-{last}/{size}"))]);
            if let Ok(Plan::Rest { .. }) = plan(StatusCode::PARTIAL_CONTENT, &made, Some(offset), &known()) {
                prop_assert!(first == offset && last >= first && last < size && size == 10);
            }
            let any = headers(&[("content-range", text.as_str())]);
            let _ = plan(StatusCode::PARTIAL_CONTENT, &any, Some(offset), &known());
            let _ = plan(StatusCode::RANGE_NOT_SATISFIABLE, &any, Some(offset), &known());
        }
    }
}
