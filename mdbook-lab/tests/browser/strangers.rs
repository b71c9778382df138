//! Pages of strangers in the participant's browser: on another port of this machine, of another site,
//! and under a name that was made to lead here.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::{
    attack::{self, Guide},
    chromium::{Chromium, Tab},
    open, press, text,
};

/// A server of a stranger on this machine: an empty page at every path, and all that it is told.
struct Stranger {
    port: u16,
    heard: Arc<Mutex<String>>,
}

impl Stranger {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let heard = Arc::<Mutex<String>>::default();
        let told = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = Arc::clone(&told);
                // A browser opens connections that it has no use for yet.
                std::thread::spawn(move || Self::answer(stream, &told));
            }
        });
        Self { port, heard }
    }

    fn answer(mut stream: TcpStream, told: &Mutex<String>) {
        let head: Vec<_> = BufReader::new(&stream)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        told.lock()
            .expect("what was told")
            .push_str(&head.join("\n"));
        let page = "<!doctype html><title>stranger</title><body>stranger";
        let length = page.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{page}"
        );
    }

    /// Its page, under a name of this machine or of its own.
    fn page(&self, name: &str) -> String {
        format!("http://{name}:{}/", self.port)
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("what was told").clone()
    }
}

/// Names under which a stranger's page stands: another origin of this machine, and another site.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "evil.example"];

/// Opens a page and waits until it is there.
fn visit(tab: &mut Tab, url: &str) {
    tab.go(url);
    tab.wait(
        "the page",
        &format!("location.href === '{url}' && document.readyState === 'complete'"),
    );
}

/// What comes of a promise in a page: its value as text, or `refused`.
fn tried(tab: &mut Tab, promise: &str) -> String {
    let told = tab.resolve(&format!(
        "Promise.race([(async () => String(await ({promise})))(), \
         new Promise(done => setTimeout(done, 5000, 'refused'))]).catch(() => 'refused')"
    ));
    told.as_str().expect("text").to_owned()
}

/// The owner is none the worse: runs something, and it is run once.
fn owner_runs(guide: &Guide, tab: &mut Tab) {
    tab.front();
    let touched = || std::fs::read_to_string(guide.path("touched")).unwrap_or_default();
    assert_eq!(touched(), "", "somebody else ran it");
    press(tab, "touch");
    attack::wait_until("touched", || touched() == "once\n");
}

#[test]
fn a_page_of_a_stranger_can_start_nothing() {
    let Some((guide, browser, mut owner)) = open("a_page_of_a_stranger_can_start_nothing") else {
        return;
    };
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    for name in NAMES {
        visit(&mut tab, &stranger.page(name));
        let base = format!("http://{}", guide.host());
        let body = r#"JSON.stringify({action: "touch"})"#;
        for send in [
            format!("fetch('{base}/lab/run', {{method: 'POST', mode: 'no-cors', body: {body}}})"),
            format!(
                "fetch('{base}/lab/run', {{method: 'POST', mode: 'no-cors', credentials: 'include', \
                 headers: {{'content-type': 'text/plain'}}, body: {body}}})"
            ),
            format!(
                "fetch('{base}/lab/run', {{method: 'POST', headers: {{'content-type': \
                 'application/json', authorization: 'Bearer guess'}}, body: {body}}})"
            ),
            format!("navigator.sendBeacon('{base}/lab/run', {body})"),
            format!(
                "fetch('{base}/lab/cancel', {{method: 'POST', mode: 'no-cors', body: '{{}}'}})"
            ),
            format!("fetch('{base}/lab/run?action=touch', {{mode: 'no-cors'}})"),
        ] {
            tried(&mut tab, &send);
        }
        // A form whose text is JSON with a tail, and one that leads the whole tab there.
        tab.eval(&format!(
            "(() => {{ const form = document.createElement('form'); form.method = 'POST';\
             form.action = '{base}/lab/run'; form.enctype = 'text/plain';\
             const field = document.createElement('input'); field.name = '{{\"action\":\"touch\",\"x\":\"';\
             field.value = '\"}}'; form.append(field); document.body.append(form); form.submit(); }})()"
        ));
        tab.wait(
            "the refusal",
            "document.body.innerText.includes('only the guide')",
        );
    }
    owner_runs(&guide, &mut owner);
}

