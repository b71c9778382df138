use super::{names::shorten, *};

const AXIS: TimeAxis = TimeAxis {
    end: 100.0,
    slice: 2.0,
    slices: 50,
};
const SCALE: Scale = Scale::Linear {
    low: 0.0,
    high: 10.0,
    step: 5.0,
};

fn line(label: &str, points: &[(f64, f64)]) -> Line {
    Line {
        id: label.to_owned(),
        label: label.to_owned(),
        ink: "c1",
        before: false,
        points: points.to_vec(),
    }
}

fn panel(lines: Vec<Line>) -> Panel {
    Panel {
        title: "In flight".to_owned(),
        unit: "requests".to_owned(),
        lines,
        limits: vec![("slots".to_owned(), 16.0)],
    }
}

fn drawn(panel: &Panel) -> String {
    let marks = Marks {
        pauses: &[],
        phases: &[],
        events: &[],
    };
    panel.markup(0, AXIS, &marks).into_string()
}

fn path(points: &[(f64, f64)], unit: &str) -> String {
    line("x", points).path(SCALE, AXIS, 100.0, unit)
}

#[test]
fn a_line_goes_where_its_points_are() {
    assert_eq!(path(&[], ""), "");
    assert_eq!(path(&[(50.0, 5.0)], ""), "M500 50");
    assert_eq!(path(&[(0.0, 0.0), (100.0, 10.0)], ""), "M0 100L1000 0");
    assert_eq!(path(&[(0.0, 1.0), (50.0, 2.0)], "replicas"), "M0 90H500V80");
}

#[test]
fn a_gap_lifts_the_pen() {
    let points = [(0.0, 5.0), (1.0, 5.0), (2.0, 5.0), (50.0, 5.0), (51.0, 5.0)];
    assert_eq!(path(&points, ""), "M0 50L10 50L20 50M500 50L510 50");
}

#[test]
fn what_lies_beyond_the_axes_stays_at_the_edge() {
    assert_eq!(path(&[(-5.0, -5.0), (500.0, 50.0)], ""), "M0 100L1000 0");
}

#[test]
fn no_data_however_odd_draws_a_nan() {
    let odd = [
        vec![],
        vec![(0.0, 0.0)],
        vec![(0.0, 0.0), (1.0, 0.0)],
        vec![(f64::NAN, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY)],
        vec![(3.0, 1.0), (3.0, 1.0), (3.0, 2.0)],
        (0..500).map(|t| (f64::from(t) / 5.0, 0.0)).collect(),
        vec![(0.0, f64::MIN_POSITIVE), (1.0, f64::MAX / 4.0)],
    ];
    for points in odd {
        for unit in ["ms", "requests", "replicas"] {
            let mut panel = panel(vec![line("x", &points)]);
            unit.clone_into(&mut panel.unit);
            let html = drawn(&panel);
            for wrong in ["NaN", "inf", "\"-0"] {
                assert!(!html.contains(wrong), "{wrong} from {points:?} in {unit}");
            }
        }
    }
}

#[test]
fn the_values_shown_are_those_nearest_to_the_slice() {
    let sampled: Vec<_> = (0..100)
        .map(|t| (f64::from(t), f64::from(t) * 10.0))
        .collect();
    let panel = panel(vec![line("x", &sampled), line("y", &[(3.0, 7.0)])]);
    // Slice 1 lies from 2 to 4 s.
    assert_eq!(panel.values(AXIS, 1), [Some(30.0), Some(7.0)]);
    assert_eq!(panel.values(AXIS, 9), [Some(190.0), None]);
}

#[test]
fn a_reader_who_cant_see_it_is_told() {
    let panel = panel(vec![
        line("in flight", &[(0.0, 2.0), (1.0, 208.0)]),
        line("gone", &[]),
    ]);
    assert_eq!(
        panel.describe(AXIS).replace('\u{a0}', " "),
        "In flight over 100 s. in flight: 2 requests to 208 requests. gone: nothing measured. Line at \
         slots 16."
    );
    let html = drawn(&panel);
    assert!(html.contains("role=\"img\""));
    assert_eq!(html.matches("type=\"radio\"").count(), AXIS.slices);
}

#[test]
fn an_earlier_run_is_named_only_where_it_ends_elsewhere() {
    let named = |end: f64| {
        let mut before = line("x", &[(0.0, end)]);
        before.before = true;
        let panel = panel(vec![line("x", &[(0.0, 10.0)]), before]);
        drawn(&panel).contains("<text class=\"c1 before\"")
    };
    assert!(!named(10.2));
    assert!(named(0.0));
}

#[test]
fn long_names_are_cut() {
    assert_eq!(shorten("short"), "short");
    let cut = shorten("a name that is far too long for the edge");
    assert_eq!(cut, "a name that is far too…");
}
