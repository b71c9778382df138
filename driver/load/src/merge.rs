//! One recording from those of several engines, or loops of one: counts and cells summed, nothing averaged.

use std::time::Duration;

use super::{AddressUse, Connects, Ledger, Recording};

/// All that the engines of one plan have recorded; nothing of none. Handshakes are those of the first: engines in pods
/// speak no TLS.
pub fn merge(parts: impl IntoIterator<Item = Recording>) -> Recording {
    let merged = parts.into_iter().reduce(|mut all, mut part| {
        all.complete &= part.complete;
        all.wall = all.wall.max(part.wall);
        // Of one core each: the busiest is what limits the load.
        all.loop_cpu = all.loop_cpu.max(part.loop_cpu);
        all.loops.extend(part.loops);
        all.cells.merge(&part.cells.take());
        all.process_cpu += part.process_cpu;
        let retransmits = all.syn_retransmits.zip(part.syn_retransmits);
        all.syn_retransmits = retransmits.map(|(one, other)| one + other);
        add_ledgers(&mut all.ledger, &part.ledger);
        add_connects(&mut all.connects, part.connects);
        add_addresses(&mut all.addresses, &part.addresses);
        keep_worst(&mut all.hiccups, &part.hiccups);
        all.floor = all.floor.max(part.floor);
        all
    });
    merged.unwrap_or_default()
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
    all.wanted += part.wanted;
    all.before += part.before;
    all.after_start += part.after_start;
    all.refused += part.refused;
    all.starved += part.starved;
    all.retried += part.retried;
}

fn add_addresses(all: &mut Vec<AddressUse>, part: &[AddressUse]) {
    for part in part {
        if let Some(same) = all.iter_mut().find(|of| of.address == part.address) {
            same.requests += part.requests;
            same.refused += part.refused;
        } else {
            all.push(*part);
        }
    }
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
    use super::*;
    use crate::LoopRecord;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn part(count: u64, complete: bool) -> Recording {
        Recording {
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
            loops: vec![LoopRecord {
                sent: count,
                ..LoopRecord::default()
            }],
            connects: Connects {
                wanted: 7,
                before: 1,
                after_start: 2,
                refused: 3,
                starved: 4,
                retried: 5,
            },
            addresses: vec![AddressUse {
                address: ([10, 0, 0, 1], 80 + u16::from(complete)).into(),
                requests: count,
                refused: 1,
            }],
            // Pods speak no TLS.
            handshakes: None,
            hiccups: vec![ms(count); count as usize],
            floor: Some(ms(count)),
            syn_retransmits: Some(count),
            ..Recording::default()
        }
    }

    #[test]
    fn counts_are_summed_and_the_worst_is_kept() {
        let merged = merge([part(2, true), part(3, true)]);
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
        assert_eq!((merged.connects.wanted, merged.connects.before), (14, 2));
        let sent: Vec<u64> = merged.loops.iter().map(|one| one.sent).collect();
        assert_eq!(sent, [2, 3]);
        let [address] = merged.addresses[..] else {
            panic!("{:?}", merged.addresses);
        };
        assert_eq!((address.requests, address.refused), (5, 2));
        assert_eq!(merged.hiccups, [ms(3), ms(3), ms(3)]);
        assert_eq!(merged.floor, Some(ms(3)));
        assert_eq!(merged.syn_retransmits, Some(5));
        assert!(merged.complete);
    }

    #[test]
    fn one_that_is_not_whole_makes_all_not_whole() {
        let merged = merge([part(1, true), part(1, false)]);
        assert!(!merged.complete);
        assert_eq!(merged.addresses.len(), 2);
        assert_eq!(merge([part(1, true)]), part(1, true));
        assert_eq!(merge([]), Recording::default());
    }
}
