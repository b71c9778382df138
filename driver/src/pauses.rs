//! When the machine, the driver or a service stood still, and which stretches of a run say nothing of the code
//! for it. Pure.
//!
//! The driver knows of its own standstills by a thread that only sleeps ([`lab_load::HICCUP_CELL`]), the services of
//! theirs by one each. Neither can be brought about by code under test that is slow or blocks. Late sends are no
//! witness: a send also waits for its connection, and so for the service.

use std::time::Duration;

use lab_load::HICCUP_CELL;
use lab_record::Pause;

/// What is slow for a while after a pause is its doing. All that was due meanwhile comes at once, and a service at the
/// share ρ of its load is through with it after ρ ÷ (1 − ρ) times the pause: three times at three quarters. The
/// references run at half, and the one of step 4 took twice the pause on a machine that was busy besides. A shadow that
/// is too long costs another run at worst; in one that is too short a pause becomes somebody's FAIL.
const SHADOW_TIMES: u32 = 3;

/// And no shorter than this: rates are taken over a second, recovery is looked at in halves of one, and nobody can
/// say of a shorter stretch that all is as before.
const SHADOW_AT_LEAST: Duration = Duration::from_secs(1);

/// Pauses that can decide a check are so many times longer than a send may be late: the limit of lateness is a
/// quarter of what a scenario tells apart.
const DECISIVE: u32 = 4;

/// A stretch of a run, `from` included, `to` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// First moment.
    pub from: Duration,
    /// End.
    pub to: Duration,
}

impl Stretch {
    /// Whether a moment lies in it.
    pub fn contains(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }
}

/// The stretches of cells in which the driver stood still for longer than `limit`.
pub fn of_the_driver(cells: &[Duration], limit: Duration) -> Vec<Pause> {
    let late = cells
        .iter()
        .enumerate()
        .filter(|(_, worst)| **worst > limit);
    let mut pauses: Vec<Pause> = Vec::new();
    for (cell, worst) in late {
        let start = HICCUP_CELL * cell as u32;
        let (start_s, worst_ms) = (start.as_secs_f64(), worst.as_secs_f64() * 1e3);
        let end_s = (start + HICCUP_CELL).as_secs_f64();
        match pauses.last_mut() {
            Some(last) if last.end_s >= start_s => {
                last.end_s = end_s;
                last.worst_ms = last.worst_ms.max(worst_ms);
            }
            _ => pauses.push(Pause {
                start_s,
                end_s,
                worst_ms,
                service: None,
            }),
        }
    }
    pauses
}

/// How long the driver must stand still to decide a check, where its sends may be late by `lateness`.
pub fn decisive(lateness: Duration) -> Duration {
    DECISIVE * lateness
}

/// Each pause with its shadow.
pub fn disturbed(pauses: &[Pause]) -> Vec<Stretch> {
    let of = |pause: &Pause| {
        let end = seconds(pause.end_s);
        Stretch {
            from: seconds(pause.start_s),
            to: end + (SHADOW_TIMES * length(pause)).max(SHADOW_AT_LEAST),
        }
    };
    pauses.iter().map(of).collect()
}

/// What is left of `spans` without `disturbed` and the time `before` each: what began then was still under way.
pub fn apart(spans: &[Stretch], disturbed: &[Stretch], before: Duration) -> Vec<Stretch> {
    let mut left = spans.to_vec();
    for stretch in disturbed {
        let from = stretch.from.saturating_sub(before);
        left = left
            .into_iter()
            .flat_map(|span| {
                let early = Stretch {
                    to: span.to.min(from),
                    ..span
                };
                let late = Stretch {
                    from: span.from.max(stretch.to),
                    ..span
                };
                [early, late]
            })
            .filter(|span| span.from < span.to)
            .collect();
    }
    left
}

/// How long it lasted.
pub fn length(pause: &Pause) -> Duration {
    seconds(pause.worst_ms / 1e3)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(start_s: f64, end_s: f64, worst_ms: f64) -> Pause {
        Pause {
            start_s,
            end_s,
            worst_ms,
            service: None,
        }
    }

    fn ms(from: u64, to: u64) -> Stretch {
        let ms = Duration::from_millis;
        Stretch {
            from: ms(from),
            to: ms(to),
        }
    }

    #[test]
    fn cells_that_follow_each_other_are_one_pause() {
        let cells = [1, 30, 60, 2, 26, 25].map(Duration::from_millis);
        let found = of_the_driver(&cells, Duration::from_millis(25));
        assert_eq!(found, [pause(0.1, 0.3, 60.0), pause(0.4, 0.5, 26.0)]);
    }

    #[test]
    fn a_shadow_is_three_times_its_pause_and_a_second_at_least() {
        let found = disturbed(&[pause(7.3, 7.5, 120.0), pause(2.0, 5.0, 3000.0)]);
        assert_eq!(found, [ms(7300, 8500), ms(2000, 14_000)]);
    }

    #[test]
    fn what_is_left_is_cut_around_each() {
        let spans = [ms(0, 1000), ms(2000, 3000), ms(4000, 5000)];
        let left =
            |disturbed: &[Stretch], before| apart(&spans, disturbed, Duration::from_millis(before));
        assert_eq!(left(&[], 500), spans);
        assert_eq!(
            left(&[ms(2200, 2400), ms(2300, 2500)], 100),
            [ms(0, 1000), ms(2000, 2100), ms(2500, 3000), ms(4000, 5000)]
        );
        assert_eq!(left(&[ms(1200, 4500)], 300), [ms(0, 900), ms(4500, 5000)]);
        assert_eq!(left(&[ms(0, 9000)], 0), []);
    }
}
