//! What each load pod says of itself: which way the load took, and whether a pod kept its times and knew the clock.

use std::time::Duration;

use lab_record::{Finding, LoadPod, SendLoop, Validity};
use lab_remote::PodRecord;

use super::{Limits, allowed, at_best, grade, loops, ms, of_a_core, percent};

/// A clock that is further off than a send may be late moves a pod's load against the faults and the other pods; four
/// times that is what the scenarios tell apart.
const CLOCK_INVALID: u32 = 4;

/// None where the driver sent the load itself.
pub(super) fn finding(pods: &[PodRecord], limits: &Limits) -> Option<Finding> {
    let validity = pods.iter().map(|pod| validity(pod, limits)).max()?;
    let each: Vec<String> = pods.iter().map(described).collect();
    let text = format!(
        "The load came from inside the cluster, straight to the services' pods. {} Of late sends in one pod: {} \
         Of clocks: suspect when more than {} off, invalid above {}.",
        each.join(" "),
        allowed(limits.late_sends).to_lowercase(),
        ms(limits.lateness),
        ms(CLOCK_INVALID * limits.lateness),
    );
    Some(super::finding("load pods", validity, text))
}

/// The late sends of one pod only raise a doubt: how much they are of the whole is judged with all others.
fn validity(pod: &PodRecord, limits: &Limits) -> Validity {
    let sends = grade(pod.lateness.late_share(), limits.late_sends).min(Validity::Suspect);
    let off = clock_error(pod).as_secs_f64() / limits.lateness.as_secs_f64();
    let sends = sends.max(loops::doubt(&pod.recording.loops, limits));
    sends.max(grade(off, (1.0, f64::from(CLOCK_INVALID))))
}

fn clock_error(pod: &PodRecord) -> Duration {
    pod.clock_error + pod.clock_drift
}

fn described(pod: &PodRecord) -> String {
    let loops = match &pod.recording.loops[..] {
        several @ [_, _, ..] => {
            format!(" Its {}", loops::described(several, pod.recording.wall))
        }
        _ => String::new(),
    };
    format!(
        "Pod {}: {} sends, p99 of lateness {}{}, clock known to {}, send loop {} of a core.{loops}",
        pod.index,
        pod.lateness.sent(),
        ms(pod.lateness.p99()),
        at_best(&pod.recording),
        ms(clock_error(pod)),
        percent(loop_cpu(pod)),
    )
}

fn loop_cpu(pod: &PodRecord) -> f64 {
    of_a_core(pod.recording.loop_cpu, pod.recording.wall)
}

fn of_loops(pod: &PodRecord) -> Vec<SendLoop> {
    let loops = pod.recording.loops.iter();
    let record = |one| loops::record(one, pod.recording.wall);
    loops.map(record).collect()
}

/// The same as data.
pub(crate) fn record(pod: &PodRecord) -> LoadPod {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    LoadPod {
        index: pod.index,
        sent: pod.lateness.sent(),
        floor_p99_ms: pod.recording.floor.map(ms),
        lateness_p99_ms: ms(pod.lateness.p99()),
        lateness_max_ms: ms(pod.lateness.worst()),
        clock_error_ms: ms(clock_error(pod)),
        loop_cpu: loop_cpu(pod),
        loops: of_loops(pod),
    }
}

#[cfg(test)]
mod tests {
    use lab_load::{Lateness, LoopRecord};

    use super::*;

    fn pod(late_ms: &[u64], clock_ms: u64) -> PodRecord {
        let mut lateness = Lateness::new(Limits::default().lateness);
        for ms in late_ms {
            lateness.note(Duration::from_millis(*ms));
        }
        PodRecord {
            lateness,
            clock_error: Duration::from_millis(clock_ms),
            ..PodRecord::default()
        }
    }

    #[test]
    fn each_pod_is_judged_for_itself() {
        let judged = |pods: &[PodRecord]| {
            let finding = finding(pods, &Limits::default());
            finding.map(|finding| finding.validity)
        };
        let good = pod(&[0, 1, 2], 1);
        assert_eq!(judged(&[]), None);
        assert_eq!(judged(&[good.clone(), good.clone()]), Some(Validity::Valid));
        // Half of one pod's sends may be few of all.
        let late = pod(&[0, 1, 40, 50], 1);
        assert_eq!(judged(&[good.clone(), late]), Some(Validity::Suspect));
        let astray = pod(&[0], 60);
        assert_eq!(judged(&[good.clone(), astray]), Some(Validity::Suspect));
        let lost = pod(&[0], 200);
        assert_eq!(judged(&[lost, good]), Some(Validity::Invalid));
    }

    #[test]
    fn the_loops_of_a_pod_are_told_and_judged_with_it() {
        let one = |late_share| LoopRecord {
            late_share,
            ..LoopRecord::default()
        };
        let mut late = pod(&[0], 1);
        late.recording.loops = vec![one(0.0), one(0.04)];
        let finding = finding(std::slice::from_ref(&late), &Limits::default()).unwrap();
        assert_eq!(finding.validity, Validity::Suspect);
        assert!(
            finding.text.contains("Its 2 loops shared the schedule"),
            "{}",
            finding.text
        );
        assert_eq!(record(&late).loops.len(), 2);
    }

    #[test]
    fn the_way_and_the_figures_of_each_pod_are_told() {
        let mut second = PodRecord {
            index: 1,
            ..pod(&[4, 5], 2)
        };
        second.recording.floor = Some(Duration::from_millis(4));
        let pods = [pod(&[1, 2, 3], 1), second];
        let text = finding(&pods, &Limits::default()).unwrap().text;
        assert!(text.contains("from inside the cluster"), "{text}");
        assert!(
            text.contains("Pod 1: 2 sends, p99 of lateness 5.0 ms (4.0 ms for a thread beside"),
            "{text}"
        );
        assert!(!text.contains("loops"), "{text}");
        assert!((record(&pods[0]).lateness_max_ms - 3.0).abs() < 1e-9);
    }
}
