//! Where places are: in as many rows as make them largest. Units are those of the picture.

use crate::picture::WIDTH;

/// Of the room that places are in.
pub(crate) const TOP: f64 = 82.0;
pub(crate) const HEIGHT: f64 = 176.0;
/// From the room's walls to the places.
const MARGIN: f64 = 10.0;
/// A place is no larger than this, with the space around it.
const LARGEST: f64 = 116.0;
/// More places than this are not drawn, they are said.
pub(crate) const MOST: usize = 512;

/// The places of a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    columns: usize,
    /// From one place to the next.
    pub(crate) pitch: f64,
    left: f64,
    top: f64,
}

impl Grid {
    /// For so many places, one at least.
    pub(crate) fn of(places: usize) -> Self {
        let (width, height) = (WIDTH - 2.0 * MARGIN, HEIGHT - 2.0 * MARGIN);
        let pitch = |rows: usize| {
            let columns = places.div_ceil(rows);
            (width / columns as f64)
                .min(height / rows as f64)
                .min(LARGEST)
        };
        let larger = |best: usize, rows: usize| {
            if pitch(rows) > pitch(best) {
                rows
            } else {
                best
            }
        };
        let columns = places.div_ceil((2..=places).fold(1, larger));
        let rows = places.div_ceil(columns);
        let pitch = pitch(rows);
        Self {
            columns,
            pitch,
            left: (WIDTH - columns as f64 * pitch) / 2.0,
            top: TOP + (HEIGHT - rows as f64 * pitch) / 2.0,
        }
    }

    /// The upper left corner of the nth place and of the space around it.
    pub(crate) fn corner(&self, n: usize) -> (f64, f64) {
        let (column, row) = (n % self.columns, n / self.columns);
        (
            self.left + column as f64 * self.pitch,
            self.top + row as f64 * self.pitch,
        )
    }
}
