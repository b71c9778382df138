//! The same figures from single samples, as they would be were all of them kept: what the cells say is no other.

use proptest::prelude::*;

use super::{tests::plan, *};
use crate::{Cause, CellsPart, Sample};

/// The figures of one phase of a class.
fn phase_stats<'a>(
    phase: &str,
    class: &ClassPlan,
    samples: impl Iterator<Item = &'a Sample>,
) -> PhaseStats {
    let mut counts = Totals::default();
    let mut ends = Ends::default();
    let mut good = 0u64;
    let mut answers = lab_record::Bars::default();
    let mut latency = Distribution::default();
    let mut refusals = Distribution::default();
    let mut service_time = Distribution::default();
    for sample in samples {
        let fate = class.expectation.fate(sample.end);
        count(&mut counts, fate);
        if let End::Answered(status) = sample.end {
            *ends.statuses.entry(status).or_default() += 1;
        } else if let End::Broken(cause) = sample.end {
            *ends.errors.entry(cause).or_default() += 1;
        }
        if fate == Fate::Ok {
            answers.add(sample.latency());
        }
        if fate == Fate::Ok && sample.latency() <= class.expectation.slo {
            good += 1;
        }
        match observed(sample.latency(), fate, class.timeout) {
            Some(time) => latency.record(time),
            None => refusals.record((sample.latency(), false)),
        }
        if let Some(time) = sample.service_time()
            && let Some(time) = observed(time, fate, class.timeout)
        {
            service_time.record(time);
        }
    }
    PhaseStats {
        phase: phase.to_owned(),
        good_share: good as f64 / counts.offered.max(1) as f64,
        counts,
        ends,
        answers,
        latency: latency.quantiles(),
        refusals: refusals.quantiles(),
        service_time: service_time.quantiles(),
    }
}

fn window_of_each(class: &ClassPlan, samples: &[&Sample], width: Duration) -> Vec<Window> {
    let index = |at: Duration| (at.as_nanos() / width.as_nanos()) as usize;
    let Some(last) = samples.iter().map(|sample| index(sample.done)).max() else {
        return Vec::new();
    };
    let mut windows = vec![Window::default(); last + 1];
    let mut latencies = vec![Distribution::default(); last + 1];
    for sample in samples {
        let fate = class.expectation.fate(sample.end);
        let offered = index(sample.intended);
        windows[offered].offered += 1;
        if let Some(time) = observed(sample.latency(), fate, class.timeout) {
            latencies[offered].record(time);
        }
        if let Some(written) = sample.written {
            windows[index(written)].sent += 1;
        }
        let done = &mut windows[index(sample.done)];
        match fate {
            Fate::Ok => done.ok += 1,
            Fate::Expected => done.expected += 1,
            Fate::Failed | Fate::TimedOut | Fate::Dropped => done.failed += 1,
            Fate::Unfinished => {}
        }
    }
    for (n, (window, latency)) in (0u32..).zip(windows.iter_mut().zip(latencies)) {
        window.start = width * n;
        window.latency = latency.quantiles();
    }
    windows
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Answered(200)),
        2 => Just(End::Answered(504)),
        1 => Just(End::Answered(500)),
        1 => Just(End::Broken(Cause::Reset)),
        1 => Just(End::Broken(Cause::NoTarget)),
        1 => Just(End::TimedOut),
        1 => Just(End::Dropped),
        1 => Just(End::Unfinished),
    ]
}

/// Within 6 s, beyond the last phase, too; times in ns.
fn any_sample() -> impl Strategy<Value = Sample> {
    let late = prop_oneof![0u64..1_000_000, 0u64..200_000_000];
    let took = prop_oneof![0u64..3_000_000, 0u64..900_000_000, 0u64..4_000_000_000];
    (0u64..6_000_000_000, late, took, any_end(), 0u16..2).prop_map(
        |(intended, late, took, end, class)| {
            let written = Duration::from_nanos(intended + late);
            Sample {
                intended: Duration::from_nanos(intended),
                written: (end != End::Dropped).then_some(written),
                first_byte: None,
                done: written + Duration::from_nanos(took),
                key: intended % 50,
                class,
                end,
                attempt: (intended % 3) as u8,
            }
        },
    )
}

fn sent(part: &CellsPart) -> CellsPart {
    serde_json::from_str(&serde_json::to_string(part).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn cells_say_what_the_samples_say(
        samples in proptest::collection::vec(any_sample(), 0..400),
        ends in (1u64..4_000, 1u64..2_000),
        engines in 1usize..4,
        takes_every in 1usize..60,
    ) {
        let mut plan = plan();
        // Of one name, which only a run minds.
        plan.classes.push(plan.classes[0].clone());
        plan.classes[1].expectation.slo = Duration::from_micros(300_001);
        plan.classes[1].keeps_keys = true;
        plan.phases[0].to = Duration::from_micros(777 * ends.0);
        plan.phases[1].from = plan.phases[0].to;
        plan.phases[1].to = plan.phases[1].from + Duration::from_millis(ends.1);
        let mut cells = Cells::new(&plan);
        for sample in &samples {
            cells.add(sample);
        }

        let seen = classes(&plan, &cells);
        let seen_of_all = seen.clone();
        for (index, class) in plan.classes.iter().enumerate() {
            let own: Vec<&Sample> = samples
                .iter()
                .filter(|sample| usize::from(sample.class) == index)
                .collect();
            let total = phase_stats("all", class, own.iter().copied());
            prop_assert_eq!(&seen[index].total, &total);
            let Totals { ok, expected, failed, .. } = total.counts;
            let known = total.ends.statuses.values().chain(total.ends.errors.values());
            prop_assert_eq!(known.sum::<u64>(), ok + expected + failed);
            for (phase, seen) in plan.phases.iter().zip(&seen[index].by_phase) {
                let inside = own
                    .iter()
                    .filter(|sample| (phase.from..phase.to).contains(&sample.intended));
                prop_assert_eq!(seen, &phase_stats(&phase.name, class, inside.copied()));
            }
            let width = Duration::from_millis(500);
            let seen = windows(&cells, index, width);
            prop_assert_eq!(seen, window_of_each(class, &own, width));
        }

        // Handed over in parts, by several who share the requests, and sent on their way, they are the same.
        let mut engines = vec![Cells::new(&plan); engines];
        let mut merged = Cells::new(&plan);
        for (n, sample) in samples.iter().enumerate() {
            let of = engines.len();
            let engine = &mut engines[n % of];
            engine.add(sample);
            if n % takes_every == 0 {
                merged.merge(&sent(&engine.take()));
            }
        }
        for mut engine in engines {
            merged.merge(&sent(&engine.take()));
        }
        prop_assert_eq!(classes(&plan, &merged), seen_of_all);
        prop_assert_eq!(merged.requests(), cells.requests());
        prop_assert_eq!(merged.lateness(), cells.lateness());
        prop_assert_eq!(merged.take(), cells.clone().take());

        prop_assert_eq!(cells.requests(), samples.len() as u64);
        let mut late: Vec<Duration> = samples.iter().filter_map(Sample::lateness).collect();
        late.sort_unstable();
        let over = late.iter().filter(|late| **late > plan.lateness).count();
        let lateness = cells.lateness();
        prop_assert_eq!((lateness.sent(), lateness.late()), (late.len() as u64, over as u64));
        prop_assert_eq!(lateness.worst(), late.last().copied().unwrap_or_default());
    }
}
