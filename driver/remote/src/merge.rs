//! One recording from those of several pods: samples side by side, counts summed, nothing averaged.

use std::time::Duration;

use lab_load::{Connects, Ledger, Recording};

/// All that the engines of one plan have recorded; nothing of none.
pub(crate) fn merge(parts: impl IntoIterator<Item = Recording>) -> Recording {
    let merged = parts.into_iter().reduce(|mut all, part| {
        all.samples.extend(part.samples);
        all.complete &= part.complete;
        all.wall = all.wall.max(part.wall);
        // Of one core each: the busiest is what limits the load.
        all.loop_cpu = all.loop_cpu.max(part.loop_cpu);
        all.process_cpu += part.process_cpu;
        let retransmits = all.syn_retransmits.zip(part.syn_retransmits);
        all.syn_retransmits = retransmits.map(|(one, other)| one + other);
        add_ledgers(&mut all.ledger, &part.ledger);
        add_connects(&mut all.connects, part.connects);
        keep_worst(&mut all.hiccups, &part.hiccups);
        all
    });
    let mut merged = merged.unwrap_or_default();
    merged.samples.sort_by_key(|sample| sample.done);
    merged
}

fn add_ledgers(all: &mut Vec<Ledger>, part: &[Ledger]) {
    all.resize(all.len().max(part.len()), Ledger::default());
    for (all, part) in all.iter_mut().zip(part) {
        all.planned += part.planned;
        all.offered += part.offered;
        all.dropped += part.dropped;
        all.again += part.again;
    }
}

fn add_connects(all: &mut Connects, part: Connects) {
    all.before += part.before;
    all.after_start += part.after_start;
    all.refused += part.refused;
    all.starved += part.starved;
    all.retried += part.retried;
}

/// A pause of any of them is one of the load.
fn keep_worst(all: &mut Vec<Duration>, part: &[Duration]) {
    all.resize(all.len().max(part.len()), Duration::ZERO);
    for (all, part) in all.iter_mut().zip(part) {
        *all = (*all).max(*part);
    }
}

#[cfg(test)]
mod tests {
    use lab_load::{End, Sample};

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn part(done: &[u64], complete: bool) -> Recording {
        let sample = |done: &u64| Sample {
            intended: ms(1),
            written: Some(ms(1)),
            first_byte: None,
            done: ms(*done),
            key: *done,
            class: 0,
            end: End::TimedOut,
            attempt: 0,
        };
        let count = done.len() as u64;
        Recording {
            samples: done.iter().map(sample).collect(),
            ledger: vec![Ledger {
                planned: count,
                offered: count,
                dropped: 1,
                again: 2,
            }],
            complete,
            wall: ms(count),
            loop_cpu: ms(count),
            process_cpu: ms(count),
            connects: Connects {
                before: 1,
                after_start: 2,
                refused: 3,
                starved: 4,
                retried: 5,
            },
            hiccups: vec![ms(count); done.len()],
            syn_retransmits: Some(count),
        }
    }

    #[test]
    fn counts_are_summed_and_the_worst_is_kept() {
        let merged = merge([part(&[5, 9], true), part(&[2, 7, 8], true)]);
        let done: Vec<u64> = merged.samples.iter().map(|sample| sample.key).collect();
        assert_eq!(done, [2, 5, 7, 8, 9]);
        let ledger = merged.ledger[0];
        assert_eq!(
            (ledger.planned, ledger.offered, ledger.dropped, ledger.again),
            (5, 5, 2, 4)
        );
        assert_eq!(
            (merged.wall, merged.loop_cpu, merged.process_cpu),
            (ms(3), ms(3), ms(5))
        );
        assert_eq!((merged.connects.starved, merged.connects.retried), (8, 10));
        assert_eq!(merged.hiccups, [ms(3), ms(3), ms(3)]);
        assert_eq!(merged.syn_retransmits, Some(5));
        assert!(merged.complete);
    }

    #[test]
    fn one_that_is_not_whole_makes_all_not_whole() {
        assert!(!merge([part(&[1], true), part(&[2], false)]).complete);
        assert_eq!(merge([part(&[1], true)]), part(&[1], true));
        assert_eq!(merge([]), Recording::default());
    }
}
