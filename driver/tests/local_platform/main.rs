//! The local platform with real processes and a real PostgreSQL; the example `stand_in` plays the
//! services.

use std::{
    fs::{self, Permissions},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use driver::platform::{
    ApiSpec, Endpoint, StackSpec,
    local::{LocalPlatform, Source},
};

mod killed;
mod postgres;
mod roll;
mod services;

/// Far beyond what anything here takes; only a hang is that slow.
const BOUND: Duration = Duration::from_secs(30);

/// The example next to this test; `cargo test` builds both.
fn stand_in() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join("examples/stand_in");
    assert!(
        program.is_file(),
        "{} is missing; `cargo test -p driver` builds it",
        program.display()
    );
    program
}

/// A folder that PostgreSQL's account can reach where the tests run as root.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    folder
}

/// A platform that keeps its data in `folder`.
fn platform(folder: &Path) -> LocalPlatform {
    let mut platform = LocalPlatform::new(stand_in()).unwrap();
    platform.guard = stand_in();
    platform.database = Source::Private;
    platform.data = Some(folder.join("data"));
    platform
}

/// A stack with one api replica, with a database or without.
fn spec(database: bool) -> StackSpec {
    let mut spec = StackSpec::new("mine");
    spec.api = Some(ApiSpec {
        database,
        ..ApiSpec::default()
    });
    spec
}

/// What is left of runs in the data of `folder`.
fn left_in(folder: &Path) -> Vec<PathBuf> {
    let runs = folder.join("data/runs").read_dir().unwrap();
    runs.map(|entry| entry.unwrap().path()).collect()
}

fn listens(addr: SocketAddr) -> bool {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok()
}

/// Waits for something that no event tells of.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < BOUND, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn get(endpoint: &Endpoint, path: &str) -> reqwest::Result<String> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(format!("{endpoint}{path}")).send().await?;
    answer.text().await
}

/// The address of the server in a database's URL.
fn server_of(url: &str) -> SocketAddr {
    let rest = url.split_once('@').unwrap().1;
    rest.split_once('/').unwrap().0.parse().unwrap()
}
