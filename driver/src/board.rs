//! The board of the room that this laptop has joined: a run that counts posts its code there.
//!
//! Best effort, and never at a run's cost: a code goes into a file first, what is left there is sent while the next run is
//! being prepared, and at the end of a run the board has [`LAST_PATIENCE`], once. Whatever it answers changes nothing of a run.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use lab_record::{ShareCode, file};
use reqwest::{StatusCode, Url, redirect::Policy};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

/// Where it is kept, in the project. It has the room's key in it, so it is this user's alone.
const FILE: &str = ".lab/room.json";

/// For what an earlier run has left, while the next one is being prepared.
const PATIENCE: Duration = Duration::from_secs(3);
/// For the code of a run, which is over and told by then.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Codes of one post: with the longest names there are, what a board takes at once.
const AT_ONCE: usize = 50;
/// Codes that wait for a board; the oldest go first.
const MOST_WAITING: usize = 200;
/// What is read of an answer, bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Characters that are shown of what a board says.
const LONGEST_WORD: usize = 200;

/// The room that was joined.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// The origin of its board, as `http://192.168.1.10:8090`.
    pub address: String,
    /// Whoever has it posts codes.
    key: String,
    /// Whether it was said that the board can't be reached.
    is_told: bool,
    /// Codes that the board has not taken yet, the oldest first.
    pub waiting: Vec<String>,
}

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// It is not what a board prints. What it is stays untold: there may be a key in it.
    #[error(
        "this is no link to a board: those that `make board` prints begin with http:// and end with #key= and 64 digits; \
         put it in quotes, as in make join BOARD='http://…/#key=…'"
    )]
    Link,
    /// The file of the room is of something else, or damaged.
    #[error("{path}: {why}; join again: make join BOARD='LINK', or leave: make join BOARD=", path = .0.display(), why = .1)]
    Damaged(PathBuf, serde_json::Error),
    /// The system refuses.
    #[error("can't keep the room in {path}: {why}", path = .0.display(), why = .1)]
    System(PathBuf, io::Error),
}

/// Why a board has not taken a code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Nobody is there, or nobody answers in time.
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    /// It sends one elsewhere, where a key is not to go.
    #[error("it answers with a redirect, so it is no board")]
    Elsewhere,
    /// Another room, or one that began anew.
    #[error("it does not know the key of this room; join again with the link that it shows now")]
    Key,
    /// It can't now.
    #[error("it answers {0}")]
    Refused(StatusCode),
    /// Something else listens there.
    #[error("what it answers is no board's answer")]
    Garbage,
}

/// What a board says of codes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    new: usize,
    known: usize,
    refused: Vec<Refused>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    why: String,
    count: usize,
}

