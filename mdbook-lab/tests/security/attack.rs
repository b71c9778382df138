//! A guide to attack, and requests written byte by byte: no client library would send some of them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A running server on a small project of its own. It ends with this.
pub(crate) struct Guide {
    server: Child,
    project: TempDir,
    pub(crate) port: u16,
    /// The secret of the link that was printed.
    pub(crate) ticket: String,
    /// The lines that were printed after it.
    printed: Mutex<Receiver<String>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A guide that was started at a desktop, with something that stands in for the browser's starter.
pub(crate) struct Opened {
    pub(crate) guide: Guide,
    /// What the browser was to open.
    pub(crate) file: PathBuf,
}

impl Guide {
    /// Copies the fixture and serves it.
    pub(crate) fn open() -> Self {
        Self::serve(Self::project(), 0)
    }

    /// The same at a desktop: a browser is opened.
    pub(crate) fn open_with_desktop() -> Opened {
        let project = Self::project();
        let (tools, told) = (project.path().join("tools"), project.path().join("opened"));
        fs::create_dir(&tools).expect("a folder");
        let starter = tools.join("xdg-open");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{0}.part' && mv '{0}.part' '{0}'\n",
            told.display()
        );
        fs::write(&starter, script).expect("written");
        fs::set_permissions(&starter, fs::Permissions::from_mode(0o755)).expect("set");
        let path = std::env::var("PATH").unwrap_or_default();
        let guide = Self::serve_with(project, 0, |command| {
            command
                .env("PATH", format!("{}:{path}", tools.display()))
                .env("DISPLAY", ":0")
                .env_remove("CI")
                .env_remove("SSH_CONNECTION")
        });
        wait_until("opened", || told.exists());
        let arguments = fs::read_to_string(&told).expect("its arguments");
        Opened {
            guide,
            file: PathBuf::from(arguments.trim()),
        }
    }

    /// The same with a folder for temporary things of its own.
    pub(crate) fn open_with_temporary(place: &Path) -> Self {
        Self::serve_with(Self::project(), 0, |command| {
            command.arg("--no-open").env("TMPDIR", place)
        })
    }

