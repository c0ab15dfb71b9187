//! The filters of the lists of assignments.

use super::{Assignment, LABEL_STATUSES, REVIEW_STATUSES};
use crate::annotation::{Task, among, any_among};
use crate::app::App;
use crate::drf::Refusal;
use crate::filters::{Filters, TimeBounds};
use crate::keys::Keys;
use crate::listing::Selected;
use crate::request_parts::RequestParts;

type Ids = Option<Vec<i64>>;

/// The times by which assignments are filtered. All of them are the time of creation here.
const TIMES: [[&str; 4]; 6] = [
    ["created__gt", "created__gte", "created__lt", "created__lte"],
    ["label_submitted__gt", "label_submitted__gte", "label_submitted__lt", "label_submitted__lte"],
    ["last_labeled__gt", "last_labeled__gte", "last_labeled__lt", "last_labeled__lte"],
    ["last_reviewed__gt", "last_reviewed__gte", "last_reviewed__lt", "last_reviewed__lte"],
    [
        "labeler_last_action_at__gt",
        "labeler_last_action_at__gte",
        "labeler_last_action_at__lt",
        "labeler_last_action_at__lte",
    ],
    [
        "reviewer_last_action_at__gt",
        "reviewer_last_action_at__gte",
        "reviewer_last_action_at__lt",
        "reviewer_last_action_at__lte",
    ],
];

/// As on the real server, `workshops`, `task` and `created_after` are no filters of assignments.
struct AssignmentFilters<'q> {
    project: Option<i64>,
    workshop: Option<i64>,
    tasks: Ids,
    users: Ids,
    reviewers: Ids,
    groups: Ids,
    stages: Ids,
    task_tags: Ids,
    tags: Ids,
    status_label: Option<&'q str>,
    status_review: Option<&'q str>,
    is_discarded: Option<bool>,
    is_discard_confirmed: Option<bool>,
    is_confirmed: Option<bool>,
    times: [TimeBounds; 6],
    search: Vec<String>,
}

pub(super) fn select(app: &App, parts: &RequestParts) -> Result<Selected, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::with_ranges(&mut filters);
    let wanted = AssignmentFilters {
        project: filters.id("project"),
        workshop: filters.id("workshop"),
        tasks: filters.id_list("tasks"),
        users: filters.id_list("users"),
        reviewers: filters.id_list("reviewers"),
        groups: filters.id_list("groups"),
        stages: filters.id_list("stages"),
        task_tags: filters.id_list("task_tags"),
        tags: filters.id_list("tags"),
        status_label: filters.choice("status_label", &LABEL_STATUSES),
        status_review: filters.choice("status_review", &REVIEW_STATUSES),
        is_discarded: filters.boolean("is_discarded"),
        is_discard_confirmed: filters.boolean("is_discard_confirmed"),
        is_confirmed: filters.boolean("is_confirmed"),
        times: TIMES.map(|names| filters.time_bounds(names)),
        search: filters.search(),
    };
    filters.done()?;
    let assignments = &app.hitl.assignments;
    if wanted.is_empty() {
        return Ok(Selected::of(assignments, &keys, None));
    }
    Ok(Selected::of(assignments, &keys, Some(&|_, assignment| wanted.keep(app, assignment))))
}

impl AssignmentFilters<'_> {
    fn is_empty(&self) -> bool {
        let ids = [
            &self.tasks,
            &self.users,
            &self.reviewers,
            &self.groups,
            &self.stages,
            &self.task_tags,
            &self.tags,
        ];
        let flags = [self.is_discarded, self.is_discard_confirmed, self.is_confirmed];
        self.project.or(self.workshop).is_none()
            && ids.iter().all(|ids| ids.is_none())
            && flags.iter().all(Option::is_none)
            && self.status_label.or(self.status_review).is_none()
            && self.times.iter().all(TimeBounds::is_empty)
            && self.search.is_empty()
    }

    fn keep(&self, app: &App, assignment: &Assignment) -> bool {
        self.project.is_none_or(|id| assignment.project == id)
            && among(&self.tasks, assignment.task)
            && among(&self.users, Some(assignment.user))
            && among(&self.reviewers, assignment.reviewer)
            && any_among(&self.tags, &assignment.tags)
            && self.status_label.is_none_or(|wanted| assignment.status_label == wanted)
            && self.status_review.is_none_or(|wanted| assignment.status_review == wanted)
            && self.is_discarded.is_none_or(|wanted| assignment.is_discarded == wanted)
            && self.is_discard_confirmed.is_none_or(|wanted| assignment.is_discard_confirmed == wanted)
            && self.is_confirmed.is_none_or(|wanted| assignment.is_confirmed == wanted)
            && self.times.iter().all(|bounds| bounds.keep(assignment.created))
            && self.search.iter().all(|word| assignment.id.to_string().contains(word))
            && self.keep_task(app, assignment)
    }

    /// The filters by the task of the assignment.
    fn keep_task(&self, app: &App, assignment: &Assignment) -> bool {
        let by_task = [&self.groups, &self.stages, &self.task_tags];
        if self.workshop.is_none() && by_task.iter().all(|ids| ids.is_none()) {
            return true;
        }
        let Some(task) = assignment.task.and_then(|id| app.annotation.tasks.get(id)) else { return false };
        self.workshop.is_none_or(|id| task.workshop == Some(id))
            && among(&self.stages, Some(task.stage))
            && any_among(&self.task_tags, &task.tags)
            && (self.groups.is_none() || among(&self.groups, group(app, &task)))
    }
}

fn group(app: &App, task: &Task) -> Option<i64> {
    app.data.units.get(task.data_unit?)?.group
}
