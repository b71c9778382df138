//! Bytes that are no requests, and clients who hang up: the services go on, and so does the guide.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use crate::{guide::Guide, process::Program, trial::Trial, world::World};

/// What a random cut is made of.
const REQUESTS: [&str; 5] = [
    "GET /cases/local HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "GET /cases/timeouts?key=a HTTP/1.1\r\nhost: 127.0.0.1\r\nx-deadline-ms: 100\r\n\r\n",
    "GET /work?key=a&sleep_ms=5 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "POST /batches?wait=true HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{\"fast\":1,\"slow\":0}",
    "POST /batches HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
];

pub(crate) fn requests(trial: &mut Trial<'_>) {
    let clients = trial.times(700, 10_000);
    for service in ["api", "worker", "dep"] {
        trial.case(
            &format!("{clients} clients of {service}"),
            |world, random| service_holds(world, random, service, clients),
        );
    }
    trial.case(
        &format!("{clients} clients of the guide"),
        |world, random| {
            let guide = Guide::open(world)?;
            flood(random, guide.address, clients)?;
            guide.answers()?;
            guide.close()
        },
    );
}

fn service_holds(world: &World, random: &mut Rng, service: &str, clients: usize) -> Result<()> {
    let mut command = world.lab(&[service, "--listen", "127.0.0.1:0", "--exit-with-parent"]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .env("LAB_LOG", "error");
    // Its input stays open as long as this program lives.
    let (input, _open) = std::io::pipe()?;
    let mut lab = Program::start_with_input(&mut command, input.into(), world.output())?;
    let stdout = lab.child().stdout.take().context("an output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address: SocketAddr = line.trim().trim_start_matches("listening ").parse()?;
    flood(random, address, clients)?;
    ensure!(lab.runs()?, "{service} has ended");
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    client.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200"),
        "{service} answers {answer}"
    );
    Ok(())
}

/// Clients who send whole requests, torn ones, changed ones and noise, and hang up.
fn flood(random: &mut Rng, address: SocketAddr, clients: usize) -> Result<()> {
    for _ in 0..clients {
        let mut text = REQUESTS[random.usize(..REQUESTS.len())].as_bytes().to_vec();
        match random.u8(..4) {
            0 => text.truncate(random.usize(..text.len())),
            1 => {
                let place = random.usize(..text.len());
                text[place] = random.u8(..);
            }
            2 => {
                let length = random.usize(..4096);
                text = std::iter::repeat_with(|| random.u8(..))
                    .take(length)
                    .collect();
            }
            _ => {}
        }
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(Duration::from_millis(random.u64(1..20))))?;
        // It may hang up on us, as we do on it.
        let _ = client.write_all(&text);
        if random.bool() {
            let _ = client.read(&mut [0; 64]);
        }
    }
    Ok(())
}
