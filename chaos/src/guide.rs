//! The guide, served by the real program, and what a page of it does: it comes in with the link, presses buttons and
//! follows what happens.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    process::{PATIENCE, Program, until},
    world::World,
};

/// All that a page is told of.
const EVENTS: [&str; 11] = [
    "hello", "status", "progress", "slot", "line", "picture", "over", "output", "build", "ended",
    "reload",
];

/// A guide that is served, with a page of it open.
pub(crate) struct Guide {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    token: String,
}

impl Guide {
    /// Serves it on any port and opens its link.
    pub(crate) fn open(world: &World) -> Result<Self> {
        Self::open_with(
            world,
            &mut world.guide(&["serve", "--no-open", "--port", "0"]),
        )
    }

    /// The same with a command of the caller's.
    pub(crate) fn open_with(world: &World, command: &mut Command) -> Result<Self> {
        let mut program = world.start(command)?;
        let (address, ticket) = until("the link of the guide", || {
            let said = program.said();
            ensure!(program.runs()?, "the guide ended:\n{said}");
            Ok(said.lines().find_map(link))
        })?;
        let mut guide = Self {
            program,
            address,
            token: String::new(),
        };
        let (status, body) = guide.post("/lab/enter", &format!(r#"{{"ticket":"{ticket}"}}"#))?;
        ensure!(status == 200, "the link is answered with {status}: {body}");
        let session: Value = serde_json::from_str(&body)?;
        session["token"]
            .as_str()
            .context("no token")?
            .clone_into(&mut guide.token);
        Ok(guide)
    }

    /// Presses a button; the status of the answer.
    pub(crate) fn press(&self, action: &str) -> Result<u16> {
        let (status, _) = self.post("/lab/run", &format!(r#"{{"action":"{action}"}}"#))?;
        Ok(status)
    }

    /// Presses a button that must do something.
    pub(crate) fn start(&self, action: &str) -> Result<()> {
        let status = self.press(action)?;
        ensure!(status == 202, "`{action}` is answered with {status}");
        Ok(())
    }

    /// Cancels what runs; the status of the answer.
    pub(crate) fn cancel(&self) -> Result<u16> {
        let (status, _) = self.post("/lab/cancel", "{}")?;
        Ok(status)
    }

    /// A page of it, or a report.
    pub(crate) fn page(&self, path: &str) -> Result<(u16, String)> {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), "")
    }

    /// It is there, and answers.
    pub(crate) fn answers(&self) -> Result<()> {
        let (status, page) = self.page("/")?;
        ensure!(
            status == 200 && page.contains("</html>"),
            "the first page is answered with {status}"
        );
        Ok(())
    }

    /// What happens from now on, after what stands.
    pub(crate) fn follow(&self) -> Result<Events> {
        let mut stream = self.send("GET /lab/events HTTP/1.1\r\n", "")?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        ensure!(head.starts_with("HTTP/1.1 200"), "no events: {head}");
        Ok(Events {
            stream: BufReader::new(stream),
            text: Vec::new(),
        })
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn close(mut self) -> Result<()> {
        self.program.signal(Signal::INT)?;
        self.program.end()?.with(&[0])?;
        Ok(())
    }

    fn post(&self, path: &str, body: &str) -> Result<(u16, String)> {
        self.ask(&format!("POST {path} HTTP/1.1\r\n"), body)
    }

    fn ask(&self, line: &str, body: &str) -> Result<(u16, String)> {
        let mut answer = Vec::new();
        self.send(&format!("{line}connection: close\r\n"), body)?
            .read_to_end(&mut answer)
            .context("no whole answer")?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.get(9..12).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    fn send(&self, head: &str, body: &str) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let Self { address, token, .. } = self;
        let length = body.len();
        write!(
            stream,
            "{head}host: {address}\r\norigin: http://{address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        Ok(stream)
    }
}

/// The address and the ticket of a link in a line.
fn link(line: &str) -> Option<(SocketAddr, String)> {
    let (address, ticket) = line.split_once("http://")?.1.split_once("/#ticket=")?;
    Some((address.parse().ok()?, ticket.trim().to_owned()))
}

/// Events as a browser reads them.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    /// What has come and is not read yet.
    text: Vec<u8>,
}

/// One of them: a name that pages know, and JSON.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Events {
    /// The next one. None where the guide ends the stream, as for a page that is too far behind.
    pub(crate) fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(event) = event(std::str::from_utf8(&block)?)? {
                    return Ok(Some(event));
                }
            }
            if !self.read_chunk()? {
                return Ok(None);
            }
        }
    }

    /// A piece of the body; false at its end.
    fn read_chunk(&mut self) -> Result<bool> {
        let mut size = String::new();
        self.stream.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let mut chunk = vec![0; size + 2];
        if size == 0 || self.stream.read_exact(&mut chunk).is_err() {
            return Ok(false);
        }
        self.text.extend(&chunk[..size]);
        Ok(true)
    }
}

/// An event of the stream; none where it is a comment, which keeps the line open.
fn event(block: &str) -> Result<Option<Event>> {
    let (mut name, mut data) = (None, None);
    for line in block.lines().filter(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some(("", _)) => {}
            Some(("event", text)) if name.is_none() => name = Some(text.trim().to_owned()),
            Some(("data", text)) if data.is_none() => data = Some(text.trim().to_owned()),
            _ => bail!("no line of an event: {line:?}"),
        }
    }
    let (Some(name), Some(data)) = (name, data) else {
        return Ok(None);
    };
    ensure!(EVENTS.contains(&&*name), "no event is called {name:?}");
    let data = serde_json::from_str(&data).with_context(|| format!("no JSON: {data:?}"))?;
    Ok(Some(Event { name, data }))
}
