//! Secrets of 256 bits: a session's, a room's, and tickets that are good for one use.

use std::{
    fmt::Write,
    sync::{Mutex, PoisonError},
};

use subtle::ConstantTimeEq;

/// A random secret, written as 64 hexadecimal digits. It has no `Debug`: it belongs in no log.
pub(crate) struct Secret(String);

impl Secret {
    /// A new one from the operating system's generator.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes)?;
        let mut text = String::with_capacity(64);
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// One that was made before and kept; none where the text is none.
    pub(crate) fn kept(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(text.to_owned()))
    }

    /// The secret as text, for a link and for the page.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `text` is this secret. The time it takes says nothing of where they differ.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// The secret of a link that opens the guide. Each use replaces it.
pub(crate) struct Ticket(Mutex<Secret>);

impl Ticket {
    /// The first one.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self(Mutex::new(Secret::random()?)))
    }

    /// The one that is good now.
    pub(crate) fn current(&self) -> String {
        self.lock().reveal().to_owned()
    }

    /// Takes `text` if it is the current ticket; it is worth nothing from then on.
    pub(crate) fn redeem(&self, text: &str) -> bool {
        let mut current = self.lock();
        if !current.is(text) {
            return false;
        }
        // Without a replacement the old one would stay good.
        let Ok(next) = Secret::random() else {
            return false;
        };
        *current = next;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_256_bits_and_never_the_same() {
        let [one, other] = [Secret::random().unwrap(), Secret::random().unwrap()];
        assert_eq!(one.reveal().len(), 64);
        assert!(one.is(one.reveal()));
        assert!(!one.is(other.reveal()));
        assert!(!one.is(&one.reveal()[..63]));
        assert!(!one.is(""));
        assert!(Secret::kept(one.reveal()).is_some_and(|kept| one.is(kept.reveal())));
        assert!(Secret::kept("").is_none() && Secret::kept(&"g".repeat(64)).is_none());
    }

    #[test]
    fn a_ticket_is_good_once() {
        let ticket = Ticket::new().unwrap();
        let first = ticket.current();
        assert!(!ticket.redeem("guess"));
        assert!(ticket.redeem(&first));
        assert!(!ticket.redeem(&first));
        assert!(ticket.redeem(&ticket.current()));
    }
}
