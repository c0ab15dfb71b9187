//! Plugins: listed, created and updated.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_PLUGIN, Seed, tenant};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::form::{Field, Form};
use crate::keys::Keys;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;

pub(crate) const CATEGORIES: [&str; 9] = [
    "neural_net",
    "export",
    "upload",
    "smart_tool",
    "pre_annotation",
    "post_annotation",
    "data_validation",
    "converter",
    "custom",
];
const FLAGS: [&str; 3] = ["is_public", "is_active", "system_only"];

pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    let category = CATEGORIES[(index % 9) as usize];
    json!({
        "id": FIRST_PLUGIN + index as i64,
        "code": format!("{}-{}", category.replace('_', "-"), index + 1),
        "name": format!("{category} {}", index + 1),
        "description": "학습과 변환을 위한 플러그인",
        "category": category,
        "tenant": 1,
        "is_active": true,
        "is_public": index.is_multiple_of(2),
        "system_only": false,
        "detail": {"homepage": "https://plugins.example"},
        "manifest": {"actions": ["train", "inference"]},
        "created": seed.created(seed.counts.plugins, index),
    })
}

/// Returns a plugin by its id or code.
pub(crate) fn find(app: &App, name: &str) -> Option<Value> {
    match name.parse() {
        Ok(id) => app.integration.plugins.get(id),
        Err(_) => app.integration.plugins.find(|plugin| plugin["code"] == name),
    }
}

/// Returns the object that `expand=plugin` shows.
pub(crate) fn short(app: &App, id: i64) -> Value {
    let plugin = app.integration.plugins.get(id).unwrap_or_default();
    json!({
        "id": id, "code": plugin["code"], "name": plugin["name"], "category": plugin["category"],
        "manifest": plugin["manifest"],
    })
}

fn show(projection: &Projection, mut plugin: Value) -> Value {
    if projection.expands("tenant") {
        plugin["tenant"] = tenant();
    }
    projection.show(plugin, ID)
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let category = filters.choice("category", &CATEGORIES);
    let code = filters.text("code");
    let active = filters.boolean("is_active");
    let search = filters.search();
    filters.done()?;
    let keep = |_: u64, plugin: &Value| {
        let name = plugin["name"].as_str().unwrap_or_default().to_lowercase();
        category.is_none_or(|wanted| plugin["category"] == wanted)
            && code.is_none_or(|wanted| plugin["code"] == wanted)
            && active.is_none_or(|wanted| plugin["is_active"] == wanted)
            && search.iter().all(|word| name.contains(word))
    };
    let plugins = &app.integration.plugins;
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(plugins, &keys, Some(&keep));
    let render = |index| plugins.row(index).map(|plugin| show(&projection, plugin));
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let projection = Projection::of(&parts, &app.settings);
    object(app.integration.plugins.get(path_id(&id)?).map(|plugin| show(&projection, plugin)))
}

/// Reads the fields of a plugin that the form has. `own` is the id of the plugin that is updated.
fn read(app: &App, form: &mut Form<'_>, own: Option<i64>) -> Vec<(&'static str, Value)> {
    let mut fields = Vec::new();
    for (name, longest) in [("name", 100), ("code", 100)] {
        fields.extend(form.string(name, true, longest).flatten().map(|text| (name, json!(text))));
    }
    if let Some((_, Value::String(code))) = fields.iter().find(|(name, _)| *name == "code") {
        let is_slug = code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let holder = app.integration.plugins.find(|plugin| plugin["code"] == code.as_str());
        if !is_slug {
            form.errors.add(
                "code",
                "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.",
            );
        } else if holder.is_some_and(|plugin| plugin["id"].as_i64() != own) {
            form.errors.add("code", "plugin with this code already exists.");
        }
    }
    fields.extend(form.choice("category", &CATEGORIES).flatten().map(|text| ("category", json!(text))));
    let description = form.string("description", false, usize::MAX);
    if let Field::Good(text) = description {
        fields.push(("description", json!(text)));
    }
    for name in FLAGS {
        fields.extend(form.boolean(name).good().map(|flag| (name, json!(flag))));
    }
    fields.extend(form.free("detail").flatten().map(|detail| ("detail", detail)));
    fields
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let fields = read(&app, &mut form, None);
    for name in ["name", "code", "category"] {
        if !form.has(name) {
            form.errors.add(name, "This field is required.");
        }
    }
    form.errors.into_result()?;
    let plugin = app.integration.plugins.add(|id| {
        let mut plugin = json!({
            "id": id, "description": "", "tenant": 1, "is_active": true, "is_public": false, "system_only": false,
            "detail": {}, "manifest": {}, "release": null, "created": Timestamp::now(),
        });
        set(&mut plugin, fields);
        plugin
    });
    drf::value(StatusCode::CREATED, &show(&Projection::of(&parts, &app.settings), plugin))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let id = path_id(&id)?;
    if !app.integration.plugins.has(id) {
        return Err(Refusal::not_found());
    }
    let mut form = Form::read(&text)?;
    let fields = read(&app, &mut form, Some(id));
    form.errors.into_result()?;
    app.integration.plugins.update(id, |plugin| set(plugin, fields));
    let projection = Projection::of(&parts, &app.settings);
    object(app.integration.plugins.get(id).map(|plugin| show(&projection, plugin)))
}

fn set(object: &mut Value, fields: Vec<(&'static str, Value)>) {
    for (name, value) in fields {
        object[name] = value;
    }
}
