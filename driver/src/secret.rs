//! Passwords that nobody can guess, for what lives as long as a run.

use std::{
    fs::File,
    io::{self, Read as _},
};

/// A fresh password of 32 hexadecimal digits.
pub(crate) fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
