//! Words of others in a page: of runs, of commands, of mistakes, of addresses. Each is shown as it is
//! written, and none becomes part of the page.

use std::{fs, path::Path};

use lab_record::{Line, Run};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    attack::{self, Guide},
    chromium::Tab,
    open, press, text,
};

/// What would run, or be fetched, were it taken for part of a page.
const POISON: &str = "\"'><img src=/hacked onerror=hacked=1><script>hacked=1</script></pre><a href=javascript:hacked=1>";

/// Puts the poison into every string of `value` that `fits` lets differ.
fn poison(value: &mut Value, fits: impl Fn(&Value) -> bool) -> usize {
    let mut places = Vec::new();
    strings(value, "", &mut places);
    let mut poisoned = 0;
    for place in places {
        let text = value.pointer_mut(&place).expect("it was there");
        let healthy = std::mem::replace(text, json!(POISON));
        if fits(value) {
            poisoned += 1;
        } else {
            *value.pointer_mut(&place).expect("it was there") = healthy;
        }
    }
    poisoned
}

/// The pointers to all strings in a value.
fn strings(value: &Value, here: &str, places: &mut Vec<String>) {
    let below = |key: &dyn std::fmt::Display| format!("{here}/{key}");
    match value {
        Value::String(_) => places.push(here.to_owned()),
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                strings(item, &below(&index), places);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                strings(
                    item,
                    &below(&key.replace('~', "~0").replace('/', "~1")),
                    places,
                );
            }
        }
        _ => {}
    }
}

/// Nothing of the poison has run, and nothing was fetched for it.
fn is_whole(tab: &mut Tab, guide: &Guide) {
    assert_eq!(tab.eval("typeof hacked"), "undefined");
    let images =
        "document.querySelectorAll('main img, .lab-panel img, main a[href^=javascript]').length";
    assert_eq!(tab.eval(images), 0);
    let hacked = format!("http://{}/hacked", guide.host());
    assert!(!tab.requested().contains(&hacked));
}

/// The poison is in the text of an element.
fn shows(selector: &str) -> String {
    format!("{}.includes('onerror=hacked')", text(selector))
}

#[test]
fn what_runs_say_is_text() {
    let Some((guide, _browser, mut tab)) = open("what_runs_say_is_text") else {
        return;
    };
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quoted/reports/tx");
    let run = fs::read_dir(ours)
        .expect("runs")
        .next()
        .expect("a run")
        .expect("an entry");
    let mut data: Value =
        serde_json::from_slice(&fs::read(run.path().join("data.json")).expect("data"))
            .expect("JSON");
    let poisoned = poison(&mut data, |data| {
        serde_json::from_value::<Run>(data.clone()).is_ok()
    });
    assert!(poisoned > 20, "only {poisoned} strings");
    let folder = guide.path("reports/tx").join(run.file_name());
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("data.json"), data.to_string()).expect("written");
    fs::copy(run.path().join("events.jsonl"), folder.join("events.jsonl")).expect("copied");
    tab.wait("the status", &shows(".lab-status"));
    is_whole(&mut tab, &guide);
    // And written into the page before any script is there.
    tab.eval("location.reload()");
    tab.wait("the status", &shows(".lab-status"));
    is_whole(&mut tab, &guide);
}

#[test]
fn what_a_run_under_way_says_is_text() {
    let Some((guide, _browser, mut tab)) = open("what_a_run_under_way_says_is_text") else {
        return;
    };
    // A folder of such a name is a scenario as any other.
    let folder = guide
        .path("reports")
        .join("<img src=hacked onerror=hacked=1>")
        .join("20261123T151302Z-4f2a");
    fs::create_dir_all(&folder).expect("a folder");
    let lines = [
        json!({"line": "started", "run_id": "20261123T151302Z-4f2a", "scenario": "tx", "code": "mine", "planned_s": 4.0}),
        json!({"line": "planned", "scales": true, "classes": [{"name": "c", "bystander": true, "slo_ms": 500.0}],
            "phases": [{"name": "p", "start_s": 0.0, "end_s": 4.0, "fault": "f"}]}),
        json!({"line": "tick", "t_s": 1.0, "phase": "p", "offered_per_s": 1.0, "ok_per_s": 1.0,
            "failed_per_s": 0.0, "p95_ms": 1.0, "p95_ms_by_class": {(POISON): 1.0}, "in_flight": 1, "replicas": 1}),
        json!({"line": "event", "t_s": 1.5, "kind": "fault", "text": "t"}),
    ];
    let lines = lines.map(|mut line| {
        poison(&mut line, |line| {
            serde_json::from_value::<Line>(line.clone()).is_ok()
        });
        format!("{line}\n")
    });
    fs::write(folder.join("events.jsonl"), lines.concat()).expect("written");
    tab.wait("the event", &shows(".lab-panel-said"));
    tab.wait("the phase", &shows(".lab-figure-phase dd"));
    tab.wait("the title", &shows(".lab-panel-title"));
    tab.wait("the classes", &shows(".lab-chart figcaption"));
    is_whole(&mut tab, &guide);
}

#[test]
fn what_commands_print_is_text() {
    let Some((guide, _browser, mut tab)) = open("what_commands_print_is_text") else {
        return;
    };
    fs::write(
        guide.path("poison"),
        format!("{POISON}\u{1b}]0;title\u{7}\u{1b}[2J\r\u{0}\n"),
    )
    .expect("written");
    let makefile = fs::read_to_string(guide.path("Makefile")).expect("the Makefile");
    let makefile = makefile.replace(
        "@echo once >> touched; echo done",
        "@cat poison; cat poison >&2; exit 3",
    );
    fs::write(guide.path("Makefile"), makefile).expect("written");
    press(&mut tab, "touch");
    let log = text(".lab-log");
    tab.wait(
        "both streams",
        &format!("{log}.split('onerror=hacked').length === 3"),
    );
    is_whole(&mut tab, &guide);
}

#[test]
fn a_mistake_in_the_book_is_told_as_text() {
    let Some((guide, _browser, mut tab)) = open("a_mistake_in_the_book_is_told_as_text") else {
        return;
    };
    let page = guide.path("book/step.md");
    let whole = fs::read_to_string(&page).expect("the page");
    fs::write(
        &page,
        format!("{whole}\n{{{{#lab <img src=/hacked onerror=hacked=1>}}}}\n"),
    )
    .expect("written");
    tab.wait("the mistake", &shows(".lab-build-error"));
    is_whole(&mut tab, &guide);
}

#[test]
fn an_address_is_no_part_of_the_page() {
    let Some((guide, _browser, mut tab)) = open("an_address_is_no_part_of_the_page") else {
        return;
    };
    let poison = utf8_percent_encode(POISON, NON_ALPHANUMERIC);
    for (path, what) in [
        (format!("/{poison}"), "no such page"),
        (format!("/reports/{poison}"), "no such report"),
        (format!("/?search={poison}"), "a search"),
        (format!("/?highlight={poison}"), "a highlight"),
        (format!("/#{poison}"), "a place"),
        (format!("/#ticket={poison}"), "a ticket"),
    ] {
        tab.go("about:blank");
        tab.wait("nothing", "location.href === 'about:blank'");
        tab.go(&format!("http://{}{path}", guide.host()));
        tab.wait(what, "location.pathname !== 'blank' && document.readyState === 'complete' && document.body.innerText.length > 10");
        is_whole(&mut tab, &guide);
    }
    attack::wait_until("the guide", || guide.get("/", &[]).status == 200);
}
