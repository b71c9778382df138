use std::{
    fs::File,
    io::Write,
    os::unix::fs::symlink,
    sync::Barrier,
    time::{Duration, Instant},
};

use super::*;
use crate::scenario::step;

const FILE: &str = "lab-services/src/cases/timeouts.rs";

fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        file::replace(&root.path().join(path), text.as_bytes()).unwrap();
    };
    put(FILE, "starter");
    put("lab-services/src/cases/starter/timeouts.rs", "starter");
    put("lab-services/src/cases/solved/timeouts.rs", "solved");
    root
}

fn try_place(root: &Path, variant: Variant) -> Result<Placed> {
    place(root, &step("timeouts").unwrap(), variant).remove(0)
}

fn solve(root: &Path) -> Placed {
    try_place(root, Variant::Solved).unwrap()
}

fn text(root: &Path) -> String {
    fs::read_to_string(root.join(FILE)).unwrap()
}

/// Every text below a folder.
fn texts(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

#[test]
fn an_edit_is_saved_before_it_is_replaced() {
    let root = project();
    fs::write(root.path().join(FILE), "my precious").unwrap();
    let placed = solve(root.path());
    assert_eq!(text(root.path()), "solved");
    let saved = fs::read_to_string(&placed.saved[0]).unwrap();
    assert_eq!(saved, "my precious");
    assert!(placed.saved[0].ends_with(FILE));
}

#[test]
fn texts_of_the_project_are_not_piled_up() {
    let root = project();
    let first = solve(root.path());
    assert_eq!((first.state, first.saved.len()), (State::Changed, 0));
    assert_eq!(solve(root.path()).state, State::Unchanged);
    for variant in [Variant::Starter, Variant::Solved, Variant::Starter] {
        assert!(try_place(root.path(), variant).unwrap().saved.is_empty());
    }
    let saved: Vec<_> = fs::read_dir(root.path().join(".lab/saved"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(saved, ["replaced"]);
}

#[test]
fn a_missing_file_is_put_in_place() {
    let root = project();
    fs::remove_file(root.path().join(FILE)).unwrap();
    let placed = solve(root.path());
    assert_eq!((placed.state, placed.saved.len()), (State::Changed, 0));
    assert!(texts(&root.path().join(".lab")).is_empty());
}

#[test]
fn texts_of_the_same_moment_get_places_of_their_own() {
    let root = project();
    let mut saved = Vec::new();
    for n in 0..20 {
        fs::write(root.path().join(FILE), format!("text {n}")).unwrap();
        saved.extend(solve(root.path()).saved);
    }
    for (n, path) in saved.iter().enumerate() {
        assert_eq!(fs::read_to_string(path).unwrap(), format!("text {n}"));
    }
}

#[test]
fn a_link_is_refused_by_name_with_what_it_leads_to() {
    let root = project();
    let file = root.path().join(FILE);
    let elsewhere = root.path().join("elsewhere.rs");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    fs::write(&elsewhere, "my precious").unwrap();
    let error = try_place(root.path(), Variant::Solved)
        .unwrap_err()
        .to_string();
    for name in [&file, &elsewhere] {
        assert!(error.contains(&name.display().to_string()), "{error}");
    }
    assert_eq!(fs::read_link(&file).unwrap(), elsewhere);
    assert_eq!(text(root.path()), "my precious");
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused_by_name() {
    let root = project();
    let file = root.path().join(FILE);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let error = try_place(root.path(), Variant::Solved)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert!(file.is_dir());
}

#[test]
fn what_is_saved_late_to_a_file_that_was_open_is_kept() {
    let root = project();
    let mut open = File::options()
        .write(true)
        .open(root.path().join(FILE))
        .unwrap();
    assert!(solve(root.path()).saved.is_empty());
    open.write_all(b"a late save").unwrap();
    drop(open);
    assert_eq!(text(root.path()), "solved");
    assert!(texts(&root.path().join(".lab/saved")).contains(&"a late save".to_owned()));
    // The next change of that file finds it and says where it is.
    let next = try_place(root.path(), Variant::Starter).unwrap();
    assert_eq!(fs::read_to_string(&next.saved[0]).unwrap(), "a late save");
}

/// How editors save.
const WAYS: [fn(&Path, &str); 4] = [
    // Beside it, then renamed: most.
    |file, text| {
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, file).unwrap();
    },
    // Over it.
    |file, text| fs::write(file, text).unwrap(),
    // A backup first, by renaming; then anew.
    |file, text| {
        let _ = fs::rename(file, file.with_extension("bak"));
        fs::write(file, text).unwrap();
    },
    // Opened as it is, shortened after the writing.
    |file, text| {
        let open = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file);
        let mut open = open.unwrap();
        open.write_all(text.as_bytes()).unwrap();
        open.set_len(text.len() as u64).unwrap();
    },
];

/// One save at a random moment of one change, again and again; `make chaos` does it with the program.
#[test]
fn no_save_in_the_middle_of_a_change_is_lost() {
    const SAVES: usize = 600;
    let mut random = fastrand::Rng::with_seed(20_261_125);
    let root = project();
    let file = root.path().join(FILE);
    let begun = Instant::now();
    solve(root.path());
    let takes = begun.elapsed();
    for n in 0..SAVES {
        let save = WAYS[random.usize(..WAYS.len())];
        let variant = if n % 2 == 0 {
            Variant::Starter
        } else {
            Variant::Solved
        };
        let text = format!("// save {n}\n");
        let wait = Duration::from_nanos(random.u64(..2 * takes.as_nanos() as u64));
        let together = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                let at = Instant::now() + wait;
                while Instant::now() < at {
                    std::hint::spin_loop();
                }
                save(&file, &text);
            });
            together.wait();
            try_place(root.path(), variant).unwrap();
        });
        let stands = fs::read_to_string(&file).unwrap();
        assert!(
            stands == text || texts(&root.path().join(".lab/saved")).contains(&text),
            "save {n} is lost: {stands} stands there"
        );
        fs::remove_dir_all(root.path().join(".lab/saved")).unwrap_or_default();
    }
}

