//! The door that starts the participant's editor: what it can be made to start, and with what.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use crate::attack::{Answer, Guide, wait_until};

const WISH: &str = r#"{"file":"book/step.md","line":3,"column":5}"#;

/// A guide whose user has an editor in `$VISUAL`: a script of that name that notes what it is started with.
fn guide(visual: &str, script: &str) -> Guide {
    let project = Guide::project();
    let tools = project.path().join("tools");
    fs::create_dir(&tools).expect("a folder");
    let noted = project.path().join("noted");
    let script = format!(
        "#!/bin/sh\nprintf '<%s>' \"$@\" >>'{}'\necho >>'{0}'\n{script}\n",
        noted.display()
    );
    for name in ["gvim", "code", "sh-editor"] {
        let tool = tools.join(name);
        fs::write(&tool, &script).expect("written");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("set");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let equip = |command: &mut Command| {
        command
            .args(["--no-open"])
            .env("PATH", format!("{}:{path}", tools.display()))
            .env("VISUAL", visual)
            .env("DISPLAY", ":0")
            .env_remove("EDITOR")
            .env_remove("SSH_CONNECTION")
            .env_remove("WSL_DISTRO_NAME")
            .env_remove("TERM_PROGRAM");
    };
    Guide::serve_with(project, 0, |command| {
        equip(command);
        command
    })
}

fn noted(guide: &Guide) -> String {
    fs::read_to_string(guide.path("noted")).unwrap_or_default()
}

/// The project's folder as the server knows it.
fn root(guide: &Guide) -> PathBuf {
    guide.path(".").canonicalize().expect("the project")
}

fn open(guide: &Guide, token: &str, body: &str) -> Answer {
    guide.act(token, "/lab/open", body, &[])
}

/// Opens what may be opened, and sees that this is all that was started so far.
fn nothing_but_what_may_be_was_opened(guide: &Guide, token: &str) {
    assert_eq!(open(guide, token, WISH).status, 202);
    wait_until("noted", || noted(guide).ends_with('\n'));
    let file = root(guide).join("book/step.md");
    assert_eq!(noted(guide), format!("<+3><{}>\n", file.display()));
}

#[test]
fn no_editor_is_started_for_who_has_no_right_to_it() {
    let guide = guide("gvim -f", "");
    let token = guide.enter();
    for (changes, status) in [
        (&[("origin", "http://evil.example")][..], 403),
        (&[("origin", "")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("authorization", "Bearer guess")], 403),
        (&[("authorization", "")], 403),
        (&[("content-type", "text/plain")], 415),
    ] {
        let answer = guide.act(&token, "/lab/open", WISH, changes);
        assert_eq!(answer.status, status, "{changes:?}");
    }
    for (name, value) in [
        ("authorization", "Bearer guess"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let shown = [("authorization", token.as_str()), (name, value)];
        let headers = if name == "authorization" {
            &shown[1..]
        } else {
            &shown[..]
        };
        assert_eq!(guide.get("/lab/editor", headers).status, 403, "{name}");
    }
    nothing_but_what_may_be_was_opened(&guide, &token);
}

#[test]
fn no_file_but_a_text_of_the_project_is_opened() {
    let guide = guide("gvim", "");
    let token = guide.enter();
    let file = root(&guide).join("book/step.md");
    let absolute = file.to_str().expect("text");
    for trick in [
        "/etc/passwd",
        absolute,
        "../secret.md",
        "book/../../secret.md",
        "book//step.md",
        ".lab/x.md",
        "run.sh",
        "book",
        "book/%73tep.md",
        "book\\step.md",
        "-c :!touch hacked",
        "--cmd=x.md",
        "+step.md",
        "",
    ] {
        let body = serde_json::json!({ "file": trick, "line": 1 }).to_string();
        assert_eq!(open(&guide, &token, &body).status, 404, "{trick}");
    }
    nothing_but_what_may_be_was_opened(&guide, &token);
}

#[test]
fn a_request_chooses_neither_the_program_nor_its_arguments() {
    let guide = guide("gvim", "");
    let token = guide.enter();
    for body in [
        r#"{"file":"book/step.md","line":3,"program":"sh"}"#,
        r#"{"file":"book/step.md","line":"3 -c :!touch hacked"}"#,
        r#"{"file":["book/step.md","-c"],"line":3}"#,
        r#"{"file":"book/step.md","line":-1}"#,
        "{}",
    ] {
        assert_eq!(open(&guide, &token, body).status, 400, "{body}");
    }
    // What a shell would do something with is a name here, and one argument.
    let name = "$(touch hacked) `touch hacked`;touch hacked & 'x\".md";
    fs::write(guide.path("book").join(name), "").expect("written");
    let body = serde_json::json!({ "file": format!("book/{name}") }).to_string();
    assert_eq!(open(&guide, &token, &body).status, 202);
    wait_until("noted", || noted(&guide).ends_with('\n'));
    let file = root(&guide).join("book").join(name);
    assert_eq!(noted(&guide), format!("<+1><{}>\n", file.display()));
    assert!(!guide.path("hacked").exists() && !guide.path("book/hacked").exists());
}

#[test]
fn a_program_that_is_no_editor_with_a_window_is_never_started() {
    let guide = guide("sh-editor", "");
    let token = guide.enter();
    let told = guide.get("/lab/editor", &[("authorization", &token)]);
    // There is a `code` on the path: its links need no door.
    assert_eq!(told.status, 200);
    assert!(
        told.body.contains(r#""scheme":"vscode://file""#),
        "{told:?}"
    );
    assert_eq!(open(&guide, &token, WISH).status, 404);
    assert_eq!(noted(&guide), "");
}

#[test]
fn so_many_editors_are_open_at_once_and_no_more() {
    let guide = guide("gvim", "while [ ! -e enough ]; do sleep 0.1; done");
    let token = guide.enter();
    let opened: Vec<u16> = (0..10).map(|_| open(&guide, &token, WISH).status).collect();
    assert_eq!(opened, [[202; 8].as_slice(), &[429; 2]].concat());
    fs::write(guide.path("enough"), "").expect("written");
    wait_until("room again", || open(&guide, &token, WISH).status == 202);
}
