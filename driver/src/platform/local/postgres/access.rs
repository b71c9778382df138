//! The two doors of a run's database: its owner's, for the auditor, and the one of a plain role, for the api.

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

use super::PostgresError;

/// Who may come in, and how. The plain role is made by the auditor.
#[derive(Clone)]
pub(in crate::platform::local) struct Access {
    pub(in crate::platform::local) owner_url: String,
    pub(in crate::platform::local) client_role: String,
    pub(in crate::platform::local) client_password: String,
    pub(in crate::platform::local) client_url: String,
}

impl Access {
    /// To the database that `owner` connects to, with a fresh password for the role `client`.
    pub(super) fn new(owner: &PgConnectOptions, client: &str) -> Result<Self, PostgresError> {
        let password = crate::secret::password().map_err(PostgresError::Password)?;
        let options = owner.clone().username(client).password(&password);
        Ok(Self {
            owner_url: owner.to_url_lossy().into(),
            client_role: client.to_owned(),
            client_url: options.to_url_lossy().into(),
            client_password: password,
        })
    }
}

/// Without the passwords.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "access of {}", self.client_role)
    }
}
