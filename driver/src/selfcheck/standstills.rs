//! What standstills of the driver, the machine and the services make of a verdict.

use std::time::Duration;

use lab_record::{Finding, Pause, Validity};

use super::finding;
use crate::{pauses, score::Doubts};

/// The standstills that can decide a check, and what they decide.
#[derive(Clone, Copy, Debug)]
pub struct Standstills<'a> {
    /// Of the driver, and so as a rule of the whole machine, and of services.
    pub pauses: &'a [Pause],
    /// What the verdict owes to them.
    pub doubts: &'a Doubts,
    /// How long the least patient client waits for an answer.
    pub patience: Duration,
}

impl Standstills<'_> {
    /// A FAIL that only a pause may have brought about is none; nor is any verdict where clients may have given up for
    /// it, so that they and the services have different things on record.
    pub(super) fn decided(&self) -> Finding {
        let (validity, text) = self.sentence();
        finding("pauses and verdict", validity, text)
    }

    fn sentence(&self) -> (Validity, String) {
        let longest = self
            .pauses
            .iter()
            .max_by(|a, b| a.worst_ms.total_cmp(&b.worst_ms));
        let Some(longest) = longest else {
            let text = "Nothing stood still for long enough to decide a check.";
            return (Validity::Valid, text.to_owned());
        };
        let it = self.described(longest);
        let that = if self.pauses.len() == 1 { "it" } else { "them" };
        if pauses::length(longest) > self.patience / 2 {
            let text = format!(
                "{it} took longer than half of the {} that a client waits: what clients and services have on record \
                 may differ by that alone. Run again.",
                seconds(self.patience)
            );
            return (Validity::Invalid, text);
        }
        match (&self.doubts.stand[..], &self.doubts.turned[..]) {
            ([], []) => (Validity::Valid, format!("{it} decided no check.")),
            ([], turned) => {
                let turned: Vec<String> = turned.iter().map(ToString::to_string).collect();
                let text = format!(
                    "{it} decides: without {that} {}. Run again.",
                    turned.join(", ")
                );
                (Validity::Invalid, text)
            }
            ([first, ..], _) => {
                let text =
                    format!("{it} does not decide: without {that} “{first}” fails all the same.");
                (Validity::Valid, text)
            }
        }
    }

    /// E.g. `A pause of dep of 1.0 s at 7.3 s`.
    fn described(&self, longest: &Pause) -> String {
        let whose = longest
            .service
            .as_ref()
            .map_or(String::new(), |service| format!(" of {service}"));
        let length = seconds(pauses::length(longest));
        let longest = format!("{whose} of {length} at {:.1} s", longest.start_s.max(0.0));
        match self.pauses.len() {
            1 => format!("A pause{longest}"),
            several => format!("A pause{longest}, the longest of {several},"),
        }
    }

    /// Whether the driver stood still at a moment.
    pub(super) fn cover(&self, at: Duration) -> bool {
        let at = at.as_secs_f64();
        self.of_the_driver()
            .any(|pause| (pause.start_s..pause.end_s).contains(&at))
    }

    /// Whether the driver stood still in a second of the run.
    pub(super) fn touch(&self, second: u64) -> bool {
        let (from, to) = (second as f64, second as f64 + 1.0);
        self.of_the_driver()
            .any(|pause| pause.start_s < to && pause.end_s > from)
    }

    fn of_the_driver(&self) -> impl Iterator<Item = &Pause> {
        self.pauses.iter().filter(|pause| pause.service.is_none())
    }

    /// A FAIL that stands without the pauses needs no other run, however much they took of this one; unless it is only
    /// of what clients felt.
    pub(super) fn forgive(&self, all: Validity, apart: Validity) -> Validity {
        if self.doubts.firm && apart != Validity::Invalid {
            all.min(Validity::Suspect)
        } else {
            all
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
