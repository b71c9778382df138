//! From the points of a series to the strokes of a line: gaps stay gaps, and no line carries more
//! points than a screen can show.

/// The most points that one line keeps; at two a bucket that is finer than the pixels of a laptop.
const MOST_POINTS: usize = 500;
/// A pause longer than this many usual ones is a gap in the data.
const GAP: f64 = 2.5;

/// Points that belong together.
pub(crate) type Stroke = Vec<(f64, f64)>;

/// Cuts points at the gaps in their times, leaving out what is not a number.
pub(crate) fn strokes(points: &[(f64, f64)]) -> Vec<Stroke> {
    let points = thin_out(points);
    let gap = usual_pause(&points).map_or(f64::INFINITY, |pause| pause * GAP);
    let mut strokes: Vec<Stroke> = Vec::new();
    for point in points {
        match strokes.last_mut() {
            Some(stroke) if point.0 - stroke[stroke.len() - 1].0 <= gap => stroke.push(point),
            _ => strokes.push(vec![point]),
        }
    }
    strokes
}

/// The measured point nearest to a moment, unless it lies further off than `within`.
pub(crate) fn nearest(points: &[(f64, f64)], t_s: f64, within: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.0 < t_s);
    points[after.saturating_sub(1)..points.len().min(after + 1)]
        .iter()
        .filter(|point| point.1.is_finite() && (point.0 - t_s).abs() <= within)
        .min_by(|a, b| (a.0 - t_s).abs().total_cmp(&(b.0 - t_s).abs()))
        .map(|point| point.1)
}

/// The median pause between two points; none where there are fewer than two.
fn usual_pause(points: &[(f64, f64)]) -> Option<f64> {
    let mut pauses: Vec<f64> = points
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    pauses.sort_by(f64::total_cmp);
    pauses.get(pauses.len() / 2).copied()
}

/// Keeps the lowest and the highest point of each bucket, so that no spike is lost.
fn thin_out(points: &[(f64, f64)]) -> Stroke {
    let finite: Stroke = points
        .iter()
        .copied()
        .filter(|(t, value)| t.is_finite() && value.is_finite())
        .collect();
    if finite.len() <= MOST_POINTS {
        return finite;
    }
    let bucket = finite.len().div_ceil(MOST_POINTS / 2);
    finite
        .chunks(bucket)
        .flat_map(|bucket| {
            let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
            let low = bucket.iter().min_by(by_value).copied();
            let high = bucket.iter().max_by(by_value).copied();
            let mut ends: Stroke = low.into_iter().chain(high).collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            ends.dedup();
            ends
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_point_and_two_are_strokes_too() {
        assert_eq!(strokes(&[]), Vec::<Stroke>::new());
        assert_eq!(strokes(&[(1.0, 5.0)]), [vec![(1.0, 5.0)]]);
        let two = [(1.0, 5.0), (9.0, 6.0)];
        assert_eq!(strokes(&two), [two.to_vec()]);
    }

    #[test]
    fn a_pause_cuts_the_line() {
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (8.0, 1.0), (9.0, 1.0)];
        let cut = strokes(&points);
        assert_eq!(cut, [points[..3].to_vec(), points[3..].to_vec()]);
    }

    #[test]
    fn what_is_not_a_number_leaves_a_gap() {
        let points = (0..9).map(|t| {
            let value = if (3..6).contains(&t) { f64::NAN } else { 1.0 };
            (f64::from(t), value)
        });
        let cut = strokes(&points.collect::<Vec<_>>());
        assert_eq!(cut.len(), 2);
        assert!(cut.iter().flatten().all(|point| point.1.is_finite()));
    }

    #[test]
    fn thinning_keeps_the_spike() {
        let mut points: Vec<_> = (0..5000).map(|t| (f64::from(t) / 10.0, 1.0)).collect();
        points[2345].1 = 99.0;
        let thin = thin_out(&points);
        assert!(thin.len() <= MOST_POINTS, "{}", thin.len());
        assert!(thin.contains(&(234.5, 99.0)));
        assert_eq!(strokes(&points).len(), 1);
    }

    #[test]
    fn the_nearest_point_is_a_measured_one() {
        let points = [(0.0, 1.0), (1.0, 2.0), (5.0, 3.0)];
        assert_eq!(nearest(&points, 0.4, 1.0), Some(1.0));
        assert_eq!(nearest(&points, 0.6, 1.0), Some(2.0));
        assert_eq!(nearest(&points, 3.0, 1.0), None);
        assert_eq!(nearest(&points, 9.0, 9.0), Some(3.0));
        assert_eq!(nearest(&[], 0.0, 1.0), None);
    }
}
