//! Page plans without requests, for the fuzz targets.

use reqwest::Url;

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::{list_path, query_of};
use super::page_plan::{PageInfo, PagePlan};
use super::stored_link::resolved;
use crate::error::{Error, Result};
use crate::transport::origin::Origin;

/// Returns the query of a list of a client with this base URL, as its checkpoints hold it.
///
/// # Errors
/// Returns an error if the base URL is invalid.
pub fn query(base: &str, operation: &str, url: &Url) -> Result<String> {
    let origin = Origin::parse(base).map_err(Error::invalid_input)?;
    Ok(query_of(operation, url, None, &origin))
}

/// Returns the URL that a list of a client with this base URL requests for the link of a checkpoint of this format.
///
/// # Errors
/// Returns an error if the list doesn't resume from the link.
pub fn resumed_link(base: &str, list: &Url, link: &str, version: u32) -> Result<Url> {
    let origin = Origin::parse(base).map_err(Error::invalid_input)?;
    let path = list_path(list, &origin);
    let at = Position::Link { url: link.into(), number: 1, item: 0 };
    let checkpoint = Checkpoint { version, ..Checkpoint::new(String::new(), at) };
    let checkpoint = checkpoint.in_this_format(path).map_err(Error::invalid_input)?;
    match checkpoint.at {
        Position::Link { url, .. } => resolved(&url, list, path).map_err(Error::invalid_input),
        _ => Ok(list.clone()),
    }
}

/// Reads a list from a checkpoint on. Its pages have these lengths (`None` for a page that fails), counts and
/// links. Returns the observations.
pub fn plan(
    url: &Url,
    from: &Checkpoint,
    pages: impl IntoIterator<Item = (Option<u64>, Option<u64>, Option<Url>)>,
) -> Vec<String> {
    let number = match from.at {
        Position::Page { number, .. } | Position::Link { number, .. } => number,
        Position::End => return Vec::new(),
    };
    let mut plan = PagePlan::new(url.clone(), url.clone(), number);
    plan.counts = from.counts();
    let mut page_info = Vec::new();
    for (length, count, next) in pages {
        let Some((number, _)) = plan.next_page() else { break };
        page_info.push(match length {
            None => format!("{:?}", plan.skip_page(number)),
            Some(length) => {
                format!(
                    "{:?}",
                    plan.arrived(
                        number,
                        PageInfo { length, count, next, names_next: true, repeated: 0, progress: length > 0 }
                    )
                )
            }
        });
    }
    page_info
}
