//! `driver run --target https://…` against a server of rustls: the same figures as without TLS, and clear words where
//! there is none. How certificates are judged is tested with the load engine.
#![cfg(feature = "tls")]

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

/// The certificate of an authority in PEM, and a server of 127.0.0.1 with one of it.
fn identity() -> (String, ServerConfig) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    (authority.pem(), config.unwrap())
}

/// Answers every request, with TLS and without, and has one metric.
async fn serve(config: Option<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = config.map(|config| TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match acceptor {
                    None => talk(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            talk(stream).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let body = match request.uri().path() {
            "/metrics" => "# TYPE shop_open gauge\nshop_open 1\n",
            _ => "hello",
        };
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
    });
    // A client that is gone ends it.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The example, shorter and with the service's own metric.
fn scenario(folder: &Path) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let example = fs::read_to_string(root.join("driver/scenarios/own-service.toml")).unwrap();
    let series = "[[series]]\nid = \"open\"\nlabel = \"open\"\nunit = \"doors\"\nchart = \"Shop\"\n\
                  source = { metric = { name = \"shop_open\" } }\n\n[[checks]]";
    let short = example
        .replace("\"10s\"", "\"1s\"")
        .replace("duration = \"5s\"", "duration = \"1s\"")
        .replacen("[[checks]]", series, 1);
    let file = folder.join("my.toml");
    fs::write(&file, short).unwrap();
    file
}

/// What a run's command has besides.
type Way<'a> = &'a dyn Fn(&mut Command);

fn run(url: &str, reports: &Path, scenario: &Path, more: Way) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    command
        .args(["run", "--target", url, "--scenario-file"])
        .arg(scenario)
        .arg("--reports")
        .arg(reports)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .env_remove("PLATFORM")
        .env_remove("DATABASE_URL")
        .env("CI", "true");
    more(&mut command);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The data of the one run in `reports`.
fn measured(output: &Output, reports: &Path) -> serde_json::Value {
    // A machine that is busy makes a run INVALID, whose counts hold all the same.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        text(output)
    );
    let mut runs = fs::read_dir(reports.join("own-service")).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("<dt>Addresses</dt>"), "{report}");
    serde_json::from_slice(&fs::read(run.join("data.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_target_is_measured_as_a_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(folder.path());
    let (ca, server) = identity();
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, ca).unwrap();
    let plain = format!("http://{}", serve(None).await);
    let https = format!("https://{}", serve(Some(server)).await);

    let refused = |url: &str, options: &[&str], wanted: &str| {
        let reports = folder.path().join("refused");
        let output = run(url, &reports, &scenario, &|command| {
            command.args(options);
        });
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(wanted), "{}", text(&output));
        assert!(!reports.exists());
    };
    refused(&https, &[], "--cacert FILE names it");
    refused(
        &https,
        &["--cacert", "no-such.pem"],
        "--cacert no-such.pem: No such file",
    );
    refused(&plain, &["--insecure"], "are for https");
    let over_plain = plain.replace("http://", "https://");
    refused(&over_plain, &["--insecure"], "is not TLS");

    let reports = folder.path().join("plain");
    let output = run(&plain, &reports, &scenario, &|_| {});
    let plain = measured(&output, &reports);
    assert!(plain["target"]["handshakes"].is_null());
    let trusts = |command: &mut Command| {
        command.arg("--cacert").arg(&ca_file);
    };
    let any = |command: &mut Command| {
        command.arg("--insecure");
    };
    // Where the system's authorities are files, one variable names others.
    let as_the_system = |command: &mut Command| {
        command.env("SSL_CERT_FILE", &ca_file);
    };
    let mut ways: Vec<(&str, Way)> = vec![
        ("its certificate is checked against", &trusts),
        ("is not checked (--insecure)", &any),
    ];
    if cfg!(target_os = "linux") {
        ways.push(("as this system does", &as_the_system));
    }
    for (n, (says, way)) in ways.into_iter().enumerate() {
        let reports = folder.path().join(n.to_string());
        let output = run(&https, &reports, &scenario, way);
        let data = measured(&output, &reports);
        let counts = |of: &serde_json::Value| of["classes"][0]["total"]["counts"].clone();
        assert_eq!(counts(&data), counts(&plain), "{}", text(&output));
        let tls = data["versions"]["tls"].as_str().unwrap();
        assert!(tls.contains(says), "{tls}");
        let seen = &data["target"]["handshakes"];
        assert!(seen["count"].as_u64().unwrap() > 0);
        assert!(seen["p50_ms"].as_f64().unwrap() <= seen["max_ms"].as_f64().unwrap());
        let series = data["series"].as_array().unwrap();
        let open = series.iter().find(|series| series["id"] == "open").unwrap();
        let points = open["points"].as_array().unwrap();
        assert!(!points.is_empty() && points.iter().all(|point| point[1] == 1.0));
    }
}
