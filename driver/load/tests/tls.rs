//! The load engine under TLS, against servers of rustls whose certificates are made on the spot.
#![cfg(feature = "tls")]

mod ran;

use std::{
    convert::Infallible, fs, io, net::SocketAddr, num::NonZero, path::PathBuf, sync::Arc,
    time::Duration,
};

use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use lab_load::{
    Ask, Asker, Body, Cause, ClassPlan, End, Endpoint, Found, Plan, Targets, Tls, TlsOptions, find,
    is_tls,
    schedule::{Shape, Stretch},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig, SupportedProtocolVersion,
        pki_types::PrivateKeyDer,
        server::WebPkiClientVerifier,
        version::{TLS12, TLS13},
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;

use ran::Ran;

/// Signs the certificates of others.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    /// For a name, until the end of a year.
    fn identity(&self, name: &str, until: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key,
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }
}

/// For a name, signed by itself; an authority's too, as `openssl req -x509` makes them.
fn self_signed(name: &str, is_ca: IsCa, until: i32) -> Identity {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = is_ca;
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(until, 12, 31);
    let key = KeyPair::generate().unwrap();
    Identity {
        certificate: params.self_signed(&key).unwrap(),
        key,
    }
}

/// Far enough.
const UNTIL: i32 = 2100;

/// What most servers here are.
struct Setup {
    authority: Authority,
    folder: TempDir,
}

impl Setup {
    fn new() -> Self {
        Self {
            authority: Authority::new("the authority"),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Trusting its authority.
    fn options(&self) -> TlsOptions {
        TlsOptions {
            cacert: Some(self.file("ca.pem", &self.authority.issuer.pem())),
            ..TlsOptions::default()
        }
    }

    fn tls(&self) -> Tls {
        Tls::new("localhost", &self.options()).unwrap()
    }

    fn server(&self) -> ServerConfig {
        config(&self.authority.identity("localhost", UNTIL))
    }

    /// Shows a certificate of `authority` for the client, in two files.
    fn client(&self, authority: &Authority) -> Tls {
        let own = authority.identity("a client", UNTIL);
        let options = TlsOptions {
            cert: Some(self.file("client.pem", &own.certificate.pem())),
            key: Some(self.file("client.key", &own.key.serialize_pem())),
            ..self.options()
        };
        Tls::new("localhost", &options).unwrap()
    }

    /// Wants a certificate of the authority from clients.
    fn strict(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let clients = WebPkiClientVerifier::builder(self.authority.roots());
        let own = self.authority.identity("localhost", UNTIL);
        ServerConfig::builder_with_protocol_versions(&[version])
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![own.certificate.der().clone()], own.private())
            .unwrap()
    }
}

impl Identity {
    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn config(own: &Identity) -> ServerConfig {
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.certificate.der().clone()], own.private())
        .unwrap()
}

/// Hands each connection over to `serve` when its handshake is done.
async fn serve_with<F, A>(config: ServerConfig, serve: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> A + Clone + Send + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    address
}

/// Answers every request.
async fn serve(config: ServerConfig) -> SocketAddr {
    serve_with(config, talk).await
}

async fn serve_plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream));
        }
    });
    address
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new("hello".to_owned())) });
    // A client that is gone ends it.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// 20 requests a second for half a second, with a connection for each, should the machine pause.
fn plan() -> Plan {
    let stretch = Stretch {
        length: Duration::from_millis(500),
        shape: Shape::Constant(20.0.try_into().unwrap()),
    };
    Plan {
        connections_per_target: 10,
        drain: Duration::from_secs(20),
        ..Plan::of("test", vec![ClassPlan::get("quote", "/", vec![stretch])])
    }
}

fn endpoint(address: SocketAddr, tls: Option<Tls>) -> Endpoint {
    let endpoint = Endpoint::named(address, "localhost", "").unwrap();
    endpoint.under(tls)
}

