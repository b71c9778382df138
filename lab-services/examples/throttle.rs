//! A CPU limit of 200m is 20 ms in each period of 100 ms. Requests of 20 ms that need 140m on
//! average, well below the limit, are stopped all the same when two of them meet in one period.

use std::{thread::sleep, time::Duration, time::Instant};

const PERIOD: Duration = Duration::from_millis(100);
const QUOTA: Duration = Duration::from_millis(20);

// ANCHOR: show
struct Cpu {
    epoch: Instant,
    period: u32,
    /// What is left of the quota of this period. What isn't used is not kept.
    left: Duration,
}

impl Cpu {
    fn burn(&mut self, mut work: Duration) {
        while !work.is_zero() {
            let period = (self.epoch.elapsed().as_millis() / PERIOD.as_millis()) as u32;
            if period != self.period {
                (self.period, self.left) = (period, QUOTA);
            }
            let slice = work.min(self.left);
            sleep(slice); // stands for work
            (work, self.left) = (work - slice, self.left - slice);
            if !work.is_zero() {
                // Throttled until the next period.
                sleep((PERIOD * (period + 1)).saturating_sub(self.epoch.elapsed()));
            }
        }
    }
}
// ANCHOR_END: show

fn main() {
    let (epoch, period, left) = (Instant::now(), 0, QUOTA);
    let mut cpu = Cpu {
        epoch,
        period,
        left,
    };
    for arrives in [0, 50, 330, 410, 425, 720, 840].map(Duration::from_millis) {
        sleep(arrives.saturating_sub(epoch.elapsed()));
        cpu.burn(Duration::from_millis(20));
        let took = (epoch.elapsed() - arrives).as_millis();
        println!(
            "at {:3} ms  20 ms of work took {took:3} ms",
            arrives.as_millis()
        );
    }
}
