//! What does not agree between the books. Pure.

use std::time::Duration;

use super::{AtOnce, Books, Payment, Told};
use crate::scenario::Disagreement;

/// Where more looks than this share of them failed, nobody can say what they would have shown.
const UNSEEN: f64 = 0.05;

impl Books {
    /// Answers of `class`, of requests that `counts` by the moment of the answer, whose receipt is not the one that
    /// the provider gave for the key.
    pub(crate) fn wrong_receipts(
        &self,
        class: &str,
        counts: impl Fn(Duration) -> bool,
    ) -> Option<usize> {
        let given = self.given.as_ref()?;
        let wrong =
            |told: &&Told| told.receipt.is_none() || told.receipt.as_ref() != given.get(&told.key);
        let told = self.told_to(class).filter(|told| counts(told.at));
        Some(told.filter(wrong).count())
    }

    /// Keys in the provider's book that no request had.
    pub(crate) fn unasked_receipts(&self) -> Option<usize> {
        let asked = |key: &&String| self.keys.iter().any(|keys| keys.contains(key));
        let given = self.given.as_ref()?.keys();
        Some(given.filter(|key| !asked(key)).count())
    }

    /// Answers to `class`, of requests that `counts` by the moment of the answer, whose key the provider's book does not
    /// have.
    pub(crate) fn undone(&self, class: &str, counts: impl Fn(Duration) -> bool) -> Option<usize> {
        let given = self.given.as_ref()?;
        let told = self.told_to(class).filter(|told| counts(told.at));
        Some(told.filter(|told| !given.contains_key(&told.key)).count())
    }

    /// How many payments of `class` disagree in this way.
    pub(crate) fn disagreements(&self, class: &str, kind: Disagreement) -> Option<usize> {
        let payments = self.payments.as_ref()?;
        Some(match kind {
            Disagreement::NotAtOnce => return self.not_at_once(class),
            Disagreement::Lost => {
                let kept = |told: &Told| {
                    let (asked, recorded) = (self.asked.get(&told.key)?, payments.get(&told.key)?);
                    Some(recorded.is_what(asked) && recorded.receipt == told.receipt)
                };
                let told = self.told_to(class);
                told.filter(|told| kept(told) != Some(true)).count()
            }
            Disagreement::Uncharged => {
                let given = self.given.as_ref()?;
                let charged =
                    |key: &String, payment: &Payment| payment.receipt.as_ref() == given.get(key);
                let recorded = payments.iter();
                recorded
                    .filter(|(key, payment)| !charged(key, payment))
                    .count()
            }
            Disagreement::Unasked => {
                let asked = |key: &String, payment: &Payment| {
                    self.asked
                        .get(key)
                        .is_some_and(|asked| payment.is_what(asked))
                };
                let recorded = payments.iter();
                recorded
                    .filter(|(key, payment)| !asked(key, payment))
                    .count()
            }
            Disagreement::Unrecorded => {
                let given = self.given.as_ref()?;
                given
                    .keys()
                    .filter(|key| !payments.contains_key(*key))
                    .count()
            }
        })
    }

    fn not_at_once(&self, class: &str) -> Option<usize> {
        let count = |seen: AtOnce| {
            self.told_to(class)
                .filter(|told| told.at_once == seen)
                .count()
        };
        let (all, unseen) = (self.told_to(class).count(), count(AtOnce::Unseen));
        (unseen as f64 <= UNSEEN * all as f64).then(|| count(AtOnce::Missing))
    }

    /// What clients of `class` were told.
    pub(crate) fn told_to(&self, class: &str) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(move |told| told.class == class)
    }
}

