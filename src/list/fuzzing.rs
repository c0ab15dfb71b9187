//! The courses of lists without requests, for the fuzz targets.

use reqwest::Url;

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::query_of;
use super::page_plan::{PageInfo, PagePlan};

/// What a checkpoint of a list holds that tells it from others.
pub fn query(operation: &str, url: &Url) -> String {
    query_of(operation, url)
}

/// Reads a list from a checkpoint on, whose pages have these lengths (nothing for one that fails), counts and
/// links; gives what was heard of it.
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
            None => format!("{:?}", plan.pass_over(number)),
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
