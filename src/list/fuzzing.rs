//! Page plans without requests, for the fuzz targets.

use reqwest::Url;

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::query_of;
use super::page_plan::{PageInfo, PagePlan};

/// Returns the query of a list as its checkpoints hold it.
pub fn query(operation: &str, url: &Url) -> String {
    query_of(operation, url)
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
    (plan.until, plan.page_size) = (from.until, from.page_size);
    (plan.offset, plan.total) = (from.offset, from.total);
    let mut page_info = Vec::new();
    for (length, count, next) in pages {
        let Some((number, _)) = plan.next_page() else { break };
        page_info.push(match length {
            None => format!("{:?}", plan.skip_page(number)),
            Some(length) => {
                format!(
                    "{:?}",
                    plan.arrived(number, PageInfo { length, count, next, repeated: 0, progress: length > 0 })
                )
            }
        });
    }
    page_info
}
