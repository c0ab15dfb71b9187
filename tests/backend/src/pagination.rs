//! Pages by number, like DRF's `PageNumberPagination`, and by cursor.

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::drf::{self, Refusal};
use crate::request_parts::RequestParts;
use crate::settings::Settings;

/// The requested part of a list, and its links.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) start: u64,
    pub(crate) end: u64,
    count: Option<u64>,
    next: Option<String>,
    previous: Option<String>,
}

impl Page {
    pub(crate) fn of(total: u64, parts: &RequestParts, settings: &Settings) -> Result<Self, Refusal> {
        let size = page_size(parts, settings);
        if settings.cursor_pagination {
            Self::by_cursor(total, size, parts)
        } else {
            Self::by_number(total, size, parts)
        }
    }

    /// Pages by cursor, for a request that wants them. A position counts from the oldest item, so that new
    /// items move none of the others.
    pub(crate) fn on_request(
        total: u64,
        parts: &RequestParts,
        settings: &Settings,
        newest_first: bool,
    ) -> Result<Self, Refusal> {
        let size = page_size(parts, settings);
        if newest_first {
            Self::by_mark(total, size, parts, |n| total - n)
        } else {
            Self::by_mark(total, size, parts, |n| n)
        }
    }

    fn by_number(total: u64, size: u64, parts: &RequestParts) -> Result<Self, Refusal> {
        // Page 1 exists even if the list is empty.
        let pages = total.div_ceil(size).max(1);
        let number = match parts.query.given("page") {
            None => 1,
            Some("last") => pages,
            Some(text) => text.parse().unwrap_or(0),
        };
        if !(1..=pages).contains(&number) {
            return Err(Refusal::detail(StatusCode::NOT_FOUND, "Invalid page."));
        }
        let link = |page: u64| {
            let page = (page > 1).then(|| page.to_string());
            parts.link(&parts.query.with("page", page.as_deref()))
        };
        let start = (number - 1) * size;
        Ok(Self {
            start,
            end: (start + size).min(total),
            count: Some(total),
            next: (number < pages).then(|| link(number + 1)),
            previous: (number > 1).then(|| link(number - 1)),
        })
    }

    fn by_cursor(total: u64, size: u64, parts: &RequestParts) -> Result<Self, Refusal> {
        Self::by_mark(total, size, parts, |position| position)
    }

    /// `mark` maps a position to the number in its cursor, and back.
    fn by_mark(
        total: u64,
        size: u64,
        parts: &RequestParts,
        mark: impl Fn(u64) -> u64,
    ) -> Result<Self, Refusal> {
        let start = match parts.query.given("cursor") {
            None => 0,
            Some(cursor) => {
                let invalid = || Refusal::detail(StatusCode::NOT_FOUND, "Invalid cursor");
                mark(decode(cursor).ok_or_else(invalid)?.min(total))
            }
        };
        let end = start.saturating_add(size).min(total);
        let link = |position: u64| {
            let cursor = (position > 0).then(|| STANDARD.encode(format!("p={}", mark(position))));
            parts.link(&parts.query.with("cursor", cursor.as_deref()))
        };
        Ok(Self {
            start,
            end,
            count: None,
            next: (end < total).then(|| link(end)),
            previous: (start > 0).then(|| link(start.saturating_sub(size))),
        })
    }

    /// Builds the list's response. `items` appends the items of the page, separated by commas.
    pub(crate) fn response(&self, capacity: usize, items: impl FnOnce(&mut Vec<u8>)) -> Response {
        let mut out = Vec::with_capacity(capacity + 512);
        out.push(b'{');
        if let Some(count) = self.count {
            out.extend_from_slice(b"\"count\":");
            out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            out.push(b',');
        }
        for (name, link) in [("next", &self.next), ("previous", &self.previous)] {
            // A link is percent-encoded except for the host, which may contain anything; so it is escaped as
            // JSON.
            let link = serde_json::to_string(link).unwrap_or_else(|_| "null".to_owned());
            out.extend_from_slice(format!("\"{name}\":{link},").as_bytes());
        }
        out.extend_from_slice(b"\"results\":[");
        items(&mut out);
        out.extend_from_slice(b"]}");
        drf::json(StatusCode::OK, out)
    }
}

/// Reads `page_size` as DRF does: caps it silently, and uses the default if it is invalid.
fn page_size(parts: &RequestParts, settings: &Settings) -> u64 {
    match parts.query.given("page_size").map(str::parse::<u64>) {
        Some(Ok(size)) if size > 0 => size.min(settings.max_page_size),
        _ => settings.page_size.min(settings.max_page_size),
    }
}

fn decode(cursor: &str) -> Option<u64> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("p=")?.parse().ok()
}
