//! The routes: the page, what it shows, and the two doors for codes. Nothing here starts anything.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State as Extract},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    join_link,
    keeper::Keeper,
    paste::{Codes, Heard, Outcome},
    sheet::sheet,
    table::table,
};
use crate::{
    guard::{
        access::{self, Door, Refusal},
        body,
        invitation::Invitation,
        policy,
        seats::Seat,
        secret::Secret,
    },
    step::Step,
};

const PAGE: &str = include_str!("../../assets/board.html");

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page is made of: name, type, text.
const MADE_OF: [(&str, &str, &str); 4] = [
    ("board.js", SCRIPT, include_str!("../../assets/board.js")),
    ("board.css", STYLE, include_str!("../../assets/board.css")),
    (
        "projector.js",
        SCRIPT,
        include_str!("../../assets/projector.js"),
    ),
    (
        "projector.css",
        STYLE,
        include_str!("../../assets/projector.css"),
    ),
];

/// What a laptop posts at once: a hundred codes and the JSON around them.
const LARGEST_POST: usize = 64 * 1024;
/// A chat's log of 10 MB, with what JSON adds to lines and quotes.
const LARGEST_PASTE: usize = 32 * 1024 * 1024;
const POST_WITHIN: Duration = Duration::from_secs(5);
const PASTE_WITHIN: Duration = Duration::from_secs(30);

/// Codes that laptops may post at once, and again each second: a room of 300 with a few each, and never what fills the
/// board before anybody sees it.
const BURST: f64 = 2000.0;
const PER_SECOND: f64 = 100.0;

/// What the routes work with.
pub(crate) struct Parts {
    door: Door,
    pub(crate) invitation: Invitation,
    pub(crate) keeper: Arc<Keeper>,
    steps: Vec<Step>,
    address: SocketAddr,
    /// New at each start: versions of another one say nothing.
    epoch: String,
    rate: Mutex<Rate>,
}

type Shared = Extract<Arc<Parts>>;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// With the link that was printed: reads, pastes, exports, resets.
    Facilitator,
    /// With the key of the room: reads, posts codes.
    Room,
}

/// Why a request is not answered, in the board's words.
struct Refused(Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let text = match self.0 {
            Refusal::NotJson => return self.0.into_response(),
            Refusal::ForeignHost => {
                "this board answers only under the address that `make board` printed\n"
            }
            Refusal::ForeignOrigin | Refusal::ForeignSite => {
                "only the board's own page may ask for this\n"
            }
            Refusal::NoSession => {
                "this is for who has the link that `make board` printed last, or the key of this room\n"
            }
            Refusal::StaleLink => {
                "this link was used already or is of an earlier start; open the one that `make board` printed last\n"
            }
        };
        (self.0.into_response().status(), text).into_response()
    }
}

impl Parts {
    pub(crate) fn new(
        door: Door,
        invitation: Invitation,
        keeper: Arc<Keeper>,
        steps: &[Step],
        address: SocketAddr,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            door,
            invitation,
            keeper,
            steps: steps.to_vec(),
            address,
            epoch: Secret::random()?.reveal()[..16].to_owned(),
            rate: Mutex::new(Rate::full()),
        })
    }

    /// The role that a request shows a right to.
    fn role(&self, headers: &HeaderMap) -> Result<Role, Refusal> {
        let shows_key = || access::bearer(headers).is_some_and(|key| self.keeper.key.is(key));
        match self.door.session(headers) {
            Ok(()) => Ok(Role::Facilitator),
            Err(_) if shows_key() => Ok(Role::Room),
            Err(refusal) => Err(refusal),
        }
    }

    fn knows(&self, scenario: &str) -> bool {
        self.steps.iter().any(|step| step.scenario == scenario)
    }
}

