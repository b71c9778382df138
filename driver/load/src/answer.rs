//! An HTTP/1 answer, read as it comes: its status, where it ends, and whether the connection may carry another.
//!
//! Pure: bytes in, progress out. What the answer says beyond that is passed over, unless somebody wants its body.
//! Sections and errors are those of RFC 9112.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Status};

/// Room for the fields of a usual head; more of them cost an allocation.
const USUAL_FIELDS: usize = 64;

/// Bytes that make no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is known of an answer so far.
#[derive(Debug)]
pub(super) struct Answer {
    /// An answer to HEAD has the length of a body and no body.
    to_head: bool,
    /// The body so far, and how much of it is wanted.
    body: Vec<u8>,
    keeps: usize,
    status: u16,
    keeps_open: bool,
    next: Next,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Head,
    Body {
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    ChunkEnd,
    Trailer,
    /// A body of unknown length, up to the end of the stream.
    BodyToClose,
    Nothing,
}

impl Answer {
    /// The answer to a request whose method is HEAD, or is not; so many bytes of its body are kept.
    pub(super) fn awaited(to_head: bool, keeps: usize) -> Self {
        Self {
            to_head,
            body: Vec::new(),
            keeps,
            status: 0,
            keeps_open: true,
            next: Next::Head,
        }
    }

    /// What was kept of the body.
    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The status of the whole answer; none before its end.
    pub(super) fn status(&self) -> Option<u16> {
        (self.next == Next::Nothing).then_some(self.status)
    }

    /// Whether, after the end, the connection may carry another request.
    pub(super) fn keeps_open(&self) -> bool {
        self.keeps_open
    }

    /// Reads on; for the number of bytes it is done with. The others must come again, with more behind them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut done = 0;
        while let Some(more) = self.step(&bytes[done..])? {
            done += more;
        }
        Ok(done)
    }

    /// The stream has ended. That is the end of an answer of unknown length, and of no other.
    pub(super) fn end_of_stream(&mut self) -> Result<(), Malformed> {
        if self.next != Next::BodyToClose {
            return Err(Malformed);
        }
        self.next = Next::Nothing;
        Ok(())
    }

    /// One step on; none where there are too few bytes for it, or the answer is whole.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let passed = |left: u64| (bytes.len() as u64).min(left);
        match self.next {
            Next::Nothing => Ok(None),
            _ if bytes.is_empty() => Ok(None),
            Next::Head => self.head(bytes),
            Next::Body { left } => {
                let passed = passed(left);
                self.next = body(left - passed);
                Ok(Some(self.keep(&bytes[..passed as usize])))
            }
            Next::ChunkSize => {
                let Some((size, length)) = chunk_size(bytes)? else {
                    return Ok(None);
                };
                self.next = match size {
                    0 => Next::Trailer,
                    left => Next::Chunk { left },
                };
                Ok(Some(length))
            }
            Next::Chunk { left } => {
                let passed = passed(left);
                self.next = match left - passed {
                    0 => Next::ChunkEnd,
                    left => Next::Chunk { left },
                };
                Ok(Some(self.keep(&bytes[..passed as usize])))
            }
            Next::ChunkEnd => match line(bytes) {
                Some((b"", length)) => {
                    self.next = Next::ChunkSize;
                    Ok(Some(length))
                }
                None if bytes == b"\r" => Ok(None),
                _ => Err(Malformed),
            },
            Next::Trailer => Ok(self.trailer(bytes)),
            Next::BodyToClose => Ok(Some(self.keep(bytes))),
        }
    }

    /// Passes over a piece of the body, for its length.
    fn keep(&mut self, piece: &[u8]) -> usize {
        let room = self.keeps - self.body.len();
        self.body.extend_from_slice(&piece[..piece.len().min(room)]);
        piece.len()
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
        let parsed = match Head::parse(bytes, &mut usual) {
            Err(httparse::Error::TooManyHeaders) => {
                let lines = bytes.split(|byte| *byte == b'\n').count();
                Head::parse(bytes, &mut vec![MaybeUninit::uninit(); lines])
            }
            parsed => parsed,
        };
        let Some(head) = parsed.map_err(|_| Malformed)? else {
            return Ok(None);
        };
        self.status = head.status;
        self.next = match self.status {
            // Nobody asked for another protocol.
            101 => return Err(Malformed),
            // The answer itself is still to come.
            100..200 => return Ok(Some(head.length)),
            _ => {
                self.keeps_open = head.fields.keeps_open();
                self.framing(head.fields)?
            }
        };
        self.keeps_open &= self.next != Next::BodyToClose;
        Ok(Some(head.length))
    }

    /// Where the body ends, by section 6.3.
    fn framing(&self, fields: Fields) -> Result<Next, Malformed> {
        if self.to_head || matches!(self.status, 204 | 304) {
            return Ok(Next::Nothing);
        }
        Ok(match (fields.coding, fields.length) {
            // Unknown to HTTP/1.0, so the framing is taken for faulty (section 6.1).
            (Some(_), _) if !fields.is_1_1 => return Err(Malformed),
            (Some(Coding::Chunked), _) => Next::ChunkSize,
            (None, Some(length)) => body(length?),
            (Some(Coding::Other), _) | (None, None) => Next::BodyToClose,
        })
    }

    /// Passes over a line of the trailer, whose fields say nothing of where the answer ends; an empty line ends it.
    fn trailer(&mut self, bytes: &[u8]) -> Option<usize> {
        let (line, length) = line(bytes)?;
        if line.is_empty() {
            self.next = Next::Nothing;
        }
        Some(length)
    }
}

