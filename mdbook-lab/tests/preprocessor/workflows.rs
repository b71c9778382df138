//! What GitHub runs for this project, read as YAML: it can't be run here, so what it names must be there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use granit_parser::{Event, Parser};

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("it is in the project").to_owned()
}

/// Each scalar of a workflow with the one before it, which is its key where it is a mapping's value.
fn pairs(file: &str) -> Vec<(String, String)> {
    let path = root().join(".github/workflows").join(file);
    let text = fs::read_to_string(path).expect(file);
    let scalars: Vec<String> = Parser::new_from_str(&text)
        .filter_map(|event| match event.expect("YAML").0 {
            Event::Scalar(text, ..) => Some(text.into_owned()),
            _ => None,
        })
        .collect();
    let next = scalars.iter().skip(1);
    scalars.iter().cloned().zip(next.cloned()).collect()
}

fn all<'a>(pairs: &'a [(String, String)], key: &str) -> Vec<&'a str> {
    let pairs = pairs.iter().filter(|(at, _)| at == key);
    pairs.map(|(_, value)| &**value).collect()
}

/// Whether make has the target and can say what it would do for it.
fn make_has(target: &str) -> bool {
    let said = Command::new("make")
        .args(["--dry-run", target])
        .current_dir(root())
        .env_remove("MAKEFLAGS")
        .output()
        .expect("make");
    said.status.success()
}

#[test]
fn every_command_of_a_workflow_is_there() {
    let mut targets = 0;
    for file in ["ci.yml", "site.yml"] {
        let pairs = pairs(file);
        let commands = all(&pairs, "run");
        assert!(commands.len() >= 3, "{file}: {commands:?}");
        for command in commands {
            let mut words = command.split_whitespace();
            let program = words.next().expect("a program");
            if program == "make" {
                for target in words {
                    assert!(make_has(target), "{file}: make has no target {target}");
                    targets += 1;
                }
            } else if program.contains('/') {
                assert!(root().join(program).is_file(), "{file}: {program}");
            }
        }
    }
    assert_eq!(targets, 2, "demo and site");
    assert!(!make_has("tea"), "a target that is not there is found");
}

#[test]
fn the_site_is_published_with_no_more_rights_than_that_takes() {
    let pairs = pairs("site.yml");
    let rights: Vec<_> = pairs
        .iter()
        .filter(|(_, right)| matches!(&**right, "read" | "write" | "read-all" | "write-all"))
        .map(|(of, right)| format!("{of}: {right}"))
        .collect();
    assert_eq!(
        rights,
        ["contents: read", "pages: write", "id-token: write"]
    );
    assert_eq!(all(&pairs, "group"), ["pages"]);
    // What `make site` writes by default is what goes up.
    assert_eq!(all(&pairs, "path"), ["site"]);
    let actions: Vec<_> = all(&pairs, "uses")
        .into_iter()
        .map(|action| action.split_once('@').expect("a version").0)
        .collect();
    assert_eq!(
        actions,
        [
            "actions/checkout",
            "actions/upload-pages-artifact",
            "actions/configure-pages",
            "actions/deploy-pages"
        ]
    );
}
