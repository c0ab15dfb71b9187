//! `/storages/`: listed, created, and opened for a session.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::body;
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::form::Form;
use crate::keys::Keys;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

const CATEGORIES: [&str; 2] = ["internal", "external"];
const PROVIDERS: [&str; 12] = [
    "amazon_s3",
    "azure",
    "digital_ocean",
    "file_system",
    "ftp",
    "sftp",
    "minio",
    "gcp",
    "synology",
    "smb",
    "s3",
    "gcs",
];

/// Shows a storage. Its configuration has secrets only where no session can replace them.
fn show(parts: &RequestParts, projection: &Projection, mut storage: Value) -> Value {
    let with_configuration = Filters::new(&parts.query).boolean("with_configuration") == Some(true);
    if let Value::Object(fields) = &mut storage {
        if !with_configuration {
            fields.remove("configuration");
        } else if fields["credential_regime"] != "none"
            && let Some(Value::Object(configuration)) = fields.get_mut("configuration")
        {
            configuration.remove("secret_key");
        }
    }
    projection.show(storage, ID)
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::read(&mut filters);
    let category = filters.choice("category", &CATEGORIES);
    let provider = filters.choice("provider", &PROVIDERS);
    let is_default = filters.boolean("is_default");
    let search = filters.search();
    filters.done()?;
    let keep = |_: u64, storage: &Value| {
        let name = storage["name"].as_str().unwrap_or_default().to_lowercase();
        category.is_none_or(|wanted| storage["category"] == wanted)
            && provider.is_none_or(|wanted| storage["provider"] == wanted)
            && is_default.is_none_or(|wanted| storage["is_default"] == wanted)
            && search.iter().all(|word| name.contains(word))
    };
    let storages = &app.storages.all;
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(storages, &keys, Some(&keep));
    let render = |index| storages.row(index).map(|storage| show(&parts, &projection, storage));
    if app.settings.storage.bare_storages {
        let all: Vec<Value> = selected.indices().into_iter().filter_map(render).collect();
        return drf::value(StatusCode::OK, &all);
    }
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let projection = Projection::of(&parts, &app.settings);
    object(app.storages.all.get(path_id(&id)?).map(|storage| show(&parts, &projection, storage)))
}

pub(crate) async fn create(
    State(app): State<App>,
    parts: RequestParts,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let mut form = Form::read(&text)?;
    let name = form.string("name", true, 255).required("name", &mut form.errors);
    let provider = form.choice("provider", &PROVIDERS).required("provider", &mut form.errors);
    let category = form.choice("category", &CATEGORIES).required("category", &mut form.errors);
    let configuration = form.object("configuration").flatten().unwrap_or_default();
    form.errors.into_result()?;
    let storage = app.storages.all.add(|id| {
        json!({
            "id": id, "name": name, "is_default": false, "category": category, "provider": provider,
            "configuration": configuration, "credential_regime": "none",
        })
    });
    drf::value(StatusCode::CREATED, &show(&parts, &Projection::of(&parts, &app.settings), storage))
}

/// `POST /storages/{id}/session/`.
pub(crate) async fn session(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let text = body::json(request).await?;
    let storage = app.storages.all.get(path_id(&id)?).ok_or_else(Refusal::not_found)?;
    let mut form = Form::read(&text)?;
    let purpose = form.choice("purpose", &["read", "write"]).required("purpose", &mut form.errors);
    form.errors.into_result()?;
    if let Some(code) = &app.settings.storage.session_error {
        let refusal = json!({"code": code, "detail": "No session can be opened."});
        return Err(Refusal::new(StatusCode::BAD_REQUEST, &refusal));
    }
    drf::value(
        StatusCode::OK,
        &json!({
            "provider": storage["provider"], "configuration": storage["configuration"], "purpose": purpose,
            "expires_at": null, "contract_version": 1,
        }),
    )
}
