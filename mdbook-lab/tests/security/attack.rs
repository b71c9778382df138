//! A guide to attack, and requests written byte by byte: no client library would send some of them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A running server on a small project of its own. It ends with this.
pub(crate) struct Guide {
    server: Child,
    project: TempDir,
    pub(crate) port: u16,
    /// The secret of the link that was printed.
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Guide {
    /// Copies the fixture and serves it.
    pub(crate) fn open() -> Self {
        let project = tempfile::tempdir().expect("a temporary folder");
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&ours.join("tests/fixtures/served"), project.path());
        copy(
            &ours.join("assets"),
            &project.path().join("mdbook-lab/assets"),
        );
        Self::serve(project, 0)
    }

    /// Serves a project; port 0 takes any.
    pub(crate) fn serve(project: TempDir, port: u16) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_mdbook-lab"))
            .args(["serve", "--port", &port.to_string(), "--no-open"])
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut printed = BufReader::new(server.stdout.take().expect("its output"));
        let mut line = String::new();
        printed.read_line(&mut line).expect("the link");
        let (port, token) = line
            .trim()
            .split_once("http://127.0.0.1:")
            .and_then(|(_, rest)| rest.split_once("/?token="))
            .unwrap_or_else(|| panic!("no link in {line:?}"));
        let guide = Self {
            port: port.parse().expect("a port"),
            token: token.to_owned(),
            server,
            project,
        };
        // Somebody must read on, or printing would fail.
        std::thread::spawn(move || std::io::copy(&mut printed, &mut std::io::sink()));
        guide
    }

    /// A path in the project.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.project.path().join(inside)
    }

    /// The name under which the server answers.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Takes the link's secret; gives the cookie for it, as a browser would send it.
    pub(crate) fn enter(&self) -> String {
        let answer = self.get(&format!("/?token={}", self.token), &[]);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("its pair").to_owned()
    }

    /// A GET with our own host.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = self.host();
        let mut all = vec![("host", host.as_str())];
        all.extend(headers);
        self.send("GET", path, &all, "")
    }

    /// The headers that a page of ours sends with what acts.
    pub(crate) fn own_headers<'a>(
        host: &'a str,
        origin: &'a str,
        cookie: &'a str,
    ) -> Vec<(&'a str, &'a str)> {
        vec![
            ("host", host),
            ("origin", origin),
            ("cookie", cookie),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ]
    }

    /// A POST as from a page of ours, with some headers replaced, or left out where the value is
    /// empty.
    pub(crate) fn act(
        &self,
        cookie: &str,
        path: &str,
        body: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let host = self.host();
        let origin = format!("http://{host}");
        let mut headers = Self::own_headers(&host, &origin, cookie);
        for (name, value) in changes {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        self.send("POST", path, &headers, body)
    }

    /// Any request at all.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = self.connect();
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() {
            let length = body.len().to_string();
            request.extend(["content-length: ", &length, "\r\n"]);
        }
        request.push_str("\r\n");
        // The server may answer and close before it has all.
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.write_all(body.as_bytes());
        Answer::read(stream)
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        stream
    }

    /// A stream of events, with the head of its answer read.
    pub(crate) fn follow(&self, cookie: &str) -> (u16, BufReader<TcpStream>) {
        let mut stream = self.connect();
        let request = format!(
            "GET /lab/events HTTP/1.1\r\nhost: {}\r\ncookie: {cookie}\r\n\r\n",
            self.host()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader.read_line(&mut status).expect("a status line");
        (status[9..12].parse().expect("a status"), reader)
    }

    /// Ends the server and starts it again on the same port.
    pub(crate) fn again(mut self) -> Self {
        self.end("-TERM");
        let empty = tempfile::tempdir().expect("a temporary folder");
        let project = std::mem::replace(&mut self.project, empty);
        Self::serve(project, self.port)
    }

    /// Ends the server with `signal` and gives its exit status.
    pub(crate) fn end(&mut self, signal: &str) -> std::process::ExitStatus {
        let id = self.server.id().to_string();
        let told = Command::new("kill").args([signal, &id]).status();
        assert!(told.expect("kill").success());
        self.server.wait().expect("its end")
    }
}

impl Drop for Guide {
    fn drop(&mut self) {
        // Asked, not killed: it takes its temporary folder and what it runs with it.
        if matches!(self.server.try_wait(), Ok(None)) {
            self.end("-TERM");
        }
    }
}

impl Answer {
    pub(crate) fn read(mut stream: impl Read) -> Self {
        let mut bytes = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer in {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().expect("a status line")[9..12]
            .parse()
            .expect("a status");
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Waits until `done`, for a few seconds.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