impl Room {
    /// The room of a link that a board has printed.
    pub fn of(link: &str) -> Result<Self, RoomError> {
        let url = Url::parse(link.trim()).map_err(|_| RoomError::Link)?;
        let key = url
            .fragment()
            .and_then(|fragment| fragment.strip_prefix("key="));
        let key =
            key.filter(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_plain = url.scheme() == "http"
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match key {
            Some(key) if is_plain => Ok(Self {
                address: url.origin().ascii_serialization(),
                key: key.to_owned(),
                is_told: false,
                waiting: Vec::new(),
            }),
            _ => Err(RoomError::Link),
        }
    }

    /// The one that was joined; none where none was.
    pub fn joined(project: &Path) -> Result<Option<Self>, RoomError> {
        let path = project.join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RoomError::System(path, error)),
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(room) => Ok(Some(room)),
                Err(error) => Err(RoomError::Damaged(path, error)),
            },
        }
    }

    /// Keeps it.
    pub fn keep(&self, project: &Path) -> Result<(), RoomError> {
        let path = project.join(FILE);
        let text =
            serde_json::to_vec(self).map_err(|error| RoomError::Damaged(path.clone(), error))?;
        file::replace_private(&path, &text).map_err(|error| RoomError::System(path, error))
    }

    /// The same after a post, unless another one was joined meanwhile, or none is any more.
    fn keep_on(&self, project: &Path) -> Result<(), RoomError> {
        match Self::joined(project)? {
            Some(now) if now.key == self.key && now.address == self.address => self.keep(project),
            _ => Ok(()),
        }
    }

    /// Forgets whichever was joined.
    pub fn leave(project: &Path) -> Result<(), RoomError> {
        let path = project.join(FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RoomError::System(path, error))
            }
            _ => Ok(()),
        }
    }

    /// Asks the board whether it knows this room.
    pub async fn greet(&self) -> Result<(), PostError> {
        self.post(&[], PATIENCE).await.map(drop)
    }

    /// Posts codes; gives, for people, what the board does not want of them.
    async fn post(&self, codes: &[String], patience: Duration) -> Result<Vec<String>, PostError> {
        let unreachable = |error: reqwest::Error| PostError::Unreachable(cause(&error));
        // A proxy for the Internet, which the environment may name, can't reach a room.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(patience)
            .build()
            .map_err(unreachable)?;
        let request = client
            .post(format!("{}/board/codes", self.address))
            .bearer_auth(&self.key)
            .json(&serde_json::json!({ "codes": codes }));
        let mut answer = request.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(PostError::Elsewhere),
            StatusCode::FORBIDDEN => return Err(PostError::Key),
            status => return Err(PostError::Refused(status)),
        }
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable)? {
            text.extend_from_slice(&piece);
            if text.len() > LONGEST_ANSWER {
                return Err(PostError::Garbage);
            }
        }
        let answer: Answer = serde_json::from_slice(&text).map_err(|_| PostError::Garbage)?;
        let refused = answer.refused.iter().map(|refused| refused.count);
        let told = refused.fold(
            answer.new.saturating_add(answer.known),
            usize::saturating_add,
        );
        if told != codes.len() {
            return Err(PostError::Garbage);
        }
        Ok(answer
            .refused
            .iter()
            .map(|refused| plain(&refused.why))
            .collect())
    }
}

/// The last cause of an error, which says most in the fewest words.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let first: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |error| (*error).source());
    let first = causes.next().map(ToString::to_string);
    plain(
        &causes
            .last()
            .map_or(first.unwrap_or_default(), ToString::to_string),
    )
}

/// What somebody else says, as text that moves no cursor.
fn plain(text: &str) -> String {
    let text = text.chars().filter(|letter| !letter.is_control());
    text.take(LONGEST_WORD).collect()
}

/// The posts of one command.
#[derive(Default)]
pub struct Posts {
    project: PathBuf,
    room: Option<Room>,
    under_way: Option<Sending>,
    /// Whether this command has tried in vain: it does not try again.
    failed: bool,
}

/// Codes on their way.
struct Sending {
    codes: Vec<String>,
    sent: JoinHandle<Result<Vec<String>, PostError>>,
}

