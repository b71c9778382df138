//! Why requests failed, in words: statuses that nobody wished for, and what broke without one.

use lab_record::{Class, PhaseStats, Run};

use super::{
    class_name,
    number::{count, counted},
};

/// So many kinds are told one by one; what a broken service makes up beyond that is summed up.
const KINDS: usize = 5;

/// What a class did not get over the whole run: `quote 18: 12 × 500, 2 connection refused, 1 connection reset, 3 timed out`.
pub fn lines(run: &Run) -> impl Iterator<Item = String> {
    run.classes.iter().filter_map(|class| {
        let counts = class.total.counts;
        let without = [(counts.timed_out, "timed out"), (counts.dropped, "dropped")];
        let without = without.into_iter().filter(|(n, _)| *n > 0);
        let without = without.map(|(n, words)| format!("{} {words}", count(n)));
        let told: Vec<String> = reasons(class, &class.total)
            .into_iter()
            .chain(without)
            .collect();
        let all = count(counts.failed + counts.timed_out + counts.dropped);
        (!told.is_empty()).then(|| format!("{} {all}: {}", class_name(class), told.join(", ")))
    })
}

/// The failures of a stretch by kind, the most frequent first: `12 × 500, 2 connection refused`. None where nothing
/// failed, or where older data does not say why.
pub fn reasons(class: &Class, stats: &PhaseStats) -> Option<String> {
    let wished = |status: &u16| class.ok.contains(status) || class.expected.contains(status);
    let statuses = stats.ends.statuses.iter();
    let statuses = statuses.filter(|(status, _)| !wished(status));
    let statuses = statuses.map(|(status, n)| (*n, format!("{} × {status}", count(*n))));
    let errors = stats.ends.errors.iter();
    let errors = errors.map(|(cause, n)| (*n, format!("{} {cause}", count(*n))));
    let mut kinds: Vec<(u64, String)> = statuses.chain(errors).collect();
    kinds.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let others = kinds.split_off(kinds.len().min(KINDS));
    let mut told: Vec<String> = kinds.into_iter().map(|(_, words)| words).collect();
    if !others.is_empty() {
        let sum = others.iter().map(|(n, _)| n).sum();
        let kinds = counted(others.len(), "other kind", "other kinds");
        told.push(format!("{} of {kinds}", count(sum)));
    }
    (!told.is_empty()).then(|| told.join(", "))
}

#[cfg(test)]
mod tests {
    use lab_record::Cause;

    use super::*;
    use crate::sample;

    fn class(statuses: &[(u16, u64)], errors: &[(Cause, u64)]) -> Class {
        let mut class = sample::failing().classes.remove(0);
        (class.ok, class.expected) = (vec![200, 201], vec![504]);
        class.total.ends.statuses = statuses.iter().copied().collect();
        class.total.ends.errors = errors.iter().copied().collect();
        class
    }

    fn said(class: &Class) -> Option<String> {
        let said = reasons(class, &class.total)?;
        Some(said.replace(['\u{a0}', '\u{202f}'], " "))
    }

    #[test]
    fn what_was_not_wished_is_told_by_kind_the_most_frequent_first() {
        let errors = [(Cause::Reset, 1), (Cause::Refused, 2)];
        let class = class(&[(200, 80), (201, 4), (500, 12), (504, 3)], &errors);
        assert_eq!(
            said(&class).unwrap(),
            "12 × 500, 2 connection refused, 1 connection reset"
        );
    }

    #[test]
    fn who_waited_in_vain_is_told_with_those_who_failed() {
        let mut run = sample::failing();
        run.classes.truncate(1);
        run.classes[0] = class(&[(500, 12)], &[]);
        let counts = &mut run.classes[0].total.counts;
        (counts.failed, counts.timed_out, counts.dropped) = (12, 3, 0);
        let said: Vec<String> = lines(&run).collect();
        let name = &run.classes[0].name;
        assert_eq!(said.len(), 1);
        let told = said[0].replace(['\u{a0}', '\u{202f}'], " ");
        assert_eq!(told, format!("{name} 15: 12 × 500, 3 timed out"));
    }

    #[test]
    fn where_all_went_as_wished_nothing_is_said() {
        assert_eq!(said(&class(&[(200, 80), (504, 3)], &[])), None);
        assert_eq!(said(&class(&[], &[])), None);
    }

    #[test]
    fn a_service_that_makes_up_statuses_does_not_fill_the_page() {
        let statuses: Vec<(u16, u64)> = (400..410).map(|status| (status, 10)).collect();
        let said = said(&class(&statuses, &[(Cause::Cut, 1000)])).unwrap();
        assert_eq!(
            said,
            "1 000 cut off within the answer, 10 × 400, 10 × 401, 10 × 402, 10 × 403, 60 of 6 other kinds"
        );
        let said = self::said(&class(&statuses[..6], &[])).unwrap();
        assert!(said.ends_with("10 × 404, 10 of 1 other kind"), "{said}");
    }
}
