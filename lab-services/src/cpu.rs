//! CPU time of the current thread, which a busy machine can't falsify, and how to spend it.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that the calling thread has used so far.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Burns `amount` of CPU time on this thread, and says how much it really was. Blocks.
pub(crate) fn burn(amount: Duration) -> Duration {
    let start = thread_time();
    let mut sum = 0_u64;
    loop {
        for step in 0..2_000_u64 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(step));
        }
        let used = thread_time().saturating_sub(start);
        if used >= amount {
            return used;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burns_what_was_asked_of_the_cpu_clock() {
        let before = thread_time();
        let used = burn(Duration::from_millis(5));
        assert!(used >= Duration::from_millis(5));
        assert!(thread_time() >= before + used);
    }
}
