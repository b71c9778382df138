//! The routes: the book, the reports, the events, those that act, and the one that lets in.

use std::{
    convert::Infallible,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{
    editor::{Editor, OpenError, Wish},
    files::{self, Found},
    job::{Desk, StartError},
    news::{Follower, Message, Newsroom},
    site::Shelf,
    wall,
};
use crate::{
    Action, Guide,
    guard::{
        access::{Door, Refusal, redirect},
        body,
        invitation::Invitation,
        policy::{self, Document},
        seats::Seat,
    },
};

/// The body of a request that acts.
const LARGEST_BODY: usize = 4 * 1024;
/// What is read of a file at once.
const PIECE: usize = 64 * 1024;
/// The body must be here within this time.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// A comment in a quiet stream of events, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the routes work with.
pub(crate) struct Parts {
    pub(crate) door: Door,
    pub(crate) invitation: Invitation,
    pub(crate) editor: Option<Editor>,
    pub(crate) root: PathBuf,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) guide: Arc<Guide>,
    pub(crate) news: Arc<Newsroom>,
    pub(crate) desk: Arc<Desk>,
}

type Shared = State<Arc<Parts>>;

/// The application.
pub(crate) fn app(parts: Arc<Parts>) -> Router {
    Router::new()
        .route("/lab/enter", post(enter))
        .route("/lab/events", get(events))
        .route("/lab/run", post(run))
        .route("/lab/cancel", post(cancel))
        .route("/lab/editor", get(editor))
        .route("/lab/open", post(open))
        .merge(wall::routes())
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
    if let Some(response) = parts.door.lead_home(&request)? {
        return Ok(response);
    }
    if let Some(seat) = request.extensions().get::<Arc<Seat>>()
        && parts.door.session(request.headers()).is_ok()
    {
        seat.know();
    }
    Ok(next.run(request).await)
}

async fn harden(mut response: Response) -> Response {
    policy::harden(response.headers_mut());
    response
}

async fn page(State(parts): Shared, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let site = parts.shelf.site();
    let folder = site.folder().to_owned();
    let path = request.uri().path().to_owned();
    let guide = &parts.guide;
    if let Some(response) = show(folder.clone(), path, Of::Book, guide).await {
        return response;
    }
    let lost = match &site.declared.not_found {
        Some(lost) => show(folder, format!("/{lost}"), Of::Book, guide).await,
        None => None,
    };
    match lost {
        Some(mut response) => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        None => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
    }
}

async fn report(State(parts): Shared, uri: Uri) -> Response {
    let path = uri.path().strip_prefix("/reports").unwrap_or_default();
    if path.is_empty() {
        return redirect("/reports/", StatusCode::PERMANENT_REDIRECT);
    }
    let guide = &parts.guide;
    let reports = guide.reports().to_owned();
    if let Some(report) = show(reports, path.to_owned(), Of::Reports, guide).await {
        return report;
    }
    // A book may have chapters in a folder of that name.
    let book = parts.shelf.site().folder().to_owned();
    show(book, uri.path().to_owned(), Of::Book, guide)
        .await
        .unwrap_or_else(|| {
            let text = "There is no such report. A run makes one.\n";
            (StatusCode::NOT_FOUND, text).into_response()
        })
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Book,
    Reports,
}

/// What is at a path.
enum Shown {
    /// A page, or a report: short, and wanted whole for its policy.
    Html(String, String),
    /// Any other file, of so many bytes.
    File(String, File, u64),
    /// A folder whose path lacks its slash.
    Folder,
}

/// The file at `path` below `root`; of a folder its `index.html`.
async fn show(root: PathBuf, path: String, of: Of, guide: &Arc<Guide>) -> Option<Response> {
    let base = if of == Of::Reports { "/reports" } else { "" };
    let folder = format!("{base}{path}/");
    let shown = tokio::task::spawn_blocking(move || look(&root, &path)).await;
    match shown.ok()?? {
        Shown::Html(name, html) => page_or_report(&name, html, of, guide).await,
        Shown::File(name, file, length) => Some(stream_of(&name, file, length)),
        Shown::Folder => Some(redirect(&folder, StatusCode::PERMANENT_REDIRECT)),
    }
}

