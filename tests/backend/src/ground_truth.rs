//! Ground-truth events, in three representations, and ground truths. All are rendered from the same shapes.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use crate::app::App;
use crate::data::{Choice, Shape, Values};
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::listing::{descending, wants_cursors};
use crate::pagination::Page;
use crate::payloads::{Mode, Owner};
use crate::request_parts::RequestParts;

type Render = fn(&Shape, &Values<'_>, &mut Vec<u8>);

/// The key by which cursors continue a list of events: their `id` may repeat.
const KEY: &str = "pgh_id";

pub(crate) async fn list_events(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mode = Mode::of(&app, &parts, true);
    let cursors = wants_cursors(&app, &parts, KEY)?;
    if mode == Mode::Whole && !cursors && descending(&parts, &["id", KEY]) != Some(true) {
        return events(&app, &parts, |shape, values, out| shape.event.render(values, out));
    }
    let selection = app.world.select(&choice(&app, &parts)?);
    let total = selection.len();
    let down = descending(&parts, &["id", KEY]) == Some(true);
    let page = match cursors {
        true => Page::on_request(total, &parts, &app.settings, down)?,
        false => Page::of(total, &parts, &app.settings)?,
    };
    let places = if down { total - page.end..total - page.start } else { page.start..page.end };
    let mut indices: Vec<u64> = selection.indices(places).collect();
    if down {
        indices.reverse();
    }
    let links = app.signer.links(&parts);
    let items = indices.into_iter().map(|index| {
        let mut text = Vec::new();
        let values = app.world.values(index, links.origin, &links.signature);
        app.world.shape(index).event.render(&values, &mut text);
        let mut event: Value = serde_json::from_slice(&text).map_err(|error| Refusal::internal(&error))?;
        event["data"] = app.payloads.show(&links, Owner::Event(index), event["data"].take(), mode);
        Ok(event.to_string())
    });
    let items: Vec<String> = items.collect::<Result<_, Refusal>>()?;
    Ok(page.response(items.len() * 1800, |out| out.extend_from_slice(items.join(",").as_bytes())))
}

pub(crate) async fn list_data(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    events(&app, &parts, |shape, values, out| shape.data.render(values, out))
}

pub(crate) async fn list_files(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    events(&app, &parts, |shape, values, out| shape.files.render(values, out))
}

fn events(app: &App, parts: &RequestParts, render: Render) -> Result<Response, Refusal> {
    page(app, parts, &choice(app, parts)?, render)
}

fn choice<'q>(app: &App, parts: &'q RequestParts) -> Result<Choice<'q>, Refusal> {
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
    Ok(choice)
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
