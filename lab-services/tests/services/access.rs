//! Attacks on what `make up` keeps running: a web page, in a browser on this machine, that wants to read or to act.
//! The requests are those that browsers send for it.

use serde_json::{Value, json};

use crate::support::Service;

/// A request as somebody sends it: method, path, headers and body, byte by byte.
async fn send(
    service: &Service,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(&service.address)
        .await
        .expect("it listens");
    let mut text = format!("{request} HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !body.is_empty() {
        text.push_str("content-length: ");
        text.push_str(&body.len().to_string());
        text.push_str("\r\n");
    }
    text.extend(["\r\n", body]);
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer[9..12].parse().expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    (status, body.to_owned())
}

/// The services, each with something worth reading and something worth doing.
fn services() -> [(Service, &'static str, &'static str, Value); 3] {
    [
        (
            Service::start(&["api"]),
            "/debug/code",
            "POST /cases/tx",
            json!({"key": "a", "account": 1, "amount": 1}),
        ),
        (
            Service::start(&["worker"]),
            "/debug/code",
            "POST /batches",
            json!({"fast": 1}),
        ),
        (
            Service::start(&["dep"]),
            "/fault",
            "PUT /fault",
            json!({"hang_every": 1}),
        ),
    ]
}

/// Tries to read and to act with these headers, at every service, and gets `status` with a sentence in JSON.
async fn refused(status: u16, headers: impl Fn(&str) -> Vec<(&'static str, String)>) {
    for (service, read, act, body) in services() {
        let port = service.address.rsplit_once(':').expect("a port").1;
        let headers = headers(port);
        let mut headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if !headers.iter().any(|(name, _)| *name == "host") {
            headers.push(("host", &service.address));
        }
        let everything = [
            format!("GET {read}"),
            "GET /metrics".into(),
            "GET /debug/peers".into(),
            "GET /none".into(),
        ];
        let mut answers = Vec::new();
        for request in &everything {
            answers.push((
                request.as_str(),
                send(&service, request, &headers, "").await,
            ));
        }
        headers.push(("content-type", "application/json"));
        answers.push((act, send(&service, act, &headers, &body.to_string()).await));
        for (request, (answered, text)) in answers {
            assert_eq!(answered, status, "{request} {headers:?}: {text}");
            let text: Value = serde_json::from_str(&text).expect("JSON");
            assert!(text["error"].is_string(), "{text}");
        }
        untouched(&service).await;
    }
}

/// Nothing was done: no batch, no fault, and the admission never saw it.
async fn untouched(service: &Service) {
    let (_, faults) = service.get("/fault").await;
    assert!(
        faults["hang_every"].is_null() || faults["hang_every"] == 0,
        "{faults}"
    );
    assert_eq!(service.get("/batches/1").await.0, 404);
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_reads_and_does_nothing() {
    refused(421, |port| vec![("host", format!("rebind.example:{port}"))]).await;
    refused(421, |port| {
        vec![("host", format!("127.0.0.1.rebind.example:{port}"))]
    })
    .await;
    // Such a page is of one origin with what it asks for, and says so.
    refused(421, |port| {
        vec![
            ("host", format!("rebind.example:{port}")),
            ("origin", format!("http://rebind.example:{port}")),
            ("sec-fetch-site", "same-origin".into()),
        ]
    })
    .await;
    refused(421, |port| vec![("host", format!("0.0.0.0:{port}"))]).await;
}

#[tokio::test]
async fn a_page_of_a_stranger_reads_and_does_nothing() {
    refused(403, |_| vec![("origin", "http://evil.example".into())]).await;
    refused(403, |_| vec![("origin", "null".into())]).await;
    refused(403, |_| vec![("sec-fetch-site", "cross-site".into())]).await;
}

#[tokio::test]
async fn a_page_on_another_port_of_this_machine_reads_and_does_nothing() {
    refused(403, |_| vec![("origin", "http://127.0.0.1:4000".into())]).await;
    refused(403, |_| vec![("sec-fetch-site", "same-site".into())]).await;
}

#[tokio::test]
async fn a_form_in_disguise_does_nothing() {
    for (service, _, act, body) in services() {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain; application/json",
        ] {
            let headers = [("host", service.address.as_str()), ("content-type", kind)];
            let (status, text) = send(&service, act, &headers, &body.to_string()).await;
            assert_eq!(status, 415, "{act} {kind}: {text}");
            assert!(text.contains("curl --json"), "{text}");
        }
        untouched(&service).await;
    }
}

#[tokio::test]
async fn a_preflight_allows_nothing() {
    for (service, _, act, _) in services() {
        let path = act.split_once(' ').expect("a path").1;
        let headers = [
            ("host", service.address.as_str()),
            ("origin", "http://evil.example"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let answer = send(&service, &format!("OPTIONS {path}"), &headers, "").await;
        assert_eq!(answer.0, 403, "{answer:?}");
        assert!(!answer.1.contains("access-control"), "{answer:?}");
    }
}

#[tokio::test]
async fn curl_is_answered_as_ever() {
    for (service, read, act, body) in services() {
        let port = service.address.rsplit_once(':').expect("a port").1;
        for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
            let headers = [
                ("host", host.as_str()),
                ("user-agent", "curl/8.5.0"),
                ("accept", "*/*"),
            ];
            let (status, _) = send(&service, &format!("GET {read}"), &headers, "").await;
            assert_eq!(status, 200, "{read}");
            let headers = [&headers[..], &[("content-type", "application/json")]].concat();
            let (status, text) = send(&service, act, &headers, &body.to_string()).await;
            // The api here has no database.
            let wanted = if act.ends_with("tx") { 503 } else { 200 };
            assert_eq!(status / 100, wanted / 100, "{act}: {text}");
        }
        // The address bar, which is nobody's page.
        let headers = [
            ("host", service.address.as_str()),
            ("sec-fetch-site", "none"),
        ];
        assert_eq!(
            send(&service, &format!("GET {read}"), &headers, "").await.0,
            200
        );
    }
}

#[tokio::test]
async fn the_names_of_a_deployment_are_answered() {
    let dep = Service::start(&["dep", "--allowed-hosts", "dep,dep.lab"]);
    for (host, status) in [
        ("dep:8082", 200),
        ("dep.lab:8082", 200),
        // A probe of the kubelet.
        ("10.42.0.7:8082", 200),
        ("api:8082", 421),
        ("dep.rebind.example:8082", 421),
    ] {
        let answer = send(&dep, "GET /healthz", &[("host", host)], "").await;
        assert_eq!(answer.0, status, "{host}");
    }
    let behind = Service::start(&["dep", "--allowed-hosts", "*"]);
    let through = [("host", "cluster.example:6443")];
    assert_eq!(send(&behind, "GET /healthz", &through, "").await.0, 200);
}
