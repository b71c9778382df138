//! How late the load engine sends, beside the floor: a thread that only sleeps to the same moments.
//!
//! `cargo run --profile lab --example lateness -- [--busy] [RATE …]` runs each rate for five
//! seconds against a server in this process that answers at once; `--busy` keeps every core busy
//! meanwhile, as a browser and a compiler would.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use driver::{
    load::{
        self, ClassPlan, Plan, Recording, Sample, Service, Targets, Template,
        schedule::{RatePerSecond, Shape, Spacing, Stretch, arrivals},
        summary::{self, Distribution, Expectation, Span},
    },
    selfcheck::{self, Limits},
};
use hyper::{Method, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpSocket,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

const LENGTH: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let (options, rates): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument == "--busy");
    let mut rates = rates
        .iter()
        .map(|rate| Ok(rate.parse::<f64>()?.try_into()?))
        .collect::<anyhow::Result<Vec<RatePerSecond>>>()
        .context("rates are numbers of requests per second")?;
    if rates.is_empty() {
        for rate in [500.0, 2_000.0, 10_000.0] {
            rates.push(rate.try_into()?);
        }
    }

    let done = Arc::new(AtomicBool::new(false));
    if !options.is_empty() {
        keep_busy(&done)?;
    }
    let address = serve()?;
    println!("  req/s  what      p50      p99    worst   CPU/request of the loop  self-check");
    for rate in rates {
        measure(rate, address)?;
    }
    done.store(true, Ordering::Relaxed);
    Ok(())
}

fn measure(rate: RatePerSecond, address: SocketAddr) -> anyhow::Result<()> {
    let plan = plan(rate);
    row(rate, "floor", &floor(&plan.classes[0].arrivals), "");

    let recording = run(&plan, address)?;
    let lateness: Vec<_> = recording
        .samples
        .iter()
        .filter_map(Sample::lateness)
        .collect();
    let expectations = [Expectation {
        ok: vec![200],
        ..Expectation::default()
    }];
    let phase = Span {
        name: "all".into(),
        from: Duration::ZERO,
        to: LENGTH,
    };
    let classes = summary::classes(&plan, &expectations, &[phase], &recording.samples);
    let books = summary::verify_books(&plan, &recording, &classes);
    let check = selfcheck::judge(&recording, &books, &[], &Limits::default());
    let cpu = recording.loop_cpu / (lateness.len().max(1) as u32);
    let note = format!("{cpu:>22.1?}   {:?}", check.validity);
    row(rate, "engine", &lateness, &note);
    for finding in &check.findings {
        if finding.validity != lab_record::Validity::Valid {
            println!("         {}: {}", finding.name, finding.text);
        }
    }
    Ok(())
}

fn row(rate: RatePerSecond, what: &str, lateness: &[Duration], note: &str) {
    let times: Distribution = lateness.iter().map(|of| (*of, false)).collect();
    let micros = |percent| {
        let quantile = times.percentile(percent);
        format!("{:.0} µs", quantile.map_or(0.0, |of| of.ms * 1000.0))
    };
    let (p50, p99, worst) = (micros(50), micros(99), micros(100));
    println!(
        "{:>7}  {what:<6} {p50:>8} {p99:>8} {worst:>8} {note}",
        rate.get()
    );
}

fn plan(rate: RatePerSecond) -> Plan {
    let stretch = Stretch {
        length: LENGTH,
        shape: Shape::Constant(rate),
    };
    Plan {
        run: "lateness".into(),
        classes: vec![ClassPlan {
            name: "quick".into(),
            service: Service::Api,
            method: Method::GET,
            path: Template::new("/quick?key={key}"),
            body: None,
            timeout: Duration::from_secs(5),
            max_in_flight: 1_000,
            repeat: None,
            arrivals: arrivals(&[stretch], Spacing::Even),
        }],
        connections_per_target: 32,
        drain: Duration::from_secs(5),
    }
}

/// How late a thread wakes that sleeps to each arrival and does nothing else.
fn floor(arrivals: &[Duration]) -> Vec<Duration> {
    let t0 = Instant::now();
    let wake = |at: &Duration| {
        thread::sleep((t0 + *at).saturating_duration_since(Instant::now()));
        t0.elapsed().saturating_sub(*at)
    };
    arrivals.iter().map(wake).collect()
}

fn run(plan: &Plan, address: SocketAddr) -> anyhow::Result<Recording> {
    let (_targets, targets) = watch::channel(Targets {
        api: vec![address.into()],
        ..Targets::default()
    });
    let (live, _) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let load = load::start(plan.clone(), targets, live, CancellationToken::new()).await?;
        Ok(load.finish().await?)
    })
}

/// Answers at once, on a thread of its own.
fn serve() -> anyhow::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        socket.listen(1024)
    })?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((stream, _)) = listener.accept().await {
                let answer =
                    service_fn(|_| async { Ok::<_, Infallible>(Response::new("ok".to_owned())) });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
    });
    Ok(address)
}

/// A thread for each core that never rests.
fn keep_busy(done: &Arc<AtomicBool>) -> anyhow::Result<()> {
    for _ in 0..thread::available_parallelism()?.get() {
        let done = Arc::clone(done);
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }
    Ok(())
}
