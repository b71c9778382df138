//! Puts names at the ends of lines so that none covers another.

/// Moves places apart until neighbours stand at least `apart` from each other, all within
/// `0..=height`, each as near to where it wanted to be as its neighbours allow.
///
/// The answer is in the order of the input. Labels that can't fit at all are `None`: those at the
/// end of the input give way first.
pub(crate) fn spread(wanted: &[f64], apart: f64, height: f64) -> Vec<Option<f64>> {
    let room = (height / apart).floor() as usize + 1;
    let mut order: Vec<usize> = (0..wanted.len().min(room)).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));

    // Labels that touch form a block, which stands where its members want to be on average.
    let mut blocks: Vec<Block> = Vec::new();
    for index in &order {
        let mut block = Block {
            first: wanted[*index],
            count: 1,
        };
        block.clamp(apart, height);
        while let Some(above) = blocks.last() {
            if above.end(apart) <= block.first {
                break;
            }
            block = above.join(&block, apart);
            block.clamp(apart, height);
            blocks.pop();
        }
        blocks.push(block);
    }

    let mut places = vec![None; wanted.len()];
    let positions = blocks
        .iter()
        .flat_map(|block| (0..block.count).map(|n| block.first + n as f64 * apart));
    for (index, position) in order.iter().zip(positions) {
        places[*index] = Some(position);
    }
    places
}

/// Neighbours that touch.
struct Block {
    /// Where the first of them stands.
    first: f64,
    count: usize,
}

impl Block {
    /// Where the next label may stand.
    fn end(&self, apart: f64) -> f64 {
        self.first + self.count as f64 * apart
    }

    fn join(&self, below: &Self, apart: f64) -> Self {
        let count = self.count + below.count;
        let wish = below.first - self.count as f64 * apart;
        let first = (self.first * self.count as f64 + wish * below.count as f64) / count as f64;
        Self { first, count }
    }

    fn clamp(&mut self, apart: f64, height: f64) {
        let last = height - (self.count - 1) as f64 * apart;
        self.first = self.first.clamp(0.0, last.max(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_with_room_stay_where_they_are() {
        assert_eq!(spread(&[80.0, 10.0], 14.0, 100.0), [Some(80.0), Some(10.0)]);
    }

    #[test]
    fn labels_of_one_place_share_it_evenly() {
        let places = spread(&[50.0, 50.0, 50.0], 14.0, 100.0);
        assert_eq!(places, [Some(36.0), Some(50.0), Some(64.0)]);
    }

    #[test]
    fn labels_at_the_edge_move_inwards() {
        assert_eq!(spread(&[0.0, 0.0], 14.0, 100.0), [Some(0.0), Some(14.0)]);
        assert_eq!(
            spread(&[100.0, 100.0], 14.0, 100.0),
            [Some(86.0), Some(100.0)]
        );
    }

    #[test]
    fn labels_without_room_give_way() {
        let places = spread(&[5.0; 9], 14.0, 30.0);
        assert_eq!(places.iter().flatten().count(), 3);
        assert!(places[3..].iter().all(Option::is_none));
    }

    proptest! {
        #[test]
        fn no_two_overlap(wanted in prop::collection::vec(0.0..150.0f64, 0..14)) {
            let mut places: Vec<f64> = spread(&wanted, 14.0, 150.0).into_iter().flatten().collect();
            places.sort_by(f64::total_cmp);
            prop_assert!(places.iter().all(|place| (0.0..=150.0).contains(place)));
            for pair in places.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 14.0 - 1e-6, "{places:?}");
            }
        }
    }
}
