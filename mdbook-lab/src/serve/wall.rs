//! `/live`: the wall, one screen for a room, which shows whatever run goes on.
//!
//! The page itself says nothing that is not in this program. What it shows it hears from `/lab/events`, with the right to
//! hear it that pages of the guide have; so its script is the guide's own, with one more that draws.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{files, routes::Parts};
use crate::guard::policy;

const PAGE: &str = include_str!("../../assets/wall.html");

/// What the page is made of, by name.
const MADE_OF: [(&str, &str); 7] = [
    ("lab.js", include_str!("../../assets/lab.js")),
    ("wall.js", include_str!("../../assets/wall.js")),
    ("projector.js", include_str!("../../assets/projector.js")),
    ("projector.css", include_str!("../../assets/projector.css")),
    ("wall.css", include_str!("../../assets/wall.css")),
    ("stage.js", lab_stage::SCRIPT),
    ("stage.css", lab_stage::STYLE),
];

/// The page and what it is made of.
pub(super) fn routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/live", get(page))
        .route("/lab/wall/{name}", get(part))
}

async fn page() -> impl IntoResponse {
    policy::page(PAGE)
}

async fn part(Path(name): Path<String>) -> Response {
    let Some((name, text)) = MADE_OF.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [(header::CONTENT_TYPE, files::content_type(name))];
    (headers, *text).into_response()
}
