//! Starts `lab` as a child, finds its port, and ends it with the test.

pub(crate) mod postgres;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up on it. Never a measure of speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// `lab` with its arguments, quiet and on a free port.
pub(crate) fn lab(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(args).env("LAB_LOG", "error");
    command
}

/// A service that runs, and ends with this value.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) address: String,
    http: reqwest::Client,
}

impl Service {
    /// Starts it and waits until it says where it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = lab(args)
            .args(["--listen", "127.0.0.1:0", "--exit-with-parent"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("lab starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut line)
            .expect("stdout is text");
        let address = line
            .trim_end()
            .strip_prefix("listening ")
            .unwrap_or_else(|| panic!("`{line}` is not the line that says where it listens"))
            .to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            child,
            address,
            http,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET`, as status and JSON; `null` where the body is none.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        Self::answer(self.http.get(self.url(path))).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        Self::answer(self.http.put(self.url(path)).json(&body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        Self::answer(self.http.post(self.url(path)).json(&body)).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request
            .timeout(PATIENCE)
            .send()
            .await
            .expect("the service answers");
        let status = response.status().as_u16();
        let body = response.text().await.expect("a body");
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// A whole-numbered metric, named as on the page with its labels.
    pub(crate) async fn count(&self, name: &str) -> u64 {
        self.metric(name).await.parse().expect(name)
    }

    /// A metric in seconds.
    pub(crate) async fn seconds(&self, name: &str) -> f64 {
        self.metric(name).await.parse().expect(name)
    }

    /// All metrics, as text.
    pub(crate) async fn page(&self) -> String {
        let page = self.http.get(self.url("/metrics")).send().await.unwrap();
        page.text().await.unwrap()
    }

    async fn metric(&self, name: &str) -> String {
        let text = self.page().await;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no metric {name} in\n{text}"))
            .to_owned()
    }

    /// Waits until a metric is what it should be.
    pub(crate) async fn until_count(&self, name: &str, wanted: u64) {
        until(async || self.count(name).await == wanted, name).await;
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until(
            async || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            "the service's end",
        )
        .await;
        status.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks again and again until it is so.
pub(crate) async fn until(mut holds: impl AsyncFnMut() -> bool, what: &str) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
