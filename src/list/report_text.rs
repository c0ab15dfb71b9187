//! How a report and its entries are shown and serialized: in one line, without secrets.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::report::{ListReport, PageFailure};
use crate::error::redact::excerpt;
use crate::list::anomaly::ItemFailure;

/// Maximum length of an error that is shown, in bytes.
const MAX_ERROR: usize = 500;

/// One line, such as `2 pages, 150 items, complete`, or what is missing; before the list's end, `so far`.
impl fmt::Display for ListReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", Count(self.pages, "page", "pages"), Count(self.items, "item", "items"))?;
        if self.duplicates > 0 {
            write!(f, ", {} dropped", Count(self.duplicates, "duplicate", "duplicates"))?;
        }
        if self.is_complete() {
            return f.write_str(if self.ended { ", complete" } else { " so far" });
        }
        let counts = [
            Count(self.anomalies.len() as u64, "anomaly", "anomalies"),
            Count(self.page_failures.len() as u64, "page skipped", "pages skipped"),
            Count(self.item_failures.len() as u64, "item skipped", "items skipped"),
            Count(self.conversion_failures.len() as u64, "URL not converted", "URLs not converted"),
            Count(self.omitted, "entry not kept", "entries not kept"),
        ];
        let mut missing: Vec<_> =
            counts.iter().filter(|count| count.0 > 0).map(ToString::to_string).collect();
        if self.failed {
            missing.push("ended by an error".to_owned());
        }
        write!(f, ", incomplete: {}", missing.join(", "))
    }
}

/// A number, and the words for one and for several.
struct Count(u64, &'static str, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { self.1 } else { self.2 })
    }
}

/// All fields, and `complete`: whether the list was read to its end and the report
/// [is complete](ListReport::is_complete). The texts of skipped items
/// are left out.
impl Serialize for ListReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("ListReport", 10)?;
        report.serialize_field("complete", &(self.ended && self.is_complete()))?;
        report.serialize_field("identity", &self.identity)?;
        report.serialize_field("items", &self.items)?;
        report.serialize_field("pages", &self.pages)?;
        report.serialize_field("duplicates", &self.duplicates)?;
        report.serialize_field("anomalies", &self.anomalies)?;
        report.serialize_field("page_failures", &self.page_failures)?;
        report.serialize_field("item_failures", &self.item_failures)?;
        report.serialize_field("conversion_failures", &self.conversion_failures)?;
        report.serialize_field("omitted", &self.omitted)?;
        report.end()
    }
}

/// One line of at most about 500 bytes.
impl fmt::Display for PageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}: {}", self.page, excerpt(&self.error.to_string(), MAX_ERROR))
    }
}

/// The error as its `kind` and its `message`, which is its `Display`.
impl Serialize for PageFailure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Shown {
            kind: crate::error::ErrorKind,
            message: String,
        }
        let error = Shown { kind: self.error.kind(), message: self.error.to_string() };
        let mut failure = serializer.serialize_struct("PageFailure", 3)?;
        failure.serialize_field("page", &self.page)?;
        failure.serialize_field("url", &self.url)?;
        failure.serialize_field("error", &error)?;
        failure.end()
    }
}

/// One line without the item's text.
impl fmt::Display for ItemFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} of page {}", self.index, self.page)?;
        if let Some(id) = &self.id {
            write!(f, " (id {id})")?;
        }
        if !self.json_path.is_empty() {
            write!(f, ": `{}`", self.json_path)?;
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::list::anomaly::ListAnomaly;
    use crate::marker::MARKER;

    fn item_failure() -> ItemFailure {
        ItemFailure {
            page: 2,
            index: 3,
            id: Some("7".to_owned()),
            json_path: "files[0].url".to_owned(),
            message: "it is null".to_owned(),
            text: format!(r#"{{"id": 7, "files": [{{"url": null, "token": "{MARKER}"}}]}}"#),
        }
    }

    fn page_failure(message: impl Into<String>) -> PageFailure {
        let url = "http://h/models/".to_owned();
        PageFailure { page: 2, url, error: Error::new(ErrorKind::ConnectionLost, message) }
    }

    #[test]
    fn report_is_shown_in_one_line() {
        let mut report = ListReport { pages: 2, items: 150, ..ListReport::default() };
        assert_eq!(report.to_string(), "2 pages, 150 items so far");
        report.ended = true;
        assert_eq!(report.to_string(), "2 pages, 150 items, complete");
        report.failed = true;
        assert_eq!(report.to_string(), "2 pages, 150 items, incomplete: ended by an error");
        report = ListReport { pages: 1, items: 1, duplicates: 1, ended: true, ..ListReport::default() };
        assert_eq!(report.to_string(), "1 page, 1 item, 1 duplicate dropped, complete");
        report.event(ListAnomaly::PageGone { page: 2 });
        report.page_failure(page_failure("lost"));
        (0..105).for_each(|_| report.item_failure(item_failure));
        assert_eq!(
            report.to_string(),
            "1 page, 1 item, 1 duplicate dropped, incomplete: 1 anomaly, 1 page skipped, 100 items skipped, 5 entries not kept"
        );
    }

    #[test]
    fn failures_are_shown_without_secrets() {
        assert_eq!(item_failure().to_string(), "item 3 of page 2 (id 7): `files[0].url`: it is null");
        let own = ItemFailure { id: None, json_path: String::new(), ..item_failure() };
        assert_eq!(own.to_string(), "item 3 of page 2: it is null");
        assert_eq!(page_failure("lost").to_string(), "page 2: lost");
        let long = page_failure(format!("a\nb https://h/x?sig={MARKER} {}", "x ".repeat(5_000))).to_string();
        assert!(long.len() < 600 && !long.contains(['\n']) && !long.contains(MARKER), "{long}");
    }

    #[test]
    fn report_is_serialized_without_texts() {
        let mut report = ListReport { pages: 2, items: 150, ..ListReport::default() };
        report.event(ListAnomaly::Fewer { promised: 151, items: 150 });
        report.page_failure(page_failure(format!("lost https://h/x?sig={MARKER}")));
        report.item_failure(item_failure);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "complete": false,
                "identity": null,
                "items": 150,
                "pages": 2,
                "duplicates": 0,
                "anomalies": [{"kind": "fewer", "promised": 151, "items": 150}],
                "page_failures": [{
                    "page": 2,
                    "url": "http://h/models/",
                    "error": {"kind": "connection_lost", "message": "lost https://h/x?…"},
                }],
                "item_failures": [{
                    "page": 2, "index": 3, "id": "7", "json_path": "files[0].url", "message": "it is null",
                }],
                "conversion_failures": [],
                "omitted": 0,
            })
        );
    }

    #[test]
    fn anomalies_are_read_again() {
        for anomaly in [
            ListAnomaly::CountChanged { page: 2, before: 3, now: 4 },
            ListAnomaly::OutOfOrder { page: 2, next: 1 },
            ListAnomaly::Endless { page: u64::MAX },
        ] {
            let text = serde_json::to_string(&anomaly).unwrap();
            assert_eq!(serde_json::from_str::<ListAnomaly>(&text).unwrap(), anomaly, "{text}");
        }
        assert!(serde_json::from_str::<ListAnomaly>(r#"{"kind": "other"}"#).is_err());
    }
}
