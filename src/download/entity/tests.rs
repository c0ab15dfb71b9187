use proptest::prelude::*;

use super::*;

const DATE_BEFORE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATE_AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn known() -> Entity {
    Entity { etag: Some("\"a\"".to_owned()), size: Some(10), ..Entity::default() }
}

fn plan_of(status: u16, headers: &HeaderMap, offset: Option<u64>, known: &Entity) -> Result<Plan, String> {
    plan(StatusCode::from_u16(status).unwrap(), headers, offset, known, None)
}

#[test]
fn response_head_decides_resume_plan() {
    let part = |range: &str| headers(&[("content-range", range)]);
    let rest = |end| {
        let (message, either) = (Vec::new(), Vec::new());
        Ok(Plan::Rest(Box::new(Rest { entity: known(), end, message, either })))
    };
    let plan = |status: u16, headers: &HeaderMap, offset| plan_of(status, headers, offset, &known());
    assert_eq!(plan(206, &part("bytes 4-9/10"), Some(4)), rest(10));
    assert_eq!(plan(206, &part("Bytes  4-6/10"), Some(4)), rest(7));
    assert_eq!(plan(206, &part("bytes 4-9/*"), Some(4)), rest(10));
    for wrong in [
        "bytes 3-9/10",
        "bytes 0-9/10",
        "bytes 4-9/11",
        "bytes 4-10/10",
        "bytes 4-10/*",
        "bytes 4-18446744073709551615/*",
        "bytes 9-4/10",
        "4-9/10",
        "bytes x-9/10",
        "bytes +4-9/10",
        "bytes 4-9/",
        "bytes */10",
    ] {
        assert!(matches!(plan(206, &part(wrong), Some(4)), Ok(Plan::Restart { .. })), "{wrong}");
    }
    assert!(matches!(plan(206, &HeaderMap::new(), Some(4)), Ok(Plan::Restart { .. })));
    let mut twice = part("bytes 4-9/10");
    twice.append("content-range", "bytes 5-9/10".parse().unwrap());
    assert!(matches!(plan(206, &twice, Some(4)), Ok(Plan::Restart { .. })));
    let changed = headers(&[("content-range", "bytes 4-9/10"), ("etag", "\"b\"")]);
    assert_eq!(plan(206, &changed, Some(4)), Ok(restart("the file changed")));
    // A range of the compressed form isn't a range of the file; a 206 response may omit the coding.
    let coded =
        headers(&[("content-range", "bytes 4-9/10"), ("etag", "\"a\""), ("content-encoding", "gzip")]);
    assert_eq!(plan(206, &coded, Some(4)), Ok(restart("the file changed")));
    let stored = Entity { codings: codings(&coded), ..known() };
    assert!(matches!(plan_of(206, &coded, Some(4), &stored), Ok(Plan::Rest(_))));
    assert!(matches!(plan_of(206, &part("bytes 4-9/10"), Some(4), &stored), Ok(Plan::Rest(_))));
    assert!(plan(206, &part("bytes 4-9/10"), None).is_err());
    assert!(matches!(plan(206, &part("bytes 0-9/10"), None), Ok(Plan::Whole(Entity { size: Some(10), .. }))));
    assert!(matches!(plan(416, &part("bytes */10"), Some(10)), Ok(Plan::Complete(_))));
    assert!(matches!(plan(416, &part("bytes */9"), Some(10)), Ok(Plan::Restart { claimed: Some(9), .. })));
    assert!(matches!(plan(416, &HeaderMap::new(), Some(10)), Ok(Plan::Restart { claimed: None, .. })));
    let compressed_error = headers(&[("content-range", "bytes */10"), ("content-encoding", "gzip")]);
    assert!(matches!(plan(416, &compressed_error, Some(10)), Ok(Plan::Complete(_))));
    let whole = headers(&[("content-length", "7"), ("etag", "\"b\"")]);
    let other = Entity { etag: Some("\"b\"".to_owned()), size: Some(7), ..Entity::default() };
    assert_eq!(plan(200, &whole, Some(4)), Ok(Plan::Whole(other)));
    assert!(plan(204, &HeaderMap::new(), None).is_err());
}

#[test]
fn only_strong_validator_resumes() {
    for (pairs, expected) in [
        (vec![("etag", "\"x\"")], Some("\"x\"")),
        (vec![("etag", "W/\"x\"")], None),
        (vec![("etag", "x")], None),
        (vec![("last-modified", DATE_BEFORE)], None),
        (vec![("last-modified", DATE_BEFORE), ("date", DATE_BEFORE)], None),
        (vec![("last-modified", DATE_BEFORE), ("date", DATE_AFTER)], Some(DATE_BEFORE)),
        (vec![("etag", "W/\"x\""), ("last-modified", DATE_BEFORE), ("date", DATE_AFTER)], Some(DATE_BEFORE)),
    ] {
        assert_eq!(Entity::of(&headers(&pairs), None).if_range(), expected, "{pairs:?}");
    }
}

