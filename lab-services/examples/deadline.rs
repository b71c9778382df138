//! A user waits 300 ms for three services in a row, 120 ms each: a timeout of its own for each
//! call, against one deadline that is passed on.
#![allow(
    clippy::disallowed_macros,
    reason = "a program of a page, which is read as it runs"
)]

use std::time::Duration;

use tokio::time::{Instant, error::Elapsed, sleep, timeout_at};

const PATIENCE: Duration = Duration::from_millis(300);
const WORK: Duration = Duration::from_millis(120);

// ANCHOR: show
/// Asks the services one after the other; `deadline` says by when the next one must be done.
async fn ask_all(begun: Instant, deadline: impl Fn() -> Instant) -> Result<(), Elapsed> {
    for service in ["gateway", "quotes", "prices"] {
        let left = deadline() - Instant::now();
        println!("{}  {service:7} may take {}", ms(begun.elapsed()), ms(left));
        timeout_at(deadline(), sleep(WORK)).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("a timeout of 300 ms for each call:");
    let begun = Instant::now();
    let answer = ask_all(begun, || Instant::now() + PATIENCE).await;
    tell(begun, answer.is_ok());

    println!("one deadline in 300 ms for all calls:");
    let begun = Instant::now();
    let deadline = begun + PATIENCE;
    let answer = ask_all(begun, || deadline).await;
    tell(begun, answer.is_ok());
}
// ANCHOR_END: show

fn tell(begun: Instant, answered: bool) {
    let end = if answered {
        "an answer, to a user who left at 300 ms"
    } else {
        "no answer, and the user hears so in time"
    };
    println!("{}  {end}", ms(begun.elapsed()));
}

fn ms(time: Duration) -> String {
    format!("{:3.0} ms", time.as_secs_f64() * 1e3)
}