impl Payment {
    /// The same money from the same account, whatever the receipt.
    fn is_what(&self, asked: &Self) -> bool {
        (self.account, self.amount) == (asked.account, asked.amount)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::books::KeysOf;

    fn payment(receipt: Option<u64>) -> Payment {
        Payment {
            account: 7,
            amount: 1,
            receipt,
        }
    }

    fn by_key<T: Clone>(keys: &[&str], value: &T) -> HashMap<String, T> {
        keys.iter()
            .map(|key| ((*key).to_owned(), value.clone()))
            .collect()
    }

    /// Keys `a` and `b`, asked for, charged with receipt 5, recorded and told.
    fn books() -> Books {
        let told = |key: &str| Told {
            class: "payment".into(),
            key: key.into(),
            number: 0,
            replayed: Some(false),
            at: Duration::from_secs(1),
            receipt: Some(5),
            at_once: AtOnce::Recorded,
        };
        Books {
            told: vec![told("a"), told("b")],
            given: Some(by_key(&["a", "b"], &5)),
            payments: Some(by_key(&["a", "b"], &payment(Some(5)))),
            asked: by_key(&["a", "b", "c"], &payment(None)),
            keys: Vec::new(),
        }
    }

    const KINDS: [Disagreement; 5] = [
        Disagreement::NotAtOnce,
        Disagreement::Lost,
        Disagreement::Uncharged,
        Disagreement::Unasked,
        Disagreement::Unrecorded,
    ];

    /// Wrong receipts, then the disagreements in the order of `KINDS`.
    fn counts(books: &Books) -> Vec<Option<usize>> {
        let receipts = books.wrong_receipts("payment", |_| true);
        let others = KINDS
            .iter()
            .map(|kind| books.disagreements("payment", *kind));
        std::iter::once(receipts).chain(others).collect()
    }

    fn all(numbers: [usize; 6]) -> Vec<Option<usize>> {
        numbers.map(Some).into()
    }

    #[test]
    fn books_that_agree_have_nothing_to_count() {
        assert_eq!(counts(&books()), all([0; 6]));
    }

    #[test]
    fn a_made_up_receipt_is_wrong_and_is_not_what_the_ledger_has() {
        let mut books = books();
        books.told[0].receipt = Some(6);
        assert_eq!(counts(&books), all([1, 0, 1, 0, 0, 0]));
        books.told[0].receipt = None;
        assert_eq!(counts(&books), all([1, 0, 1, 0, 0, 0]));
        assert_eq!(books.wrong_receipts("payment", |at| at.is_zero()), Some(0));
    }

    #[test]
    fn a_made_up_receipt_in_the_ledger_was_never_charged() {
        let mut books = books();
        books
            .payments
            .as_mut()
            .unwrap()
            .insert("a".into(), payment(Some(1)));
        assert_eq!(counts(&books), all([0, 0, 1, 1, 0, 0]));
    }

    #[test]
    fn a_key_that_no_request_had_was_charged_for_nobody() {
        let given = [
            "run-a-0",
            "run-a-1",
            "run-b-0", // Asked for.
            "run-a-2",
            "run-a-0-again",
            "run-a-+1",
            "run-a-01",
            "run-b0",
            "",
        ];
        let keys = |prefix: &str, count| KeysOf {
            prefix: prefix.to_owned(),
            count,
        };
        let books = Books {
            given: Some(by_key(&given, &5)),
            keys: vec![keys("run-a", 2), keys("run-b", 1)],
            ..Books::default()
        };
        assert_eq!(books.unasked_receipts(), Some(6));
        assert_eq!(Books::default().unasked_receipts(), None);
    }

    #[test]
    fn an_answer_before_the_record_is_seen_even_if_the_record_comes() {
        let mut books = books();
        books.told[1].at_once = AtOnce::Missing;
        assert_eq!(counts(&books), all([0, 1, 0, 0, 0, 0]));
    }

    #[test]
    fn what_was_told_and_is_not_there_is_lost_and_its_charge_unrecorded() {
        let mut books = books();
        books.payments.as_mut().unwrap().remove("a");
        assert_eq!(counts(&books), all([0, 0, 1, 0, 0, 1]));
    }

    #[test]
    fn money_of_another_account_is_not_what_was_asked_for() {
        let mut books = books();
        let other = Payment {
            account: 8,
            ..payment(Some(5))
        };
        books.payments.as_mut().unwrap().insert("a".into(), other);
        assert_eq!(counts(&books), all([0, 0, 1, 0, 1, 0]));
    }

    #[test]
    fn a_payment_that_nobody_asked_for_counts() {
        let mut books = books();
        books
            .payments
            .as_mut()
            .unwrap()
            .insert("junk".into(), payment(Some(5)));
        assert_eq!(counts(&books), all([0, 0, 0, 1, 1, 0]));
    }

    #[test]
    fn a_promise_that_the_provider_knows_nothing_of_was_not_kept() {
        let mut books = books();
        let undone = |books: &Books| books.undone("payment", |_| true);
        assert_eq!(undone(&books), Some(0));
        books.given.as_mut().unwrap().remove("b");
        assert_eq!(undone(&books), Some(1));
        assert_eq!(books.undone("payment", |at| at.is_zero()), Some(0));
        assert_eq!(books.undone("other", |_| true), Some(0));
        books.given = None;
        assert_eq!(undone(&books), None);
    }

    #[test]
    fn what_could_not_be_read_is_no_agreement() {
        let mut unread = books();
        unread.given = None;
        assert_eq!(
            counts(&unread),
            [None, Some(0), Some(0), None, Some(0), None]
        );
        let mut unseen = books();
        unseen.told[0].at_once = AtOnce::Unseen;
        assert_eq!(
            unseen.disagreements("payment", Disagreement::NotAtOnce),
            None
        );
        unseen.payments = None;
        assert!(
            KINDS
                .iter()
                .all(|kind| unseen.disagreements("payment", *kind).is_none())
        );
    }
}
