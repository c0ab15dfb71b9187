//! Splits a list into parts that can be read independently.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::query_of;
use super::links::{is_first, is_head, page_number};
use super::page;
use super::page_text::Envelope;
use crate::call::{Call, Prepared};
use crate::error::{Error, Result};
use crate::generated::operation::{Operation, Page};
use crate::transport::IncomingResponse;

/// Maximum number of parts that a list is split into.
const MAX_PARTS: u64 = 10_000;

impl<B: Operation> Call<B>
where
    B::Output: Page,
{
    /// Splits the list into at most `parts` ranges of pages. This requests the list's first page. Each range
    /// is a checkpoint: other processes or machines read it with [`resume`](crate::ListAll::resume) and the
    /// same parameters. Together they return every item once.
    ///
    /// A list with few pages is split into fewer parts, and a list without page numbers (a cursor list) into
    /// one. There are never more than 10,000 parts. The last part ends where the list ends, even if the list
    /// grows.
    ///
    /// # Errors
    /// Returns an error if `parts` is zero, or if the first page can't be fetched.
    ///
    /// ```no_run
    /// # async fn example(client: synapse_backend_client::BackendClient) -> Result<(), synapse_backend_client::Error> {
    /// let events = || client.list_ground_truth_events().params(|p| p.ground_truth_dataset_versions([123]).page_size(1000));
    /// for part in events().partitions(4).await? {
    ///     let mut events = events().list_all().resume(part);
    ///     tokio::spawn(async move { while let Some(event) = events.next().await { /* … */ } });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn partitions(self, parts: usize) -> Result<Vec<Checkpoint>> {
        if parts == 0 {
            return Err(Error::invalid_input("partitions: `parts` is zero: give 1 or more"));
        }
        // Items are only counted here: no files are requested for them.
        let template = Prepared { conversions: Arc::default(), ..self.prepare()? };
        let url = template.request.url().clone();
        let query = query_of(template.operation, &url);
        let (transport, info) = (template.transport.clone(), template.info());
        let receive = async |response: Box<IncomingResponse>| Ok(response.decoded(page::length).await?.0);
        let (length, Envelope { next, count }) = template.fetch(receive).await?;
        let first = page_number(&url).unwrap_or(1).max(1);
        let next = next.map(|next| transport.origin.follow(&next, &url)).transpose();
        let next = next.map_err(|error| error.of(info).during("following the first page's `next`"))?;
        let size = length as u64;
        let numbered = next.as_ref().and_then(page_number) == first.checked_add(1) && size > 0;
        let range = |from: u64, until: Option<u64>| {
            let at = match is_first(&url) || page_number(&url).is_some() {
                true => Position::Page { number: from, item: 0 },
                false => Position::Link { url: url.as_str().into(), number: 1, item: 0 },
            };
            let known = numbered || is_head(&url);
            Checkpoint {
                until,
                page_size: numbered.then_some(size),
                offset: known.then(|| size.saturating_mul(from - 1)),
                total: count,
                ..Checkpoint::new(query.clone(), at)
            }
        };
        let (Some(count), true) = (count, numbered) else { return Ok(vec![range(first, None)]) };
        let last = count.div_ceil(size).max(first);
        let pages = (last - first).saturating_add(1);
        let parts = (parts as u64).min(pages).min(MAX_PARTS);
        // If the pages don't divide evenly, the first parts have one page more.
        let begin = |part: u64| first + part * (pages / parts) + part.min(pages % parts);
        Ok((0..parts)
            .map(|part| range(begin(part), (part + 1 < parts).then(|| begin(part + 1) - 1)))
            .collect())
    }
}
