//! The order of the house: modules need only what lies below them, and ARCHITECTURE.md names what is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("it is in the project").to_owned()
}

/// The crates whose `lib.rs` states an order.
const ORDERED: [&str; 3] = ["driver/src", "lab-services/src", "mdbook-lab/src"];

#[test]
fn every_module_needs_only_modules_of_the_floors_below_its_own() {
    for crate_ in ORDERED {
        let wrong = against_the_order(&root().join(crate_));
        assert_eq!(wrong, BTreeSet::new(), "in {crate_}");
    }
}

#[test]
fn a_module_that_needs_its_own_floor_or_a_higher_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let src = folder.path();
    let put = |file: &str, text: &str| {
        let path = src.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put(
        "lib.rs",
        "//! House.\n\n// Above.\npub mod roof;\n\npub(crate) mod left;\nmod right;\n\nmod ground;\n",
    );
    put("roof.rs", "use crate::{ground, left::Left as Other};\n");
    put(
        "left/mod.rs",
        "#[cfg(test)]\nmod trial;\nmod part;\nuse super::right;\n",
    );
    put(
        "left/part.rs",
        "// crate::roof\nfn f() { super::super::ground::g(); super::right(); }\n",
    );
    put("left/trial.rs", "use crate::roof;\n");
    put(
        "right.rs",
        "pub(crate) use crate::right::own;\n\n#[cfg(test)]\nmod tests {\n    use crate::roof;\n}\n",
    );
    put(
        "ground.rs",
        "use crate::{\n    left::{self, roof},\n    roof::Roof,\n};\n",
    );
    put("cellar.rs", "");
    let wrong: Vec<String> = against_the_order(src).into_iter().collect();
    assert_eq!(
        wrong,
        [
            "`cellar` (cellar.rs) is no module of lib.rs",
            "`ground` (ground.rs) needs `left`, which is no floor below it",
            "`ground` (ground.rs) needs `roof`, which is no floor below it",
            "`left` (left/mod.rs) needs `right`, which is no floor below it",
        ]
    );
}

#[test]
fn the_readme_names_every_step() {
    let readme = read(&root().join("README.md"));
    for scenario in driver::scenario::steps().unwrap() {
        let (name, number) = (&scenario.name, scenario.step.unwrap());
        let row = format!("| `make step{number}` | {name} | `{}`", scenario.edit[0]);
        assert!(readme.contains(&row), "{row}");
    }
}