    /// The fixture, to be changed before it is served.
    pub(crate) fn project() -> TempDir {
        let project = tempfile::tempdir().expect("a temporary folder");
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&ours.join("tests/fixtures/served"), project.path());
        copy(
            &ours.join("assets"),
            &project.path().join("mdbook-lab/assets"),
        );
        copy(
            &ours.join("../driver/stage/src"),
            &project.path().join("driver/stage/src"),
        );
        project
    }

    /// Serves a project; port 0 takes any.
    pub(crate) fn serve(project: TempDir, port: u16) -> Self {
        Self::serve_with(project, port, |command| command.arg("--no-open"))
    }

    /// The same with arguments and an environment of the caller's choice.
    pub(crate) fn serve_with(
        project: TempDir,
        port: u16,
        equip: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        Self::start(project, "serve", port, equip)
    }

    /// Starts a server of the program by its command.
    pub(crate) fn start(
        project: TempDir,
        server: &str,
        port: u16,
        equip: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mdbook-lab"));
        command
            .args([server, "--port", &port.to_string()])
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut server = equip(&mut command).spawn().expect("the program starts");
        let lines = BufReader::new(server.stdout.take().expect("its output")).lines();
        let (told, printed) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Somebody must read on, or printing would fail.
                let _ = told.send(line);
            }
        });
        let line = printed
            .recv_timeout(Duration::from_secs(30))
            .expect("the link");
        let (port, ticket) = link(&line).unwrap_or_else(|| panic!("no link in {line:?}"));
        Self {
            port,
            ticket,
            printed: Mutex::new(printed),
            server,
            project,
        }
    }

    /// The link that was printed, as text.
    pub(crate) fn link(&self) -> String {
        format!("http://{}/#ticket={}", self.host(), self.ticket)
    }

    /// Waits for a line of what is printed that has a link in it, and gives its ticket.
    pub(crate) fn next_ticket(&self) -> String {
        let patience = Duration::from_secs(20);
        let printed = self.printed.lock().expect("the lines");
        std::iter::from_fn(|| printed.recv_timeout(patience).ok())
            .find_map(|line| link(&line))
            .expect("another link")
            .1
    }

    /// A path in the project.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.project.path().join(inside)
    }

    /// The name under which the server answers.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Takes the link's ticket; gives what shows the session: the value of `authorization`.
    pub(crate) fn enter(&self) -> String {
        let answer = self.present(&self.ticket);
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        format!("Bearer {}", body["token"].as_str().expect("a token"))
    }

    /// Presents a ticket as a page of ours does.
    pub(crate) fn present(&self, ticket: &str) -> Answer {
        let body = format!(r#"{{"ticket":"{ticket}"}}"#);
        self.act("", "/lab/enter", &body, &[])
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
        token: &'a str,
    ) -> Vec<(&'a str, &'a str)> {
        vec![
            ("host", host),
            ("origin", origin),
            ("authorization", token),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ]
    }

    /// A POST as from a page of ours, with some headers replaced, or left out where the value is
    /// empty.
    pub(crate) fn act(
        &self,
        token: &str,
        path: &str,
        body: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        self.try_act(token, path, body, changes).expect("an answer")
    }

    /// The same; none where the connection ends without a word.
    pub(crate) fn try_act(
        &self,
        token: &str,
        path: &str,
        body: &str,
        changes: &[(&str, &str)],
    ) -> Option<Answer> {
        let host = self.host();
        let origin = format!("http://{host}");
        let mut headers = Self::own_headers(&host, &origin, token);
        for (name, value) in changes {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        self.ask("POST", path, &headers, body)
    }

    /// Any request at all.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.ask(method, path, headers, body).expect("an answer")
    }

    /// The same; none where the connection ends without a word.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
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
        Answer::of(stream)
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
    pub(crate) fn follow(&self, token: &str) -> (u16, BufReader<TcpStream>) {
        self.try_follow(token).expect("an answer")
    }

    /// The same; none where the connection ends without a word.
    pub(crate) fn try_follow(&self, token: &str) -> Option<(u16, BufReader<TcpStream>)> {
        let mut stream = self.connect();
        let request = format!(
            "GET /lab/events HTTP/1.1\r\nhost: {}\r\nauthorization: {token}\r\n\r\n",
            self.host()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut reader = BufReader::new(stream);
        let mut status = String::new();
        reader
            .read_line(&mut status)
            .ok()
            .filter(|read| *read > 0)?;
        Some((status[9..12].parse().expect("a status"), reader))
    }

    /// Ends the server and starts it again on the same port.
    pub(crate) fn again(self) -> Self {
        let port = self.port;
        Self::serve(self.leave("-TERM"), port)
    }

    /// Kills the server, from wherever.
    pub(crate) fn kill(&self) {
        let id = self.server.id().to_string();
        let told = Command::new("kill").args(["-KILL", &id]).status();
        assert!(told.expect("kill").success());
    }

    /// Ends the server with `signal`; what it worked on.
    pub(crate) fn leave(mut self, signal: &str) -> TempDir {
        self.end(signal);
        let empty = tempfile::tempdir().expect("a temporary folder");
        std::mem::replace(&mut self.project, empty)
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
    pub(crate) fn read(stream: impl Read) -> Self {
        Self::of(stream).expect("an answer")
    }

    fn of(mut stream: impl Read) -> Option<Self> {
        let mut bytes = Vec::new();
        // A reset after the answer is as good as an end.
        let _ = stream.read_to_end(&mut bytes);
        if bytes.is_empty() {
            return None;
        }
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
        Some(Self {
            status,
            headers,
            body: body.to_owned(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The port and the ticket of a link in a line.
fn link(line: &str) -> Option<(u16, String)> {
    let (port, ticket) = line
        .trim()
        .split_once("http://127.0.0.1:")?
        .1
        .split_once("/#ticket=")?;
    Some((port.parse().ok()?, ticket.to_owned()))
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
