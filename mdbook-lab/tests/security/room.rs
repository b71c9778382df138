//! A board, and those who share codes with it.

use std::fs;

use lab_record::{Outcome, ShareCode, Validity};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::attack::{Answer, Guide};

/// A running board on a small project of its own.
pub(crate) struct Room {
    pub(crate) server: Guide,
    /// What shows the key of the room: the value of `authorization`.
    pub(crate) key: String,
}

impl Room {
    pub(crate) fn open() -> Self {
        Self::at(Guide::project())
    }

    /// The board of a project, which may have one already.
    pub(crate) fn at(project: TempDir) -> Self {
        let server = Guide::start(project, "board", 0, |command| command.arg("--no-open"));
        // It is kept before the link is printed.
        let kept = fs::read_to_string(server.path(".lab/board.json")).expect("the board");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        let key = kept["key"].as_str().expect("a key");
        let key = format!("Bearer {key}");
        Self { server, key }
    }

    /// Takes the link's ticket; gives what shows the facilitator's session.
    pub(crate) fn enter(&self) -> String {
        let body = json!({"ticket": self.server.ticket}).to_string();
        let answer = self.server.act("", "/board/enter", &body, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let told: Value = serde_json::from_str(&answer.body).expect("JSON");
        format!("Bearer {}", told["token"].as_str().expect("a token"))
    }

    /// A post as a laptop sends it; none where the connection ends without a word.
    pub(crate) fn post(&self, codes: &[String]) -> Option<Answer> {
        let host = self.server.host();
        let headers = [
            ("host", host.as_str()),
            ("authorization", &self.key),
            ("content-type", "application/json"),
        ];
        let body = json!({ "codes": codes }).to_string();
        self.server.ask("POST", "/board/codes", &headers, &body)
    }

    /// What a text that somebody pastes comes to.
    pub(crate) fn paste(&self, token: &str, text: &str) -> Value {
        let body = json!({ "text": text }).to_string();
        let answer = self.server.act(token, "/board/paste", &body, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// All rows.
    pub(crate) fn rows(&self) -> Value {
        let answer = self
            .server
            .get("/board/rows", &[("authorization", &self.key)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let told: Value = serde_json::from_str(&answer.body).expect("JSON");
        told["table"]["rows"].clone()
    }
}

/// A code of the step `tx`: the `n`th run of somebody.
pub(crate) fn code(name: &str, n: u32, score: u8) -> String {
    let start: jiff::Timestamp = "2026-11-01T10:00:00Z".parse().expect("a time");
    let outcome = if score == 100 {
        Outcome::Pass
    } else {
        Outcome::Fail
    };
    let code = ShareCode {
        scenario: "tx".to_owned(),
        outcome,
        validity: Validity::Valid,
        score,
        headline: Some(1.0),
        guess: Some(f64::from(10 + n % 80)),
        platform: "local".to_owned(),
        at: start + jiff::SignedDuration::from_secs(i64::from(n)),
        edit: n,
        name: name.parse().expect("a name"),
    };
    code.to_string()
}
