//! Receipts: a function of the key and of a secret of this process, so that a repeated key changes nothing
//! and nobody can make one up. And the book of those that were given out.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Receipt;

/// Receipts fit into the 53 bits that every JSON reader keeps exact, and into a signed column.
const MASK: u64 = (1 << 53) - 1;

/// Keys in the book. A run of the workshop has some thousands; what comes after is counted and not written down.
const MOST_ENTRIES: usize = 100_000;

/// The secret, and which receipts were given out.
pub(super) struct Receipts {
    secret: RandomState,
    epoch: Instant,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    entries: HashMap<String, Given>,
    /// Answers whose key found no place.
    unwritten: u64,
}

#[derive(Clone, Copy)]
struct Given {
    answers: u64,
    first: Duration,
}

/// The book as `GET /books` shows it.
#[derive(Serialize)]
pub(super) struct Page {
    /// False where more keys were answered than it keeps.
    complete: bool,
    receipts: Vec<Entry>,
}

/// A key that was answered.
#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    key: String,
    receipt: Receipt,
    /// How often it was answered with the receipt.
    answers: u64,
    /// When for the first time, in milliseconds from the start of the service.
    first_ms: f64,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            secret: RandomState::new(),
            epoch: Instant::now(),
            book: Mutex::default(),
        }
    }
}

impl Receipts {
    /// Writes down that `key` is answered; its receipt.
    pub(super) fn give(&self, key: &str) -> Receipt {
        let first = self.epoch.elapsed();
        let mut book = self.book();
        if let Some(given) = book.entries.get_mut(key) {
            given.answers += 1;
        } else if book.entries.len() < MOST_ENTRIES {
            let given = Given { answers: 1, first };
            book.entries.insert(key.to_owned(), given);
        } else {
            book.unwritten += 1;
        }
        self.of(key)
    }

    /// Distinct keys that were answered so far.
    pub(super) fn distinct(&self) -> usize {
        self.book().entries.len()
    }

    pub(super) fn page(&self) -> Page {
        let book = self.book();
        let entry = |(key, given): (&String, &Given)| Entry {
            key: key.clone(),
            receipt: self.of(key),
            answers: given.answers,
            first_ms: given.first.as_secs_f64() * 1e3,
        };
        Page {
            complete: book.unwritten == 0,
            receipts: book.entries.iter().map(entry).collect(),
        }
    }

    fn of(&self, key: &str) -> Receipt {
        self.secret.hash_one(key) & MASK
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_receipt_and_is_one_entry() {
        let receipts = Receipts::default();
        let a = receipts.give("a");
        assert_eq!(receipts.give("a"), a);
        assert_ne!(receipts.give("b"), a);
        assert_eq!(receipts.distinct(), 2);
        let page = receipts.page();
        assert!(page.complete);
        let entry = page.receipts.iter().find(|entry| entry.key == "a").unwrap();
        assert_eq!((entry.receipt, entry.answers), (a, 2));
    }

    #[test]
    fn another_process_gives_other_receipts() {
        assert_ne!(Receipts::default().give("a"), Receipts::default().give("a"));
    }

    #[test]
    fn a_book_that_is_full_says_so() {
        let receipts = Receipts::default();
        for key in 0..MOST_ENTRIES {
            receipts.give(&key.to_string());
        }
        assert!(receipts.page().complete);
        receipts.give("one more");
        assert!(!receipts.page().complete);
        assert_eq!(receipts.distinct(), MOST_ENTRIES);
    }
}
