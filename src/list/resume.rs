//! Resumes a list from a checkpoint, if the checkpoint matches the list.

use super::checkpoint::{Checkpoint, Position};
use super::fingerprint::list_path;
use super::identity::Resumed;
use super::links::{completed, is_first, with_page};
use super::list_stream::{ListStream, PageSource, State};
use super::page_plan::PagePlan;
use super::stored_link::resolved;
use crate::call::query;

impl<T: Send + 'static> ListStream<T> {
    pub(super) fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), String> {
        let PageSource { transport, template: Some(template), query: kept, pagination, .. } = &self.source
        else {
            return Ok(());
        };
        let own = template.request.url();
        let path = list_path(own, &transport.origin);
        let checkpoint = checkpoint.in_this_format(path)?;
        if let Some(problem) = checkpoint.problem(kept) {
            return Err(problem);
        }
        let (url, number, item) = match &checkpoint.at {
            // The first page of a list whose pages may have no numbers is requested by the list's own URL.
            Position::Page { number: 1, item } if is_first(own) => (own.clone(), 1, *item),
            // A cursor that the caller set selects another page.
            Position::Page { number, item } => {
                let mut page = with_page(own, *number);
                query::set(&mut page, &[("cursor".to_owned(), Vec::new())]);
                (page, *number, *item)
            }
            // Earlier releases saved links as the server sent them.
            Position::Link { url, number, item } => {
                (completed(resolved(url, own, path)?, own, pagination), *number, *item)
            }
            Position::End => (own.clone(), 1, 0),
        };
        let after = match &checkpoint.at {
            Position::Link { number, item, .. } => {
                Position::Link { url: url.as_str().into(), number: *number, item: *item }
            }
            other => other.clone(),
        };
        self.plan = PagePlan::new(own.clone(), url, number);
        // The pages before had the field.
        self.plan.names_next = number > 1;
        self.plan.by_value = pagination.parameter.is_some();
        self.plan.by_number = matches!(checkpoint.at, Position::Page { .. });
        self.plan.counts = checkpoint.counts();
        self.passed = item;
        self.page.after_offset = checkpoint.offset;
        self.page.repeated = checkpoint.repeated;
        if checkpoint.at == Position::End {
            // The end is checked again with the saved counts; nothing is read again.
            self.report.identity = checkpoint.identity.clone();
            self.plan.stop();
            self.state = State::AtEnd;
        }
        self.seen.resume(Resumed { identity: checkpoint.identity, ids: checkpoint.recent });
        self.page.after = after;
        Ok(())
    }
}
