//! What each of several send loops says of itself. Where there is one, it is all that is said of the load.

use std::time::Duration;

use lab_load::{LoopRecord, Recording};
use lab_record::{Finding, SendLoop, Validity};

use super::{Limits, grade, ms, of_a_core, percent};

/// None where one loop sent all, and where pods did, of which each is told with its loops.
pub(super) fn finding(recording: &Recording, pods: usize, limits: &Limits) -> Option<Finding> {
    if pods > 0 || recording.loops.len() < 2 {
        return None;
    }
    let text = format!(
        "{} Of late sends in one loop: suspect above {}.",
        described(&recording.loops, recording.wall),
        percent(limits.late_sends.0),
    );
    let validity = doubt(&recording.loops, limits);
    Some(super::finding("send loops", validity, text))
}

/// The late sends of one loop only raise a doubt: how much they are of the whole is judged with those of all.
pub(super) fn doubt(loops: &[LoopRecord], limits: &Limits) -> Validity {
    let worst = loops.iter().map(|one| one.late_share).fold(0.0, f64::max);
    grade(worst, limits.late_sends).min(Validity::Suspect)
}

/// The worst of them, and each where they differ.
pub(super) fn described(loops: &[LoopRecord], wall: Duration) -> String {
    let each = |figure: fn(&LoopRecord, Duration) -> String| -> String {
        let figures: Vec<String> = loops.iter().map(|one| figure(one, wall)).collect();
        match &figures[..] {
            [first, others @ ..] if others.iter().all(|other| other == first) => {
                format!("{first} each")
            }
            _ => figures.join(", "),
        }
    };
    let worst = loops.iter().map(|one| one.lateness_p99).max();
    format!(
        "{} loops shared the schedule: sends {}; p99 of lateness {} in the worst ({}), latest {}; of a core {}.",
        loops.len(),
        each(|one, _| one.sent.to_string()),
        ms(worst.unwrap_or_default()),
        each(|one, _| ms(one.lateness_p99)),
        each(|one, _| ms(one.lateness_worst)),
        each(|one, wall| percent(of_a_core(one.cpu, wall))),
    )
}

/// The same as data.
pub(crate) fn record(one: &LoopRecord, wall: Duration) -> SendLoop {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    SendLoop {
        sent: one.sent,
        late_share: one.late_share,
        lateness_p99_ms: ms(one.lateness_p99),
        lateness_max_ms: ms(one.lateness_worst),
        cpu: of_a_core(one.cpu, wall),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(of: &[(u64, f64)]) -> Recording {
        let one = |&(p99, late_share)| LoopRecord {
            sent: 500,
            late_share,
            lateness_p99: Duration::from_millis(p99),
            lateness_worst: Duration::from_millis(60),
            cpu: Duration::from_secs(2),
        };
        Recording {
            loops: of.iter().map(one).collect(),
            wall: Duration::from_secs(10),
            ..Recording::default()
        }
    }

    #[test]
    fn each_loop_is_judged_for_itself() {
        let judged = |of: &[(u64, f64)], pods| {
            let finding = finding(&recording(of), pods, &Limits::default());
            finding.map(|finding| finding.validity)
        };
        assert_eq!(judged(&[(1, 0.5)], 0), None);
        assert_eq!(judged(&[(1, 0.0); 2], 1), None);
        assert_eq!(judged(&[(1, 0.01); 2], 0), Some(Validity::Valid));
        // Of all sends 0.9 % are late, which alone would be no reason for a doubt.
        let one_of_three = [(1, 0.0), (40, 0.027), (1, 0.0)];
        assert_eq!(judged(&one_of_three, 0), Some(Validity::Suspect));
        assert_eq!(judged(&[(1, 0.0), (90, 0.9)], 0), Some(Validity::Suspect));
    }

    #[test]
    fn the_worst_is_told_and_each_where_they_differ() {
        let text = |of: &[(u64, f64)]| {
            let finding = finding(&recording(of), 0, &Limits::default());
            finding.unwrap().text
        };
        let differ = text(&[(1, 0.0), (40, 0.02)]);
        assert_eq!(
            differ,
            "2 loops shared the schedule: sends 500 each; p99 of lateness 40 ms in the worst (1.0 ms, 40 ms), latest \
             60 ms each; of a core 20 % each. Of late sends in one loop: suspect above 1 %."
        );
        let alike = text(&[(2, 0.0), (2, 0.0)]);
        assert!(
            alike.contains("2.0 ms in the worst (2.0 ms each)"),
            "{alike}"
        );
    }
}
