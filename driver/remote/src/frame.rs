//! Messages on a stream of bytes: each is postcard behind its length, four bytes in network order.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// More than the longest answer of a service, and far less than what four bytes of a text would make of a length: a
/// stream that is none of ours is told at once.
const LONGEST: usize = 64 << 20;

/// Writes a message, whole or not at all where the stream ends.
pub(crate) async fn write<M: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &M,
) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    if bytes.len() > LONGEST {
        let text = format!("a message of {} bytes is too long to send", bytes.len());
        return Err(io::Error::other(text));
    }
    to.write_all(&(bytes.len() as u32).to_be_bytes()).await?;
    to.write_all(&bytes).await?;
    to.flush().await
}

/// The next message; none where the stream has ended between two. Not to be cancelled: what was read would be lost.
pub(crate) async fn read<M: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    // The end before the first byte of a message is no error.
    if from.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(invalid("what came is no message"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    let (message, rest) =
        postcard::take_from_bytes(&bytes).map_err(|error| invalid(&error.to_string()))?;
    if rest.is_empty() {
        Ok(Some(message))
    } else {
        Err(invalid("a message is longer than what it says"))
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Message = (u64, String, Vec<u16>);

    fn written(messages: &[Message]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let mut bytes = Vec::new();
            for message in messages {
                write(&mut bytes, message).await.unwrap();
            }
            bytes
        })
    }

    fn read_all(mut bytes: &[u8]) -> (Vec<Message>, io::Result<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let mut messages = Vec::new();
            loop {
                match read(&mut bytes).await {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => return (messages, Ok(())),
                    Err(error) => return (messages, Err(error)),
                }
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(messages: Vec<Message>) {
            let (read, end) = read_all(&written(&messages));
            prop_assert!(end.is_ok());
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn a_stream_that_ends_in_a_message_gives_those_before_and_an_error(
            messages in proptest::collection::vec(any::<Message>(), 1..5),
            cut: proptest::sample::Index,
        ) {
            let bytes = written(&messages);
            let (read, end) = read_all(&bytes[..cut.index(bytes.len())]);
            prop_assert_eq!(&read[..], &messages[..read.len()]);
            let whole = written(&messages[..read.len()]).len();
            prop_assert_eq!(end.is_ok(), whole == cut.index(bytes.len()));
        }

        #[test]
        fn no_bytes_of_a_stranger_break_the_reader(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn a_text_is_told_from_a_message() {
        let (messages, end) = read_all(b"error: the container is gone\n");
        assert!(messages.is_empty());
        assert_eq!(end.unwrap_err().to_string(), "what came is no message");
    }
}