#[test]
fn a_page_of_a_stranger_can_read_nothing() {
    let Some((guide, browser, mut owner)) = open("a_page_of_a_stranger_can_read_nothing") else {
        return;
    };
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    for name in NAMES {
        visit(&mut tab, &stranger.page(name));
        for path in ["/", "/lab/events", "/lab.js", "/reports/", "/print.html"] {
            let url = format!("http://{}{path}", guide.host());
            for read in [
                format!("fetch('{url}').then(answer => answer.text())"),
                format!("fetch('{url}', {{credentials: 'include'}}).then(answer => answer.text())"),
                format!(
                    "fetch('{url}', {{mode: 'no-cors'}}).then(answer => answer.text()).then(text => text || 'refused')"
                ),
                format!(
                    "new Promise((done, fail) => {{ const source = new EventSource('{url}');\
                     source.onmessage = () => done('events'); source.onerror = fail; }})"
                ),
                format!(
                    "new Promise((done, fail) => {{ const script = document.createElement('script');\
                     script.src = '{url}'; script.onload = () => done('run'); script.onerror = fail;\
                     document.head.append(script); }})"
                ),
            ] {
                assert_eq!(tried(&mut tab, &read), "refused", "{name}: {read}");
            }
        }
    }
    owner_runs(&guide, &mut owner);
}

#[test]
fn a_name_that_was_made_to_lead_here_shows_nothing() {
    let Some((guide, browser, mut owner)) = open("a_name_that_was_made_to_lead_here_shows_nothing")
    else {
        return;
    };
    let mut tab = browser.tab();
    let rebound = format!("http://rebind.example:{}", guide.port);
    visit(&mut tab, &format!("{rebound}/"));
    let shown = tab.eval("document.body.innerText");
    assert!(
        shown
            .as_str()
            .expect("text")
            .contains("only under the address"),
        "{shown}"
    );
    // What a page can do that came from the stranger's own server before the name led here.
    tab.without_policy();
    visit(&mut tab, &format!("{rebound}/again"));
    for path in ["/", "/lab/events", "/reports/", "/lab.js"] {
        let status = format!("fetch('{path}').then(answer => answer.status)");
        assert_eq!(tried(&mut tab, &status), "421", "{path}");
    }
    let act = "fetch('/lab/run', {method: 'POST', headers: {'content-type': 'application/json'},\
               body: '{\"action\":\"touch\"}'}).then(answer => answer.status)";
    assert_eq!(tried(&mut tab, act), "421");
    owner_runs(&guide, &mut owner);
}

#[test]
fn another_port_of_this_machine_gets_nothing_of_the_session() {
    let Some((guide, browser, mut owner)) =
        open("another_port_of_this_machine_gets_nothing_of_the_session")
    else {
        return;
    };
    let token = owner.eval("JSON.parse(sessionStorage.getItem('lab-session'))");
    let token = token.as_str().expect("the token").to_owned();
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    visit(&mut tab, &stranger.page("127.0.0.1"));
    let all = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])";
    assert_eq!(tab.eval(all), "[{},{},\"\"]");
    // Listening in while the owner's tabs hand the token on, and asking for it.
    tab.eval(
        "window.heard = []; const channel = new BroadcastChannel('lab-session');\
         channel.onmessage = ({data}) => heard.push(data); channel.postMessage({ask: true})",
    );
    let mut another = browser.tab();
    another.go(&format!("http://{}/", guide.host()));
    another.wait("a run button", "!document.querySelector('.lab-run').hidden");
    assert_eq!(tab.eval("heard.length"), 0);
    // Through a window that it opens itself.
    let reached = tried(
        &mut tab,
        &format!(
            "(async () => {{ const guide = window.open('http://{}/');\
             await new Promise(done => setTimeout(done, 1000)); return guide.sessionStorage.length; }})()",
            guide.host()
        ),
    );
    assert_eq!(reached, "refused");
    // Pages of the guide that lead there give nothing along.
    owner.go(&stranger.page("127.0.0.1"));
    owner.wait("the stranger", "document.title === 'stranger'");
    assert_eq!(owner.eval("sessionStorage.length"), 0);
    assert_eq!(owner.eval("document.referrer"), "");
    let heard = stranger.heard();
    assert!(heard.contains("GET /"), "{heard}");
    assert!(!heard.contains(&token), "{heard}");
    assert!(!heard.to_lowercase().contains("authorization"), "{heard}");
}

