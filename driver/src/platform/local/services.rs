//! How the services are started: their command lines and their environment.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::postgres::Access;
use crate::environment::keep_outside;
use crate::platform::{ApiSpec, WorkerSpec};

/// The services' executable and what is the same for all of them.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) executable: PathBuf,
    pub(super) code: String,
}

/// What an api replica needs to know of the others.
#[derive(Clone, Debug)]
pub(super) struct Neighbours {
    pub(super) dep: SocketAddr,
    pub(super) database_url: Option<String>,
}

impl Services {
    pub(super) fn dep(&self, port: u16) -> Command {
        self.command("dep", port)
    }

    pub(super) fn worker(&self, spec: &WorkerSpec) -> Command {
        let mut command = self.command("worker", spec.port);
        command
            .args(["--code", &self.code])
            .args(["--workers", &spec.workers.to_string()])
            .args(["--fast-ms", &spec.fast.as_millis().to_string()])
            .args(["--slow-ms", &spec.slow.as_millis().to_string()]);
        command
    }

    pub(super) fn api(&self, spec: &ApiSpec, port: u16, neighbours: &Neighbours) -> Command {
        let mut command = self.command("api", port);
        let acquire_timeout = spec.pool_acquire_timeout.as_millis();
        command
            .args(["--code", &self.code])
            .args(["--dep-url", &format!("http://{}", neighbours.dep)])
            .args(["--admission-slots", &spec.admission_slots.to_string()])
            .args(["--pool-size", &spec.pool_size.to_string()])
            .args(["--pool-acquire-timeout-ms", &acquire_timeout.to_string()]);
        if let Some(quota) = spec.cpu_quota {
            command.args(["--cpu-quota-millicores", &quota.0.to_string()]);
        }
        if spec.roll.is_some() {
            command.arg("--leaves-by-case");
        }
        if let Some(url) = &neighbours.database_url {
            // Not as an argument: every user of the machine can list those.
            command.env("LAB_DATABASE_URL", url);
        }
        command
    }

    pub(super) fn auditor(&self, access: &Access, pool_size: u32) -> Command {
        let mut command = self.command("auditor", 0);
        command
            .args(["--pool-size", &pool_size.to_string()])
            .args(["--client-role", &access.client_role])
            .env("LAB_DATABASE_URL", &access.owner_url)
            .env("LAB_CLIENT_PASSWORD", &access.client_password);
        command
    }

    fn command(&self, service: &str, port: u16) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .arg(service)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--exit-with-parent");
        keep_outside(&mut command);
        command
    }
}

/// The log file of `service` in the folder of a run.
pub(super) fn log(run_folder: Option<&Path>, service: &str) -> Option<PathBuf> {
    run_folder.map(|folder| folder.join("logs").join(format!("{service}.log")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::platform::Millicores;

    #[test]
    fn an_api_is_told_everything_and_its_database_in_private() {
        let services = Services {
            executable: "/t/lab".into(),
            code: "mine".to_owned(),
        };
        let spec = ApiSpec {
            cpu_quota: Some(Millicores(200)),
            pool_acquire_timeout: Duration::from_millis(1500),
            ..ApiSpec::default()
        };
        let neighbours = Neighbours {
            dep: "127.0.0.1:82".parse().unwrap(),
            database_url: Some("postgres://lab:secret@127.0.0.1:5/x".to_owned()),
        };
        let command = services.api(&spec, 30080, &neighbours);
        let command = command.as_std();
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        assert_eq!(
            arguments.join(" "),
            "api --listen 127.0.0.1:30080 --exit-with-parent --code mine \
             --dep-url http://127.0.0.1:82 --admission-slots 16 --pool-size 10 \
             --pool-acquire-timeout-ms 1500 --cpu-quota-millicores 200"
        );
        let passed = command
            .get_envs()
            .any(|(name, value)| name == "LAB_DATABASE_URL" && value.is_some());
        assert!(passed);
    }
}