#[test]
fn what_was_saved_is_listed_newest_first_and_put_back_after_saving_what_is_there() {
    let root = project();
    let steps = [step("timeouts").unwrap()];
    assert_eq!(saved(root.path(), &steps).unwrap(), []);
    for mine in ["first", "second"] {
        fs::write(root.path().join(FILE), mine).unwrap();
        solve(root.path());
    }
    let all = saved(root.path(), &steps).unwrap();
    let read = |one: &Saved| fs::read_to_string(&one.path).unwrap();
    assert_eq!(
        all.iter().map(read).collect::<Vec<_>>(),
        ["second", "first"]
    );
    assert!(all[0].at >= all[1].at && all[0].file == FILE && all[0].scenario == "timeouts");

    fs::write(root.path().join(FILE), "third").unwrap();
    let placed = put_back(root.path(), &all[1]).unwrap();
    assert_eq!((placed.state, placed.saved.len()), (State::Changed, 1));
    assert_eq!(text(root.path()), "first");
    let all = saved(root.path(), &steps).unwrap();
    assert_eq!(
        all.iter().map(read).collect::<Vec<_>>(),
        ["third", "second", "first"]
    );
}

#[test]
fn what_an_editor_saved_meanwhile_is_listed_and_strange_folders_are_not() {
    let root = project();
    let shelf = root.path().join(".lab/saved");
    for (path, text) in [
        (format!("20261129T101112.131Z/{FILE}"), "one"),
        (format!("20261129T101112.131Z/{FILE}.2"), "two"),
        // The first of that moment was one of the project's own, and is not kept.
        (format!("20261129T101112.131Z-2/{FILE}.2"), "three"),
        (format!("20261129T101112.131Z-2/{FILE}.orig"), "not ours"),
        (format!("replaced/{FILE}"), "starter"),
        (format!("yesterday/{FILE}"), "not ours"),
        ("20261129T101112.131Z/README.md".to_owned(), "no edit point"),
    ] {
        file::replace(&shelf.join(path), text.as_bytes()).unwrap();
    }
    let all = saved(root.path(), &[step("timeouts").unwrap()]).unwrap();
    let texts: Vec<_> = all
        .iter()
        .map(|one| fs::read_to_string(&one.path).unwrap())
        .collect();
    assert_eq!(texts.len(), 3, "{all:?}");
    assert!(
        ["one", "two", "three"]
            .iter()
            .all(|text| texts.contains(&(*text).to_owned()))
    );
    assert!(
        all.iter()
            .all(|one| one.at.to_string() == "2026-11-29T10:11:12.131Z"),
        "{all:?}"
    );
}
