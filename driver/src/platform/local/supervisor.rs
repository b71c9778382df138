//! The task that owns a stack's processes: brings them up, scales the api, publishes what is ready,
//! reports what breaks and stops all in order.

use std::{
    mem,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    process::Command as ProcessCommand,
    sync::{mpsc, watch},
    task::{JoinSet, spawn_blocking},
};

use super::{
    Error, LocalPlatform,
    member::{self, Member, Members, Notice, Role},
    postgres::{Access, Claim, Database, External, PostgresError},
    process::{Ending, Process, ProcessError},
    services::{self, Neighbours, Services},
};
use crate::limits;
use crate::platform::{
    ApiSpec, Change, Command, Failure, Load, Replica, ReplicaEvent, Stack, StackControl, StackSpec,
    Targets,
};

/// For a service to end after SIGTERM; its own shutdown takes at most two seconds.
const SERVICE_GRACE: Duration = Duration::from_secs(4);

/// For PostgreSQL's guard to end; it has three ways to end the server before that.
const GUARD_GRACE: Duration = Duration::from_secs(12);

/// What a database leaves to remove when nothing uses it any more.
#[derive(Debug)]
enum Leftover {
    Nothing,
    Data(Claim),
    Database(External),
}

struct Supervisor {
    services: Services,
    run_folder: Option<PathBuf>,
    ready_within: Duration,
    http: reqwest::Client,
    /// How to start one more api replica; none before the first.
    api: Option<(ApiSpec, Neighbours)>,
    api_started: u32,
    members: Members,
    /// Cloned for each process of the api, for as long as it lives.
    api_lives: Arc<()>,
    tasks: JoinSet<()>,
    notify: mpsc::UnboundedSender<Notice>,
    notices: mpsc::UnboundedReceiver<Notice>,
    leftover: Leftover,
    targets: watch::Sender<Targets>,
    replicas: watch::Sender<Vec<Replica>>,
    leaving: watch::Sender<usize>,
    failures: mpsc::UnboundedSender<Failure>,
    events: mpsc::UnboundedSender<ReplicaEvent>,
}

/// Starts what `spec` names, next to `database`; done when all of it is ready.
pub(super) async fn start(
    platform: &LocalPlatform,
    spec: &StackSpec,
    database: impl Future<Output = Result<Option<Database>, PostgresError>>,
) -> Result<Stack, Error> {
    let services = Services {
        executable: platform.services.clone(),
        code: spec.code.clone(),
    };
    let (notify, notices) = mpsc::unbounded_channel();
    let (targets, targets_seen) = watch::channel(Targets::default());
    let (replicas, replicas_seen) = watch::channel(Vec::new());
    let (leaving, leaving_seen) = watch::channel(0);
    let (failures, failures_seen) = mpsc::unbounded_channel();
    let (events, events_seen) = mpsc::unbounded_channel();
    let (commands, commands_given) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor {
        services,
        run_folder: spec.run_folder.clone(),
        ready_within: platform.ready_within,
        http: crate::http::client(),
        api: None,
        api_started: 0,
        members: Members::default(),
        api_lives: Arc::default(),
        tasks: JoinSet::new(),
        notify,
        notices,
        leftover: Leftover::Nothing,
        targets,
        replicas,
        leaving,
        failures,
        events,
    };
    if let Err(error) = supervisor.bring_up(spec, database).await {
        // The first error says more than what goes wrong in cleaning up after it.
        let _ = supervisor.shut_down().await;
        return Err(error);
    }
    tokio::spawn(supervisor.run(commands_given));
    Ok(Stack {
        load: Load::Driver,
        targets: targets_seen,
        replicas: replicas_seen,
        leaving: leaving_seen,
        found: None,
        failures: failures_seen,
        // Processes of this machine are seen at once, and their standstills are told by themselves.
        events: events_seen,
        decisions: None,
        control: StackControl { commands },
    })
}

impl Supervisor {
    async fn bring_up(
        &mut self,
        spec: &StackSpec,
        database: impl Future<Output = Result<Option<Database>, PostgresError>>,
    ) -> Result<(), Error> {
        self.start_service(Role::Dep, "dep", self.services.dep(spec.dep_port))?;
        if let Some(worker) = &spec.worker {
            self.start_service(Role::Worker, "worker", self.services.worker(worker))?;
        }
        let (database, ready) = tokio::join!(database, self.all_ready());
        let access = database?.map(|database| self.adopt(database));
        ready?;
        if let (Some(api), [dep]) = (&spec.api, &*self.members.targets().dep) {
            if let Some(access) = &access {
                let auditor = self.services.auditor(access, api.pool_size);
                self.start_service(Role::Auditor, "auditor", auditor)?;
                self.all_ready().await?;
            }
            let neighbours = Neighbours {
                dep: dep.addr(),
                database_url: access.map(|access| access.client_url),
            };
            self.api = Some((api.clone(), neighbours));
            self.scale_api(api.replicas)?;
            self.all_ready().await?;
        }
        Ok(())
    }

