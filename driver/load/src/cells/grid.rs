//! Where cells begin and end.

use std::{ops::Range, time::Duration};

/// Width of a cell that nothing cuts: a whole part of a second, so that no second and no half of one cuts a cell.
const WIDTH: u32 = 100_000_000;

/// Cells from the start on, each of them cut wherever a phase begins or ends within its width. All are cut alike, so that
/// what is counted from the end of a phase on, in steps of a width, is whole cells, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Grid {
    /// Nanoseconds from the start of each width, in order.
    cuts: Vec<u32>,
}

impl Grid {
    pub(super) fn new(edges: impl Iterator<Item = Duration>) -> Self {
        // Beyond the end of time is nothing to be told apart.
        let edges = edges.filter(|edge| *edge < Duration::MAX);
        let mut cuts: Vec<u32> = edges.map(|edge| edge.subsec_nanos() % WIDTH).collect();
        cuts.sort_unstable();
        cuts.dedup();
        Self { cuts }
    }

    /// The start of the cell that a moment lies in.
    pub(super) fn start(&self, at: Duration) -> Duration {
        let within = at.subsec_nanos() % WIDTH;
        let passed = self.cuts.partition_point(|cut| *cut <= within);
        let cut = passed.checked_sub(1).map_or(0, |last| self.cuts[last]);
        Duration::new(at.as_secs(), at.subsec_nanos() - within + cut)
    }

    /// Its end, where the next one starts.
    pub(super) fn end(&self, at: Duration) -> Duration {
        let within = at.subsec_nanos() % WIDTH;
        let passed = self.cuts.partition_point(|cut| *cut <= within);
        let cut = self.cuts.get(passed).copied().unwrap_or(WIDTH);
        at.saturating_add(Duration::from_nanos((cut - within).into()))
    }

    /// What of a span is whole cells.
    pub(super) fn whole(&self, span: Range<Duration>) -> Range<Duration> {
        let is_edge = self.start(span.start) == span.start;
        let from = if is_edge {
            span.start
        } else {
            self.end(span.start)
        };
        // The end of time is as good as an edge.
        let to = if span.end == Duration::MAX {
            span.end
        } else {
            self.start(span.end)
        };
        from..to.max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_cell_holds_what_is_between_its_ends() {
        let grid = Grid::new([ms(2_000), ms(3_430)].into_iter());
        for (at, start, end) in [
            (0, 0, 30),
            (30, 30, 100),
            (2_999, 2_930, 3_000),
            (3_420, 3_400, 3_430),
        ] {
            assert_eq!(
                (grid.start(ms(at)), grid.end(ms(at))),
                (ms(start), ms(end)),
                "{at}"
            );
        }
        assert_eq!(Grid::new([Duration::MAX].into_iter()), Grid::default());
        assert_eq!(Grid::default().start(ms(250)), ms(200));
        assert_eq!(Grid::default().end(ms(200)), ms(300));
    }

    #[test]
    fn what_is_cut_is_not_whole() {
        let grid = Grid::new([ms(1_050)].into_iter());
        assert_eq!(grid.whole(ms(1_050)..ms(2_000)), ms(1_050)..ms(2_000));
        assert_eq!(grid.whole(ms(1_051)..ms(1_999)), ms(1_100)..ms(1_950));
        assert_eq!(grid.whole(ms(10)..ms(20)), ms(50)..ms(50));
        assert_eq!(grid.whole(ms(0)..Duration::MAX), ms(0)..Duration::MAX);
    }
}
