//! Load on a service that is not the workshop's: the example scenario against a plain HTTP server.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{PATIENCE, data, driver, root, scenario, text, turn};

/// Answers 200 to requests below `/shop`, 404 to others, and has one metric.
pub(crate) fn serve() -> String {
    serve_metrics(usize::MAX)
}

/// The same, and the metric is shown so many times.
fn serve_metrics(times: usize) -> String {
    let left = Arc::new(AtomicUsize::new(times));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/shop", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let left = Arc::clone(&left);
            thread::spawn(move || answer(&connection, &left));
        }
    });
    url
}

fn answer(mut connection: &TcpStream, left: &AtomicUsize) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        if path == "/shop/metrics" && left.fetch_sub(1, Ordering::Relaxed) == 0 {
            // Nobody gets an answer here any more.
            left.store(0, Ordering::Relaxed);
            return thread::sleep(PATIENCE);
        }
        let (status, body) = match path.as_str() {
            "/shop/metrics" => ("200 OK", "# TYPE shop_open gauge\nshop_open 1\n"),
            path if path.starts_with("/shop/") => ("200 OK", "hello"),
            _ => ("404 Not Found", ""),
        };
        let length = body.len();
        if write!(
            connection,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .is_err()
        {
            return;
        }
    }
}

fn run(file: &Path, url: &str, reports: &Path) -> std::process::Output {
    let mut command = driver(&["run", "--target", url, "--scenario-file"]);
    command
        .arg(file)
        .arg("--reports")
        .arg(reports)
        .output()
        .unwrap()
}

#[test]
fn the_example_runs_against_any_service() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    // Shorter, and with the service's own metric on a chart.
    let example = fs::read_to_string(root().join("driver/scenarios/own-service.toml")).unwrap();
    let short = example
        .replace("\"10s\"", "\"2s\"")
        .replace("duration = \"5s\"", "duration = \"1s\"");
    let series = "[[series]]\nid = \"open\"\nlabel = \"open\"\nunit = \"doors\"\nchart = \"Shop\"\n\
                  source = { metric = { name = \"shop_open\" } }\n\n[[checks]]";
    let file = folder.path().join("my.toml");
    fs::write(&file, short.replacen("[[checks]]", series, 1)).unwrap();

    let output = run(&file, &serve(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let data = data(folder.path(), "own-service");
    assert_eq!(data["platform"], "target");
    assert_eq!(data["verdict"]["outcome"], "pass", "{}", text(&output));
    let open = data["series"]
        .as_array()
        .unwrap()
        .iter()
        .find(|series| series["id"] == "open");
    let points = open.unwrap()["points"].as_array().unwrap();
    assert!(
        points.len() > 5 && points.iter().all(|point| point[1] == 1.0),
        "{points:?}"
    );
}

#[test]
fn what_could_not_be_seen_decides_nothing() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let example = fs::read_to_string(root().join("driver/scenarios/own-service.toml")).unwrap();
    let short = example
        .replace("\"10s\"", "\"2s\"")
        .replace("duration = \"5s\"", "duration = \"1s\"");
    // The page of metrics answers some looks, and then never again.
    let more = "[[series]]\nid = \"open\"\nlabel = \"open\"\nunit = \"doors\"\nchart = \"Shop\"\n\
                source = { metric = { name = \"shop_open\" } }\n\n\
                [[checks]]\nid = \"open\"\nkind = \"mechanism\"\ntitle = \"Doors\"\nwhy = \"-\"\n\
                measure = { series = { id = \"open\", stat = \"max\" } }\nlimit = { at_most = \"8\" }\n";
    let file = folder.path().join("my.toml");
    fs::write(&file, format!("{short}\n{more}")).unwrap();

    let output = run(&file, &serve_metrics(10), folder.path());
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let data = data(folder.path(), "own-service");
    // Nothing else fails, and of this nobody can say.
    assert_eq!(data["verdict"]["outcome"], "invalid", "{}", text(&output));
    let said = data["self_check"]["findings"].to_string();
    assert!(said.contains("“Doors” was seen in "), "{said}");
    let checks = data["checks"].as_array().unwrap();
    let open = checks.iter().find(|check| check["id"] == "open").unwrap();
    let seen = open["seen"].as_str().unwrap();
    assert!(
        seen.starts_with("seen in ") && seen.ends_with("% of the time; 1"),
        "{seen}"
    );
}

#[test]
fn what_a_target_cannot_do_is_refused_by_name() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let refused = |file: &Path, url: &str| {
        let output = run(file, url, folder.path());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
        text(&output)
    };
    let example = root().join("driver/scenarios/own-service.toml");
    let said = refused(&example, "https://localhost:1");
    assert!(said.contains("no TLS"), "{said}");
    let said = refused(&example, "http://127.0.0.1:1");
    assert!(said.contains("is the service up"), "{said}");
    let said = refused(&scenario("short"), &serve());
    assert!(said.contains("can't have [services.api]"), "{said}");
}
