//! Plugin releases: listed, looked up by id or `code@version`, and created with or without a file.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::plugins;
use super::stored;
use crate::app::App;
use crate::body;
use crate::data::seed::{FIRST_PLUGIN, FIRST_RELEASE, FIRST_USER, RELEASES_PER_PLUGIN, Seed, user};
use crate::drf::{self, Refusal, field_error};
use crate::filters::Filters;
use crate::form::Form;
use crate::form_body::{FormBody, FormFile};
use crate::keys::Keys;
use crate::links::FileLinks;
use crate::listing::{Pages, Selected, object, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;
use crate::time::Timestamp;
use crate::uploads::Refused;

/// The last of a plugin's three releases is a debug release.
pub(super) fn seeded(seed: &Seed, index: u64) -> Value {
    let (plugin, number) = (index / RELEASES_PER_PLUGIN, index % RELEASES_PER_PLUGIN);
    let code = plugins::seeded(seed, plugin)["code"].clone();
    json!({
        "id": FIRST_RELEASE + index as i64,
        "plugin": FIRST_PLUGIN + plugin as i64,
        "version": format!("1.{number}.0"),
        "debug": number == 2,
        "is_released": number != 2,
        "config": {"code": code, "name": "trainer", "actions": {"train": {"method": "job"}, "inference": {"method": "restapi"}}},
        "file": null,
        "requirements": ["torch>=2.5", "numpy"],
        "readme": "# 플러그인\n",
        "run_schema": {"type": "object"},
        "installation_schema": null,
        "meta": {},
        "available_actions": ["train", "inference"],
        "author": FIRST_USER,
        "created": seed.created(seed.counts.plugins * RELEASES_PER_PLUGIN, index),
    })
}

/// Shows a release. Its `file` is the decoded path of its link.
pub(crate) fn show(app: &App, links: &FileLinks<'_>, projection: &Projection, mut release: Value) -> Value {
    if let Some(link) = release["file"].as_str() {
        release["file"] = json!(stored::url(link, links));
    }
    if projection.expands("plugin") {
        release["plugin"] = plugins::short(app, release["plugin"].as_i64().unwrap_or_default());
    }
    if projection.expands("author") {
        release["author"] = user(release["author"].as_i64().unwrap_or(FIRST_USER));
    }
    projection.show(release, ID)
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let plugin = filters.text("plugin").map(|name| plugins::find(&app, name));
    let debug = filters.boolean("debug");
    filters.done()?;
    // An unknown plugin has no releases.
    let plugin = plugin.map(|plugin| plugin.map_or(Value::Null, |plugin| plugin["id"].clone()));
    let keep = |_: u64, release: &Value| {
        plugin.as_ref().is_none_or(|id| release["plugin"] == *id)
            && debug.is_none_or(|wanted| release["debug"] == wanted)
    };
    let releases = &app.integration.releases;
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(releases, &keys, Some(&keep));
    let render = |index| releases.row(index).map(|release| show(&app, &links, &projection, release));
    respond(&app, &parts, &selected, Pages::NewestFirst, render)
}

/// `GET /plugin_releases/{id or code@version}/`.
pub(crate) async fn get(
    State(app): State<App>,
    Path(lookup): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let releases = &app.integration.releases;
    let release = match lookup.split_once('@') {
        None => lookup.parse().ok().and_then(|id| releases.get(id)),
        Some((code, version)) => {
            plugins::find(&app, code).filter(|plugin| plugin["code"] == code).and_then(|plugin| {
                releases.find(|release| release["plugin"] == plugin["id"] && release["version"] == version)
            })
        }
    };
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    object(release.map(|release| show(&app, &links, &projection, release)))
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let is_multipart = body::media_type(request.headers()).0 == "multipart/form-data";
    let (text, file) = match is_multipart {
        true => {
            let received = FormBody::read(&app, request).await?;
            (as_json(&received)?.into_bytes().into(), received.file)
        }
        false => (body::json(request).await?, None),
    };
    let release = add(&app, Form::read(&text)?, file)?;
    let links = app.signer.links(&parts);
    let projection = Projection::of(&parts, &app.settings);
    Ok(drf::value(StatusCode::CREATED, &show(&app, &links, &projection, release))?)
}

/// Returns the text parts as the JSON object that a request without a file would have sent.
fn as_json(received: &FormBody) -> Result<String, Refusal> {
    let mut fields = Map::new();
    for (name, text) in &received.texts {
        let value = match name.as_str() {
            "requirements" => match fields.remove(name) {
                Some(Value::Array(mut list)) => {
                    list.push(json!(text));
                    Value::Array(list)
                }
                _ => json!([text]),
            },
            "config" => {
                serde_json::from_str(text).map_err(|_| field_error("config", "Value must be valid JSON."))?
            }
            _ => json!(text),
        };
        fields.insert(name.clone(), value);
    }
    Ok(Value::Object(fields).to_string())
}

fn add(app: &App, mut form: Form<'_>, file: Option<FormFile>) -> Result<Value, Refusal> {
    let plugin = form.string("plugin", true, 255).required("plugin", &mut form.errors);
    let version = form.string("version", true, 100).required("version", &mut form.errors);
    let config = form.free("config").flatten().unwrap_or_else(|| json!({}));
    let requirements = form.strings("requirements").flatten().unwrap_or_default();
    let debug = form.boolean("debug").unwrap_or(false);
    let found = plugin.as_ref().and_then(|name| plugins::find(app, name));
    if let (Some(name), None) = (&plugin, &found) {
        form.errors.add("plugin", format!("Object with code={name} does not exist."));
    }
    if file.as_ref().is_some_and(|file| file.size == 0) {
        form.errors.add("file", "The submitted file is empty.");
    }
    form.errors.into_result()?;
    let (Some(plugin), Some(version)) = (found, version) else { return Err(Refusal::not_found()) };
    let taken = |release: &Value| release["plugin"] == plugin["id"] && release["version"] == version.as_str();
    if app.integration.releases.find(taken).is_some() {
        let message = format!("Version {version} of this plugin already exists.");
        return Err(field_error("version", message));
    }
    let link = file.map(|file| app.integration.files.add(&file.filename, file.path, file.size, file.md5));
    let actions: Vec<&String> =
        config["actions"].as_object().map(|all| all.keys().collect()).unwrap_or_default();
    Ok(app.integration.releases.add(|id| {
        json!({
            "id": id, "plugin": plugin["id"], "version": version, "debug": debug, "is_released": !debug,
            "config": config, "file": link, "requirements": requirements, "readme": "", "run_schema": null,
            "installation_schema": null, "meta": {}, "available_actions": actions, "author": FIRST_USER,
            "created": Timestamp::now(),
        })
    }))
}
