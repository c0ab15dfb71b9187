//! Agents, and their connection by token.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::data::mix;
use crate::data::seed::{FIRST_AGENT, Seed};
use crate::drf::{self, Refusal};
use crate::filters::Filters;
use crate::keys::Keys;
use crate::listing::{Pages, Selected, object, path_id, respond};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

/// The first agent has the setting's token. The others have 40 hexadecimal digits, which every second agent
/// shows only in its install script.
pub(super) fn seeded(seed: &Seed, agent_token: &str, index: u64) -> Value {
    let word = |n: u64| mix(mix(seed.seed, 7_000 + index), n);
    let digits = format!("{:016x}{:016x}{:08x}", word(0), word(1), word(2) as u32);
    let token = if index == 0 { agent_token.to_owned() } else { digits };
    json!({
        "id": FIRST_AGENT + index as i64,
        "name": format!("agent-{}", index + 1),
        "url": (index % 3 != 1).then(|| format!("http://agent-{}.internal:8000", index + 1)),
        "status": if index.is_multiple_of(2) { "connected" } else { "Disconnected" },
        "token": if index % 2 == 1 { Value::Null } else { json!(token) },
        "node_install_script": format!("curl -fsSL https://backend.example/agents/{token}/node_install_script/ | sh"),
        "connected_by": token,
    })
}

/// Removes what only the server knows.
fn public(mut agent: Value) -> Value {
    if let Value::Object(fields) = &mut agent {
        fields.remove("connected_by");
    }
    agent
}

/// Returns an agent's token.
pub(crate) fn token(agent: &Value) -> String {
    agent["connected_by"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn list(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut filters = Filters::new(&parts.query);
    let keys = Keys::with_ranges(&mut filters);
    let search = filters.search();
    filters.done()?;
    let keep = |_: u64, agent: &Value| {
        search.iter().all(|word| agent["name"].as_str().unwrap_or_default().contains(word.as_str()))
    };
    let agents = &app.integration.agents;
    let projection = Projection::of(&parts, &app.settings);
    let selected = Selected::of(agents, &keys, Some(&keep));
    let render = |index| agents.row(index).map(|agent| projection.show(public(agent), ID));
    respond(&app, &parts, &selected, Pages::Numbered, render)
}

pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    parts: RequestParts,
) -> Result<Response, Refusal> {
    let projection = Projection::of(&parts, &app.settings);
    object(app.integration.agents.get(path_id(&id)?).map(|agent| projection.show(public(agent), ID)))
}

/// `POST /agents/{token}/connect/`.
pub(crate) async fn connect(State(app): State<App>, Path(secret): Path<String>) -> Result<Response, Refusal> {
    let agents = &app.integration.agents;
    let agent = agents.find(|agent| token(agent) == secret).ok_or_else(Refusal::not_found)?;
    let id = agent["id"].as_i64().unwrap_or_default();
    agents.update(id, |agent| agent["status"] = json!("connected"));
    if app.settings.quirks.empty_actions {
        return Ok(drf::no_content());
    }
    drf::value(StatusCode::OK, &json!({"id": id, "status": "connected"}))
}
