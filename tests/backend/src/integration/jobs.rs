//! Jobs: their ids, lists and single jobs.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::releases;
use crate::app::App;
use crate::data::seed::{
    FIRST_AGENT, FIRST_JOB, FIRST_RELEASE, FIRST_USER, RELEASES_PER_PLUGIN, Seed, USERS, related, user,
};
use crate::drf::Refusal;
use crate::filters::Filters;
use crate::form::{Field, Form, NULL};
use crate::keys::Keys;
use crate::links::FileLinks;
use crate::listing::{Pages, Selected, object, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

pub(crate) const STATUSES: [&str; 5] = ["RUNNING", "SUCCEEDED", "PENDING", "FAILED", "STOPPED"];
const ACTIONS: [&str; 3] = ["train", "export", "deployment"];
/// The start of every job's UUID. The rest is its number.
const UUID: &str = "5f3c2a10-7d4e-4b1a-9c00-";

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    let status = STATUSES[(index % 5) as usize];
    let counts = &seed.counts;
    let pick = |first: i64, count: u64| (count > 0).then(|| first + (index % count.max(1)) as i64);
    let created = seed.created(counts.jobs, index);
    let ended = !matches!(status, "PENDING" | "RUNNING");
    json!({
        "id": FIRST_JOB + index as i64,
        "status": status,
        "action": ACTIONS[(index % 3) as usize],
        "params": {"epochs": 10 + index % 90, "dataset": 123, "checkpoint": null},
        "is_active": !ended,
        "plugin_release": pick(FIRST_RELEASE, counts.plugins * RELEASES_PER_PLUGIN),
        "agent": pick(FIRST_AGENT, counts.agents),
        "user": FIRST_USER + (index % USERS) as i64,
        "progress_record": {
            "record": {"steps": {"train": {"percent": if ended { 100.0 } else { 42.5 }, "time_remaining": null, "proportion": 100}}},
            "current_progress": {"overall": if ended { 100.0 } else { 42.5 }, "step": "train"},
        },
        "metrics_record": {"record": {"steps": {"train": {"loss": 0.25}}}},
        "result": match status {
            "SUCCEEDED" => json!({"model": 456}),
            "FAILED" => json!({"error": "CUDA out of memory"}),
            _ => Value::Null,
        },
        "meta": if status == "PENDING" { json!({"queue": {"position": 1, "reason": "waiting"}}) } else { json!({}) },
        "console_logs": null,
        "created": created,
        "modified": created,
        "completed": ended.then_some(created),
    })
}

/// Returns a job's id as responses show it.
pub(crate) fn shown_id(app: &App, number: i64) -> Value {
    if app.settings.quirks.integer_job_ids { json!(number) } else { json!(format!("{UUID}{number:012x}")) }
}

/// Returns the number of the job that an id in a body names.
fn number(app: &App, id: &Value) -> Option<i64> {
    match id {
        Value::String(text) => parse(app, text),
        Value::Number(number) if app.settings.quirks.integer_job_ids => {
            number.as_i64().filter(|id| app.integration.jobs.has(*id))
        }
        _ => None,
    }
}

/// Reads a field of a body that names a job, and returns the job's number.
pub(super) fn field(app: &App, form: &mut Form<'_>, name: &'static str) -> Field<Option<i64>> {
    form.field(name, |value, _| match number(app, &value) {
        Some(job) => Ok(Some(job)),
        None if value.is_null() => Err(NULL.to_owned()),
        None => {
            let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(format!("Invalid pk \"{id}\" - object does not exist."))
        }
    })
}

/// Returns the number of the job that an id in a path names.
pub(crate) fn parse(app: &App, text: &str) -> Option<i64> {
    let number = if app.settings.quirks.integer_job_ids {
        text.parse().ok()?
    } else {
        let uuid = Uuid::parse_str(text).ok()?.to_string();
        i64::from_str_radix(uuid.strip_prefix(UUID)?, 16).ok()?
    };
    app.integration.jobs.has(number).then_some(number)
}

/// Shows the job of this number.
pub(crate) fn show(app: &App, links: &FileLinks<'_>, projection: &Projection, number: i64) -> Option<Value> {
    let mut job = app.integration.jobs.get(number)?;
    job["id"] = shown_id(app, number);
    let release = job["plugin_release"].as_i64();
    job["plugin_release"] = related(release, projection.expands("plugin_release"), |id| {
        app.integration
            .releases
            .get(id)
            .map_or(Value::Null, |release| releases::show(app, links, projection, release))
    });
    job["agent"] = related(
        job["agent"].as_i64(),
        projection.expands("agent"),
        |id| json!({"id": id, "name": format!("agent-{}", id - FIRST_AGENT + 1)}),
    );
    job["user"] = related(job["user"].as_i64(), projection.expands("user"), user);
    if projection.asks("logs") {
        job["logs"] = super::logs::of_job(app, links, number).into();
    }
    if projection.asks("metrics") {
        job["metrics"] = job["metrics_record"].clone();
    }
    Some(projection.show(job, ID))
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    // Only integers are keys that `ids` can name.
    let keys = match app.settings.quirks.integer_job_ids {
        true => Keys::read(&mut filters),
        false => Keys::all(),
    };
    let status = filters.choices("status", &STATUSES);
    let agent = filters.id("agent");
    let action = filters.text("action");
    let plugin = filters.id("plugin");
    let user = filters.id("user");
    let created_after = filters.time("created_after");
    filters.done()?;
    let keep = |_: u64, job: &Value| {
        status.as_ref().is_none_or(|wanted| wanted.iter().any(|status| job["status"] == *status))
            && agent.is_none_or(|id| job["agent"] == id)
            && action.is_none_or(|wanted| job["action"] == wanted)
            && user.is_none_or(|id| job["user"] == id)
            && created_after.is_none_or(|time| created(job).is_some_and(|created| created >= time))
            && plugin.is_none_or(|id| plugin_of(&app, job) == Some(id))
    };
    let jobs = &app.integration.jobs;
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(jobs, &keys, Some(&keep));
    respond(&app, &parts, &selected, Pages::Numbered, |index| show(&app, &links, &projection, jobs.id(index)))
}

fn created(job: &Value) -> Option<Timestamp> {
    Timestamp::parse(job["created"].as_str()?)
}

/// Returns the plugin of a job's release.
pub(crate) fn plugin_of(app: &App, job: &Value) -> Option<i64> {
    app.integration.releases.get(job["plugin_release"].as_i64()?)?["plugin"].as_i64()
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    object(parse(&app, &id).and_then(|number| show(&app, &links, &projection, number)))
}