/// The plan for a response of each status, given the known size, the size that the response gives, and its
/// validator.
#[test]
fn known_size_is_never_forgotten() {
    #[derive(Debug, PartialEq)]
    enum Is {
        /// This size is known afterwards.
        Whole(Option<u64>),
        Rest(Option<u64>),
        Complete,
        Restart,
    }
    let strong = [("etag", "\"a\"")];
    let other = [("etag", "\"b\"")];
    let weak = [("etag", "W/\"a\"")];
    let weak_other = [("etag", "W/\"b\"")];
    let date = [("last-modified", DATE_BEFORE)];
    let date_other = [("last-modified", DATE_AFTER)];
    let none: [(&str, &str); 0] = [];
    let run = |status,
               of: &[(&'static str, &'static str)],
               known,
               named: Option<u64>,
               now: &[(&'static str, &'static str)]| {
        let known = Entity::of(&headers(of), known);
        let (offset, range) = match (status, named) {
            (200, _) => (None, None),
            (206, named) => (
                Some(4),
                Some(format!("bytes 4-6/{}", named.map_or("*".to_owned(), |size| size.to_string()))),
            ),
            (_, named) => (Some(7), named.map(|size| format!("bytes */{size}"))),
        };
        let length = named.filter(|_| status == 200).map(|size| size.to_string());
        let mut all = now.to_vec();
        all.extend(range.as_deref().map(|range| ("content-range", range)));
        all.extend(length.as_deref().map(|length| ("content-length", length)));
        match plan_of(status, &headers(&all), offset, &known).unwrap() {
            Plan::Whole(entity) => Is::Whole(entity.size),
            Plan::Rest(rest) => Is::Rest(rest.entity.size),
            Plan::Complete(entity) => {
                assert_eq!(entity.size, named);
                Is::Complete
            }
            Plan::Restart { .. } => Is::Restart,
        }
    };
    for (status, of, known, named, now, expected) in [
        // The whole file, of the same version: the size is kept, and another one is a contradiction.
        (200, &strong[..], Some(7), Some(7), &strong[..], Is::Whole(Some(7))),
        (200, &strong, Some(7), None, &strong, Is::Whole(Some(7))),
        (200, &strong, Some(7), Some(9), &strong, Is::Restart),
        (200, &strong, None, Some(9), &strong, Is::Whole(Some(9))),
        (200, &strong, None, None, &strong, Is::Whole(None)),
        // Another version: the known size is discarded.
        (200, &strong, Some(7), Some(9), &other, Is::Whole(Some(9))),
        (200, &strong, Some(7), None, &other, Is::Whole(None)),
        (200, &weak, Some(7), None, &weak_other, Is::Whole(None)),
        (200, &date, Some(7), None, &date_other, Is::Whole(None)),
        // An unknown version: the announced size is used, otherwise the known one.
        (200, &none, Some(7), None, &none, Is::Whole(Some(7))),
        (200, &none, Some(7), Some(9), &none, Is::Whole(Some(9))),
        (200, &weak, Some(7), None, &weak, Is::Whole(Some(7))),
        (200, &weak, Some(7), Some(9), &weak, Is::Whole(Some(9))),
        (200, &date, Some(7), None, &date, Is::Whole(Some(7))),
        (200, &none, Some(7), None, &strong, Is::Whole(Some(7))),
        // A partial response.
        (206, &strong, Some(7), Some(7), &strong, Is::Rest(Some(7))),
        (206, &strong, Some(7), None, &strong, Is::Rest(Some(7))),
        (206, &strong, None, Some(7), &none, Is::Rest(Some(7))),
        (206, &strong, None, None, &none, Is::Rest(None)),
        (206, &strong, Some(7), Some(9), &strong, Is::Restart),
        (206, &strong, Some(6), None, &strong, Is::Restart),
        (206, &strong, Some(7), Some(7), &other, Is::Restart),
        (206, &none, Some(7), Some(9), &none, Is::Restart),
        // A range beyond the end; seven bytes are there.
        (416, &strong, Some(7), Some(7), &strong, Is::Complete),
        (416, &strong, None, Some(7), &none, Is::Complete),
        (416, &strong, Some(9), Some(7), &none, Is::Restart),
        (416, &strong, Some(9), Some(9), &none, Is::Restart),
        (416, &strong, Some(7), Some(9), &none, Is::Restart),
        (416, &strong, None, Some(9), &none, Is::Restart),
        (416, &strong, Some(7), None, &none, Is::Restart),
        (416, &strong, Some(7), Some(7), &other, Is::Restart),
    ] {
        let case = format!("{status} {of:?} {known:?} {named:?} {now:?}");
        assert_eq!(run(status, of, known, named, now), expected, "{case}");
    }
}

