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
use tokio_util::sync::CancellationToken;

use super::{
    Error, LocalPlatform,
    member::{self, Care, Left, Member, Members, Notice, Role},
    postgres::{Access, Claim, Database, External, PostgresError},
    process::{Ending, Leave, Probe, Process, ProcessError},
    roll::{Pods, Roll},
    services::{self, Neighbours, Services},
};
use crate::limits;
use crate::platform::{
    ApiSpec, Change, Command, Failure, Leaving, Load, Replica, ReplicaEvent, Stack, StackControl,
    StackSpec, Targets, listed::Listed,
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
    leaving: watch::Sender<Leaving>,
    /// Replicas that were told to leave and that those who send requests still know of.
    listed: Listed,
    /// The rolling restart that has begun, where one has.
    roll: Option<Roll>,
    /// Cancelled where it does not matter any more how replicas that leave end.
    at_once: CancellationToken,
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
    let (leaving, leaving_seen) = watch::channel(Leaving::default());
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
        listed: Listed::default(),
        roll: None,
        at_once: CancellationToken::new(),
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
                    Some(Command::RollApi) => self.begin_roll(),
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
                Some(_) = self.tasks.join_next() => {
                    self.publish();
                    self.go_on_with_roll();
                }
                () = self.listed.next_goes() => self.publish(),
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
        let care = self.care(role);
        let life = (role == Role::Api).then(|| Arc::clone(&self.api_lives));
        self.tasks.spawn(async move {
            member::bring_up(process, &http, care, stopped, notify).await;
            drop(life);
        });
        self.members.0.push(member);
        Ok(())
    }

    /// How a service is brought up and let go: at its own pace, or as the manifest of replicas that are replaced says.
    fn care(&self, role: Role) -> Care {
        let within = self.ready_within;
        let api = self.api.as_ref().filter(|_| role == Role::Api);
        let replaced = api.and_then(|(spec, _)| spec.roll.as_ref());
        let (probe, leave) = match replaced {
            None => (Probe::default(), Leave::within(SERVICE_GRACE)),
            Some(spec) => (
                Probe {
                    after: spec.rollout.first_probe,
                    every: spec.rollout.probe_period,
                },
                Leave {
                    pre_stop: spec.rollout.pre_stop,
                    grace: spec.rollout.grace,
                    at_once: self.at_once.clone(),
                },
            ),
        };
        Care {
            probe,
            within,
            leave,
        }
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
                self.tasks.spawn(member::watch(
                    guard,
                    Leave::within(GUARD_GRACE),
                    stopped,
                    notify,
                ));
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
                    self.go_on_with_roll();
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
            Notice::Left(left) => {
                self.note_left(left);
                Ok(())
            }
        }
    }

    fn scale_or_report(&mut self, replicas: u32) {
        if let Err(error) = self.scale_api(replicas) {
            self.report("api".to_owned(), limits::explained(&error));
        }
    }

    fn scale_api(&mut self, wanted: u32) -> Result<(), ProcessError> {
        let wanted = wanted as usize;
        while self.api.is_some() && self.members.api().count() < wanted {
            self.start_api()?;
        }
        while self.members.api().count() > wanted
            && let Some(name) = self.members.leaves_first()
        {
            self.lose(&name);
        }
        self.publish();
        Ok(())
    }

    fn start_api(&mut self) -> Result<(), ProcessError> {
        let Some((spec, neighbours)) = self.api.clone() else {
            return Ok(());
        };
        // The fixed port belongs to the first replica, for good.
        let port = if self.api_started == 0 { spec.port } else { 0 };
        self.api_started += 1;
        let name = format!("api-{}", self.api_started);
        let command = self.services.api(&spec, port, &neighbours);
        self.start_service(Role::Api, &name, command)?;
        self.tell(name, Change::Started);
        Ok(())
    }

    /// Begins to replace every replica of the api.
    fn begin_roll(&mut self) {
        let spec = self.api.as_ref().and_then(|(spec, _)| spec.roll.as_ref());
        let Some(rollout) = spec.map(|roll| roll.rollout.clone()) else {
            return;
        };
        let old = self.members.api().map(|member| member.name.clone());
        self.roll = Some(Roll::of(rollout, old));
        self.go_on_with_roll();
    }

    /// Starts and lets go what may be by now, as often as something may.
    fn go_on_with_roll(&mut self) {
        while let Some(roll) = &self.roll {
            let pods = Pods::of(roll, &self.members, self.leaving.borrow().now);
            let moves = roll.moves(pods);
            let stop = roll.first(&self.members, moves.stop);
            if moves.start == 0 && stop.is_empty() {
                return;
            }
            for _ in 0..moves.start {
                if let Err(error) = self.start_api() {
                    self.roll = None;
                    return self.report("api".to_owned(), limits::explained(&error));
                }
            }
            for name in stop {
                self.lose(&name);
            }
            self.publish();
        }
    }

    /// Books how a replica that is replaced has left.
    fn note_left(&mut self, left: Left) {
        let Some(roll) = &self.roll else { return };
        if !roll.replaces(&left.name) {
            return;
        }
        let change = if left.overdue {
            Change::Overdue(left.took)
        } else {
            Change::Left(left.took)
        };
        self.leaving.send_modify(|leaving| leaving.book(change));
        self.tell(left.name, change);
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
            let roll = self.api.as_ref().and_then(|(spec, _)| spec.roll.as_ref());
            let addr = member.addr().filter(|_| member.role == Role::Api);
            let replaced = self.roll.as_ref().is_some_and(|roll| roll.replaces(name));
            let change = if replaced {
                Change::Told
            } else {
                Change::Stopped
            };
            if let (Some(roll), Some(addr)) = (roll, addr) {
                self.listed.keep(addr.into(), roll.listed_for);
            }
            self.publish();
            if member.role == Role::Api {
                self.tell(member.name.clone(), change);
            }
        }
    }

    /// Stops the services, then the database, then removes what that leaves.
    async fn shut_down(&mut self) -> Result<(), Error> {
        let (postgres, services): (Vec<_>, Vec<_>) = mem::take(&mut self.members)
            .0
            .into_iter()
            .partition(|member| member.role == Role::Postgres);
        self.listed = Listed::default();
        self.at_once.cancel();
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

    fn publish(&mut self) {
        let mut targets = self.members.targets();
        targets.api.splice(0..0, self.listed.endpoints());
        self.targets.send_if_modified(|published| {
            let changed = *published != targets;
            *published = targets;
            changed
        });
        self.replicas.send_replace(self.members.replicas());
        let alive = Arc::strong_count(&self.api_lives) - 1;
        let staying = self.members.api().count();
        self.leaving
            .send_modify(|leaving| leaving.now = alive.saturating_sub(staying));
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
