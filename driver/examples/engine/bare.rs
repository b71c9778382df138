//! The least that a sender on time does, by the system's own calls: it sleeps to the next moment, sends, is woken by the
//! answer and reads it. It parses and notes nothing. What the engine costs beyond it is the engine's own.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use lab_say::say;
use rustix::{
    buffer::spare_capacity,
    event::epoll,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};

use crate::{
    load::CONNECTIONS,
    peers::{MOST_LATE, NO_FIGURE},
};

/// The timer among the connections, which are numbered.
const TIMER: u64 = u64::MAX;

/// The `bare` process: prints how many requests were answered.
pub(crate) fn main(address: &str, rate: &str, seconds: &str) -> anyhow::Result<()> {
    let (rate, seconds): (f64, f64) = (rate.parse()?, seconds.parse()?);
    let step = Duration::from_secs_f64(1.0 / rate);
    let planned = (rate * seconds) as u32;
    let mut bare = Bare::new(address)?;
    let t0 = Instant::now();
    let (mut sent, mut late, mut answered) = (0, 0, 0);
    while answered < planned {
        let now = Instant::now();
        while sent < planned && t0 + step * sent <= now && bare.send()? {
            late += u32::from(now - t0 >= step * (sent + 1));
            sent += 1;
        }
        let waits_for_time = sent < planned && !bare.idle.is_empty();
        if waits_for_time && !bare.wakes_at(t0 + step * sent)? {
            continue;
        }
        answered += bare.wait()?;
    }
    if f64::from(late) > MOST_LATE * f64::from(planned) {
        std::process::exit(NO_FIGURE);
    }
    say!("{answered}");
    Ok(())
}

struct Bare {
    request: String,
    connections: Vec<TcpStream>,
    idle: Vec<usize>,
    epoll: OwnedFd,
    timer: OwnedFd,
    /// Whether the timer will wake it.
    is_set: bool,
    events: Vec<epoll::Event>,
    room: Vec<u8>,
}

impl Bare {
    fn new(address: &str) -> anyhow::Result<Self> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), flags)?;
        let mut connections = Vec::new();
        for number in 0..CONNECTIONS.into() {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(number), flags)?;
            connections.push(stream);
        }
        Ok(Self {
            request: format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n"),
            idle: (0..connections.len()).collect(),
            connections,
            epoll,
            timer,
            is_set: false,
            events: Vec::with_capacity(CONNECTIONS as usize),
            room: vec![0; 8 * 1024],
        })
    }

    /// False where no connection is idle.
    fn send(&mut self) -> anyhow::Result<bool> {
        let Some(number) = self.idle.pop() else {
            return Ok(false);
        };
        self.connections[number].write_all(self.request.as_bytes())?;
        Ok(true)
    }

    /// Sets the timer, unless it is set; false where the moment has passed.
    fn wakes_at(&mut self, due: Instant) -> anyhow::Result<bool> {
        let ahead = due.saturating_duration_since(Instant::now());
        if self.is_set || ahead.is_zero() {
            return Ok(self.is_set);
        }
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value: ahead.try_into().context("a time of this run")?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
        self.is_set = true;
        Ok(true)
    }

    /// Sleeps until there is something to do, for the number of answers.
    fn wait(&mut self) -> anyhow::Result<u32> {
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), None)?;
        let mut answered = 0;
        for event in self.events.drain(..) {
            let number = event.data.u64();
            if number == TIMER {
                self.is_set = false;
                continue;
            }
            let number = number as usize;
            let length = match self.connections[number].read(&mut self.room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                length => length?,
            };
            ensure!(self.room[..length].ends_with(b"ok"), "not an answer");
            self.idle.push(number);
            answered += 1;
        }
        Ok(answered)
    }
}
