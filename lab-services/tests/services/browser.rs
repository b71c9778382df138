//! Web pages of strangers in a real browser, against what `make up` keeps running. Where no Chromium is installed the
//! test says SKIPPED; with `LAB_REQUIRE_BROWSER` set it fails instead.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Service};

/// Tries all that a page can, at each of the services, and sends home what came of it.
const PAGE: &str = r#"<!doctype html><title>stranger</title><body><script>
const patience = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 3000, "silence"))])
  .then(String, () => "refused");
const load = (name, url) => new Promise((done, fail) => {
  const element = document.createElement(name);
  element.onload = () => done("loaded");
  element.onerror = fail;
  element.src = url;
  document.body.append(element);
});
(async () => {
  const told = [];
  for (const { base, read, act, method, body } of SERVICES) {
    const plain = { method: "POST", mode: "no-cors", body };
    const json = { method, headers: { "content-type": "application/json" }, body };
    const tries = {
      "a form": () => fetch(base + act, plain).then((answer) => answer.type),
      "a beacon": () => navigator.sendBeacon(base + act, body),
      "a beacon of JSON": () => navigator.sendBeacon(base + act, new Blob([body], { type: "application/json" })),
      "a request of JSON": () => fetch(base + act, json).then((answer) => answer.status),
      "reading": () => fetch(base + read).then((answer) => answer.text()),
      "reading by a script": () => load("script", base + read),
      "an image": () => load("img", base + read),
      "asking without reading": () => fetch(base + read, { mode: "no-cors" }).then((answer) => answer.type),
    };
    for (const [name, attempt] of Object.entries(tries)) {
      told.push({ base, name, outcome: await patience((async () => attempt())()) });
    }
  }
  await fetch("/told", { method: "POST", body: JSON.stringify(told) });
})();
</script>"#;

/// A server of a stranger on this machine; it shows the page, and what the page sends home comes out here.
fn stranger(services: &Value) -> (u16, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let page = PAGE.replace("SERVICES", &services.to_string());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (page, tell) = (page.clone(), tell.clone());
            // A browser opens connections that it has no use for yet.
            std::thread::spawn(move || answer(stream, &page, &tell));
        }
    });
    (port, told)
}

fn answer(mut stream: TcpStream, page: &str, tell: &Sender<Value>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let head: Vec<_> = reader
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let mut body = vec![0; length.unwrap_or("0").parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if head.first()?.starts_with("POST /told") {
        tell.send(serde_json::from_slice(&body).ok()?).ok()?;
    }
    let length = page.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n");
    write!(stream, "{head}connection: close\r\n\r\n{page}").ok()
}

/// A headless Chromium at an address. It ends with this.
struct Chromium {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Chromium {
    fn at(url: &str) -> Option<Self> {
        let named = std::env::var("CHROMIUM").ok();
        let known = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        let mut candidates = named.as_deref().into_iter().chain(known);
        candidates.find_map(|program| {
            let profile = tempfile::tempdir().expect("a temporary folder");
            let process = Command::new(program)
                .args(["--headless", "--disable-gpu", "--no-first-run"])
                // Containers that run tests as root have no sandbox for it.
                .args(["--no-sandbox", "--disable-dev-shm-usage"])
                // Without something to be debugged by, it would show the page and end.
                .arg("--remote-debugging-port=0")
                .arg("--host-resolver-rules=MAP *.example 127.0.0.1")
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg(url)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()?;
            Some(Self {
                process,
                _profile: profile,
            })
        })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn a_page_in_a_real_browser_reads_and_does_nothing() {
    let name = "a_page_in_a_real_browser_reads_and_does_nothing";
    let (api, worker, dep) = (
        Service::start(&["api"]),
        Service::start(&["worker"]),
        Service::start(&["dep"]),
    );
    let service = |base: &str, read, method, act, body: Value| json!({"base": base, "read": read, "method": method, "act": act, "body": body.to_string()});
    let port = |service: &Service| {
        service
            .address
            .rsplit_once(':')
            .expect("a port")
            .1
            .to_owned()
    };
    let order = json!({"key": "a", "account": 1, "amount": 1});
    let services = json!([
        service(
            &api.url(""),
            "/cases/local",
            "POST",
            "/cases/tx",
            order.clone()
        ),
        service(
            &worker.url(""),
            "/debug/code",
            "POST",
            "/batches",
            json!({"fast": 1})
        ),
        service(
            &dep.url(""),
            "/work?sleep_ms=0&key=a",
            "PUT",
            "/fault",
            json!({"hang_every": 1})
        ),
        // Under a name that the stranger has made to lead here, and under the address of no machine.
        service(
            &format!("http://rebind.example:{}", port(&api)),
            "/cases/local",
            "POST",
            "/cases/tx",
            order
        ),
        service(
            &format!("http://0.0.0.0:{}", port(&worker)),
            "/debug/code",
            "POST",
            "/batches",
            json!({"fast": 1})
        ),
    ]);
    for page in ["127.0.0.1", "evil.example"] {
        let (home, told) = stranger(&services);
        let Some(_browser) = Chromium::at(&format!("http://{page}:{home}/")) else {
            assert!(
                std::env::var_os("LAB_REQUIRE_BROWSER").is_none(),
                "no Chromium found, and LAB_REQUIRE_BROWSER is set"
            );
            lab_say::note!("SKIPPED {name}: no Chromium is installed; CHROMIUM=PATH names one");
            return;
        };
        let told = told.recv_timeout(4 * PATIENCE).expect("the page's tries");
        let told = told.as_array().expect("a list");
        assert_eq!(told.len(), 5 * 8, "{told:?}");
        for one in told {
            let outcome = one["outcome"].as_str().expect("text");
            // A page never learns what comes of the first two kinds: what they have done is seen below.
            let blind = ["opaque", "true", "false", "refused"];
            assert!(blind.contains(&outcome), "{page}: {one}");
        }
        assert_eq!(worker.get("/batches/1").await.0, 404, "{page}");
        assert_eq!(dep.get("/fault").await.1["hang_every"], 0, "{page}");
        assert_eq!(dep.count("dep_requests_total").await, 0, "{page}");
        let metrics = reqwest::get(api.url("/metrics")).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let requests = |line: &&str| line.starts_with("lab_http_requests_total{");
        let answered = metrics.lines().filter(requests);
        assert!(
            answered.clone().all(|line| line.ends_with(" 0")) && answered.count() > 0,
            "{page}: {metrics}"
        );
    }
}
