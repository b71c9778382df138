//! A headless Chromium, spoken to in its own protocol: as much of it as the tests need.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use lab_say::note;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket, client};

/// Where Chromium is found; `CHROMIUM` names another.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// What Chromium says of all that it was about to load when a network of the machine comes or goes, a container's, too.
const NETWORK_CHANGED: &str = "net::ERR_NETWORK_CHANGED";

/// The browser. It ends with this.
pub(crate) struct Chromium {
    process: Child,
    address: String,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it; none where there is none, and the test `name` is skipped.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let named = std::env::var("CHROMIUM").ok();
        let mut candidates = named.as_deref().into_iter().chain(NAMES.iter().copied());
        let browser = candidates.find_map(Self::start);
        if browser.is_none() {
            assert!(
                std::env::var_os("LAB_REQUIRE_BROWSER").is_none(),
                "no Chromium found, and LAB_REQUIRE_BROWSER is set"
            );
            note!("SKIPPED {name}: no Chromium is installed; CHROMIUM=PATH names one");
        }
        browser
    }

    fn start(program: &str) -> Option<Self> {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut process = Command::new(program)
            .args(["--headless", "--disable-gpu", "--no-first-run"])
            // Containers that run tests as root have no sandbox for it.
            .args(["--no-sandbox", "--disable-dev-shm-usage"])
            .arg("--remote-debugging-port=0")
            // Names of strangers lead to this machine, as they can make them.
            .arg("--host-resolver-rules=MAP *.example 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(process.stderr.take().expect("its errors")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("DevTools listening on ws://")?;
            Some(address.to_owned())
        });
        // Somebody must read on, or it would block.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            panic!("{program} started and says no address to debug it at");
        };
        Some(Self {
            process,
            address,
            _profile: profile,
        })
    }

    /// A new tab.
    pub(crate) fn tab(&self) -> Tab {
        self.open(json!({"url": "about:blank"}))
    }

    /// A new tab of another browser, as far as a site can tell: nothing is shared with this one.
    pub(crate) fn elsewhere(&self) -> Tab {
        let context = self
            .connect()
            .call("Target.createBrowserContext", json!({}));
        self.open(json!({"url": "about:blank", "browserContextId": context["browserContextId"]}))
    }

    /// The tab that was opened by a page and shows an address that begins with this.
    pub(crate) fn opened(&self, url: &str) -> Tab {
        let start = Instant::now();
        loop {
            let mut tab = self.connect();
            let targets = tab.call("Target.getTargets", json!({}));
            let found = targets["targetInfos"].as_array().and_then(|targets| {
                let shows = |target: &&Value| {
                    let attached = target["attached"] == true;
                    let address = target["url"].as_str().unwrap_or_default();
                    target["type"] == "page" && !attached && address.starts_with(url)
                };
                targets.iter().find(shows).cloned()
            });
            if let Some(target) = found {
                tab.attach(&target["targetId"]);
                return tab;
            }
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(20), "no tab shows {url}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn open(&self, target: Value) -> Tab {
        let mut tab = self.connect();
        let target = tab.call("Target.createTarget", target);
        tab.attach(&target["targetId"]);
        tab
    }

    /// A connection that is attached to no tab yet.
    fn connect(&self) -> Tab {
        let host = self.address.split('/').next().expect("a host");
        let stream = TcpStream::connect(host).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        let (socket, _) = client(format!("ws://{}", self.address), stream).expect("a socket");
        Tab {
            socket,
            count: 0,
            session: None,
            events: Vec::new(),
            looked: 0,
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One tab.
pub(crate) struct Tab {
    socket: WebSocket<TcpStream>,
    count: u64,
    session: Option<Value>,
    events: Vec<Value>,
    /// Of how many events it is known whether a page lost a part of itself.
    looked: usize,
}

impl Tab {
    fn attach(&mut self, target: &Value) {
        let attach = json!({"targetId": target, "flatten": true});
        let session = self.call("Target.attachToTarget", attach)["sessionId"].clone();
        self.session = Some(session);
        for domain in ["Page", "Network", "Log", "Runtime"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Opens an address.
    pub(crate) fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "userGesture": true}),
        );
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// What a promise in the page comes to.
    pub(crate) fn resolve(&mut self, promise: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({"expression": promise, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key, as a keyboard does.
    pub(crate) fn key(&mut self, key: &str) {
        // What Enter types; other keys used here type nothing.
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": match key { "Enter" => 13, "Escape" => 27, _ => 9 }});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Clicks the middle of an element with the middle button, which opens a link in a tab of its own.
    pub(crate) fn middle_click(&mut self, selector: &str) {
        let middle = self.eval(&format!(
            "(() => {{ const element = document.querySelector('{selector}'); element.scrollIntoView({{block: 'center'}});\
             const box = element.getBoundingClientRect();\
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": middle[0], "y": middle[1],
                "button": "middle", "buttons": 4, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Clicks the middle of an element, as a mouse does: what moves in answer to it is no surprise.
    pub(crate) fn click(&mut self, selector: &str) {
        let middle = self.eval(&format!(
            "(() => {{ const box = document.querySelector('{selector}').getBoundingClientRect();\
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": middle[0], "y": middle[1],
                "button": "left", "buttons": 1, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Sets the width of the window, CSS pixels.
    pub(crate) fn width(&mut self, width: u32) {
        self.size(width, 900);
    }

    /// Sets both of its sizes, CSS pixels.
    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// What the reader's system prefers.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let wished = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", wished);
    }

    /// Brings it to the front, as a click on it does.
    pub(crate) fn front(&mut self) {
        self.call("Page.bringToFront", json!({}));
    }

    /// What the window shows, as a PNG.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let data = answer["data"].as_str().expect("a picture");
        BASE64_STANDARD.decode(data).expect("base64")
    }

    /// Shows the page as on paper.
    pub(crate) fn print(&mut self) {
        self.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    }

    /// On how many sheets the page is printed, with the browser's own margins; sizes of a sheet in inches.
    pub(crate) fn sheets(&mut self, width: f64, height: f64) -> usize {
        let paper = json!({"paperWidth": width, "paperHeight": height});
        let printed = self.call("Page.printToPDF", paper);
        let printed = printed["data"].as_str().expect("a PDF in base64");
        let printed = BASE64_STANDARD.decode(printed).expect("base64");
        // Chromium writes the dictionary of each page as plain text, its type in the first line.
        let lines = printed.split(|byte| *byte == b'\n');
        lines.filter(|line| line.ends_with(b"/Type /Page")).count()
    }

    /// From the next page on, nothing of a page runs.
    pub(crate) fn without_scripts(&mut self) {
        let off = json!({"value": true});
        self.call("Emulation.setScriptExecutionDisabled", off);
    }

    /// From the next page on, what a page's policy forbids is allowed.
    pub(crate) fn without_policy(&mut self) {
        self.call("Page.setBypassCSP", json!({"enabled": true}));
    }

    /// Waits until an expression is true in the page; it may fail until then.
    pub(crate) fn wait(&mut self, what: &str, expression: &str) {
        let start = Instant::now();
        let probe = format!(
            "(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
        );
        loop {
            let probe = json!({"expression": probe, "returnByValue": true});
            let answer = self.ask("Runtime.evaluate", probe);
            if answer.is_ok_and(|answer| answer["result"]["value"] == true) {
                return;
            }
            if self.has_lost_a_part() {
                self.call("Page.reload", json!({}));
            }
            if start.elapsed() > Duration::from_secs(90) {
                let page = self.eval("document.body.innerText");
                let browser = self.complaints().join("\n");
                panic!(
                    "never: {what} ({expression}); the page says {page}\nand the browser: {browser}"
                );
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Whether, since this was asked last, a page came without its scripts because a network changed. None of ours did that,
    /// and readers load such a page again, too.
    fn has_lost_a_part(&mut self) -> bool {
        let new = &self.events[self.looked..];
        let lost = new.iter().any(|event| {
            let params = &event["params"];
            event["method"] == "Network.loadingFailed"
                && params["errorText"] == NETWORK_CHANGED
                && ["Document", "Script"]
                    .iter()
                    .any(|kind| params["type"] == *kind)
        });
        self.looked = self.events.len();
        lost
    }

    /// Every address that the page has asked for.
    pub(crate) fn requested(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent")
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .filter(|url| !url.starts_with("data:"))
            .map(str::to_owned)
            .collect()
    }

    /// The addresses in frames of the page that begin with `http://` and this host.
    pub(crate) fn framed(&mut self, host: &str) -> Vec<String> {
        let tree = self.call("Page.getFrameTree", json!({}));
        let frames = tree["frameTree"]["childFrames"].as_array();
        let urls = frames.into_iter().flatten();
        urls.filter_map(|child| child["frame"]["url"].as_str())
            .filter(|url| url.starts_with(&format!("http://{host}/")))
            .map(str::to_owned)
            .collect()
    }

    /// What the browser had to say against the page: breaches of its policy, errors, exceptions.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| {
                event["method"] == "Runtime.exceptionThrown"
                    || (event["method"] == "Log.entryAdded"
                        && event["params"]["entry"]["level"] == "error")
            })
            .map(Value::to_string)
            .filter(|complaint| !complaint.contains(NETWORK_CHANGED))
            .collect()
    }

    fn call(&mut self, method: &str, params: impl Into<Value>) -> Value {
        self.ask(method, params)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The answer to a call, or the error: a page that is just being left can't say much.
    fn ask(&mut self, method: &str, params: impl Into<Value>) -> Result<Value, Value> {
        self.count += 1;
        let id = self.count;
        let mut request = json!({"id": id, "method": method, "params": params.into()});
        if let Some(session) = &self.session {
            request["sessionId"] = session.clone();
        }
        self.socket
            .send(Message::text(request.to_string()))
            .expect("sent");
        loop {
            let Message::Text(text) = self.socket.read().expect("an answer") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.events.push(message);
        }
    }
}