/// The application.
pub(crate) fn app(parts: Arc<Parts>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/board/part/{name}", get(part))
        .route("/board/enter", post(enter))
        .route("/board/rows", get(rows))
        .route("/board/codes", post(codes))
        .route("/board/paste", post(paste))
        .route("/board/export.csv", get(export))
        .route("/board/reset", post(reset))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .layer(middleware::from_fn_with_state(Arc::clone(&parts), ours))
        .layer(middleware::map_response(harden))
        .with_state(parts)
}

async fn ours(Extract(parts): Shared, request: Request, next: Next) -> Result<Response, Refused> {
    if let Some(response) = parts.door.lead_home(&request)? {
        return Ok(response);
    }
    if let Some(seat) = request.extensions().get::<Arc<Seat>>()
        && parts.role(request.headers()).is_ok()
    {
        seat.know();
    }
    Ok(next.run(request).await)
}

async fn harden(mut response: Response) -> Response {
    policy::harden(response.headers_mut());
    response
}

async fn page() -> impl IntoResponse {
    policy::page(PAGE)
}

async fn part(Path(name): Path<String>) -> Response {
    let Some((_, kind, text)) = MADE_OF.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(header::CONTENT_TYPE, *kind)], *text).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entrance {
    ticket: String,
}

/// Trades the ticket of a link for the session's token; with it comes the key, which is good after a restart, too.
async fn enter(Extract(parts): Shared, request: Request) -> Result<Response, Refused> {
    parts.door.own(request.headers())?;
    let entrance: Entrance = match short(request).await {
        Ok(entrance) => entrance,
        Err(response) => return Ok(response),
    };
    let (way, token) = parts.door.enter(&entrance.ticket)?;
    parts.invitation.used(way, &parts.door);
    let key = parts.keeper.key.reveal();
    Ok(unkept(json!({ "token": token, "key": key })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    since: u64,
}

/// What changed since a page looked last.
async fn rows(
    Extract(parts): Shared,
    Query(since): Query<Since>,
    request: Request,
) -> Result<Response, Refused> {
    access::same_site(request.headers())?;
    let role = parts.role(request.headers())?;
    let state = parts.keeper.state();
    let reset_at = state.began();
    // A page that has seen another board, or this one before it was reset, begins anew.
    let follows = since.epoch == parts.epoch && since.since >= reset_at;
    let table = table(
        &state,
        &parts.steps,
        if follows { since.since } else { 0 },
        Timestamp::now(),
    );
    let link = (role == Role::Facilitator).then(|| join_link(&parts.door, &parts.keeper));
    Ok(unkept(json!({
        "epoch": parts.epoch,
        "whole": !follows,
        "role": role,
        "address": parts.address.to_string(),
        "wide": !parts.address.ip().is_loopback(),
        "join": link,
        "table": table,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    codes: Vec<String>,
}

/// The door for laptops: codes, with the key of the room.
async fn codes(Extract(parts): Shared, request: Request) -> Result<Response, Refused> {
    access::json(request.headers())?;
    if request.headers().contains_key(header::ORIGIN) {
        parts.door.own(request.headers())?;
    }
    parts.role(request.headers())?;
    let posted: Posted = match short(request).await {
        Ok(posted) => posted,
        Err(response) => return Ok(response),
    };
    let codes = Codes::find(&posted.codes.join("\n"), |scenario| parts.knows(scenario));
    let allowed = {
        let mut rate = parts.rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.allow(codes.count(), Instant::now())
    };
    if !allowed {
        let text = "too many codes at once; they are taken a little later\n";
        return Ok((StatusCode::TOO_MANY_REQUESTS, text).into_response());
    }
    let outcome = codes.count_in(&mut parts.keeper.state(), Heard::Now, Timestamp::now());
    Ok(kept(&parts, outcome).await)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pasted {
    text: String,
}

/// The door for the facilitator: any text with codes in it.
async fn paste(Extract(parts): Shared, request: Request) -> Result<Response, Refused> {
    parts.door.act(request.headers())?;
    let pasted: Pasted = match body::json(request, LARGEST_PASTE, PASTE_WITHIN).await {
        Ok(pasted) => pasted,
        Err(response) => return Ok(response),
    };
    let at = Arc::clone(&parts);
    let counted = tokio::task::spawn_blocking(move || {
        let codes = Codes::find(&pasted.text, |scenario| at.knows(scenario));
        codes.count_in(&mut at.keeper.state(), Heard::Then, Timestamp::now())
    });
    match counted.await {
        Ok(outcome) => Ok(kept(&parts, outcome).await),
        Err(_) => Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

/// The answer to who shared codes, once they are on the disk.
async fn kept(parts: &Parts, outcome: Outcome) -> Response {
    match parts.keeper.kept().await {
        Ok(()) => unkept(outcome),
        Err(why) => (StatusCode::INSUFFICIENT_STORAGE, format!("{why}\n")).into_response(),
    }
}

async fn export(Extract(parts): Shared, request: Request) -> Result<Response, Refused> {
    parts.door.follow(request.headers())?;
    let sheet = sheet(parts.keeper.state().entries());
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"board.csv\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, sheet).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Saves what there is, then begins anew.
async fn reset(Extract(parts): Shared, request: Request) -> Result<Response, Refused> {
    parts.door.act(request.headers())?;
    if let Err(response) = short::<Nothing>(request).await {
        return Ok(response);
    }
    let at = Arc::clone(&parts);
    let saved = match tokio::task::spawn_blocking(move || at.keeper.reset()).await {
        Ok(Ok(saved)) => saved,
        Ok(Err(why)) => {
            return Ok((StatusCode::INSUFFICIENT_STORAGE, format!("{why}\n")).into_response());
        }
        Err(_) => return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    };
    let name = saved.file_name().unwrap_or_default().to_string_lossy();
    let saved = json!({ "saved": format!(".lab/{name}") });
    Ok(match parts.keeper.kept().await {
        Ok(()) => unkept(saved),
        Err(why) => (StatusCode::INSUFFICIENT_STORAGE, format!("{why}\n")).into_response(),
    })
}

/// An answer that nobody keeps.
fn unkept(answer: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

async fn short<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    body::json(request, LARGEST_POST, POST_WITHIN).await
}

/// A bucket of codes that fills again (token bucket).
struct Rate {
    left: f64,
    filled: Instant,
}

impl Rate {
    fn full() -> Self {
        Self {
            left: BURST,
            filled: Instant::now(),
        }
    }

    /// Whether so many may come now; a post without any counts as one.
    fn allow(&mut self, codes: usize, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * PER_SECOND;
        self.left = (self.left + gained).min(BURST);
        self.filled = now;
        let cost = codes.max(1) as f64;
        let allowed = cost <= self.left;
        self.left -= if allowed { cost } else { 0.0 };
        allowed
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Method as Verb,
    };
    use lab_record::Outcome as Verdict;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::{
        super::{OPENS, state::tests::code, store::Store},
        *,
    };

    /// A board without a listener, in a folder of its own; the session's token; the room's key.
    fn board(project: &std::path::Path) -> (Router, String, String) {
        let address = ([127, 0, 0, 1], 8090).into();
        let store = Store::open(project).unwrap();
        let kept = store.load().unwrap();
        let keeper = Keeper::start(store, kept.state, kept.key);
        let door = Door::new(address).unwrap();
        let ticket = door.link(crate::guard::access::Way::Printed);
        let ticket = ticket.split_once("#ticket=").unwrap().1;
        let token = door.enter(ticket).unwrap().1.to_owned();
        let invitation = Invitation::hand_out(OPENS, &door, project, false);
        let key = keeper.key.reveal().to_owned();
        let step = json!({"scenario": "timeouts", "title": "Timeouts", "chapter": "c.md"});
        let steps: Step = serde_json::from_value(step).unwrap();
        let parts = Parts::new(door, invitation, keeper, &[steps], address).unwrap();
        (app(Arc::new(parts)), token, key)
    }

    /// What the board's own page gets, with this right.
    async fn ask(
        app: &Router,
        right: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let verb = if body.is_some() {
            Verb::POST
        } else {
            Verb::GET
        };
        let mut request = Request::builder()
            .method(verb)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8090");
        request = request.header(header::AUTHORIZATION, format!("Bearer {right}"));
        if body.is_some() {
            request = request.header(header::ORIGIN, "http://127.0.0.1:8090");
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let answer = app
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let status = answer.status();
        let text = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let value =
            serde_json::from_slice(&text).unwrap_or_else(|_| String::from_utf8_lossy(&text).into());
        (status, value)
    }

    #[tokio::test]
    async fn codes_come_in_by_two_doors_and_each_opens_to_its_own_right() {
        let project = tempfile::tempdir().unwrap();
        let (app, token, key) = board(project.path());
        let [ada, bob] =
            ["ada", "bob"].map(|name| code(1, Verdict::Pass, 100, Some(7.0), name).to_string());
        let post = json!({"codes": [ada]});
        let paste = json!({"text": format!("chat {ada} and {bob}, {}", &bob[..30])});
        for (right, path, body, status) in [
            ("", "/board/codes", Some(post.clone()), 403),
            ("", "/board/paste", Some(paste.clone()), 403),
            ("", "/board/rows", None, 403),
            (&key, "/board/paste", Some(paste.clone()), 403),
            (&key, "/board/reset", Some(json!({})), 403),
            (&key, "/board/export.csv", None, 403),
            (&key, "/board/codes", Some(json!({"codes": 7})), 400),
        ] {
            assert_eq!(ask(&app, right, path, body).await.0, status, "{path}");
        }
        let (_, outcome) = ask(&app, &key, "/board/codes", Some(post)).await;
        assert_eq!(outcome, json!({"new": 1, "known": 0, "refused": []}));
        let (_, outcome) = ask(&app, &token, "/board/paste", Some(paste)).await;
        assert_eq!(
            (
                &outcome["new"],
                &outcome["known"],
                &outcome["refused"][0]["count"]
            ),
            (&json!(1), &json!(1), &json!(1))
        );

        let (status, shown) = ask(&app, &key, "/board/rows", None).await;
        assert_eq!(
            (status, &shown["role"], &shown["join"]),
            (StatusCode::OK, &json!("room"), &Value::Null)
        );
        assert_eq!(shown["table"]["rows"].as_array().unwrap().len(), 2);
        let since =
            |epoch: &Value| format!("/board/rows?epoch={}&since=2", epoch.as_str().unwrap());
        let (_, again) = ask(&app, &token, &since(&shown["epoch"]), None).await;
        assert_eq!(
            (&again["whole"], &again["table"]["rows"]),
            (&json!(false), &json!([]))
        );
        assert!(
            again["join"]
                .as_str()
                .is_some_and(|link| link.ends_with(&key))
        );

        let (status, reset) = ask(&app, &token, "/board/reset", Some(json!({}))).await;
        assert_eq!(status, StatusCode::OK, "{reset}");
        let (_, empty) = ask(&app, &token, &since(&shown["epoch"]), None).await;
        assert_eq!(
            (&empty["whole"], &empty["table"]["rows"]),
            (&json!(true), &json!([]))
        );
    }

    #[test]
    fn a_room_may_post_at_once_and_nobody_forever() {
        let mut rate = Rate::full();
        let start = rate.filled;
        assert!((0..2000).all(|_| rate.allow(1, start)));
        assert!(!rate.allow(1, start), "it is empty");
        assert!(rate.allow(99, start + Duration::from_secs(1)));
        assert!(!rate.allow(50, start + Duration::from_secs(1)));
        assert!(rate.allow(0, start + Duration::from_secs(9)));
    }
}
