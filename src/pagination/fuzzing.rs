//! Pages and the courses of lists without requests, for the fuzz targets.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

use super::ahead::telling;
use super::checkpoint::{Checkpoint, Position};
use super::course::{Course, Facts};
use super::list_query::query_of;
use super::page::{self, Decoder, Items};
use super::raw_item::RawItem;
use crate::error::Result;
use crate::transport::fuzzing::received;

/// A page's items, and those that can't be decoded.
pub struct PageItems<T> {
    /// The items, in order.
    pub items: Vec<Result<T>>,
    /// The link to the next page.
    pub next: Option<String>,
}

async fn items<T>(body: Bytes, decoder: Decoder<T>, ids: bool) -> Result<PageItems<T>> {
    let received = received(StatusCode::OK, HeaderMap::new(), body, HeaderMap::new());
    let (decoded, answer) = received.decoded(|body| decoder(body, ids)).await?;
    let page = telling(decoded, 1, |problem| answer.undecodable(problem));
    let items = match page.items {
        Items::All(items) => items.into_iter().map(Ok).collect(),
        Items::Each(items) => items.into_iter().map(|(_, item)| item).collect(),
    };
    Ok(PageItems { items, next: page.next })
}

/// A page as [`list_all_as`](crate::Call::list_all_as) decodes it.
///
/// # Errors
/// Returns an error if it is no page.
pub async fn typed_page<T: DeserializeOwned>(body: Bytes, ids: bool) -> Result<PageItems<T>> {
    items(body, page::typed, ids).await
}

/// A page as [`list_all_raw`](crate::Call::list_all_raw) takes it apart.
///
/// # Errors
/// Returns an error if it is no page.
pub async fn raw_page(body: Bytes, ids: bool) -> Result<PageItems<RawItem>> {
    items(body, page::raw, ids).await
}

/// What a checkpoint of a list holds that tells it from others.
pub fn query(operation: &str, url: &Url) -> String {
    query_of(operation, url)
}

/// Reads a list from a checkpoint on, whose pages have these lengths (nothing for one that fails), counts and links; gives
/// what was heard of it.
pub fn course(
    url: &Url,
    from: &Checkpoint,
    pages: impl IntoIterator<Item = (Option<u64>, Option<u64>, Option<Url>)>,
) -> Vec<String> {
    let number = match from.at {
        Position::Page { number, .. } | Position::Link { number, .. } => number,
        Position::End => return Vec::new(),
    };
    let mut course = Course::new(url.clone(), url.clone(), number);
    (course.until, course.page_size) = (from.until, from.page_size);
    (course.offset, course.total) = (from.offset, from.total);
    let mut told = Vec::new();
    for (length, count, next) in pages {
        let Some((number, _)) = course.next_page() else { break };
        told.push(match length {
            None => format!("{:?}", course.pass_over(number)),
            Some(length) => format!("{:?}", course.arrived(number, Facts { length, count, next })),
        });
    }
    told
}
