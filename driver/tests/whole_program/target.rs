//! Load on a service that is not the workshop's: the example scenario against a plain HTTP server.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, ToSocketAddrs as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use lab_exposition::{Format, Sample};

use crate::support::{PATIENCE, data, driver, root, scenario, text, turn};

/// What the service shows of itself.
const METRICS: &str = r#"# TYPE shop_open gauge
shop_open 1
shop_orders_total{route="/all"} 10
shop_orders_total{ route="/orders/{id}", note="a=\"b\", c" } 20 # {trace_id="x"} 1
shop_load{} NaN
"#;

/// Answers 200 to requests below `/shop`, 404 to others, and has metrics.
pub(crate) fn serve() -> String {
    serve_metrics(usize::MAX)
}

/// The same, and the metric is shown so many times.
fn serve_metrics(times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/shop", listener.local_addr().unwrap());
    serve_on(listener, times);
    url
}

fn serve_on(listener: TcpListener, times: usize) {
    let left = Arc::new(AtomicUsize::new(times));
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let left = Arc::clone(&left);
            thread::spawn(move || answer(&connection, &left));
        }
    });
}

fn answer(mut connection: &TcpStream, left: &AtomicUsize) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let shows_metrics = ["/shop/metrics", "/shop/actuator/prometheus"].contains(&path.as_str());
        if shows_metrics && left.fetch_sub(1, Ordering::Relaxed) == 0 {
            // Nobody gets an answer here any more.
            left.store(0, Ordering::Relaxed);
            return thread::sleep(PATIENCE);
        }
        let (status, body) = match path.as_str() {
            _ if shows_metrics => ("200 OK", METRICS),
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
    let series = |id: &str, metric: &str| {
        format!(
            "[[series]]\nid = \"{id}\"\nlabel = \"{id}\"\nunit = \"things\"\nchart = \"Shop\"\n\
             source = {{ metric = {{ name = {metric} }} }}\n\n"
        )
    };
    let all = [
        series("open", "\"shop_open\""),
        series("orders", "\"shop_orders_total\""),
        series(
            "one",
            "\"shop_orders_total\", labels = { route = \"/orders/{id}\" }",
        ),
        series("load", "\"shop_load\""),
        series("typo", "\"shop_opne\""),
    ];
    let file = folder.path().join("my.toml");
    let own = short
        .replacen("\n[[checks]]", &format!("\n{}[[checks]]", all.concat()), 1)
        .replacen("# metrics =", "metrics =", 1);
    fs::write(&file, own).unwrap();

    let output = run(&file, &serve(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    for says in [
        "series `load` has gaps",
        "`shop_load NaN` is no number",
        "series `typo`: `shop_opne` is not on /actuator/prometheus of api; the page has `shop_open`",
    ] {
        assert!(said.contains(says), "{says} is not in\n{said}");
    }
    let data = data(folder.path(), "own-service");
    assert_eq!(data["platform"], "target");
    assert_eq!(data["verdict"]["outcome"], "pass", "{}", text(&output));
    let points = |id: &str| {
        let mut series = data["series"].as_array().unwrap().iter();
        let found = series.find(|series| series["id"] == id);
        found.unwrap()["points"].as_array().unwrap().clone()
    };
    for (id, value) in [("open", 1.0), ("orders", 30.0), ("one", 20.0)] {
        let points = points(id);
        assert!(
            points.len() > 5 && points.iter().all(|point| point[1] == value),
            "{id}: {points:?}"
        );
    }
    assert!(points("load").is_empty() && points("typo").is_empty());

    // What was written is read again, by our own commands.
    let again = |arguments: &[&str]| {
        let mut command = driver(arguments);
        let output = command.arg("--reports").arg(folder.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        text(&output)
    };
    assert!(again(&["report"]).contains("1 reports made again, 0 unreadable"));
    let id = data["run_id"].as_str().unwrap();
    let exported = again(&["export", &id[id.len() - 4..], "--format", "openmetrics"]);
    let samples = lab_exposition::read(&exported, Format::OpenMetrics).unwrap();
    let one = |sample: &&Sample| sample.labels.get("series").is_some_and(|id| id == "one");
    assert_eq!(samples.iter().filter(one).count(), points("one").len());
}

/// `localhost` leads to 127.0.0.1 and, on most machines, to `[::1]` too: one process behind two addresses.
#[test]
fn the_addresses_of_a_name_take_turns_and_one_that_takes_nobody_is_told() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let example = fs::read_to_string(root().join("driver/scenarios/own-service.toml")).unwrap();
    let short = example
        .replace("\"10s\"", "\"1s\"")
        .replace("duration = \"5s\"", "duration = \"1s\"");
    let series = "[[series]]\nid = \"open\"\nlabel = \"open\"\nunit = \"doors\"\nchart = \"Shop\"\n\
                  source = { metric = { name = \"shop_open\" } }\n\n[[checks]]";
    let file = folder.path().join("my.toml");
    fs::write(&file, short.replacen("[[checks]]", series, 1)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve_on(listener, usize::MAX);
    let url = format!("http://localhost:{port}/shop");
    let others = ("localhost", port).to_socket_addrs().unwrap();
    let others: Vec<_> = others
        .filter(|address| address.ip() != Ipv4Addr::LOCALHOST)
        .collect();

    for listening in [false, true] {
        for other in others.iter().filter(|_| listening) {
            serve_on(TcpListener::bind(other).unwrap(), usize::MAX);
        }
        let reports = folder.path().join(listening.to_string());
        let output = run(&file, &url, &reports);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let data = data(&reports, "own-service");
        let addresses = data["target"]["addresses"].as_array().unwrap();
        assert_eq!(addresses.len(), 1 + others.len(), "{addresses:?}");
        let requests = |of: &serde_json::Value| of["requests"].as_u64().unwrap();
        let sent: u64 = addresses.iter().map(requests).sum();
        assert_eq!(
            sent,
            data["classes"][0]["total"]["counts"]["sent"]
                .as_u64()
                .unwrap()
        );
        let failed = &data["classes"][0]["total"]["counts"]["failed"];
        assert_eq!(failed, 0, "{}", text(&output));
        for of in addresses {
            if of["left_out"].is_null() {
                let share = if listening { addresses.len() as u64 } else { 1 };
                assert!(requests(of).abs_diff(sent / share) <= 1, "{addresses:?}");
            } else {
                assert!(!listening && requests(of) == 0, "{addresses:?}");
                let address = of["address"].as_str().unwrap();
                assert!(text(&output).contains(&format!(
                    "left out, since it takes no connection: {address}"
                )));
            }
        }
        let told = text(&output).contains("requests take turns on");
        assert_eq!(told, listening && !others.is_empty(), "{}", text(&output));
        // Seen once and not once an address.
        let series = data["series"].as_array().unwrap();
        let open = series.iter().find(|series| series["id"] == "open").unwrap();
        let points = open["points"].as_array().unwrap();
        assert!(!points.is_empty() && points.iter().all(|point| point[1] == 1.0));
    }
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
    let said = refused(&example, "https://127.0.0.1:1");
    let wanted = if cfg!(feature = "tls") {
        "is the service up"
    } else {
        "--features tls"
    };
    assert!(said.contains(wanted), "{said}");
    let said = refused(&example, "http://127.0.0.1:1");
    assert!(said.contains("is the service up"), "{said}");
    let said = refused(&scenario("short"), &serve());
    assert!(said.contains("can't have [services.api]"), "{said}");
}
