//! Stands in for the `lab` services and the driver in the local platform's tests: it speaks their
//! contract, and fails on demand.
//!
//! `api|worker|dep …` serve; `--code crash-at-start`, `--code never-ready` and `--code never-ends` do what they say, and
//! `GET /crash` ends a service, `GET /fork` starts a process in it, `GET /escape` one that leaves its group and starts
//! another. `postgres-guard …` is the driver's. `stack DATA [panic]` starts a stack with its data in DATA, prints its
//! addresses, and then waits to be killed, or panics.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    thread,
};

use clap::{Parser, Subcommand};
use driver::platform::{
    ApiSpec, Platform, StackSpec,
    local::{GuardArgs, LocalPlatform, Source, guard_main},
};
use lab_say::{note, say};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    PostgresGuard(GuardArgs),
    Stack {
        data: String,
        end: Option<String>,
    },
    #[command(external_subcommand)]
    Service(Vec<String>),
}

fn main() -> ExitCode {
    match Cli::parse().role {
        Role::PostgresGuard(args) => guard_main(&args),
        Role::Stack { data, end } => stack(data, end.as_deref()),
        Role::Service(arguments) => serve(&arguments),
    }
}

#[tokio::main]
async fn stack(data: String, end: Option<&str>) -> ExitCode {
    let executable = std::env::current_exe().expect("own executable");
    let mut platform = LocalPlatform::new(executable).expect("a platform");
    platform.data = Some(data.into());
    platform.database = Source::Private;
    let mut spec = StackSpec::new("mine");
    spec.api = Some(ApiSpec {
        database: true,
        ..ApiSpec::default()
    });
    let stack = match platform.start(&spec).await {
        Ok(stack) => stack,
        Err(error) => {
            note!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let targets = stack.targets.borrow().clone();
    say!("up {} {}", targets.api[0], targets.dep[0]);
    assert!(end != Some("panic"), "as asked");
    std::future::pending().await
}

fn serve(arguments: &[String]) -> ExitCode {
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let code = value("--code").unwrap_or_default();
    if code == "crash-at-start" {
        note!("the participant's code gave up\nthread 'main' panicked at cases/tx.rs:7");
        return ExitCode::from(101);
    }
    if code == "never-ends" {
        thread::spawn(take_no_notice);
    }
    let listener = TcpListener::bind(value("--listen").expect("an address")).expect("a port");
    say!("listening {}", listener.local_addr().expect("an address"));
    thread::spawn(|| {
        // The end of the driver is the end of the service.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for connection in listener.incoming().flatten() {
        let ready = code != "never-ready";
        thread::spawn(move || answer(&connection, ready));
    }
    ExitCode::SUCCESS
}

/// Takes SIGTERM, and does nothing about it.
#[tokio::main(flavor = "current_thread")]
async fn take_no_notice() {
    let mut terminate = signal(SignalKind::terminate()).expect("a handler");
    while terminate.recv().await.is_some() {}
}

/// The numbers of two processes in a session of their own, which know nothing of this one's environment.
fn escape() -> std::io::Result<String> {
    let mut child = std::process::Command::new("/usr/bin/setsid")
        .args(["/bin/sh", "-c", "setsid /bin/sleep 600 & echo $$ $!; wait"])
        .env_clear()
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut said)?;
    Ok(said)
}

fn answer(mut connection: &TcpStream, ready: bool) {
    let mut head = BufReader::new(connection).lines().map_while(Result::ok);
    let request = head.next().unwrap_or_default();
    head.take_while(|line| !line.is_empty()).for_each(drop);
    let (status, body) = match request.split(' ').nth(1) {
        Some("/readyz") if !ready => ("503 Service Unavailable", "migrating".to_owned()),
        Some("/crash") => {
            note!("crashing as asked");
            std::process::exit(3);
        }
        Some("/fork") => {
            let child = std::process::Command::new("sleep").arg("600").spawn();
            ("200 OK", child.expect("sleep").id().to_string())
        }
        Some("/escape") => ("200 OK", escape().expect("setsid")),
        Some("/database-url") => (
            "200 OK",
            std::env::var("LAB_DATABASE_URL").unwrap_or_default(),
        ),
        _ => ("200 OK", String::new()),
    };
    let length = body.len();
    let _ = write!(
        connection,
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}