/// For the same version, a new size replaces the known one only if it is claimed twice.
#[test]
fn new_size_must_be_claimed_twice() {
    let whole = headers(&[("content-length", "9"), ("etag", "\"a\"")]);
    let again = |doubt| plan(StatusCode::OK, &whole, None, &known(), doubt);
    assert!(matches!(again(None), Ok(Plan::Restart { claimed: Some(9), .. })));
    assert!(matches!(again(Some(8)), Ok(Plan::Restart { claimed: Some(9), .. })));
    assert!(matches!(again(Some(9)), Ok(Plan::Whole(Entity { size: Some(9), .. }))));
}

#[test]
fn size_and_digest_learned_from_part() {
    let md5 = |digest: &str| format!("md5=:{digest}:");
    let (one, two) = ("kAFQmDzST7DWlj99KOF/cg==", "AAAAAAAAAAAAAAAAAAAAAA==");
    let part = |digest: &str| {
        headers(&[("content-range", "bytes 4-9/10"), ("repr-digest", digest), ("content-md5", two)])
    };
    let first = plan_of(206, &part(&md5(one)), Some(4), &Entity { size: None, ..known() });
    let Ok(Plan::Rest(rest)) = first else { panic!("{first:?}") };
    assert_eq!((rest.entity.size, rest.entity.digests.len(), rest.either.len()), (Some(10), 1, 1));
    assert!(matches!(plan_of(206, &part(&md5(one)), Some(4), &rest.entity), Ok(Plan::Rest(_))));
    assert_eq!(plan_of(206, &part(&md5(two)), Some(4), &rest.entity), Ok(restart("the file changed")));
    // The metadata stores it.
    let metadata = serde_json::to_vec(&rest.entity).unwrap();
    assert_eq!(serde_json::from_slice::<Entity>(&metadata).unwrap(), rest.entity);
    let old =
        serde_json::from_str::<Entity>(r#"{"etag": "\"a\"", "last_modified": null, "size": 10}"#).unwrap();
    assert_eq!(old, known());
}

#[test]
fn compressed_types_are_known() {
    for (media, expected) in [
        ("application/gzip", true),
        ("Application/X-GZIP; charset=binary", true),
        ("application/zstd", true),
        ("application/json", false),
        ("text/gzip", false),
        ("gzip", false),
    ] {
        assert_eq!(is_archive(media), expected, "{media}");
    }
}

proptest! {
    #[test]
    fn no_range_puts_bytes_at_wrong_offset(
        first in 0_u64..20, last in 0_u64..20, size in 0_u64..20, offset in 0_u64..20, text in "[ -~]{0,20}",
    ) {
        let made = headers(&[("content-range", &format!("bytes {first}-{last}/{size}"))]);
        if let Ok(Plan::Rest(rest)) = plan_of(206, &made, Some(offset), &known()) {
            prop_assert!(first == offset && last >= first && last < size && size == 10 && rest.end == last + 1);
        }
        let any = headers(&[("content-range", text.as_str())]);
        let _ = plan_of(206, &any, Some(offset), &known());
        let _ = plan_of(416, &any, Some(offset), &known());
    }

    #[test]
    fn no_response_changes_size_at_once(
        status in prop::sample::select(vec![200_u16, 206, 416]),
        known_size in 1_u64..20,
        offset in 0_u64..20,
        named in prop::option::of(1_u64..20),
        last in 0_u64..20,
        etag in prop::sample::select(vec!["\"a\"", "W/\"a\"", ""]),
    ) {
        let known = Entity { size: Some(known_size), ..known() };
        let size = named.map_or("*".to_owned(), |size| size.to_string());
        let mut head = match status {
            200 => HeaderMap::new(),
            206 => headers(&[("content-range", &format!("bytes {offset}-{last}/{size}"))]),
            _ => headers(&[("content-range", &format!("bytes */{size}"))]),
        };
        if let (200, Some(named)) = (status, named) {
            head.insert(CONTENT_LENGTH, named.to_string().parse().unwrap());
        }
        if !etag.is_empty() {
            head.insert(ETAG, etag.parse().unwrap());
        }
        match plan_of(status, &head, Some(offset).filter(|_| status != 200), &known) {
            Ok(Plan::Whole(entity)) => {
                prop_assert!(named.is_none() || entity.size == named);
                prop_assert!(named.is_some() || entity.size == Some(known_size));
                // Without the same strong validator, the announced size belongs to another version.
                prop_assert!(etag != "\"a\"" || entity.size == Some(known_size));
            }
            Ok(Plan::Rest(rest)) => prop_assert!(rest.entity.size == Some(known_size) && rest.end <= known_size),
            Ok(Plan::Complete(entity)) => prop_assert!(entity.size == Some(known_size) && offset == known_size),
            Ok(Plan::Restart { .. }) | Err(_) => {}
        }
    }
}
