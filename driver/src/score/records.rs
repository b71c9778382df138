//! Measures over the books: what provider, ledger and clients have on record.

use std::collections::{HashMap, HashSet};

use super::{Measured, keys::Keys, measure::Value};
use crate::{
    books::Told,
    scenario::{Comparison, Requests},
};

/// Keys first asked for in the phases that had a wished answer at any time, as a share of all.
pub(super) fn settled_share(measured: &Measured, requests: &Requests) -> Option<Value> {
    measured.class(&requests.class)?;
    let always = Requests {
        class: requests.class.clone(),
        phases: Vec::new(),
    };
    let cells = measured.cells(requests);
    let asked: Keys = cells.flat_map(|(_, cell)| cell.asked()).collect();
    // Also what was asked again while something stood still.
    let whole = Measured {
        disturbed: &[],
        ..*measured
    };
    let cells = whole.cells(&always);
    let settled: Keys = cells.flat_map(|(_, cell)| cell.answered()).collect();
    let share = asked.shared_with(&settled) as f64 / asked.len() as f64;
    share.is_finite().then(|| Value::exact(share))
}

/// Answers in the phases with another receipt than the provider's.
pub(super) fn wrong_receipts(measured: &Measured, requests: &Requests) -> Option<Value> {
    let spans = measured.spans(&requests.phases);
    let within = |at| spans.is_empty() || spans.iter().any(|(from, to)| (*from..*to).contains(&at));
    let wrong = measured
        .books
        .wrong_receipts(requests.class.get_ref(), within)?;
    Some(Value::exact(wrong as f64))
}

/// Keys in the provider's book that no request had.
pub(super) fn unasked_receipts(measured: &Measured) -> Option<Value> {
    let unasked = measured.books.unasked_receipts()?;
    Some(Value::exact(unasked as f64))
}

/// Answers in the phases that promised work which the provider's book does not have.
pub(super) fn undone(measured: &Measured, requests: &Requests) -> Option<Value> {
    let spans = measured.spans(&requests.phases);
    let within = |at| spans.is_empty() || spans.iter().any(|(from, to)| (*from..*to).contains(&at));
    let undone = measured.books.undone(requests.class.get_ref(), within)?;
    Some(Value::exact(undone as f64))
}

/// Payments on which the books disagree.
pub(super) fn disagreements(measured: &Measured, comparison: &Comparison) -> Option<Value> {
    let class = comparison.class.get_ref();
    let found = measured.books.disagreements(class, comparison.count)?;
    Some(Value::exact(found as f64))
}

/// Keys of which more than one answer says that it paid, or whose only request is said to repeat one.
pub(super) fn wrong_replays(measured: &Measured, requests: &Requests) -> Value {
    let cells = measured.cells(requests);
    let asked: Keys = cells.flat_map(|(_, cell)| cell.asked()).collect();
    let told = measured.books.told_to(requests.class.get_ref());
    Value::exact(count_wrong_replays(told, &asked) as f64)
}

fn count_wrong_replays<'a>(told: impl Iterator<Item = &'a Told>, asked: &Keys) -> usize {
    let mut paid: HashMap<u64, usize> = HashMap::new();
    let mut wrong = HashSet::new();
    for told in told {
        let key = told.number;
        match told.replayed {
            Some(false) => *paid.entry(key).or_default() += 1,
            Some(true) if !asked.came_once(key) => {}
            Some(true) | None => drop(wrong.insert(key)),
        }
    }
    let twice = paid.iter().filter(|(_, times)| **times > 1);
    wrong.extend(twice.map(|(key, _)| *key));
    wrong.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::books::AtOnce;

    fn told(number: u64, replayed: Option<bool>) -> Told {
        Told {
            class: "payment".to_owned(),
            key: format!("run-payment-{number}"),
            number,
            at: Duration::ZERO,
            receipt: Some(5),
            replayed,
            at_once: AtOnce::Recorded,
        }
    }

    #[test]
    fn one_answer_of_a_key_pays_and_the_others_say_so() {
        let asked = Keys::from_iter([(1, 1), (2, 2), (3, 1), (3, 1)]);
        let wrong = |told: &[Told]| count_wrong_replays(told.iter(), &asked);
        let (pays, repeats) = (Some(false), Some(true));
        assert_eq!(wrong(&[told(1, pays), told(2, pays), told(2, repeats)]), 0);
        // The answer that paid was cut off by a crash.
        assert_eq!(wrong(&[told(3, repeats)]), 0);
        assert_eq!(wrong(&[told(2, pays), told(2, pays)]), 1);
        assert_eq!(wrong(&[told(1, repeats)]), 1);
        assert_eq!(wrong(&[told(1, None), told(3, None)]), 2);
    }
}
