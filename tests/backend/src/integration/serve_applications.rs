//! Serve applications: listed and created.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::jobs;
use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_JOB, FIRST_SERVE_APPLICATION, Seed};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::form::Form;
use crate::keys::Keys;
use crate::links::FileLinks;
use crate::listing::{Pages, Selected, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

const STATUSES: [&str; 7] =
    ["RUNNING", "DEPLOYING", "NOT_STARTED", "DEPLOY_FAILED", "UNHEALTHY", "DELETING", "UNAVAILABLE"];

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    json!({
        "id": FIRST_SERVE_APPLICATION + index as i64,
        "job": FIRST_JOB + (index % seed.counts.jobs.max(1)) as i64,
        "status": STATUSES[(index % 7) as usize],
        "data": {"replicas": 1 + index % 3},
        "created": seed.created(seed.counts.serve_applications, index),
    })
}

fn show(app: &App, links: &FileLinks<'_>, projection: &Projection, mut item: Value) -> Value {
    let number = item["job"].as_i64().unwrap_or_default();
    item["job"] = match projection.expands("job") {
        true => json!(jobs::show(app, links, projection, number)),
        false => jobs::shown_id(app, number),
    };
    projection.show(item, ID)
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let code = filters.text("plugin_code");
    let agent = filters.id("job__agent");
    let status = filters.choice("status", &STATUSES);
    filters.done()?;
    let keep = |_: u64, item: &Value| {
        let job =
            item["job"].as_i64().and_then(|number| app.integration.jobs.get(number)).unwrap_or_default();
        let has_code = |wanted: &str| {
            let plugin = jobs::plugin_of(&app, &job).and_then(|id| app.integration.plugins.get(id));
            plugin.is_some_and(|plugin| plugin["code"] == wanted)
        };
        status.is_none_or(|wanted| item["status"] == wanted)
            && agent.is_none_or(|id| job["agent"] == id)
            && code.is_none_or(has_code)
    };
    let applications = &app.integration.serve_applications;
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(applications, &keys, Some(&keep));
    let render = |index| applications.row(index).map(|item| show(&app, &links, &projection, item));
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let job = jobs::field(&app, &mut form, "job");
    let job = job.required("job", &mut form.errors);
    let status = form.choice("status", &STATUSES).flatten();
    let data = form.free("data").flatten();
    form.errors.into_result()?;
    let item = app.integration.serve_applications.add(|id| {
        json!({
            "id": id, "job": job, "status": status.as_deref().unwrap_or("NOT_STARTED"),
            "data": data.unwrap_or_else(|| json!({})), "created": Timestamp::now(),
        })
    });
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    drf::value(StatusCode::CREATED, &show(&app, &links, &projection, item))
}
