//! Ground-truth events, in three representations, and ground truths. All are rendered from the same shapes.

use axum::extract::State;
use axum::response::Response;

use crate::app::App;
use crate::data::{Choice, Shape, Values};
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::pagination::Page;
use crate::request_parts::RequestParts;

type Render = fn(&Shape, &Values<'_>, &mut Vec<u8>);

pub(crate) async fn list_events(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    events(&app, &parts, |shape, values, out| shape.event.render(values, out))
}

pub(crate) async fn list_data(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    events(&app, &parts, |shape, values, out| shape.data.render(values, out))
}

pub(crate) async fn list_files(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    events(&app, &parts, |shape, values, out| shape.files.render(values, out))
}

fn events(app: &App, parts: &RequestParts, render: Render) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let choice = Choice {
        versions: filters.ids("ground_truth_dataset_versions", |id| app.world.has_version(id)),
        project: filters.id("project"),
        dataset: None,
        data_type: filters.text("data_type"),
        search: filters.search(),
        created_after: filters.time("created_after"),
    };
    filters.done()?;
    page(app, parts, &choice, render)
}

pub(crate) async fn list_ground_truths(
    State(app): State<App>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let choice = Choice {
        versions: filters.ids("ground_truth_dataset_versions", |id| app.world.has_version(id)),
        dataset: filters.id("ground_truth_dataset"),
        ..Choice::default()
    };
    filters.done()?;
    page(&app, &parts, &choice, |shape, values, out| shape.ground_truth.render(values, out))
}

fn page(app: &App, parts: &RequestParts, choice: &Choice<'_>, render: Render) -> Result<Response, Refusal> {
    let selection = app.world.select(choice);
    let page = Page::of(selection.len(), parts, &app.settings)?;
    let links = app.signer.links(parts);
    let items = (page.end - page.start) as usize;
    Ok(page.response(items * 1800, |out| {
        for (place, index) in selection.indices(page.start..page.end).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            render(app.world.shape(index), &app.world.values(index, links.origin, &links.signature), out);
        }
    }))
}