fn look(root: &Path, path: &str) -> Option<Shown> {
    let mut parts = files::parts(path)?;
    let mut found = files::find(root, &parts);
    if matches!(found, Found::Folder) {
        if !path.ends_with('/') {
            return Some(Shown::Folder);
        }
        parts.push("index.html".to_owned());
        found = files::find(root, &parts);
    }
    let Found::File(mut file) = found else {
        return None;
    };
    let name = parts.pop().unwrap_or_default();
    if !is_html(&name) {
        let length = file.metadata().ok()?.len();
        return Some(Shown::File(name, file, length));
    }
    let mut html = Vec::new();
    file.read_to_end(&mut html).ok()?;
    let html = String::from_utf8_lossy(&html).into_owned();
    Some(Shown::Html(name, html))
}

async fn page_or_report(name: &str, html: String, of: Of, guide: &Arc<Guide>) -> Option<Response> {
    let kind = match name {
        _ if of == Of::Reports => Document::Report,
        "toc.html" => Document::Contents,
        _ => Document::Page,
    };
    let policy = policy::content_security(kind, &html);
    // After its policy is made: nothing that is filled in may run.
    let guide = Arc::clone(guide);
    let fill = move || match of {
        Of::Book => guide.fill(&html),
        Of::Reports => guide.lead_back(&html),
    };
    let html = tokio::task::spawn_blocking(fill).await.ok()?;
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_TYPE, content_type(name)),
    ];
    Some((headers, html).into_response())
}

/// A file as it is read: who takes it slowly, or never, takes up no more than a piece of it.
fn stream_of(name: &str, file: File, length: u64) -> Response {
    let read = tokio::fs::File::from_std(file).take(length);
    let headers = [
        (header::CONTENT_TYPE, content_type(name)),
        (header::CONTENT_LENGTH, length.into()),
    ];
    let pieces = ReaderStream::with_capacity(read, PIECE);
    (headers, Body::from_stream(pieces)).into_response()
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(files::content_type(name))
}

fn is_html(name: &str) -> bool {
    files::content_type(name).starts_with("text/html")
}

async fn events(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.follow(request.headers())?;
    let Some(follower) = parts.news.join() else {
        let text = "too many pages follow already; close some\n";
        // It is known: its seat would be kept for it.
        let close = [(header::CONNECTION, "close")];
        return Ok((StatusCode::SERVICE_UNAVAILABLE, close, text).into_response());
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
struct Entrance {
    ticket: String,
}

/// Trades the ticket of a link for the session's token.
async fn enter(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.own(request.headers())?;
    let entrance: Entrance = match body(request).await {
        Ok(entrance) => entrance,
        Err(response) => return Ok(response),
    };
    let (way, token) = parts.door.enter(&entrance.ticket)?;
    parts.invitation.used(way, &parts.door);
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(json!({ "token": token }))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    action: String,
    /// What the reader guesses, with an action that runs a step which asks.
    guess: Option<f64>,
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
    let guess = order.guess.map(|guess| parts.guide.guess(&action, guess));
    let Ok(guess) = guess.transpose() else {
        let text = "that command takes no such guess\n";
        return Ok((StatusCode::BAD_REQUEST, text).into_response());
    };
    Ok(match parts.desk.start(&action, guess) {
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

/// The participant's editor, as far as there is one.
async fn editor(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.follow(request.headers())?;
    let offer = parts.editor.as_ref();
    let offer = offer.map(|editor| editor.offer(&parts.root, &parts.guide));
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(offer)).into_response())
}

async fn open(State(parts): Shared, request: Request) -> Result<Response, Refusal> {
    parts.door.act(request.headers())?;
    let wish: Wish = match body(request).await {
        Ok(wish) => wish,
        Err(response) => return Ok(response),
    };
    let editor = parts.editor.as_ref().ok_or(OpenError::NoEditor);
    let status = match editor.and_then(|editor| editor.open(&parts.root, &wish)) {
        Ok(()) => return Ok(StatusCode::ACCEPTED.into_response()),
        Err(error) => (
            match error {
                OpenError::NoEditor | OpenError::NoText => StatusCode::NOT_FOUND,
                OpenError::TooMany => StatusCode::TOO_MANY_REQUESTS,
                OpenError::Spawn { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
            format!("{error}\n"),
        ),
    };
    Ok(status.into_response())
}

/// The body as JSON, short and soon.
async fn body<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Response> {
    body::json(request, LARGEST_BODY, BODY_WITHIN).await
}
