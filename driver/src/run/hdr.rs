//! The latencies of a run as an HDR log, for `HistogramLogProcessor` and all else that reads what `HdrHistogram` writes:
//! a histogram of µs for each class and second, by the moment at which the requests were due.

use std::{collections::BTreeMap, fmt::Display, io, time::Duration};

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};
use jiff::Timestamp;
use lab_load::{Cell, Cells, Plan, summary::Distribution};

/// Its name in the run's folder.
pub(super) const FILE: &str = "latency.hlog";

/// The width of an interval.
const INTERVAL: Duration = Duration::from_secs(1);

/// µs in the unit of an interval's largest value, ms.
const MICROS_PER_MS: f64 = 1000.0;

/// What the format has no place for.
const COMMENT: &str = "Latency in µs from the intended send, by class (the tag) and by the second in which the requests were due;\n\
                       right refusals are not in it. A request that failed, timed out or was dropped is in it with its class's timeout,\n\
                       or with its own time where that is longer: a lower bound. Maxima are in ms (-outputValueUnitRatio 1000).";

/// Writes it; one interval after the other, in each the classes of the plan that had requests in it.
pub(super) fn log(plan: &Plan, cells: &Cells, started_at: Timestamp) -> io::Result<Vec<u8>> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment(COMMENT)
        .with_start_time(started_at.into())
        .with_base_time(started_at.into())
        .with_max_value_divisor(MICROS_PER_MS)
        .begin_log_with(&mut log, &mut serializer)?;
    for ((second, class), cells) in &by_second(plan, cells) {
        let latency: Distribution = cells.iter().copied().collect();
        let tag = tag(&plan.classes[*class].name);
        let start = INTERVAL * *second;
        writer
            .write_histogram(latency.histogram(), start, INTERVAL, Tag::new(&tag))
            .map_err(unwritten)?;
    }
    Ok(log)
}

fn by_second<'a>(plan: &Plan, cells: &'a Cells) -> BTreeMap<(u32, usize), Vec<&'a Cell>> {
    let mut seconds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for class in 0..plan.classes.len() {
        for (span, cell) in cells.of(class) {
            let second = span.start.as_secs() as u32;
            seconds.entry((second, class)).or_default().push(cell);
        }
    }
    seconds.retain(|_, cells| cells.iter().any(|cell| cell.due.offered > 0));
    seconds
}

/// A class's name without what would end a tag.
fn tag(class: &str) -> String {
    class.replace([',', ' ', '\r', '\n'], "_")
}

fn unwritten(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use hdrhistogram::{
        Histogram,
        serialization::{
            Deserializer,
            interval_log::{IntervalLogIterator, LogEntry},
        },
    };
    use lab_load::{End, Sample};
    use lab_record::RunId;

    use super::*;
    use crate::{run::plan, scenario::step};

    /// Each request, by the class, was due at so many ms and took so many.
    fn log_of(requests: &[(u16, u64, u64)]) -> String {
        let scenario = step("timeouts").unwrap();
        let plan = plan::load(&scenario, &RunId::new(Timestamp::UNIX_EPOCH, 0)).unwrap();
        let mut cells = Cells::new(&plan);
        for (key, &(class, due, took)) in (0..).zip(requests) {
            let [intended, took] = [due, took].map(Duration::from_millis);
            cells.add(&Sample {
                intended,
                written: Some(intended),
                first_byte: Some(intended + took),
                done: intended + took,
                key,
                class,
                end: End::Answered(200),
                attempt: 0,
            });
        }
        String::from_utf8(log(&plan, &cells, Timestamp::UNIX_EPOCH).unwrap()).unwrap()
    }

    /// Tag, second, and the times in ms with their counts.
    type Interval = (String, u64, Vec<(u64, u64)>);

    fn intervals(log: &str) -> Vec<Interval> {
        let entries = IntervalLogIterator::new(log.as_bytes());
        let intervals = entries.filter_map(|entry| match entry.unwrap() {
            LogEntry::Interval(interval) => Some(interval),
            LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
        });
        let read = intervals.map(|interval| {
            assert_eq!(interval.duration(), INTERVAL);
            let bytes = BASE64_STANDARD.decode(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new()
                .deserialize(&mut &bytes.unwrap()[..])
                .unwrap();
            let times = histogram.iter_recorded().map(|of| {
                (
                    of.value_iterated_to() / 1000,
                    of.count_since_last_iteration(),
                )
            });
            let tag = interval.tag().unwrap().as_str().to_owned();
            (tag, interval.start_timestamp().as_secs(), times.collect())
        });
        read.collect()
    }

    #[test]
    fn each_second_of_a_class_has_the_times_of_what_was_due_in_it() {
        let log = log_of(&[
            (0, 900, 20),
            (0, 1000, 20),
            (0, 1010, 20),
            // It ended in the third second.
            (0, 1900, 400),
            (1, 1500, 3),
        ]);
        let [quote, other] = [0, 1].map(|class| {
            let scenario = step("timeouts").unwrap();
            scenario.classes[class].name.clone()
        });
        assert_eq!(
            intervals(&log),
            [
                (quote.clone(), 0, vec![(20, 1)]),
                (quote, 1, vec![(20, 2), (400, 1)]),
                (other, 1, vec![(3, 1)]),
            ]
        );
    }

    #[test]
    fn where_nothing_was_due_is_nothing_but_what_it_is_of() {
        let log = log_of(&[]);
        assert!(log.lines().all(|line| line.starts_with('#')), "{log}");
        assert!(log.contains("#[StartTime: 0.000"), "{log}");
    }

    #[test]
    fn a_tag_has_nothing_that_ends_it() {
        assert_eq!(tag("my reads, slow"), "my_reads__slow");
    }
}