#[test]
fn the_map_of_the_house_names_what_is_there() {
    let map = read(&root().join("ARCHITECTURE.md"));
    let words = map.split(|letter: char| {
        letter.is_whitespace() || matches!(letter, '`' | '(' | ')' | ',' | '|')
    });
    let words = words.map(|word| word.trim_end_matches(['.', ':', ';']));
    let paths: Vec<&str> = words.filter(|word| is_path(word)).collect();
    assert!(paths.len() > 40, "{paths:?}");
    let missing = paths.iter().filter(|path| {
        // What somebody adds is `NAME`: there is a folder for it.
        let known = path.split("NAME").next().unwrap_or_default();
        let known = known.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = if path.contains("NAME") { known } else { path };
        !root().join(path).exists()
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// What every program of the project says at `--version`, and the changelog of it.
#[test]
fn the_whole_project_has_one_version() {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let workspace = &manifest["workspace"];
    let version = workspace["package"]["version"].as_str().unwrap();
    for member in workspace["members"].as_array().unwrap() {
        let member = member.as_str().unwrap();
        let own: toml::Table = read(&root().join(member).join("Cargo.toml"))
            .parse()
            .unwrap();
        let inherits = own["package"]["version"].get("workspace");
        assert!(
            inherits.and_then(toml::Value::as_bool) == Some(true),
            "{member}"
        );
    }
    let said = Command::new(env!("CARGO_BIN_EXE_driver"))
        .arg("--version")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        format!("driver {version}")
    );
    assert_eq!(driver::host::versions(&root())["driver"], version);

    // The newest version of the changelog, or what is to become one.
    let changelog = read(&root().join("CHANGELOG.md"));
    let newest = changelog.split("\n## [").skip(1).take(2);
    let named = format!("version will be {version}.");
    assert!(
        newest
            .into_iter()
            .any(|part| part.starts_with(&format!("{version}] - ")) || part.contains(&named)),
        "CHANGELOG.md does not know {version}"
    );
}

#[test]
fn the_book_says_of_all_that_is_in_the_projects_own_folder_how_it_is_kept() {
    let reference = read(&root().join("book/reference.md"));
    let section = reference
        .split("\n## ")
        .find(|part| part.starts_with("What you could lose\n"));
    let section = section.expect("the section that lists what can be lost");
    let mut files = Vec::new();
    for folder in ["driver/src", "driver/record/src", "mdbook-lab/src"] {
        collect(&root().join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with("tests.rs"));
    let scripts = fs::read_dir(root().join("scripts")).unwrap();
    files.extend(scripts.map(|script| script.unwrap().path()));
    let mut names = BTreeSet::new();
    for file in &files {
        let text = read(file);
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        for (at, found) in code.match_indices(".lab/") {
            let name: String = code[at + found.len()..]
                .chars()
                .take_while(|letter| letter.is_ascii_lowercase() || *letter == '.')
                .collect();
            names.insert(name.trim_end_matches('.').to_owned());
        }
    }
    names.remove("");
    assert!(
        names.contains("saved") && names.contains("name"),
        "{names:?}"
    );
    let unsaid: Vec<&String> = names
        .iter()
        .filter(|name| !section.contains(*name))
        .collect();
    assert!(
        unsaid.is_empty(),
        "{unsaid:?} in .lab/: which of it could somebody lose?"
    );
    for ignored in read(&root().join(".gitignore"))
        .lines()
        .filter_map(|line| line.strip_prefix('/'))
    {
        assert!(section.contains(&format!("`{ignored}/`")), "{ignored}");
    }
}

/// Whether a word of a page is the path of a file or, with a slash at its end, of a folder.
fn is_path(word: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    let is_file = Path::new(word)
        .extension()
        .is_some_and(|ending| !ending.is_empty());
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.chars().all(plain)
        && word.contains('/')
        && (is_file || word.ends_with('/'))
}

/// What stands against the order that `lib.rs` states: groups of modules, with a blank line between, are floors.
fn against_the_order(src: &Path) -> BTreeSet<String> {
    let floors = floors(&read(&src.join("lib.rs")));
    let mut files = Vec::new();
    collect(src, &mut files);
    let tests: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|file| modules_of_tests(file))
        .collect();
    let mut wrong = BTreeSet::new();
    for file in &files {
        let inside = file.strip_prefix(src).unwrap();
        let is_test = file
            .ancestors()
            .any(|part| tests.contains(&part.with_extension("")));
        if is_test || inside == Path::new("lib.rs") || inside == Path::new("main.rs") {
            continue;
        }
        let path = module_path(inside);
        let (name, shown) = (&path[0], inside.display());
        let Some(own) = floors.get(name) else {
            wrong.insert(format!("`{name}` ({shown}) is no module of lib.rs"));
            continue;
        };
        for needed in needed(&code(&read(file)), path.len()) {
            let is_below = |floor: &usize| floor > own;
            if needed != *name
                && floors.contains_key(&needed)
                && !floors.get(&needed).is_some_and(is_below)
            {
                wrong.insert(format!(
                    "`{name}` ({shown}) needs `{needed}`, which is no floor below it"
                ));
            }
        }
    }
    wrong
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// The module of a file: `a/mod.rs` and `a.rs` are `a`, `a/b.rs` is `a`, `b`.
fn module_path(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let parts = file.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| part != "mod").collect()
}

/// The module that a line declares, whose text is in another file.
fn declared(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["mod", name] | ["pub" | "pub(crate)" | "pub(super)", "mod", name] => {
            name.strip_suffix(';')
        }
        _ => None,
    }
}

/// The floor of each module, counted from the top.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut floors = BTreeMap::new();
    for (floor, group) in lib.split("\n\n").enumerate() {
        floors.extend(
            group
                .lines()
                .filter_map(declared)
                .map(|name| (name.to_owned(), floor)),
        );
    }
    floors
}

/// The files, without their ending, or folders of the modules that a file declares for tests alone.
fn modules_of_tests(file: &Path) -> Vec<PathBuf> {
    let stem = file.file_stem().unwrap_or_default();
    let folder = if stem == "mod" || stem == "lib" || stem == "main" {
        file.parent().unwrap().to_owned()
    } else {
        file.with_extension("")
    };
    let text = read(file);
    let lines = text.lines().zip(text.lines().skip(1));
    lines
        .filter(|(before, _)| before.trim() == "#[cfg(test)]")
        .filter_map(|(_, line)| Some(folder.join(declared(line)?)))
        .collect()
}

/// A file without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line == "#[cfg(test)]" && next.contains("mod ") && next.ends_with('{') {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The names directly below the crate's root that code of a module so deep speaks of.
fn needed(code: &str, depth: usize) -> BTreeSet<String> {
    let up = "super::".repeat(depth);
    let from_root = after(code, "crate::").into_iter().chain(after(code, &up));
    from_root.flat_map(first_names).collect()
}

/// What follows each `path` that begins there.
fn after<'a>(code: &'a str, path: &str) -> Vec<&'a str> {
    let begins = |at: usize| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '_' | ':' | '$'))
    };
    code.match_indices(path)
        .filter(|(at, _)| begins(*at))
        .map(|(at, _)| &code[at + path.len()..])
        .collect()
}

/// The first names of what follows `crate::`: one, or those of a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect()
    };
    let Some(list) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(word(&list[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word(&list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}
