//! Lists of table rows: the order, the pages, and the items of a page.

use std::ops::Range;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::drf::{self, Refusal};
use crate::keys::Keys;
use crate::pagination::Page;
use crate::request_parts::RequestParts;
use crate::table::Table;

/// Whether a row passes the filters, by its index and content.
type Keep<'a, R> = &'a dyn Fn(u64, &R) -> bool;

/// The selected rows of a table, by index.
#[derive(Debug)]
pub(crate) enum Selected {
    Range(Range<u64>),
    Rows(Vec<u64>),
}

impl Selected {
    /// Selects the rows that pass the filters by key and `keep`. Without `keep`, no row is computed.
    pub(crate) fn of<R: Clone>(table: &Table<R>, keys: &Keys, keep: Option<Keep<'_, R>>) -> Self {
        let range = keys.range(table);
        if keep.is_none() && keys.only_range() {
            return Self::Range(range);
        }
        let passes =
            |index: u64, row: &R| keys.keep(table.id(index)) && keep.is_none_or(|keep| keep(index, row));
        Self::Rows(table.select(range, passes))
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Range(range) => range.end - range.start,
            Self::Rows(rows) => rows.len() as u64,
        }
    }

    pub(crate) fn indices(&self) -> Vec<u64> {
        match self {
            Self::Range(range) => range.clone().collect(),
            Self::Rows(rows) => rows.clone(),
        }
    }

    fn index(&self, place: u64) -> Option<u64> {
        match self {
            Self::Range(range) => Some(range.start + place),
            Self::Rows(rows) => rows.get(usize::try_from(place).ok()?).copied(),
        }
    }
}

/// Which pages a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Page numbers, oldest first.
    Numbered,
    /// Page numbers, newest first.
    NewestFirst,
    /// Page numbers, or cursors with `pagination=cursor`.
    CursorsOnRequest,
}

/// Whether a request's `ordering` is by a unique key or by time, and descending. A list's time has the order
/// of its ids.
pub(crate) fn descending(parts: &RequestParts, keys: &[&str]) -> Option<bool> {
    let word = parts.query.given("ordering")?.split(',').next()?.trim();
    match word.strip_prefix('-') {
        Some(key) => keys.contains(&key).then_some(true),
        None => keys.contains(&word).then_some(false),
    }
}

/// Whether a request wants cursors from a list that has them on request. Refuses an ordering that isn't by
/// `key`, since it can't be continued.
pub(crate) fn wants_cursors(app: &App, parts: &RequestParts, key: &str) -> Result<bool, Refusal> {
    if app.settings.quirks.older_sdk_lists || parts.query.given("pagination") != Some("cursor") {
        return Ok(false);
    }
    match descending(parts, &[key]) {
        Some(_) => Ok(true),
        None => Err(drf::field_error("ordering", "Cursor pagination needs an ordering by a unique key.")),
    }
}

/// Responds with one page of the selected rows.
pub(crate) fn respond(
    app: &App,
    parts: &RequestParts,
    selected: &Selected,
    pages: Pages,
    render: impl Fn(u64) -> Option<Value>,
) -> Result<Response, Refusal> {
    let by_default = pages == Pages::NewestFirst;
    let down = descending(parts, &["id", "created", "created_at"]).unwrap_or(by_default);
    let cursors = pages == Pages::CursorsOnRequest && wants_cursors(app, parts, "id")?;
    let total = selected.len();
    let page = match cursors {
        true => Page::on_request(total, parts, &app.settings, down)?,
        false => Page::of(total, parts, &app.settings)?,
    };
    let mut items = Vec::new();
    for place in page.start..page.end {
        let place = if down { total - 1 - place } else { place };
        if let Some(item) = selected.index(place).and_then(&render) {
            if !items.is_empty() {
                items.push(b',');
            }
            serde_json::to_writer(&mut items, &item).map_err(|e| Refusal::internal(&e))?;
        }
    }
    Ok(page.response(items.len(), |out| out.extend_from_slice(&items)))
}

/// Responds with one object, or a 404.
pub(crate) fn object(item: Option<Value>) -> Result<Response, Refusal> {
    drf::value(StatusCode::OK, &item.ok_or_else(Refusal::not_found)?)
}

/// Reads an id from a path.
pub(crate) fn path_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}
