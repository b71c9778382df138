//! The routes: the book, the reports, the events, and the two that act.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Query, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use lab_say::say;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{
    access::{Door, Refusal},
    files::{self, Found},
    job::{Desk, StartError},
    news::{Follower, Message, Newsroom},
    policy::{self, Document},
    site::Shelf,
};
use crate::{Action, Guide};

/// The body of a request that acts.
const LARGEST_BODY: usize = 4 * 1024;
/// The body must be here within this time.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// A comment in a quiet stream of events, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the routes work with.
pub(crate) struct Parts {
    pub(crate) door: Door,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) guide: Arc<Guide>,
    pub(crate) news: Arc<Newsroom>,
    pub(crate) desk: Arc<Desk>,
}

type Shared = State<Arc<Parts>>;

/// The application.
pub(crate) fn app(parts: Arc<Parts>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/lab/events", get(events))
        .route("/lab/run", post(run))
        .route("/lab/cancel", post(cancel))
        // Browsers ask for it beside what is not a page of the book, which brings its own.
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/reports", get(report))
        .route("/reports/", get(report))
        .route("/reports/{*path}", get(report))
        .fallback(page)
        // The last layer is the first to see a request: refusals are hardened as well.
        .layer(middleware::from_fn_with_state(Arc::clone(&parts), ours))
        .layer(middleware::map_response(harden))
        .with_state(parts)
}

