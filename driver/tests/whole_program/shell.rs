//! What a run takes from the shell that it is started in, and what not.

use std::process::Command;

use crate::support::{data, driver, has_postgres, root, run_of, scenario, text, turn};

/// What each would do to a run that it reached, in short.
const HOSTILE: [(&str, &str); 24] = [
    // Payments that fail, or all of them.
    (
        "PGOPTIONS",
        "-c default_transaction_isolation=serializable -c default_transaction_read_only=on",
    ),
    // Another server.
    ("PGHOST", "nowhere.invalid"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGPORT", "1"),
    ("PGUSER", "nobody"),
    ("PGPASSWORD", "wrong"),
    ("PGDATABASE", "none"),
    ("PGDATA", "/nowhere"),
    ("PGSERVICE", "none"),
    ("PGSERVICEFILE", "/nowhere"),
    ("PGPASSFILE", "/nowhere"),
    ("PGSYSCONFDIR", "/nowhere"),
    ("PGSSLMODE", "verify-full"),
    (
        "DATABASE_URL",
        "postgres://me:secret@192.0.2.1/x?sslmode=require",
    ),
    // Requests to nobody.
    ("http_proxy", "http://127.0.0.1:1"),
    ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ("ALL_PROXY", "socks5://127.0.0.1:1"),
    ("NO_PROXY", ""),
    // A panic of the driver and of each service.
    ("TOKIO_WORKER_THREADS", "none"),
    // Slower memory, and work for each error.
    ("MALLOC_PERTURB_", "165"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LOG", "trace"),
    // Texts and times that nobody could read.
    ("LC_ALL", "tr_TR.UTF-8"),
    ("TZ", "Asia/Kathmandu"),
];

#[test]
fn a_run_is_the_same_whatever_the_shell_says() {
    if !has_postgres() {
        return;
    }
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    // Longer than the path of a socket may be.
    let temporary = folder.path().join("with blanks ".repeat(12));
    std::fs::create_dir(&temporary).unwrap();
    let output = run_of("payments", folder.path())
        .args(["--code", "solved"])
        .envs(HOSTILE)
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let counts = &data(folder.path(), "payments")["classes"][0]["total"]["counts"];
    assert_eq!(
        (counts["offered"].as_u64(), counts["ok"].as_u64()),
        (Some(120), Some(120))
    );
    let page = text(&output);
    assert!(page.contains("SCORE payments 100/100 PASS"), "{page}");
}

/// A run in a shell with a limit of its own.
fn limited(limit: &str, reports: &std::path::Path) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit {limit}; exec \"$@\""))
        .args(["sh", env!("CARGO_BIN_EXE_driver"), "run", "--scenario-file"])
        .arg(scenario("short"))
        .arg("--reports")
        .arg(reports)
        .current_dir(root())
        .env("CI", "true");
    let output = command.output().unwrap();
    (output.status.code(), text(&output))
}

#[test]
fn too_few_open_files_are_told_before_anything_is_started_and_a_soft_limit_is_raised() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = limited("-n 64", folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("allows 64") && said.contains("`ulimit -Hn`"),
        "{said}"
    );
    assert!(!folder.path().join("short").exists(), "a run has begun");
    let (code, said) = limited("-S -n 64", folder.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SCORE short 100/100 PASS"), "{said}");
}

/// As somebody who may have no second thread; the system asks nothing of root.
#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_are_told_before_anything_is_started() {
    use std::{
        fs::{self, Permissions},
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    };

    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("driver");
    fs::copy(env!("CARGO_BIN_EXE_driver"), &program).unwrap();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -u 1 2>/dev/null || ulimit -p 1; exec \"$@\"",
            "sh",
        ])
        .arg(&program)
        .args(["run", "timeouts"])
        .current_dir(folder.path());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("may have 1 processes and threads (`ulimit -u`)")
            && said.contains("raise it"),
        "{said}"
    );
}

#[test]
fn a_hostile_shell_changes_no_other_command() {
    let output = driver(&["doctor", "--quick"])
        .envs(HOSTILE)
        .output()
        .unwrap();
    let said = text(&output);
    assert!(said.contains("this machine reaches itself"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