fn body(left: u64) -> Next {
    match left {
        0 => Next::Nothing,
        left => Next::Body { left },
    }
}

/// A line without its end, and its length with it; none where the end is still to come. A lone LF ends one, too, as
/// section 2.2 allows for a head, and browsers and curl take it in a body.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// A chunk's size, and the length of the line that gives it; extensions are passed over (section 7.1.1).
fn chunk_size(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    if !bytes.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    let Some((line, length)) = line(bytes) else {
        return Ok(None);
    };
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size = number(size.trim_ascii_end(), 16)?;
    Ok(Some((size, length)))
}

/// Digits and nothing else; the standard library would take a sign, too.
fn number(digits: &[u8], radix: u32) -> Result<u64, Malformed> {
    let digits = str::from_utf8(digits).map_err(|_| Malformed)?;
    if digits.starts_with('+') {
        return Err(Malformed);
    }
    u64::from_str_radix(digits, radix).map_err(|_| Malformed)
}

/// What a head says that matters here.
struct Head {
    status: u16,
    fields: Fields,
    length: usize,
}

impl Head {
    /// None before its end. It is read as a user agent has to: a folded line is one line (section 5.2), blanks before
    /// a colon are none (5.1), and what is no field is passed over, as are lines that begin with a blank where there is
    /// nothing to fold (2.2).
    fn parse<'b>(
        bytes: &'b [u8],
        fields: &mut [MaybeUninit<Header<'b>>],
    ) -> Result<Option<Self>, httparse::Error> {
        let mut head = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default()
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response_with_uninit_headers(&mut head, bytes, fields)?;
        let Status::Complete(length) = parsed else {
            return Ok(None);
        };
        Ok(Some(Self {
            status: head.code.ok_or(httparse::Error::Status)?,
            fields: Fields::of(head.headers, head.version == Some(1)),
            length,
        }))
    }
}

/// The fields of a head that tell where the answer ends.
#[derive(Clone, Copy, Debug)]
struct Fields {
    is_1_1: bool,
    keep_alive: bool,
    close: bool,
    coding: Option<Coding>,
    length: Option<Result<u64, Malformed>>,
}

/// The last of the transfer codings.
#[derive(Clone, Copy, Debug)]
enum Coding {
    Chunked,
    Other,
}

impl Fields {
    fn of(headers: &[Header<'_>], is_1_1: bool) -> Self {
        let mut fields = Self {
            is_1_1,
            keep_alive: false,
            close: false,
            coding: None,
            length: None,
        };
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let length = content_length(header.value);
                let same = fields.length.is_none_or(|other| other == length);
                fields.length = Some(if same { length } else { Err(Malformed) });
            } else if is("transfer-encoding") {
                fields.coding = Some(words(header.value).last().map_or(Coding::Other, coding));
            } else if is("connection") {
                for word in words(header.value) {
                    fields.close |= word.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= word.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        fields
    }

    /// By section 9.3; and closed where both length and coding are given, which may be an attempt to smuggle
    /// something past a proxy (section 6.3).
    fn keeps_open(self) -> bool {
        let ambiguous = self.coding.is_some() && self.length.is_some();
        !self.close && !ambiguous && (self.is_1_1 || self.keep_alive)
    }
}

fn coding(last: &[u8]) -> Coding {
    if last.eq_ignore_ascii_case(b"chunked") {
        Coding::Chunked
    } else {
        Coding::Other
    }
}

/// A length, or the same length several times (section 6.3).
fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    let lengths = value.split(|byte| *byte == b',');
    let mut lengths = lengths.map(|digits| number(digits.trim_ascii(), 10));
    let first = lengths.next().unwrap_or(Err(Malformed));
    if lengths.all(|other| other == first) {
        first
    } else {
        Err(Malformed)
    }
}

/// The words of a list with commas.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    words.filter(|word| !word.is_empty())
}

#[cfg(test)]
pub(super) mod tests;
