//! Variants that look like a fix and are none. A scenario that passes one of them is broken.

pub mod bulkheads;
pub mod timeouts;
pub mod tx;

use crate::api::Sizes;

/// The sizes of the cheats that change nothing else.
pub(crate) fn api_sizes(name: &str, sizes: Sizes) -> Sizes {
    match name {
        "more-slots" => Sizes {
            admission_slots: sizes.admission_slots * 16,
            ..sizes
        },
        "big-pool" => Sizes {
            pool_size: 60,
            ..sizes
        },
        _ => sizes,
    }
}
