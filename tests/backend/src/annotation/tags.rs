//! Task tags, and the action that sets them on tasks or assignments.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_TASK_TAG, Seed, project_id};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::form::Form;
use crate::keys::Keys;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

const COLORS: [&str; 4] = ["#ff6b6b", "#ffd93d", "#6bcb77", "#4d96ff"];

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    json!({
        "id": FIRST_TASK_TAG + index as i64,
        "name": format!("검수 {}차", index + 1),
        "category": if index % 3 == 2 { "export" } else { "project" },
        "description": "작업 단계",
        "meta": {},
        "project": project_id(index % seed.projects),
        "color": COLORS[(index % 4) as usize],
        "created": seed.created(seed.counts.task_tags, index),
    })
}

fn show(app: &App, projection: &Projection, mut tag: Value) -> Value {
    if projection.expands("project") {
        let project = tag["project"].as_i64().and_then(|id| app.annotation.projects.get(id));
        tag["project"] = json!(project);
    }
    projection.show(tag, ID)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let projection = Projection::of(&parts, &app.settings);
    object(app.annotation.tags.get(path_id(&id)?).map(|tag| show(&app, &projection, tag)))
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let project = filters.id("project");
    let category = filters.choice("category", &["export", "project"]);
    let color = filters.text("color");
    let search = filters.search();
    filters.done()?;
    let keep = |_: u64, tag: &Value| {
        project.is_none_or(|id| tag["project"] == id)
            && category.is_none_or(|wanted| tag["category"] == wanted)
            && color.is_none_or(|wanted| tag["color"] == wanted)
            && search
                .iter()
                .all(|word| tag["name"].as_str().unwrap_or_default().to_lowercase().contains(word))
    };
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(&app.annotation.tags, &keys, Some(&keep));
    let render = |index| app.annotation.tags.row(index).map(|tag| show(&app, &projection, tag));
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

/// The body of `set_tags`.
pub(crate) struct SetTags {
    pub(crate) ids: Vec<i64>,
    tags: Vec<i64>,
    removes: bool,
}

impl SetTags {
    pub(crate) async fn read(
        app: &App,
        request: Request<Body>,
        exists: impl Fn(i64) -> bool,
    ) -> Result<Self, Refusal> {
        let text = body::json(request).await?;
        let mut form = Form::read(&text)?;
        let ids = form.pks("ids", exists).required("ids", &mut form.errors);
        let tags = form.pks("tags", |id| app.annotation.tags.has(id)).required("tags", &mut form.errors);
        let action = form.choice("action", &["add", "remove"]).flatten();
        form.errors.into_result()?;
        Ok(Self {
            ids: ids.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            removes: action.is_some_and(|action| action == "remove"),
        })
    }

    /// Applies the tags to one item. Doing it twice changes nothing.
    pub(crate) fn apply(&self, tags: &mut Vec<i64>) {
        tags.retain(|tag| !self.tags.contains(tag));
        if !self.removes {
            tags.extend(&self.tags);
            tags.sort_unstable();
            tags.dedup();
        }
    }

    pub(crate) fn response(&self, app: &App) -> Result<Response, Refusal> {
        if app.settings.quirks.empty_actions {
            return Ok(drf::no_content());
        }
        drf::value(StatusCode::OK, &json!({"ids": self.ids, "tags": self.tags}))
    }
}

pub(crate) async fn set_tags(State(app): State<App>, request: Request<Body>) -> Result<Response, Refusal> {
    let tasks = &app.annotation.tasks;
    let set = SetTags::read(&app, request, |id| tasks.has(id)).await?;
    for id in &set.ids {
        tasks.update(*id, |task| set.apply(&mut task.tags));
    }
    set.response(&app)
}
