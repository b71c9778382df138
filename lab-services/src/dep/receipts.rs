//! Receipts: a function of the key and of a secret of this process, so that a repeated key changes nothing
//! and nobody can make one up.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::Receipt;

/// Receipts fit into the 53 bits that every JSON reader keeps exact, and into a signed column.
const MASK: u64 = (1 << 53) - 1;

/// The secret, and which receipts were given out.
#[derive(Default)]
pub(super) struct Receipts {
    secret: RandomState,
    given: Mutex<HashSet<Receipt>>,
}

impl Receipts {
    pub(super) fn of(&self, key: &str) -> Receipt {
        self.secret.hash_one(key) & MASK
    }

    /// Remembers that `receipt` was answered, and counts the distinct ones so far.
    pub(super) fn give(&self, receipt: Receipt) -> usize {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.insert(receipt);
        given.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_receipt_and_counts_once() {
        let receipts = Receipts::default();
        assert_eq!(receipts.of("a"), receipts.of("a"));
        assert_ne!(receipts.of("a"), receipts.of("b"));
        assert_eq!(receipts.give(receipts.of("a")), 1);
        assert_eq!(receipts.give(receipts.of("a")), 1);
        assert_eq!(receipts.give(receipts.of("b")), 2);
    }

    #[test]
    fn another_process_gives_other_receipts() {
        assert_ne!(Receipts::default().of("a"), Receipts::default().of("a"));
    }
}
