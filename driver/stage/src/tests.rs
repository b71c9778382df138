//! What is drawn and said, by value.

use lab_record::{Finite, Frame, Gauge, Ink, Level, Scaled, Stage, StagePart};

use crate::{grid::Grid, headline, picture, words};

fn part(id: &str, label: &str, ink: Ink) -> StagePart {
    StagePart {
        id: id.to_owned(),
        label: label.to_owned(),
        ink,
        series: format!("series of {id}"),
    }
}

fn measured(series: &str) -> Scaled {
    Scaled {
        series: series.to_owned(),
        times: Finite::from(1),
    }
}

fn stage() -> Stage {
    Stage {
        title: "The api's <slots>".to_owned(),
        place: "slots taken".to_owned(),
        free: "free".to_owned(),
        places: Level::Measured(measured("slots")),
        taken: vec![
            part("hanging", "hanging", Ink::Stuck),
            part("working", "working", Ink::Work),
        ],
        waiting: "wait outside".to_owned(),
        line: vec![
            part("quotes", "quotes", Ink::Wait),
            part("bystanders", "bystanders", Ink::Bystander),
        ],
        refused: vec![part("given_up", "given up", Ink::Refused)],
        gauges: vec![Gauge {
            id: "cpu".to_owned(),
            label: "CPU used".to_owned(),
            unit: "millicores".to_owned(),
            level: measured("cpu"),
            bound_label: "limit".to_owned(),
            bound: Level::Value(Finite::from(200)),
        }],
    }
}

fn frame(values: &[(&str, f64)]) -> Frame {
    let named = values.iter().map(|(id, value)| ((*id).to_owned(), *value));
    Frame {
        t_s: 14.2,
        values: named.collect(),
    }
}

fn worst() -> Frame {
    frame(&[
        ("places", 16.0),
        ("hanging", 14.0),
        ("working", 2.0),
        ("quotes", 150.0),
        ("bystanders", 3.0),
        ("given_up", 5.96),
        ("cpu", 400.0),
        ("cpu.bound", 200.0),
    ])
}

/// How often something is in the picture.
fn count(frame: &Frame, what: &str) -> usize {
    let picture = picture(&stage(), frame).into_string();
    picture.matches(what).count()
}

#[test]
fn words_say_all_that_is_drawn() {
    assert_eq!(
        words(&stage(), &worst()),
        "16 of 16 slots taken: 14 hanging, 2 working. 153 wait outside: 150 quotes, 3 bystanders. 6 a second given up. \
         CPU used: 400 millicores, limit 200."
    );
    assert_eq!(
        headline(&stage(), &worst()),
        "16 of 16 slots taken, 153 wait outside"
    );
    let without_a_line = Stage {
        line: Vec::new(),
        ..stage()
    };
    assert_eq!(
        headline(&without_a_line, &worst()),
        "16 of 16 slots taken, 6 a second given up"
    );
}

#[test]
fn what_was_not_seen_is_said_to_be_unknown_and_no_nought() {
    let seen = frame(&[("places", 16.0), ("working", 2.0), ("quotes", 0.0)]);
    assert_eq!(
        words(&stage(), &seen),
        "? of 16 slots taken: ? hanging, 2 working. ? wait outside: 0 quotes, ? bystanders. ? a second given up. \
         CPU used: ? millicores, limit ?."
    );
    assert!(words(&stage(), &Frame::default()).starts_with("? of ? slots taken"));
    assert_eq!(
        count(&Frame::default(), r#"class="cell free""#),
        1,
        "the key alone"
    );
}

#[test]
fn each_place_and_each_who_waits_up_to_a_bound_is_drawn_once() {
    // Each with its key.
    assert_eq!(count(&worst(), r#"class="cell stuck""#), 14 + 1);
    assert_eq!(count(&worst(), r#"class="cell work""#), 2 + 1);
    assert_eq!(count(&worst(), r#"class="cell free""#), 1);
    assert_eq!(count(&worst(), r#"class="cell bystander""#), 3 + 1);
    assert_eq!(count(&worst(), r#"class="cell wait""#), 36 + 1);
    assert_eq!(count(&worst(), ">+114<"), 1);
    assert_eq!(count(&worst(), r#"class="cell refused""#), 6 + 1);
    let calm = frame(&[("places", 16.0), ("hanging", 0.0), ("working", 3.0)]);
    assert_eq!(count(&calm, r#"class="cell free""#), 13 + 1);
}

#[test]
fn more_than_there_are_places_for_is_said_and_fills_them_all() {
    let over = frame(&[("places", 8.0), ("hanging", 5.0), ("working", 5.0)]);
    assert!(words(&stage(), &over).starts_with("10 of 8 slots taken"));
    assert_eq!(count(&over, r#"class="cell work""#), 3 + 1);
}

#[test]
fn a_bar_has_its_bound_in_the_middle_and_ends_at_twice_as_much() {
    for (cpu, width, class) in [
        (0.0, "0", "within"),
        (200.0, "320", "within"),
        (250.0, "400", "over"),
        (4000.0, "640", "over"),
    ] {
        let seen = frame(&[("cpu", cpu), ("cpu.bound", 200.0)]);
        let bar = format!(r#"<rect class="{class}" x="0" y="#);
        let picture = picture(&stage(), &seen).into_string();
        let (_, bar) = picture.split_once(&bar).unwrap();
        assert!(
            bar.contains(&format!(r#"width="{width}" height="20""#)),
            "{cpu}"
        );
    }
}

#[test]
fn places_fill_their_room_and_never_lie_over_each_other() {
    for places in 1..=512 {
        let grid = Grid::of(places);
        let corners: Vec<(f64, f64)> = (0..places).map(|n| grid.corner(n)).collect();
        for (n, (x, y)) in corners.iter().enumerate() {
            let inside =
                *x >= 9.9 && x + grid.pitch <= 630.1 && *y >= 91.9 && y + grid.pitch <= 248.1;
            assert!(inside, "{n} of {places}: {x} {y} {}", grid.pitch);
        }
        let apart = corners
            .windows(2)
            .all(|pair| (pair[1].0 - pair[0].0 - grid.pitch).abs() < 1e-9 || pair[1].1 > pair[0].1);
        assert!(apart, "{places}");
        let area = places as f64 * grid.pitch.powi(2) / (620.0 * 156.0);
        assert!(area > 0.4 || places < 16, "{places}: {area}");
    }
}

#[test]
fn the_picture_is_what_it_was() {
    let picture = picture(&stage(), &worst()).into_string();
    insta::assert_snapshot!(picture.replace("><", ">\n<"));
}
