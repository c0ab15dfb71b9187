//! The filters of the lists of tasks.

use crate::app::App;
use crate::drf::Refusal;
use crate::filters::{Filters, TimeBounds};
use crate::keys::Keys;
use crate::listing::Selected;
use crate::request_parts::RequestParts;

use super::{Task, TaskData};
use crate::hitl::{LABEL_STATUSES, REVIEW_STATUSES};

type Ids = Option<Vec<i64>>;

/// As on the real server, `created_after` is no filter of tasks: it has no effect.
struct TaskFilters<'q> {
    project: Option<i64>,
    is_discarded: Option<bool>,
    schema: Option<&'q str>,
    has_assignment: Option<bool>,
    has_reached_max: Option<bool>,
    has_data: Option<bool>,
    status_label: Option<&'q str>,
    status_review: Option<&'q str>,
    assignments: Ids,
    assignments_discarded: Option<bool>,
    labelers: Ids,
    reviewers: Ids,
    groups: Ids,
    stages: Ids,
    workshops: Ids,
    tags: Ids,
    created: TimeBounds,
    search: Vec<String>,
}

/// Selects the tasks that a request asks for. `has_data` is a filter of `/tasks/` only.
pub(super) fn select(app: &App, parts: &RequestParts, with_has_data: bool) -> Result<Selected, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::with_ranges(&mut filters);
    let wanted = TaskFilters {
        project: filters.id("project"),
        is_discarded: filters.boolean("is_discarded"),
        schema: filters.text("schema"),
        has_assignment: filters.boolean("has_assignment"),
        has_reached_max: filters.boolean("has_reached_max_assignments"),
        has_data: filters.boolean("has_data").filter(|_| with_has_data),
        status_label: filters.choice("status_label", &LABEL_STATUSES),
        status_review: filters.choice("status_review", &REVIEW_STATUSES),
        assignments: filters.id_list("assignments"),
        assignments_discarded: filters.boolean("assignments__is_discarded"),
        labelers: filters.id_list("labelers"),
        reviewers: filters.id_list("reviewers"),
        groups: filters.id_list("groups"),
        stages: filters.id_list("stages"),
        workshops: filters.id_list("workshops"),
        tags: filters.id_list("tags"),
        created: filters.time_bounds(["created__gt", "created__gte", "created__lt", "created__lte"]),
        search: filters.search(),
    };
    filters.done()?;
    let tasks = &app.annotation.tasks;
    if wanted.is_empty() {
        return Ok(Selected::of(tasks, &keys, None));
    }
    Ok(Selected::of(tasks, &keys, Some(&|index, task| wanted.keep(app, index, task))))
}

pub(crate) fn among(wanted: &Ids, id: Option<i64>) -> bool {
    wanted.as_ref().is_none_or(|ids| id.is_some_and(|id| ids.contains(&id)))
}

pub(crate) fn any_among(wanted: &Ids, have: &[i64]) -> bool {
    wanted.as_ref().is_none_or(|ids| have.iter().any(|id| ids.contains(id)))
}

impl TaskFilters<'_> {
    fn is_empty(&self) -> bool {
        let flags = [
            self.is_discarded,
            self.has_assignment,
            self.has_reached_max,
            self.has_data,
            self.assignments_discarded,
        ];
        let texts = [self.schema, self.status_label, self.status_review];
        let ids = [
            &self.assignments,
            &self.labelers,
            &self.reviewers,
            &self.groups,
            &self.stages,
            &self.workshops,
            &self.tags,
        ];
        self.project.is_none()
            && flags.iter().all(Option::is_none)
            && texts.iter().all(Option::is_none)
            && ids.iter().all(|ids| ids.is_none())
            && self.created.is_empty()
            && self.search.is_empty()
    }

    fn keep(&self, app: &App, index: u64, task: &Task) -> bool {
        self.project.is_none_or(|id| task.project == id)
            && self.is_discarded.is_none_or(|wanted| task.is_discarded == wanted)
            && self.schema.is_none_or(|wanted| task.schema == wanted)
            && self.has_data.is_none_or(|wanted| wanted != matches!(task.data, TaskData::None))
            && among(&self.labelers, Some(task.labeler))
            && among(&self.reviewers, Some(task.reviewer))
            && among(&self.stages, Some(task.stage))
            && among(&self.workshops, task.workshop)
            && any_among(&self.tags, &task.tags)
            && self.created.keep(task.created)
            && self.keep_assignment(app, index)
            && (self.groups.is_none() || among(&self.groups, self.group(app, task)))
            && self.search.iter().all(|word| task.id.to_string().contains(word))
    }

    fn group(&self, app: &App, task: &Task) -> Option<i64> {
        app.data.units.get(task.data_unit?)?.group
    }

    /// The filters by the task's assignment. A task has the assignment of the same index, if there is one.
    fn keep_assignment(&self, app: &App, index: u64) -> bool {
        let flags = [self.has_assignment, self.has_reached_max, self.assignments_discarded];
        if flags.iter().all(Option::is_none)
            && self.status_label.is_none()
            && self.status_review.is_none()
            && self.assignments.is_none()
        {
            return true;
        }
        let assignment = app.hitl.assignments.row(index);
        let has = assignment.is_some();
        let is = |wanted: Option<&str>, status: &str| wanted.is_none_or(|wanted| wanted == status);
        self.has_assignment.is_none_or(|wanted| wanted == has)
            && self.has_reached_max.is_none_or(|wanted| wanted == has)
            && match &assignment {
                None => {
                    self.status_label.is_none()
                        && self.status_review.is_none()
                        && self.assignments.is_none()
                        && self.assignments_discarded.is_none()
                }
                Some(assignment) => {
                    is(self.status_label, assignment.status_label)
                        && is(self.status_review, assignment.status_review)
                        && among(&self.assignments, Some(assignment.id))
                        && self.assignments_discarded.is_none_or(|wanted| assignment.is_discarded == wanted)
                }
            }
    }
}
