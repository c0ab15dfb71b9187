//! Lists of tasks, and single tasks.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;

use super::Task;
use super::filters::select;
use super::show::View;
use crate::app::App;
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::listing::{Pages, object, path_id, respond};
use crate::payloads::Mode;
use crate::projection::Projection;
use crate::request_parts::RequestParts;

pub(super) fn view<'a>(app: &'a App, parts: &'a RequestParts, mode: Mode) -> View<'a> {
    View {
        app,
        links: app.signer.links(parts),
        projection: Projection::of(parts, &app.settings),
        mode,
        with_annotations: Filters::new(&parts.query).boolean("include_annotations") == Some(true),
    }
}

fn page(
    app: &App,
    parts: &RequestParts,
    pages: Pages,
    has_data: bool,
    render: fn(&View<'_>, &Task) -> Value,
) -> Result<Response, Refusal> {
    let view = view(app, parts, Mode::of(app, parts, pages == Pages::CursorsOnRequest));
    let selected = select(app, parts, has_data)?;
    respond(app, parts, &selected, pages, |index| {
        app.annotation.tasks.row(index).map(|task| render(&view, &task))
    })
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::CursorsOnRequest, false, |view, task| view.task(task))
}

/// `GET /tasks/`: as `/sdk/tasks/`, with the filter `has_data` and without cursors.
pub(crate) async fn list_all(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::Numbered, true, |view, task| view.task(task))
}

pub(crate) async fn list_data(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::Numbered, false, |view, task| view.task_data(task))
}

pub(crate) async fn list_files(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    page(&app, &parts, Pages::Numbered, false, |view, task| view.task_files(task))
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let task = app.annotation.tasks.get(path_id(&id)?);
    let view = view(&app, &parts, Mode::Whole);
    object(task.map(|task| view.task(&task)))
}