async fn ours(State(parts): Shared, request: Request, next: Next) -> Result<Response, Refusal> {
    parts.door.host(request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

async fn harden(mut response: Response) -> Response {
    policy::harden(response.headers_mut());
    response
}

#[derive(Deserialize)]
struct Entrance {
    token: Option<String>,
}

/// The front page, and the link that was printed: it trades its token for the cookie and leaves
/// nothing of it in the address.
async fn front(
    State(parts): Shared,
    Query(entrance): Query<Entrance>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(token) = entrance.token else {
        return Ok(page(State(parts), request).await);
    };
    let in_already = parts.door.session(request.headers()).is_ok();
    let cookie = match parts.door.enter(&token) {
        Ok(cookie) => Some(cookie),
        // Somebody who is in and goes back to the old link is not locked out.
        Err(_) if in_already => None,
        Err(refusal) => return Err(refusal),
    };
    let mut response = redirect("/", StatusCode::SEE_OTHER);
    if let Some(cookie) = cookie {
        say!("For another browser: {}", parts.door.link());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn page(State(parts): Shared, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let site = parts.shelf.site();
    let folder = site.folder().to_owned();
    let path = request.uri().path().to_owned();
    match show(folder.clone(), path, Some(Arc::clone(&parts.guide))).await {
        Some(response) => response,
        None => match files::find(&folder, &["404.html".to_owned()]) {
            Found::File(bytes) => {
                let mut response = document("404.html", bytes, Document::Page);
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
            _ => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
        },
    }
}

async fn report(State(parts): Shared, uri: Uri) -> Response {
    let path = uri.path().strip_prefix("/reports").unwrap_or_default();
    if path.is_empty() {
        return redirect("/reports/", StatusCode::PERMANENT_REDIRECT);
    }
    show(parts.guide.reports().to_owned(), path.to_owned(), None)
        .await
        .unwrap_or_else(|| {
            let text = "There is no such report. `make step1` makes the first.\n";
            (StatusCode::NOT_FOUND, text).into_response()
        })
}

/// The file at `path` below `root`; of a folder its `index.html`. It is a page of `guide`, or, where
/// there is none, a report.
async fn show(root: PathBuf, path: String, guide: Option<Arc<Guide>>) -> Option<Response> {
    let mut parts = files::parts(&path)?;
    let read = move || {
        let mut found = files::find(&root, &parts);
        if found == Found::Folder {
            if !path.ends_with('/') {
                return Some(Err(path));
            }
            parts.push("index.html".to_owned());
            found = files::find(&root, &parts);
        }
        match found {
            Found::File(bytes) => Some(Ok((parts.pop().unwrap_or_default(), bytes))),
            Found::Folder | Found::Nothing => None,
        }
    };
    let is_report = guide.is_none();
    match tokio::task::spawn_blocking(read).await.ok()?? {
        Ok((name, bytes)) => {
            let kind = match name.as_str() {
                _ if is_report => Document::Report,
                "toc.html" => Document::Contents,
                _ => Document::Page,
            };
            let mut response = document(&name, bytes.clone(), kind);
            if let Some(guide) = guide.filter(|_| is_html(&name)) {
                // After its policy is made: nothing that is filled in may run.
                let filled = move || guide.fill(&String::from_utf8_lossy(&bytes));
                *response.body_mut() = Body::from(tokio::task::spawn_blocking(filled).await.ok()?);
            }
            Some(response)
        }
        Err(folder) => {
            let base = if is_report { "/reports" } else { "" };
            let folder = format!("{base}{folder}/");
            Some(redirect(&folder, StatusCode::PERMANENT_REDIRECT))
        }
    }
}

fn document(name: &str, bytes: Vec<u8>, kind: Document) -> Response {
    let mut response = Response::new(Body::empty());
    let content_type = files::content_type(name);
    if is_html(name) {
        let policy = policy::content_security(kind, &String::from_utf8_lossy(&bytes));
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.body_mut() = Body::from(bytes);
    response
}

fn is_html(name: &str) -> bool {
    files::content_type(name).starts_with("text/html")
}

fn redirect(to: &str, status: StatusCode) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (status, [(header::LOCATION, to)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn events(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.follow(request.headers())?;
    let Some(follower) = parts.news.join() else {
        let text = "too many pages follow already; close some\n";
        return Ok((StatusCode::SERVICE_UNAVAILABLE, text).into_response());
    };
    Ok(Sse::new(told(follower))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// What stands, then what comes. It ends where the page is too far behind to catch up: it joins
/// anew and starts from what stands then.
fn told(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    let Follower {
        present,
        coming,
        seat,
    } = follower;
    let coming = stream::unfold((coming, seat), async |(mut coming, seat)| {
        let message = coming.recv().await.ok()?;
        Some((message, (coming, seat)))
    });
    stream::iter(present)
        .chain(coming)
        .filter_map(async |message: Message| {
            let event = Event::default().event(message.name());
            event.json_data(&message).ok().map(Ok)
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    action: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn run(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.act(request.headers())?;
    let order: Order = match body(request).await {
        Ok(order) => order,
        Err(response) => return Ok(response),
    };
    // Only what a page of the book declares, and of that only what parses.
    let site = parts.shelf.site();
    let declared = order
        .action
        .parse::<Action>()
        .ok()
        .filter(|action| site.declared.actions.contains(action));
    let Some(action) = declared else {
        let text = "no page of the book offers this command\n";
        return Ok((StatusCode::NOT_FOUND, text).into_response());
    };
    Ok(match parts.desk.start(&action) {
        Ok(id) => (StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response(),
        Err(error @ StartError::Busy) => {
            (StatusCode::CONFLICT, format!("{error}\n")).into_response()
        }
        Err(error @ StartError::Spawn { .. }) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    })
}

async fn cancel(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.act(request.headers())?;
    if let Err(response) = body::<Nothing>(request).await {
        return Ok(response);
    }
    Ok(if parts.desk.cancel() {
        StatusCode::ACCEPTED.into_response()
    } else {
        (StatusCode::CONFLICT, "nothing is running\n").into_response()
    })
}

/// The body as JSON, short and soon.
async fn body<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Response> {
    let read = timeout(BODY_WITHIN, to_bytes(request.into_body(), LARGEST_BODY)).await;
    let bytes: Bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
        Err(_) => return Err(StatusCode::REQUEST_TIMEOUT.into_response()),
    };
    serde_json::from_slice(&bytes)
        .map_err(|_| (StatusCode::BAD_REQUEST, "not the JSON of a request\n").into_response())
}
