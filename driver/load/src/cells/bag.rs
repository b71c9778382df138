//! Numbers with how often each came, in a byte or two for each different one: in order, as distances, each distance with
//! a bit that says whether a count follows, and all of it in 7 bits a byte (LEB128, as in DWARF 5, section 7.6).

use std::mem;

use serde::{Deserialize, Serialize};

/// Numbers that are kept as they came until so many have to be put in order.
const LOOSE: usize = 128;

/// The bit of a byte that says that another follows.
const MORE: u8 = 0x80;

/// A multiset. It is sent as it is packed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u8>", try_from = "Vec<u8>")]
pub(crate) struct Bag {
    packed: Box<[u8]>,
    loose: Vec<u32>,
}

/// Bytes that no bag is packed into.
#[derive(Debug, thiserror::Error)]
#[error("what came is no packed numbers")]
pub(crate) struct NoBag;

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
        self.packed = packed(&all);
    }

    /// Takes in all of another.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut all: Vec<(u32, u64)> = self.iter().chain(other.iter()).collect();
        self.loose = Vec::new();
        all.sort_unstable();
        self.packed = packed(&all);
    }

    /// The numbers with their counts, in no order; one may come several times, and its counts add up.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
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

/// Of numbers in order, each with how often it comes.
impl FromIterator<(u32, u64)> for Bag {
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(numbers: I) -> Self {
        let numbers: Vec<(u32, u64)> = numbers.into_iter().collect();
        Self {
            packed: packed(&numbers),
            loose: Vec::new(),
        }
    }
}

impl From<Bag> for Vec<u8> {
    fn from(mut bag: Bag) -> Self {
        bag.pack();
        bag.packed.into()
    }
}

impl TryFrom<Vec<u8>> for Bag {
    type Error = NoBag;

    fn try_from(packed: Vec<u8>) -> Result<Self, NoBag> {
        is_packed(&packed).ok_or(NoBag)?;
        Ok(Self {
            packed: packed.into(),
            loose: Vec::new(),
        })
    }
}

/// None where these bytes are no numbers.
fn is_packed(mut rest: &[u8]) -> Option<()> {
    let mut number = 0u32;
    while !rest.is_empty() {
        let word = read(&mut rest)?;
        number = number.checked_add(u32::try_from(word >> 1).ok()?)?;
        if word & 1 == 1 {
            read(&mut rest)?;
        }
    }
    Some(())
}

/// Numbers in order, each with how often it comes; one may come several times, and its counts add up.
fn packed(all: &[(u32, u64)]) -> Box<[u8]> {
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
    packed.into()
}

fn write(to: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        to.push(number as u8 | MORE);
        number >>= 7;
    }
    to.push(number as u8);
}

/// None at the end, and where no number follows.
fn read(from: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (byte, rest) = mem::take(from).split_first()?;
        *from = rest;
        number |= u64::from(byte & !MORE).checked_shl(shift)?;
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
            prop_assert_eq!(&packed, &counts.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(&bag, &packed.into_iter().collect());
            let sent = Vec::from(bag.clone());
            prop_assert_eq!(Bag::try_from(sent).unwrap(), bag);
        }

        #[test]
        fn two_make_one_of_all_that_is_in_them(
            one in proptest::collection::vec(0u32..500, 0..300),
            other in proptest::collection::vec(0u32..500, 0..300),
        ) {
            let bag = |numbers: &[u32]| {
                let mut bag = Bag::default();
                for number in numbers {
                    bag.insert(*number);
                }
                bag
            };
            let mut both = bag(&[one.clone(), other.clone()].concat());
            both.pack();
            let mut merged = bag(&one);
            merged.merge(&bag(&other));
            prop_assert_eq!(merged, both);
        }

        #[test]
        fn no_bytes_of_a_stranger_break_it(bytes: Vec<u8>) {
            if let Ok(bag) = Bag::try_from(bytes) {
                prop_assert!(bag.iter().count() < 1_000);
            }
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
