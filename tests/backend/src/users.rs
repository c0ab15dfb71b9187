//! `GET /users/me/`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::data::seed::{FIRST_USER, tenant, user};
use crate::drf::{self, Refusal};
use crate::projection::{ID, Projection};
use crate::request_parts::RequestParts;

pub(crate) async fn me(State(app): State<App>, parts: RequestParts) -> Result<Response, Refusal> {
    let mut me = user(FIRST_USER);
    me["tenant"] = tenant();
    drf::value(StatusCode::OK, &Projection::of(&parts, &app.settings).show(me, ID))
}