impl Posts {
    /// Starts to send what is left of earlier runs. Gives, for people, what is wrong with the room, too.
    pub fn begin(project: &Path) -> (Self, Option<String>) {
        let (room, complaint) = match Room::joined(project) {
            Ok(room) => (room, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut posts = Self {
            project: project.to_owned(),
            room,
            ..Self::default()
        };
        posts.send(PATIENCE);
        (posts, complaint)
    }

    /// Keeps a code for the board and starts to send it.
    pub async fn share(&mut self, code: &ShareCode) -> Vec<String> {
        let mut said = self.settle().await;
        if let Some(room) = &mut self.room {
            room.waiting.push(code.to_string());
            let surplus = room.waiting.len().saturating_sub(MOST_WAITING);
            room.waiting.drain(..surplus);
            said.extend(
                room.keep_on(&self.project)
                    .err()
                    .map(|error| error.to_string()),
            );
        }
        self.send(LAST_PATIENCE);
        said
    }

    fn send(&mut self, patience: Duration) {
        let Some(room) = self.room.clone() else {
            return;
        };
        let codes: Vec<String> = room.waiting.iter().take(AT_ONCE).cloned().collect();
        if self.failed || codes.is_empty() {
            return;
        }
        let on_their_way = codes.clone();
        let sent = tokio::spawn(async move { room.post(&on_their_way, patience).await });
        self.under_way = Some(Sending { codes, sent });
    }

    /// Waits for what is under way, as long as that has patience; gives what there is to say of it. That the board can't be
    /// reached is said once, until it was reached again.
    pub async fn settle(&mut self) -> Vec<String> {
        let (Some(sending), Some(room)) = (self.under_way.take(), &mut self.room) else {
            return Vec::new();
        };
        let lost = |error| PostError::Unreachable(format!("{error}"));
        let sent = sending.sent.await.unwrap_or_else(|error| Err(lost(error)));
        let address = &room.address;
        let mut said = Vec::new();
        match sent {
            Ok(refused) => {
                room.waiting.retain(|code| !sending.codes.contains(code));
                room.is_told = false;
                said.extend(
                    refused
                        .into_iter()
                        .map(|why| format!("{address} does not take a code: {why}")),
                );
                if said.is_empty() {
                    said.push(format!("{address} has it"));
                }
            }
            Err(error) => {
                self.failed = true;
                if room.is_told {
                    return said;
                }
                room.is_told = true;
                said.push(format!(
                    "{address}: {error}. Your codes are kept and go with a later run; this is said once"
                ));
            }
        }
        said.extend(
            room.keep_on(&self.project)
                .err()
                .map(|error| error.to_string()),
        );
        said
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        os::unix::fs::PermissionsExt,
        thread,
        time::Instant,
    };

    use super::*;

    const CODE: &str =
        "LAB1/timeouts/PASS/100/1.06/80/local/20261129T011646Z/9f3a11c2/ada/6291bb64";

    fn key() -> String {
        "a1".repeat(32)
    }

    /// A project that has joined the board at a port.
    fn joined(port: u16) -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        let link = format!("http://127.0.0.1:{port}/#key={}", key());
        Room::of(&link).unwrap().keep(project.path()).unwrap();
        project
    }

    /// What listens at a port and does this with each connection, once it has read a request; and the requests.
    fn board(
        answer: impl Fn(TcpStream) + Send + 'static,
    ) -> (u16, std::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, asked) = std::sync::mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = String::new();
                let mut bytes = [0; 4096];
                while !request.ends_with('}') {
                    match stream.read(&mut bytes) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.push_str(&String::from_utf8_lossy(&bytes[..read])),
                    }
                }
                let _ = told.send(request);
                answer(stream);
            }
        });
        (port, asked)
    }

    /// A board that answers with these bytes.
    fn says(answer: String) -> u16 {
        board(move |mut stream| drop(stream.write_all(answer.as_bytes()))).0
    }

    fn http(status: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    /// What a run that counts says of the board, at its end.
    async fn run(project: &Path) -> Vec<String> {
        let (mut posts, complaint) = Posts::begin(project);
        let mut said: Vec<String> = complaint.into_iter().collect();
        said.extend(posts.share(&CODE.parse().unwrap()).await);
        said.extend(posts.settle().await);
        said
    }

    fn waiting(project: &Path) -> Vec<String> {
        Room::joined(project).unwrap().unwrap().waiting
    }

    #[test]
    fn a_link_is_kept_for_this_user_alone_and_others_are_refused_without_their_key() {
        let project = joined(1);
        let mode = fs::metadata(project.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = key();
        for link in [
            String::new(),
            "192.168.1.10:8090".to_owned(),
            "http://192.168.1.10:8090/".to_owned(),
            format!("https://192.168.1.10:8090/#key={key}"),
            format!("http://192.168.1.10:8090/x#key={key}"),
            format!("http://a:b@192.168.1.10:8090/#key={key}"),
            format!("http://192.168.1.10:8090/?key={key}"),
            format!("http://192.168.1.10:8090/#key={key}0"),
            format!("file:///etc/passwd#key={key}"),
        ] {
            let Err(error) = Room::of(&link) else {
                panic!("{link}")
            };
            assert!(!error.to_string().contains(&key), "{error}");
        }
        Room::leave(project.path()).unwrap();
        Room::leave(project.path()).unwrap();
        assert!(Room::joined(project.path()).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_code_is_posted_with_the_key_in_a_header_and_leaves_the_file() {
        let (port, asked) = board(|mut stream| {
            drop(
                stream.write_all(http("200 OK", r#"{"new":1,"known":0,"refused":[]}"#).as_bytes()),
            );
        });
        let project = joined(port);
        assert_eq!(
            run(project.path()).await,
            [format!("http://127.0.0.1:{port} has it")]
        );
        assert_eq!(waiting(project.path()), Vec::<String>::new());
        let request = asked.recv().unwrap();
        assert!(
            request.starts_with("POST /board/codes HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("authorization: Bearer {}\r\n", key())),
            "{request}"
        );
        assert!(
            request.ends_with(&format!(r#"{{"codes":["{CODE}"]}}"#)),
            "{request}"
        );
    }

    #[tokio::test]
    async fn a_board_that_is_none_is_told_once_and_the_code_waits_for_one() {
        let gone = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let noise: String = "\u{1b}[2J<html>".repeat(10);
        for (port, why) in [
            (gone, "it can't be reached"),
            (says(http("200 OK", "hello")), "no board's answer"),
            (says(http("200 OK", r#"{"new":7,"known":0,"refused":[]}"#)), "no board's answer"),
            (says(http("200 OK", &" ".repeat(1 << 20))), "no board's answer"),
            (says(noise), "it can't be reached"),
            (says(String::new()), "it can't be reached"),
            (says(http("403 Forbidden", "no")), "join again"),
            (says(http("507 Insufficient Storage", "full")), "it answers 507"),
            (
                says("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned()),
                "a redirect",
            ),
        ] {
            let project = joined(port);
            let said = run(project.path()).await;
            assert!(said.len() == 1 && said[0].contains(why), "{why}: {said:?}");
            assert!(!said[0].contains('\u{1b}') && !said[0].contains(&key()), "{said:?}");
            assert_eq!(run(project.path()).await, Vec::<String>::new(), "once");
            assert_eq!(waiting(project.path()), [CODE, CODE]);
        }
    }

    #[tokio::test]
    async fn a_board_that_never_answers_costs_no_more_than_its_patience_and_next_time_nothing() {
        // It accepts, and keeps what it has accepted.
        let (port, _asked) = board(std::mem::forget);
        let project = joined(port);
        let start = Instant::now();
        let said = run(project.path()).await;
        assert!(
            said.len() == 1 && said[0].contains("no answer in time"),
            "{said:?}"
        );
        // A second's patience, and a machine that is busy.
        assert!(start.elapsed() < 10 * LAST_PATIENCE);
        // In a later run what waits is tried while the run is being prepared, and at its end nothing more.
        let (mut posts, _) = Posts::begin(project.path());
        assert_eq!(posts.settle().await, Vec::<String>::new());
        posts.share(&CODE.parse().unwrap()).await;
        assert!(posts.under_way.is_none());
    }

    #[tokio::test]
    async fn what_waited_is_sent_when_the_board_is_back_and_a_refusal_is_said_as_text() {
        let project = joined(1);
        run(project.path()).await;
        let refused =
            r#"{"new":0,"known":0,"refused":[{"why":"\u001b[2Jno step","count":1,"texts":[]}]}"#;
        let mut room = Room::joined(project.path()).unwrap().unwrap();
        room.address = format!("http://127.0.0.1:{}", says(http("200 OK", refused)));
        room.keep(project.path()).unwrap();
        let (mut posts, _) = Posts::begin(project.path());
        let said = posts.settle().await;
        assert_eq!(
            said,
            [format!("{} does not take a code: [2Jno step", room.address)]
        );
        assert_eq!(waiting(project.path()), Vec::<String>::new());
    }

    #[tokio::test]
    async fn who_leaves_in_the_middle_of_a_run_has_left() {
        let project = joined(1);
        let (mut posts, _) = Posts::begin(project.path());
        Room::leave(project.path()).unwrap();
        posts.share(&CODE.parse().unwrap()).await;
        posts.settle().await;
        assert!(Room::joined(project.path()).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_room_that_is_damaged_is_named_and_ends_nothing() {
        let project = tempfile::tempdir().unwrap();
        file::replace_private(&project.path().join(FILE), b"{\"address\":").unwrap();
        let said = run(project.path()).await;
        assert!(
            said.len() == 1 && said[0].contains("room.json") && said[0].contains("make join"),
            "{said:?}"
        );
    }
}