#[test]
fn cookies_of_another_port_change_nothing() {
    let Some((guide, browser, mut owner)) = open("cookies_of_another_port_change_nothing") else {
        return;
    };
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    visit(&mut tab, &stranger.page("127.0.0.1"));
    // As many and as long as a browser keeps, and the names that were used once.
    tab.eval(&format!(
        "(() => {{ for (let number = 0; number < 180; number++)\
         document.cookie = `c${{number}}=${{'x'.repeat(4000)}}; path=/`;\
         document.cookie = 'lab-guide-{}=stranger; path=/';\
         document.cookie = 'lab-session=stranger; path=/'; }})()",
        guide.port
    ));
    owner.front();
    owner.go(&format!("http://{}/step.html", guide.host()));
    owner.wait("a run button", "!document.querySelector('.lab-run').hidden");
    let length = owner.eval("document.cookie.length");
    assert!(length.as_u64() > Some(300_000), "{length} bytes of cookies");
    owner_runs(&guide, &mut owner);
}

#[test]
fn the_guide_stands_in_no_frame() {
    let Some((guide, browser, mut owner)) = open("the_guide_stands_in_no_frame") else {
        return;
    };
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    for name in NAMES {
        visit(&mut tab, &stranger.page(name));
        for (number, path) in ["/", "/step.html", "/reports/", "/toc.html"]
            .iter()
            .enumerate()
        {
            tab.eval(&format!(
                "(() => {{ const frame = document.createElement('iframe');\
                 frame.src = 'http://{}{path}'; frame.onload = () => {{ window.loaded = {number}; }};\
                 document.body.append(frame); }})()",
                guide.host()
            ));
            tab.wait("the frame", &format!("window.loaded === {number}"));
        }
        assert_eq!(tab.framed(&guide.host()), Vec::<String>::new(), "{name}");
    }
    owner_runs(&guide, &mut owner);
}

#[test]
fn a_stranger_who_leads_a_tab_to_the_guide_gains_nothing() {
    let name = "a_stranger_who_leads_a_tab_to_the_guide_gains_nothing";
    let Some(browser) = Chromium::find(name) else {
        return;
    };
    let guide = Guide::open();
    let stranger = Stranger::listen();
    let mut tab = browser.tab();
    visit(&mut tab, &stranger.page("evil.example"));
    // With a ticket that it made up: the page is shown, and has no right to anything.
    tab.eval(&format!(
        "location.href = 'http://{}/#ticket={}'",
        guide.host(),
        "0".repeat(64)
    ));
    let said = text(".lab-panel-said");
    tab.wait(
        "the word",
        &format!("{said}.includes('was used already or is of an earlier start')"),
    );
    assert_eq!(tab.eval("document.querySelector('.lab-run').hidden"), true);
    assert_eq!(tab.eval("window.opener"), serde_json::Value::Null);
    // The owner's own link is as good as before.
    tab.go(&guide.link());
    tab.wait("a run button", "!document.querySelector('.lab-run').hidden");
}
