//! Human in the loop: assignments of tasks.

mod filters;
pub(crate) mod show;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Request;
use axum::response::Response;
use serde_json::Value;

use self::show::View;
use crate::annotation::tags::SetTags;
use crate::app::App;
use crate::data::seed::{FIRST_ASSIGNMENT, FIRST_TASK, FIRST_TASK_TAG, FIRST_USER, Seed, USERS, project_id};
use crate::drf::Refusal;
use crate::listing::{Pages, object, path_id, respond};
use crate::payloads::Mode;
use crate::projection::Projection;
use crate::request_parts::RequestParts;
use crate::table::Table;
use crate::time::Timestamp;

/// The domain number of the annotations of assignments.
pub(crate) const ASSIGNMENT_DATA: u64 = 2;
pub(crate) const LABEL_STATUSES: [&str; 4] = ["stand_by", "in_progress", "completed", "skipped"];
pub(crate) const REVIEW_STATUSES: [&str; 5] = ["stand_by", "in_progress", "rejected", "completed", "skipped"];

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) id: i64,
    pub(crate) project: i64,
    /// `None` only if there are assignments but no tasks.
    pub(crate) task: Option<i64>,
    pub(crate) user: i64,
    pub(crate) reviewer: Option<i64>,
    pub(crate) status_label: &'static str,
    pub(crate) status_review: &'static str,
    pub(crate) is_confirmed: bool,
    pub(crate) is_discarded: bool,
    pub(crate) is_discard_confirmed: bool,
    pub(crate) tags: Vec<i64>,
    pub(crate) created: Timestamp,
}

pub(crate) struct Hitl {
    pub(crate) assignments: Table<Assignment>,
}

impl Hitl {
    pub(crate) fn new(seed: &Seed) -> Self {
        let count = seed.counts.assignments;
        let seed = seed.clone();
        Self { assignments: Table::new(FIRST_ASSIGNMENT, count, move |index| seeded(&seed, index)) }
    }
}

/// The assignments go round the tasks: the first ones have the tasks of the same index.
fn seeded(seed: &Seed, index: u64) -> Assignment {
    let task = index.checked_rem(seed.counts.tasks);
    let (project, _) = seed.place_of_task(task.unwrap_or(0));
    let user = |step: u64| FIRST_USER + (index / step % USERS) as i64;
    let tags = seed.counts.task_tags;
    Assignment {
        id: FIRST_ASSIGNMENT + index as i64,
        project: project_id(project),
        task: task.map(|task| FIRST_TASK + task as i64),
        user: user(1),
        reviewer: (index % 3 != 2).then(|| user(3)),
        status_label: LABEL_STATUSES[(index % 4) as usize],
        status_review: REVIEW_STATUSES[(index % 5) as usize],
        is_confirmed: index.is_multiple_of(2),
        is_discarded: index % 10 == 9,
        is_discard_confirmed: index % 20 == 19,
        tags: (index % 2 == 1 && tags > 0)
            .then(|| FIRST_TASK_TAG + (index % tags.max(1)) as i64)
            .into_iter()
            .collect(),
        created: seed.created(seed.counts.assignments, index),
    }
}

fn view<'a>(app: &'a App, parts: &'a RequestParts, mode: Mode) -> View<'a> {
    View { app, links: app.signer.links(parts), projection: Projection::of(parts, &app.settings), mode }
}

fn page(
    app: &App,
    parts: &RequestParts,
    pages: Pages,
    render: fn(&View<'_>, &Assignment) -> Value,
) -> Result<Response, Refusal> {
    let view = view(app, parts, Mode::of(app, parts, pages == Pages::CursorsOnRequest));
    let selected = filters::select(app, parts)?;
    respond(app, parts, &selected, pages, |index| {
        app.hitl.assignments.row(index).map(|assignment| render(&view, &assignment))
    })
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::CursorsOnRequest, |view, assignment| view.assignment(assignment))
}

pub(crate) async fn list_data(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::Numbered, |view, assignment| view.assignment_data(assignment))
}

pub(crate) async fn list_files(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::Numbered, |view, assignment| view.assignment_files(assignment))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let assignment = app.hitl.assignments.get(path_id(&id)?);
    let view = view(&app, &parts, Mode::Whole);
    object(assignment.map(|assignment| view.assignment(&assignment)))
}

pub(crate) async fn set_tags(State(app): State<App>, request: Request<Body>) -> Result<Response, Refusal> {
    let assignments = &app.hitl.assignments;
    let set = SetTags::read(&app, request, |id| assignments.has(id)).await?;
    for id in &set.ids {
        assignments.update(*id, |assignment| set.apply(&mut assignment.tags));
    }
    set.response(&app)
}