async fn run(plan: Plan, api: Vec<Endpoint>) -> Ran {
    let (_targets, receiver) = watch::channel(Targets {
        api,
        ..Targets::default()
    });
    let (live, mut seen) = mpsc::unbounded_channel();
    let (tell, _told) = mpsc::unbounded_channel();
    let running = lab_load::start(plan, receiver, live, tell, CancellationToken::new()).await;
    let ran = Ran::of(running.unwrap(), &mut seen).await;
    assert!(ran.complete);
    ran
}

fn answered(ran: &Ran) -> usize {
    ran.ended(End::Answered(200))
}

/// A server of rustls sends two tickets after each handshake; none of them is a word that nobody asked for.
#[tokio::test]
async fn a_run_under_tls_counts_what_a_plain_one_does() {
    let setup = Setup::new();
    // Of several loops all handshakes count.
    let two = || Plan {
        loops: NonZero::new(2),
        ..plan()
    };
    for version in [&TLS12, &TLS13] {
        let own = setup.authority.identity("localhost", UNTIL);
        let server = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![own.certificate.der().clone()], own.private());
        let secured = endpoint(serve(server.unwrap()).await, Some(setup.tls()));
        let secured = run(two(), vec![secured]).await;
        let plain = run(two(), vec![endpoint(serve_plain().await, None)]).await;

        assert_eq!(answered(&secured), 10);
        assert_eq!(answered(&plain), 10);
        assert_eq!(secured.ledger, plain.ledger);
        assert_eq!(secured.connects, plain.connects);
        assert_eq!(
            (secured.connects.before, secured.connects.after_start),
            (10, 0)
        );
        assert_eq!(secured.loops.len(), 2);

        assert_eq!(plain.handshakes, None);
        let seen = secured.handshakes.unwrap();
        assert_eq!(seen.count, 10);
        assert!(
            Duration::ZERO < seen.p50 && seen.p50 <= seen.max,
            "{seen:?}"
        );
        for sample in &secured.samples {
            assert!(sample.written < sample.first_byte && sample.intended <= sample.done);
        }
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request_and_each_handshake_is_counted() {
    let setup = Setup::new();
    let target = serve_with(setup.server(), answer_once).await;
    let target = endpoint(target, Some(setup.tls()));
    let mut plan = plan();
    plan.connections_per_target = 2;
    let recording = run(plan, vec![target]).await;
    assert_eq!(answered(&recording), 10);
    assert_eq!(recording.connects.after_start, 8);
    assert_eq!(recording.handshakes.unwrap().count, 10);
}

/// How a server goes on after its first connection, which it serves well.
#[derive(Clone, Copy)]
enum Turn {
    /// With a certificate of nobody that the client knows.
    Stranger,
    /// Without TLS.
    Plain,
    /// With the end of the connection in place of a handshake.
    Silence,
}

async fn serve_once_well(setup: &Setup, turn: Turn) -> SocketAddr {
    let stranger = Authority::new("another authority").identity("localhost", UNTIL);
    let [good, bad] =
        [setup.server(), config(&stranger)].map(|config| TlsAcceptor::from(Arc::new(config)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        tokio::spawn(answer_once(good.accept(first).await.unwrap()));
        while let Ok((mut stream, _)) = listener.accept().await {
            match turn {
                // The client turns it down.
                Turn::Stranger => drop(bad.accept(stream).await),
                Turn::Plain => answer_once(stream).await,
                // What is left unread would make a reset of it.
                Turn::Silence => drop(stream.read(&mut [0; 4096]).await),
            }
        }
    });
    address
}

async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let _ = stream.read(&mut [0; 4096]).await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_handshake_that_fails_during_the_run_is_a_failure_of_tls() {
    let setup = Setup::new();
    for turn in [Turn::Stranger, Turn::Plain, Turn::Silence] {
        let address = serve_once_well(&setup, turn).await;
        let mut plan = plan();
        plan.connections_per_target = 1;
        let ran = run(plan, vec![endpoint(address, Some(setup.tls()))]).await;
        assert_eq!(answered(&ran), 1);
        assert_eq!(ran.ended(End::Broken(Cause::Tls)), 9);
        let [used] = ran.addresses[..] else {
            panic!("{:?}", ran.addresses);
        };
        assert_eq!((used.requests, used.refused), (10, 9));
        assert_eq!(ran.handshakes.unwrap().count, 1);
    }
}

/// More than the kernel takes at once, so that the rest goes out while the answer is waited for.
#[tokio::test]
async fn a_large_body_arrives_whole() {
    const LENGTH: usize = 4 << 20;
    let setup = Setup::new();
    let target = serve_with(setup.server(), async |stream: TlsStream<TcpStream>| {
        let service = service_fn(async |request: Request<Incoming>| {
            let body = request.into_body().collect().await?.to_bytes();
            let whole = body.len() == LENGTH && body.iter().all(|byte| *byte == b'x');
            let status = if whole { 200 } else { 400 };
            let answer = Response::builder().status(status).body(String::new());
            Ok::<_, hyper::Error>(answer.unwrap())
        });
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    let mut plan = plan();
    plan.classes[0].method = Method::POST;
    plan.classes[0].body = Some(Body::Fixed(vec![b'x'; LENGTH]));
    let ran = run(plan, vec![endpoint(target.await, Some(setup.tls()))]).await;
    assert_eq!(answered(&ran), 10);
}

#[tokio::test]
async fn requests_go_round_all_addresses_of_a_name() {
    let setup = Setup::new();
    let (one, other) = (serve(setup.server()).await, serve(setup.server()).await);
    let tls = setup.tls();
    let both = [one, other].map(|address| endpoint(address, Some(tls.clone())));
    let recording = run(plan(), both.to_vec()).await;
    assert_eq!(answered(&recording), 10);
    for address in [one, other] {
        let used = recording.addresses.iter().find(|of| of.address == address);
        let used = used.unwrap();
        assert_eq!((used.requests, used.refused), (5, 0));
    }
}

/// What comes of looking for the server at an address.
async fn found(address: SocketAddr, tls: &Tls) -> io::Result<Found> {
    find("127.0.0.1", address.port(), Some(tls)).await
}

async fn refusal(address: SocketAddr, tls: &Tls) -> String {
    let error = found(address, tls).await.unwrap_err();
    assert!(is_tls(&error), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    error.to_string()
}

#[tokio::test]
async fn a_certificate_is_judged_and_each_fault_is_named() {
    let setup = Setup::new();
    let stranger = Authority::new("another authority");
    let insecure = TlsOptions {
        insecure: true,
        ..TlsOptions::default()
    };
    let insecure = Tls::new("localhost", &insecure).unwrap();
    let trusting = setup.tls();

    let good = serve(setup.server()).await;
    assert_eq!(found(good, &trusting).await.unwrap().taking, [good]);
    for (own, wanted) in [
        (stranger.identity("localhost", UNTIL), "--cacert FILE names"),
        (setup.authority.identity("localhost", 2001), "has expired"),
        (
            setup.authority.identity("elsewhere.example", UNTIL),
            "is not for `localhost`",
        ),
    ] {
        let address = serve(config(&own)).await;
        let said = refusal(address, &trusting).await;
        assert!(said.contains(wanted), "{said}");
        found(address, &insecure).await.unwrap();
    }
}

#[tokio::test]
async fn who_signs_for_himself_is_trusted_where_he_is_named() {
    let setup = Setup::new();
    let authority = IsCa::Ca(BasicConstraints::Unconstrained);
    for (is_ca, unnamed) in [
        (IsCa::ExplicitNoCa, "--cacert FILE names"),
        (authority, "name that very one with --cacert"),
    ] {
        let named = |name: &str, until| {
            let own = self_signed(name, is_ca, until);
            let options = TlsOptions {
                cacert: Some(setup.file("own.pem", &own.certificate.pem())),
                ..TlsOptions::default()
            };
            (own, Tls::new("localhost", &options).unwrap())
        };
        let (own, naming) = named("localhost", UNTIL);
        let address = serve(config(&own)).await;
        let said = refusal(address, &setup.tls()).await;
        assert!(said.contains(unnamed), "{said}");
        assert_eq!(found(address, &naming).await.unwrap().taking, [address]);
        // Named or not, it is for a name and a time.
        for (name, until, wanted) in [
            ("elsewhere.example", UNTIL, "is not for `localhost`"),
            ("localhost", 2001, "has expired"),
        ] {
            let (own, naming) = named(name, until);
            let said = refusal(serve(config(&own)).await, &naming).await;
            assert!(said.contains(wanted), "{said}");
        }
    }
    // Another one of the same name and kind is another one.
    let options = TlsOptions {
        cacert: Some(setup.file(
            "other.pem",
            &self_signed("localhost", authority, UNTIL).certificate.pem(),
        )),
        ..TlsOptions::default()
    };
    let other = Tls::new("localhost", &options).unwrap();
    let own = self_signed("localhost", authority, UNTIL);
    let said = refusal(serve(config(&own)).await, &other).await;
    assert!(said.contains("name that very one"), "{said}");
}

#[tokio::test]
async fn a_client_shows_its_certificate_where_it_is_wanted() {
    let setup = Setup::new();
    let stranger = Authority::new("another authority");
    for version in [&TLS12, &TLS13] {
        let address = serve(setup.strict(version)).await;
        let said = refusal(address, &setup.tls()).await;
        assert!(said.contains("--cert FILE and --key FILE"), "{said}");
        let said = refusal(address, &setup.client(&stranger)).await;
        assert!(said.contains("not take the client's certificate"), "{said}");

        let known = setup.client(&setup.authority);
        found(address, &known).await.unwrap();
        let recording = run(plan(), vec![endpoint(address, Some(known))]).await;
        assert_eq!(answered(&recording), 10);
    }
}

#[tokio::test]
async fn who_speaks_something_else_is_refused_by_name() {
    let setup = Setup::new();
    let mut server = setup.server();
    server.alpn_protocols = vec![b"h2".to_vec()];
    let said = refusal(serve(server).await, &setup.tls()).await;
    assert!(said.contains("does not speak HTTP/1.1"), "{said}");
    let said = refusal(serve_plain().await, &setup.tls()).await;
    assert!(said.contains("is not TLS"), "{said}");

    let mut server = setup.server();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let both = serve(server).await;
    let recording = run(plan(), vec![endpoint(both, Some(setup.tls()))]).await;
    assert_eq!(answered(&recording), 10);
}

#[test]
fn files_that_are_of_no_use_say_why() {
    let setup = Setup::new();
    let own = setup.authority.identity("a client", UNTIL);
    let other = setup.authority.identity("a client", UNTIL);
    let certificate = setup.file("own.pem", &own.certificate.pem());
    let refused = |options: TlsOptions, wanted: &str| {
        let said = Tls::new("localhost", &options).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    };
    let cacert = |path: PathBuf| TlsOptions {
        cacert: Some(path),
        ..TlsOptions::default()
    };
    let cert = |cert: &PathBuf, key: Option<PathBuf>| TlsOptions {
        cert: Some(cert.clone()),
        key,
        ..setup.options()
    };
    refused(
        cacert(setup.folder.path().join("none.pem")),
        "none.pem: No such file",
    );
    let empty = setup.file("empty.pem", "");
    refused(cacert(empty.clone()), "it has no certificate in PEM");
    refused(cert(&certificate, None), "--key FILE names the file");
    refused(cert(&certificate, Some(empty)), "--key ");
    let key = setup.file("other.key", &other.key.serialize_pem());
    refused(cert(&certificate, Some(key)), "can't be used with its key");
    let both = own.certificate.pem() + &own.key.serialize_pem();
    Tls::new("localhost", &cert(&setup.file("both.pem", &both), None)).unwrap();
}

#[tokio::test]
async fn what_is_not_load_goes_under_tls_too() {
    let setup = Setup::new();
    let ask = Ask {
        to: endpoint(serve(setup.server()).await, Some(setup.tls())),
        method: "GET".into(),
        path: "/metrics".into(),
        body: None,
    };
    let asker = Asker::default();
    for _ in 0..2 {
        let reply = asker.ask(&ask).await.unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
    }
    assert_eq!(ask.to.to_string(), "https://localhost");
}
