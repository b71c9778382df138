//! Who runs PostgreSQL: this user, or an unprivileged one where this is root, which PostgreSQL
//! refuses.

use std::process::Command;

use rustix::process::geteuid;

use super::PostgresError;

/// An unprivileged user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform::local) struct Account {
    pub(in crate::platform::local) name: &'static str,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account for PostgreSQL; none where this user can run it.
    pub(in crate::platform::local) fn for_postgres() -> Result<Option<Self>, PostgresError> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(Self::of)
            .map(Some)
            .ok_or(PostgresError::NoAccount)
    }

    /// The account called `name`. `id` also knows the users that are in no `/etc/passwd`.
    pub(super) fn of(name: &'static str) -> Option<Self> {
        Some(Self {
            name,
            uid: id("-u", name)?,
            gid: id("-g", name)?,
        })
    }
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // macOS shows its nobody as -2, which is the same 32 bits.
    let number: i64 = text.trim().parse().ok()?;
    (number != 0).then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_no_account_for_it_and_an_unknown_name_is_none() {
        assert_eq!(Account::of("root"), None);
        assert_eq!(Account::of("no such user"), None);
        assert!(Account::of("nobody").is_some_and(|nobody| nobody.uid != 0));
    }
}
