//! Numbers with how often each came, in a byte or two for each different one: in order, as distances, each distance with
//! a bit that says whether a count follows, and all of it in 7 bits a byte (LEB128, as in DWARF 5, section 7.6).

use std::mem;

/// Numbers that are kept as they came until so many have to be put in order.
const LOOSE: usize = 128;

/// The bit of a byte that says that another follows.
const MORE: u8 = 0x80;

/// A multiset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bag {
    packed: Box<[u8]>,
    loose: Vec<u32>,
}

impl Bag {
    pub(super) fn insert(&mut self, number: u32) {
        self.loose.push(number);
        if self.loose.len() >= LOOSE {
            self.pack();
        }
    }

    /// Gives back the room of what came last.
    #[expect(
        clippy::stable_sort_primitive,
        reason = "two runs in order, which a stable sort only merges"
    )]
    pub(super) fn pack(&mut self) {
        if self.loose.is_empty() {
            return;
        }
        self.loose.sort_unstable();
        let mut all: Vec<(u32, u64)> = self.iter().collect();
        self.loose = Vec::new();
        all.sort();
        let mut packed = Vec::with_capacity(2 * all.len());
        let mut before = 0;
        for same in all.chunk_by(|(a, _), (b, _)| a == b) {
            let (number, count) = (same[0].0, same.iter().map(|(_, count)| count).sum::<u64>());
            write(
                &mut packed,
                u64::from(number - before) << 1 | u64::from(count > 1),
            );
            if count > 1 {
                write(&mut packed, count);
            }
            before = number;
        }
        self.packed = packed.into();
    }

    /// The numbers with their counts, in no order; one may come several times, and its counts add up.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let mut rest = &self.packed[..];
        let mut number = 0;
        let packed = std::iter::from_fn(move || {
            let word = read(&mut rest)?;
            number += (word >> 1) as u32;
            let count = if word & 1 == 1 { read(&mut rest)? } else { 1 };
            Some((number, count))
        });
        packed.chain(self.loose.iter().map(|number| (*number, 1)))
    }
}

fn write(to: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        to.push(number as u8 | MORE);
        number >>= 7;
    }
    to.push(number as u8);
}

/// None at the end.
fn read(from: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = mem::take(from).split_first()?;
        *from = rest;
        number |= u64::from(byte & !MORE) << shift;
        if byte & MORE == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            numbers in proptest::collection::vec(
                prop_oneof![0u32..300, any::<u32>(), Just(u32::MAX)],
                0..700,
            ),
            packs_at in 0usize..700,
        ) {
            let mut bag = Bag::default();
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            for (n, number) in numbers.iter().enumerate() {
                bag.insert(*number);
                *counts.entry(*number).or_default() += 1;
                if n == packs_at {
                    bag.pack();
                }
            }
            let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
            for (number, count) in bag.iter() {
                *seen.entry(number).or_default() += count;
            }
            prop_assert_eq!(&seen, &counts);
            bag.pack();
            let packed: Vec<(u32, u64)> = bag.iter().collect();
            prop_assert_eq!(packed, counts.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn neighbours_take_a_byte_each() {
        let mut bag = Bag::default();
        (5_000..6_000).for_each(|number| bag.insert(number));
        bag.pack();
        assert!(bag.packed.len() <= 1_002, "{}", bag.packed.len());
        assert_eq!(bag.loose.capacity(), 0);
    }
}
