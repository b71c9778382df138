//! The first words on a stream: which protocol and which code either side has. They are a line of text, which every
//! version can read of every other.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Of the messages. The digest tells most changes; this tells those that it can't: another order of the same words.
const PROTOCOL: u32 = 1;

/// The longest line of a greeting.
const LONGEST: usize = 200;

/// The sources of what both sides have to agree on: the engine and the messages.
const SOURCES: &[&[u8]] = &[
    include_bytes!("../../load/src/answer.rs"),
    include_bytes!("../../load/src/ask.rs"),
    include_bytes!("../../load/src/berth.rs"),
    include_bytes!("../../load/src/cause.rs"),
    include_bytes!("../../load/src/cells.rs"),
    include_bytes!("../../load/src/cells/bag.rs"),
    include_bytes!("../../load/src/cells/grid.rs"),
    include_bytes!("../../load/src/cells/part.rs"),
    include_bytes!("../../load/src/connection.rs"),
    include_bytes!("../../load/src/engine.rs"),
    include_bytes!("../../load/src/find.rs"),
    include_bytes!("../../load/src/flight.rs"),
    include_bytes!("../../load/src/handshake.rs"),
    include_bytes!("../../load/src/hiccup.rs"),
    include_bytes!("../../load/src/lateness.rs"),
    include_bytes!("../../load/src/lib.rs"),
    include_bytes!("../../load/src/loops.rs"),
    include_bytes!("../../load/src/machine.rs"),
    include_bytes!("../../load/src/merge.rs"),
    include_bytes!("../../load/src/meter.rs"),
    include_bytes!("../../load/src/pacer/mod.rs"),
    include_bytes!("../../load/src/pacer/sleeper.rs"),
    include_bytes!("../../load/src/pacer/timerfd.rs"),
    include_bytes!("../../load/src/plan.rs"),
    include_bytes!("../../load/src/pool.rs"),
    include_bytes!("../../load/src/request.rs"),
    include_bytes!("../../load/src/sample.rs"),
    include_bytes!("../../load/src/schedule.rs"),
    include_bytes!("../../load/src/service.rs"),
    include_bytes!("../../load/src/stream.rs"),
    include_bytes!("../../load/src/summary.rs"),
    include_bytes!("../../load/src/summary/distribution.rs"),
    include_bytes!("../../load/src/template.rs"),
    include_bytes!("../../load/src/tls/absent.rs"),
    include_bytes!("../../load/src/tls/mod.rs"),
    include_bytes!("../../load/src/tls/options.rs"),
    include_bytes!("../../load/src/tls/refusal.rs"),
    include_bytes!("../../load/src/tls/secured.rs"),
    include_bytes!("../../load/src/tls/verify.rs"),
    include_bytes!("../../load/src/upcoming.rs"),
    include_bytes!("../../record/src/cause.rs"),
    include_bytes!("../../record/src/load.rs"),
    include_bytes!("frame.rs"),
    include_bytes!("message.rs"),
    include_bytes!("pod.rs"),
];

/// What one side says of itself, e.g. `lab-load 1 3f0c9a2e4b5d6f70`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Greeting(String);

impl Greeting {
    /// This program's own.
    pub(crate) fn own() -> Self {
        Self(format!("lab-load {PROTOCOL} {:016x}", digest(SOURCES)))
    }

    pub(crate) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(format!("{}\n", self.0).as_bytes()).await?;
        to.flush().await
    }

    /// Reads the other side's; none where the stream ends before there is one.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            if from.read(&mut byte).await? == 0 {
                return Ok(None);
            }
            if byte == *b"\n" || line.len() == LONGEST {
                return Ok(Some(Self(String::from_utf8_lossy(&line).into_owned())));
            }
            line.extend(byte);
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// FNV-1a of 64 bits: nobody has a reason to forge it.
fn digest(sources: &[&[u8]]) -> u64 {
    let bytes = sources.iter().flat_map(|source| source.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Files of Rust below a folder, those of tests apart.
    fn files(folder: &Path) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let files = files
            .into_iter()
            .filter(|path| path.file_name() != Some("tests.rs".as_ref()));
        files
            .chain(folders.iter().flat_map(|folder| files_of(folder)))
            .collect()
    }

    fn files_of(folder: &Path) -> Vec<std::path::PathBuf> {
        files(folder)
    }

    #[test]
    fn the_whole_engine_counts_but_what_only_the_driver_uses() {
        let load = Path::new(env!("CARGO_MANIFEST_DIR")).join("../load/src");
        let used_by_the_driver = |path: &Path| {
            let path = path.strip_prefix(&load).unwrap();
            path.starts_with("summary") && !path.ends_with("distribution.rs")
        };
        for file in files(&load) {
            let text = fs::read(&file).unwrap();
            let counts = SOURCES.contains(&text.as_slice());
            assert_ne!(counts, used_by_the_driver(&file), "{}", file.display());
        }
    }

    #[tokio::test]
    async fn a_greeting_is_read_from_any_version() {
        let mut bytes = Vec::new();
        Greeting::own().write(&mut bytes).await.unwrap();
        let read = Greeting::read(&mut bytes.as_slice()).await.unwrap();
        assert_eq!(read, Some(Greeting::own()));
        let read = Greeting::read(&mut &b"lab-load 99 of the future\n\x01"[..]).await;
        assert_eq!(read.unwrap().unwrap().text(), "lab-load 99 of the future");
        assert_eq!(Greeting::read(&mut &b""[..]).await.unwrap(), None);
    }

    #[test]
    fn each_byte_counts() {
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"a", b"c"]));
        assert_ne!(Greeting::own().text(), "lab-load 1 0000000000000000");
    }
}
