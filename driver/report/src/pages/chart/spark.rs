//! A line of scores, as large as a word or two.

use std::fmt::Write;

use maud::{Markup, html};

/// The most runs that one shows: the newest.
const MOST: usize = 60;
const WIDTH: f64 = 180.0;
const HEIGHT: f64 = 32.0;
/// Keeps dots off the edge.
const MARGIN: f64 = 4.0;

/// Scores from the oldest run to the newest, each with whether it passed; runs without a score are
/// gaps.
pub(crate) fn sparkline(scores: &[Option<(u8, bool)>]) -> Markup {
    let scores = &scores[scores.len().saturating_sub(MOST)..];
    let known: Vec<u8> = scores.iter().flatten().map(|score| score.0).collect();
    let Some(last) = known.last() else {
        return html! {};
    };
    html! {
        svg.spark width=(WIDTH) height=(HEIGHT) role="img"
            aria-label={ "Scores of the last " (scores.len()) " runs, oldest first; the newest is " (last) } {
            line.hundred x1=(MARGIN) x2=(WIDTH - MARGIN) y1=(MARGIN) y2=(MARGIN) {}
            path d=(path(scores)) {}
            @for (at, score) in scores.iter().enumerate() {
                @if let Some((score, passed)) = score {
                    @let (x, y) = place(at, *score, scores.len());
                    circle.(if *passed { "pass" } else { "fail" }) cx=(x) cy=(y) r="2.5" {
                        title { (score) }
                    }
                }
            }
        }
    }
}

fn path(scores: &[Option<(u8, bool)>]) -> String {
    let mut path = String::new();
    let mut joined = false;
    for (at, score) in scores.iter().enumerate() {
        if let Some((score, _)) = score {
            let (x, y) = place(at, *score, scores.len());
            let _ = write!(path, "{}{x} {y}", if joined { 'L' } else { 'M' });
        }
        joined = score.is_some();
    }
    path
}

/// A score's place, in whole tenths of a pixel. One score alone stands in the middle.
fn place(at: usize, score: u8, count: usize) -> (f64, f64) {
    let along = if count > 1 {
        at as f64 / (count - 1) as f64
    } else {
        0.5
    };
    let up = f64::from(score.min(100)) / 100.0;
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    (
        tenths(MARGIN + along * (WIDTH - 2.0 * MARGIN)),
        tenths(HEIGHT - MARGIN - up * (HEIGHT - 2.0 * MARGIN)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_run_from_left_to_right_and_gaps_stay() {
        let scores = [Some((0, false)), None, Some((100, true)), Some((50, false))];
        assert_eq!(path(&scores), "M4 28M118.7 4L176 16");
    }

    #[test]
    fn one_score_and_none() {
        assert_eq!(path(&[Some((100, true))]), "M90 4");
        assert_eq!(sparkline(&[None, None]).into_string(), "");
        assert_eq!(sparkline(&[]).into_string(), "");
    }

    #[test]
    fn only_the_newest_are_drawn() {
        let drawn = sparkline(&[Some((80, true)); 500]).into_string();
        assert_eq!(drawn.matches("<circle").count(), MOST);
        assert!(!drawn.contains("NaN"));
    }
}
