//! Why requests failed, what a run that is lost does, and which runs are compared.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    thread,
};

use serde_json::json;

use crate::support::{data, driver, text, turn};

/// Answers 200 to `/`, 503 to `/busy`, and hangs up on `/closed` without a word.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || answer(&connection));
        }
    });
    url
}

fn answer(mut connection: &TcpStream) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let status = match request.split(' ').nth(1) {
            Some("/closed") => return,
            Some("/busy") => "503 Service Unavailable",
            _ => "200 OK",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A scenario of one phase, which a busy machine doesn't disturb, and of classes that each ask for another path.
fn scenario(seconds: u32, paths: &[&str]) -> String {
    let mut text = format!(
        "name = \"why\"\ntitle = \"Why\"\nsummary = \"-\"\nheadline = \"good\"\nlateness_limit = \"10s\"\n\n\
         [[phases]]\nname = \"load\"\nduration = \"{seconds}s\"\n"
    );
    for path in paths {
        // A POST is never asked again.
        let _ = write!(
            text,
            "\n[[classes]]\nname = \"to{}\"\nrequest = \"POST {path}\"\nrate = \"20/s\"\ntimeout = \"2s\"\nslo = \"1s\"\n",
            path.replace('/', "-"),
        );
    }
    text + "\n[[checks]]\nid = \"good\"\nkind = \"effect\"\ntitle = \"Good\"\nwhy = \"-\"\n\
            measure = { good_share = { class = \"to-\" } }\nlimit = { at_least = \"50%\" }\n"
}

fn run(folder: &Path, scenario: &str, url: &str, more: &[&str]) -> Output {
    let file = folder.join("why.toml");
    fs::write(&file, scenario).unwrap();
    let mut command = driver(&["run", "--target", url, "--scenario-file"]);
    command.arg(file).arg("--reports").arg(folder).args(more);
    command.output().unwrap()
}

/// The ids of the runs so far, oldest first.
fn runs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("why")).unwrap();
    let mut ids: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    ids.sort();
    ids
}

#[test]
fn why_requests_failed_is_told_in_terminal_data_and_report() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        folder.path(),
        &scenario(1, &["/", "/busy", "/closed"]),
        &serve(),
        &[],
    );
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("failed    to-busy 20: 20 × 503"), "{said}");
    assert!(
        said.contains("failed    to-closed 20: 20 closed without an answer"),
        "{said}"
    );
    assert!(!said.contains("to- 20"), "{said}");

    let data = data(folder.path(), "why");
    let ends = |class: usize| data["classes"][class]["total"]["ends"].clone();
    assert_eq!(ends(0), json!({ "statuses": { "200": 20 }, "errors": {} }));
    assert_eq!(ends(1), json!({ "statuses": { "503": 20 }, "errors": {} }));
    assert_eq!(
        ends(2),
        json!({ "statuses": {}, "errors": { "closed": 20 } })
    );
    let id = &runs(folder.path())[0];
    let kept = |file: &str| fs::read_to_string(folder.path().join("why").join(id).join(file));
    assert!(
        kept("report.html")
            .unwrap()
            .contains("to-busy 20: 20 × 503")
    );
    let log = kept("latency.hlog").unwrap();
    for class in ["to-", "to-busy", "to-closed"] {
        let of = log.matches(&format!("Tag={class},")).count();
        assert!((1..=2).contains(&of), "{log}");
    }
}

#[test]
fn a_run_that_is_lost_ends_early_and_is_compared_with_none() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let url = serve();
    // Of a minute; half of it is lost after 31 s at the latest, and a ceiling at once.
    let ceiling = "\n[[checks]]\nid = \"few\"\nkind = \"effect\"\ntitle = \"Few\"\nwhy = \"-\"\n\
                   measure = { ok_count = { class = \"to-\" } }\nlimit = { at_most = \"10\" }\n";
    let long = scenario(60, &["/"]) + ceiling;
    let output = run(folder.path(), &long, &url, &["--fail-fast"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("fail-fast watches good, few"), "{said}");
    assert!(
        said.contains("SCORE why --/100 FAIL  ended early at "),
        "{said}"
    );
    assert!(said.contains("“Few” is at least "), "{said}");
    assert!(said.contains("undecided: 1 other check"), "{said}");
    let run_of = data(folder.path(), "why");
    assert_eq!(run_of["verdict"]["outcome"], "fail");
    assert_eq!(run_of["verdict"]["score"], serde_json::Value::Null);
    assert_eq!(run_of["complete"], false);
    assert_eq!(run_of["checks"].as_array().unwrap().len(), 1);
    // It takes half a second; the rest is for a machine that stands still.
    assert!(run_of["ended_early"]["at_s"].as_f64().unwrap() < 30.0);

    let strict = run(folder.path(), &long, &url, &["--fail-fast", "--strict"]);
    assert_eq!(strict.status.code(), Some(1), "{}", text(&strict));
    assert!(!text(&strict).contains("  compare  "), "{}", text(&strict));
    let ids = runs(folder.path());
    let reports = folder.path().to_str().unwrap();
    let compared = driver(&["compare", &ids[0], &ids[1], "--reports", reports]).output();
    let compared = compared.unwrap();
    assert_eq!(compared.status.code(), Some(2));
    assert!(
        text(&compared).contains("was ended early by --fail-fast"),
        "{}",
        text(&compared)
    );
}

#[test]
fn where_nothing_can_be_decided_early_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settled = scenario(1, &["/"]).replace("good_share", "settled_share");
    let output = run(folder.path(), &settled, &serve(), &["--fail-fast"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(
        said.contains("--fail-fast can watch none of the checks of why"),
        "{said}"
    );
}

#[test]
fn only_runs_of_one_text_are_compared() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let url = serve();
    let first = scenario(1, &["/"]);
    run(folder.path(), &first, &url, &[]);
    let commented = run(folder.path(), &format!("# Why not.\n{first}"), &url, &[]);
    let ids = runs(folder.path());
    let pair = format!("{}--{}.html", ids[0], ids[1]);
    assert!(text(&commented).contains(&pair), "{}", text(&commented));

    let changed = run(folder.path(), &first.replace("20/s", "21/s"), &url, &[]);
    let ids = runs(folder.path());
    let since = format!(
        "compare  with nothing: the scenario changed since {}",
        ids[1]
    );
    assert!(text(&changed).contains(&since), "{}", text(&changed));
    let index = fs::read_to_string(folder.path().join("index.html")).unwrap();
    assert_eq!(index.matches("The scenario changed since").count(), 1);

    let reports = folder.path().to_str().unwrap();
    let compared = driver(&["compare", &ids[1], &ids[2], "--reports", reports]).output();
    let compared = compared.unwrap();
    assert_eq!(compared.status.code(), Some(2));
    let said = text(&compared);
    assert!(
        said.contains("only runs of the same text can be compared"),
        "{said}"
    );
}
