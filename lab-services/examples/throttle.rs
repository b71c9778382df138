//! A CPU limit of 200m is 20 ms in each period of 100 ms. Requests of 20 ms that need 140m on
//! average, well below the limit, are stopped all the same when two of them meet in one period.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::{thread::sleep, time::Duration, time::Instant};

const PERIOD: Duration = Duration::from_millis(100);
const QUOTA: Duration = Duration::from_millis(20);

// ANCHOR: show
/// A period of the quota by its number, and what is left of it. What isn't used is not kept.
struct Quota {
    period: u32,
    left: Duration,
}

impl Quota {
    fn burn(&mut self, mut work: Duration, epoch: Instant) {
        while !work.is_zero() {
            let period = (epoch.elapsed().as_millis() / PERIOD.as_millis()) as u32;
            if period != self.period {
                (self.period, self.left) = (period, QUOTA);
            }
            let slice = work.min(self.left);
            sleep(slice); // stands for work
            self.left = self.left.saturating_sub(slice);
            work = work.saturating_sub(slice);
            if !work.is_zero() {
                // Throttled until the next period.
                sleep((PERIOD * (period + 1)).saturating_sub(epoch.elapsed()));
            }
        }
    }
}
// ANCHOR_END: show

fn main() {
    let epoch = Instant::now();
    let (period, left) = (0, QUOTA);
    let mut quota = Quota { period, left };
    for at in [0, 50, 330, 410, 425, 720, 840] {
        let arrival = Duration::from_millis(at);
        sleep(arrival.saturating_sub(epoch.elapsed()));
        quota.burn(Duration::from_millis(20), epoch);
        let took = epoch.elapsed().saturating_sub(arrival).as_millis();
        println!("at {at:3} ms  20 ms of work took {took:3} ms");
    }
}
