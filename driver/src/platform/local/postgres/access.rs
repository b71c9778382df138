//! The two doors of a run's database: its owner's, for the auditor, and the one of a plain role, for the api.

use std::net::SocketAddr;

use super::{PostgresError, conninfo::Conninfo, template};

/// The role of the api on a private server.
const CLIENT: &str = "api";

/// Who may come in, and how. The plain role is made by the auditor.
#[derive(Clone)]
pub(in crate::platform::local) struct Access {
    pub(in crate::platform::local) owner_url: String,
    pub(in crate::platform::local) client_role: String,
    pub(in crate::platform::local) client_password: String,
    pub(in crate::platform::local) client_url: String,
}

/// The URL of a private server for `user`. All that a client could take from elsewhere is
/// in it.
pub(super) fn private_url(server: SocketAddr, user: &str, password: &str) -> String {
    format!("postgres://{user}:{password}@{server}/postgres?sslmode=disable")
}

impl Access {
    /// To a private server, with a fresh password for the role of the api.
    pub(super) fn private(server: SocketAddr, password: &str) -> Result<Self, PostgresError> {
        let client_password = crate::secret::password().map_err(PostgresError::Password)?;
        Ok(Self {
            owner_url: private_url(server, template::USER, password),
            client_role: CLIENT.to_owned(),
            client_url: private_url(server, CLIENT, &client_password),
            client_password,
        })
    }

    /// To the database that `owner` connects to, with a fresh password for the role `client`.
    pub(super) fn new(owner: &Conninfo, client: &str) -> Result<Self, PostgresError> {
        let password = crate::secret::password().map_err(PostgresError::Password)?;
        Ok(Self {
            owner_url: owner.url(),
            client_role: client.to_owned(),
            client_url: owner.clone().by(client, &password).url(),
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
