//! What the board keeps: through a kill, a damaged file, a crowd, a reset.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    time::{Duration, Instant},
};

use lab_say::note;
use serde_json::{Value, json};

use crate::{
    attack::Answer,
    room::{Room, code},
};

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn names(room: &Room) -> BTreeSet<String> {
    let rows = room.rows();
    let names = rows.as_array().expect("rows").iter();
    names
        .map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// Everybody posts a code at once, again where a connection was let go. Gives how long each waited, in order.
fn crowd(room: &Room, many: u32) -> Vec<Duration> {
    let post = |n: u32| {
        let codes = [code(&format!("laptop-{n}"), n, 100)];
        let start = Instant::now();
        while room.post(&codes).is_none_or(|answer| answer.status != 200) {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "laptop {n} is never heard"
            );
        }
        start.elapsed()
    };
    let mut waited: Vec<Duration> = std::thread::scope(|threads| {
        let laptops: Vec<_> = (0..many).map(|n| threads.spawn(move || post(n))).collect();
        laptops
            .into_iter()
            .map(|laptop| laptop.join().expect("an answer"))
            .collect()
    });
    waited.sort();
    waited
}

#[test]
fn what_was_taken_is_there_after_a_kill_and_laptops_stay_joined() {
    let room = Room::open();
    let first = [code("ada", 1, 52), code("<b>bob</b>", 2, 100)];
    assert_eq!(room.post(&first).expect("an answer").status, 200);
    let (before, key) = (room.rows(), room.key.clone());
    let room = Room::at(room.server.leave("-KILL"));
    assert_eq!((room.rows(), &room.key), (before, &key));
    let again = json_of(&room.post(&first).expect("an answer"));
    assert_eq!(
        (&again["new"], &again["known"]),
        (&json!(0), &json!(2)),
        "the same code counts once"
    );
}

#[test]
fn who_got_an_answer_is_there_though_the_board_was_killed_in_the_middle() {
    let room = Room::open();
    // Eight at once: the board is busy writing when it is killed.
    let answered: BTreeSet<String> = std::thread::scope(|threads| {
        let post = |n: u32| {
            let mut answered = Vec::new();
            for step in 0..20 {
                let name = format!("laptop-{n}-{step}");
                // Nobody listens any more, perhaps.
                let post = || room.post(&[code(&name, n, 100)]);
                match std::panic::catch_unwind(std::panic::AssertUnwindSafe(post)) {
                    Ok(Some(answer)) if answer.status == 200 => answered.push(name),
                    _ => break,
                }
                if (n, step) == (0, 5) {
                    room.server.kill();
                }
            }
            answered
        };
        let laptops: Vec<_> = (0..8).map(|n| threads.spawn(move || post(n))).collect();
        laptops
            .into_iter()
            .flat_map(|laptop| laptop.join().expect("what was answered"))
            .collect()
    });
    assert!((6..160).contains(&answered.len()), "{answered:?}");
    let room = Room::at(room.server.leave("-KILL"));
    let kept = names(&room);
    assert_eq!(
        answered.difference(&kept).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn a_file_that_was_torn_is_kept_aside_to_the_last_byte() {
    let room = Room::open();
    room.post(&[code("ada", 1, 52)]);
    let project = room.server.leave("-KILL");
    let file = project.path().join(".lab/board.json");
    let whole = fs::read(&file).expect("the board");
    fs::write(&file, &whole[..whole.len() - 20]).expect("torn");
    let room = Room::at(project);
    assert_eq!(room.rows(), json!([]));
    room.post(&[code("bob", 1, 52)]);
    let lab = fs::read_dir(room.server.path(".lab"))
        .expect("its folder")
        .flatten();
    let aside: Vec<_> = lab
        .filter(|entry| entry.file_name().to_string_lossy().contains("unreadable"))
        .collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(
        fs::read(aside[0].path()).expect("it"),
        &whole[..whole.len() - 20]
    );
}

#[test]
fn a_reset_saves_what_there_was_and_a_sheet_has_no_formula() {
    let room = Room::open();
    let session = room.enter();
    let taken = room.paste(
        &session,
        &format!(
            "Ada: {}\nEve: {}.",
            code("ada", 1, 52),
            code("=1+1", 2, 100)
        ),
    );
    assert_eq!(taken["new"], 2);
    let sheet = room
        .server
        .get("/board/export.csv", &[("authorization", &session)]);
    assert!(
        sheet.body.contains("\n\"'=1+1\",\"tx\",PASS,"),
        "{}",
        sheet.body
    );
    let reset = json_of(&room.server.act(&session, "/board/reset", "{}", &[]));
    let saved = fs::read_to_string(room.server.path(reset["saved"].as_str().expect("a name")))
        .expect("saved");
    assert!(saved.contains(&code("ada", 1, 52)) && room.rows() == json!([]));
    assert_eq!(
        room.post(&[code("ada", 1, 52)]).expect("an answer").status,
        200,
        "still joined"
    );
}

#[test]
fn three_hundred_laptops_post_at_once_and_every_code_counts() {
    let room = Room::open();
    let start = Instant::now();
    let waited = crowd(&room, 300);
    let all = start.elapsed();
    assert_eq!(names(&room).len(), 300);
    let room = Room::at(room.server.leave("-KILL"));
    assert_eq!(names(&room).len(), 300, "who got an answer is on the disk");
    note!(
        "300 posts at once: half within {:?}, all within {:?}, {all:?} in all",
        waited[150],
        waited[299]
    );
}

#[test]
#[ignore = "it measures: cargo test --profile lab --workspace --test security -- --ignored --nocapture ten_thousand"]
fn ten_thousand_codes_and_a_log_of_ten_megabytes() {
    let room = Room::open();
    let session = room.enter();
    let codes: Vec<String> = (0..10_000)
        .map(|n| code(&format!("name {}", n % 1000), n, (n % 101) as u8))
        .collect();
    let mut log = String::new();
    for code in &codes {
        let chat = "bla ".repeat(230);
        let _ = writeln!(log, "[10:01] somebody: {chat} `{code}`");
    }
    let start = Instant::now();
    let taken = room.paste(&session, &log);
    note!(
        "a log of {} MB with 10,000 codes: {:?}",
        log.len() / 1_000_000,
        start.elapsed()
    );
    assert_eq!(taken["new"], 10_000);
    let start = Instant::now();
    let waited = crowd(&room, 300);
    note!(
        "300 posts at once beside them: half within {:?}, all within {:?}, {:?} in all",
        waited[150],
        waited[299],
        start.elapsed()
    );
    let start = Instant::now();
    assert_eq!(names(&room).len(), 1300);
    note!("all 1,300 rows: {:?}", start.elapsed());
    let size = fs::metadata(room.server.path(".lab/board.json"))
        .expect("the board")
        .len();
    note!("the file: {} KB", size / 1000);
}