    /// Serves the stack until it is stopped, or nobody can stop it any more.
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::ScaleApi(replicas)) => self.scale_or_report(replicas),
                    Some(Command::CrashApi) => self.crash_api(),
                    Some(Command::Stop(done)) => {
                        let stopped = self.shut_down().await;
                        // Whoever asked may not wait for the answer.
                        let _ = done.send(stopped.map_err(Into::into));
                        return;
                    }
                    None => {
                        let _ = self.shut_down().await;
                        return;
                    }
                },
                Some(notice) = self.notices.recv() => {
                    if let Err((service, error)) = self.take(notice) {
                        self.report(service, limits::explained(&error));
                    }
                }
                Some(_) = self.tasks.join_next() => self.publish(),
            }
        }
    }

    fn start_service(
        &mut self,
        role: Role,
        name: &str,
        command: ProcessCommand,
    ) -> Result<(), ProcessError> {
        let log = services::log(self.run_folder.as_deref(), name);
        let process = Process::spawn(name, command, log, Ending::Terminate)?;
        let (member, stopped) = Member::new(name, role);
        let (http, notify) = (self.http.clone(), self.notify.clone());
        let (within, grace) = (self.ready_within, SERVICE_GRACE);
        let life = (role == Role::Api).then(|| Arc::clone(&self.api_lives));
        self.tasks.spawn(async move {
            member::bring_up(process, &http, within, grace, stopped, notify).await;
            drop(life);
        });
        self.members.0.push(member);
        Ok(())
    }

    /// Makes a running database part of the stack; how to reach it.
    fn adopt(&mut self, database: Database) -> Access {
        let access = database.access().clone();
        match database {
            Database::External(database) => self.leftover = Leftover::Database(database),
            Database::Private(server) => {
                self.leftover = Leftover::Data(server.claim);
                let (member, stopped) = Member::new(&server.guard.name, Role::Postgres);
                let (guard, notify) = (server.guard, self.notify.clone());
                self.tasks
                    .spawn(member::watch(guard, GUARD_GRACE, stopped, notify));
                self.members.0.push(member);
            }
        }
        access
    }

    /// Waits for every service that has been started.
    async fn all_ready(&mut self) -> Result<(), Error> {
        while self.members.wait_for_any() {
            let Some(notice) = self.notices.recv().await else {
                break;
            };
            self.take(notice).map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    /// Books a notice; the service and the error, if it tells of one.
    fn take(&mut self, notice: Notice) -> Result<(), (String, Error)> {
        match notice {
            Notice::Ready(name, addr) => {
                // None: it was told to stop at the same moment.
                if let Some(role) = self.members.set_ready(&name, addr) {
                    if role == Role::Api {
                        self.tell(name, Change::Ready);
                    }
                    self.publish();
                }
                Ok(())
            }
            Notice::NotReady(name, error) => {
                self.lose(&name);
                Err((name, error.into()))
            }
            Notice::Ended(name, text) => {
                self.lose(&name);
                Err((name, Error::Crashed(text)))
            }
        }
    }

    fn scale_or_report(&mut self, replicas: u32) {
        if let Err(error) = self.scale_api(replicas) {
            self.report("api".to_owned(), limits::explained(&error));
        }
    }

    fn scale_api(&mut self, wanted: u32) -> Result<(), ProcessError> {
        let Some((spec, neighbours)) = self.api.clone() else {
            return Ok(());
        };
        let wanted = wanted as usize;
        while self.members.api().count() < wanted {
            // The fixed port belongs to the first replica, for good.
            let port = if self.api_started == 0 { spec.port } else { 0 };
            self.api_started += 1;
            let name = format!("api-{}", self.api_started);
            let command = self.services.api(&spec, port, &neighbours);
            self.start_service(Role::Api, &name, command)?;
            self.tell(name, Change::Started);
        }
        while self.members.api().count() > wanted
            && let Some(name) = self.members.leaves_first()
        {
            self.lose(&name);
        }
        self.publish();
        Ok(())
    }

    /// Kills the oldest replica that is ready, and starts another at once, as Kubernetes would.
    fn crash_api(&mut self) {
        let replicas = self.members.api().count() as u32;
        let Some(name) = self.members.serving_longest() else {
            return;
        };
        if let Some(member) = self.members.take(&name) {
            self.publish();
            member.kill();
            self.tell(name, Change::Killed);
            self.scale_or_report(replicas);
        }
    }

    /// Takes the member `name` off the lists, then asks it to stop if it still runs.
    fn lose(&mut self, name: &str) {
        if let Some(member) = self.members.take(name) {
            self.publish();
            if member.role == Role::Api {
                self.tell(member.name.clone(), Change::Stopped);
            }
        }
    }

    /// Stops the services, then the database, then removes what that leaves.
    async fn shut_down(&mut self) -> Result<(), Error> {
        let (postgres, services): (Vec<_>, Vec<_>) = mem::take(&mut self.members)
            .0
            .into_iter()
            .partition(|member| member.role == Role::Postgres);
        self.publish();
        for member in &services {
            if member.role == Role::Api {
                self.tell(member.name.clone(), Change::Stopped);
            }
        }
        drop(services);
        while self.tasks.len() > postgres.len() && self.tasks.join_next().await.is_some() {}
        drop(postgres);
        while self.tasks.join_next().await.is_some() {}
        match mem::replace(&mut self.leftover, Leftover::Nothing) {
            Leftover::Nothing => Ok(()),
            Leftover::Data(claim) => spawn_blocking(|| claim.remove())
                .await
                .unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
                .map_err(Error::DataLeft),
            Leftover::Database(database) => Ok(database.drop().await?),
        }
    }

    fn publish(&self) {
        let targets = self.members.targets();
        self.targets.send_if_modified(|published| {
            let changed = *published != targets;
            *published = targets;
            changed
        });
        self.replicas.send_replace(self.members.replicas());
        let alive = Arc::strong_count(&self.api_lives) - 1;
        let staying = self.members.api().count();
        self.leaving.send_replace(alive.saturating_sub(staying));
    }

    fn report(&self, service: String, text: String) {
        // Nobody has to listen; the same holds for the events.
        let _ = self.failures.send(Failure { service, text });
    }

    fn tell(&self, replica: String, change: Change) {
        let at = Instant::now();
        let _ = self.events.send(ReplicaEvent {
            at,
            replica,
            change,
        });
    }
}
