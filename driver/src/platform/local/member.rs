//! The members of a stack: which processes there are, which of them are ready, and a task for each
//! that waits for its end.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::process::{Leave, Probe, Process, ProcessError};
use crate::platform::{Replica, Targets};

/// What a member of the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Dep,
    Worker,
    Auditor,
    Api,
    Postgres,
}

/// One process of the stack. Dropping it asks the process to stop.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) role: Role,
    created: Instant,
    ready: Option<(SocketAddr, Instant)>,
    end: oneshot::Sender<Kill>,
}

/// That a process is to be killed. Where the sender is dropped instead, it is to stop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kill;

/// What a member's task tells the supervisor.
#[derive(Debug)]
pub(super) enum Notice {
    Ready(String, SocketAddr),
    NotReady(String, ProcessError),
    Ended(String, String),
    /// It was told to stop, and has.
    Left(Left),
}

/// How a member has left.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) name: String,
    /// From when it was told to.
    pub(super) took: Duration,
    /// Whether it had to be killed.
    pub(super) overdue: bool,
}

/// What is to be known of a process to bring it up and let it go.
#[derive(Debug)]
pub(super) struct Care {
    pub(super) probe: Probe,
    /// How long it may take to get ready once it is asked.
    pub(super) within: Duration,
    pub(super) leave: Leave,
}

/// The members, oldest first.
#[derive(Debug, Default)]
pub(super) struct Members(pub(super) Vec<Member>);

impl Member {
    /// A member that has just been created; the other end hears when it is to stop.
    pub(super) fn new(name: &str, role: Role) -> (Self, oneshot::Receiver<Kill>) {
        let (end, ended) = oneshot::channel();
        let member = Self {
            name: name.to_owned(),
            role,
            created: Instant::now(),
            ready: None,
            end,
        };
        (member, ended)
    }

    /// Where it takes requests, once it is ready.
    pub(super) fn addr(&self) -> Option<SocketAddr> {
        self.ready.map(|(addr, _)| addr)
    }

    /// Whether it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Kills the process.
    pub(super) fn kill(self) {
        // It may be ending already.
        let _ = self.end.send(Kill);
    }
}

impl Members {
    /// Whether a service is not ready yet. A database becomes a member when it is.
    pub(super) fn wait_for_any(&self) -> bool {
        let mut services = self.0.iter().filter(|m| m.role != Role::Postgres);
        services.any(|member| member.ready.is_none())
    }

    /// Books that `name` is ready at `addr`; its role, if it is a member.
    pub(super) fn set_ready(&mut self, name: &str, addr: SocketAddr) -> Option<Role> {
        let member = self.0.iter_mut().find(|member| member.name == name)?;
        member.ready = Some((addr, Instant::now()));
        Some(member.role)
    }

    /// Takes `name` off the list.
    pub(super) fn take(&mut self, name: &str) -> Option<Member> {
        let position = self.0.iter().position(|member| member.name == name)?;
        Some(self.0.remove(position))
    }

    /// The replicas of the api.
    pub(super) fn api(&self) -> impl Iterator<Item = &Member> {
        self.0.iter().filter(|member| member.role == Role::Api)
    }

    /// The replica that leaves first, as in Kubernetes: one that is not ready, else the youngest.
    pub(super) fn leaves_first(&self) -> Option<String> {
        self.api()
            .max_by_key(|member| (member.ready.is_none(), member.created))
            .map(|member| member.name.clone())
    }

    /// The replica of the api that has served for longest.
    pub(super) fn serving_longest(&self) -> Option<String> {
        let mut api = self.api();
        let serving = api.find(|member| member.ready.is_some());
        serving.map(|member| member.name.clone())
    }

    /// Where requests may be sent.
    pub(super) fn targets(&self) -> Targets {
        let ready = |role| {
            let of_role = self.0.iter().filter(move |member| member.role == role);
            let ready = of_role.filter_map(|member| member.ready);
            ready.map(|(addr, _)| addr.into()).collect()
        };
        Targets {
            api: ready(Role::Api),
            worker: ready(Role::Worker),
            dep: ready(Role::Dep),
            auditor: ready(Role::Auditor),
        }
    }

    /// The replicas of the api, for others.
    pub(super) fn replicas(&self) -> Vec<Replica> {
        self.api()
            .map(|member| Replica {
                name: member.name.clone(),
                endpoint: member.ready.map(|(addr, _)| addr.into()),
                created: member.created,
                ready_since: member.ready.map(|(_, since)| since),
            })
            .collect()
    }
}

/// Waits until `process` is ready, then watches it. Ends when the process has.
pub(super) async fn bring_up(
    mut process: Process,
    http: &reqwest::Client,
    care: Care,
    mut end: oneshot::Receiver<Kill>,
    notify: mpsc::UnboundedSender<Notice>,
) {
    let name = process.name.clone();
    let ready = tokio::select! {
        biased;
        end = &mut end => Err(end),
        ready = process.ready(http, care.within, care.probe) => Ok(ready),
    };
    match ready {
        Err(end) => finish(process, end.ok(), &care.leave, &notify).await,
        Ok(Ok(addr)) => {
            // Nobody there: then the end is due as well.
            let _ = notify.send(Notice::Ready(name, addr));
            watch(process, care.leave, end, notify).await;
        }
        Ok(Err(error)) => {
            let _ = notify.send(Notice::NotReady(name, error));
            process.stop(&care.leave).await;
        }
    }
}

/// Waits until `process` ends or is to end.
pub(super) async fn watch(
    mut process: Process,
    leave: Leave,
    end: oneshot::Receiver<Kill>,
    notify: mpsc::UnboundedSender<Notice>,
) {
    let ended = tokio::select! {
        biased;
        end = end => Err(end),
        text = process.ended() => Ok(text),
    };
    match ended {
        Err(end) => finish(process, end.ok(), &leave, &notify).await,
        Ok(text) => {
            let _ = notify.send(Notice::Ended(process.name.clone(), text));
        }
    }
}

async fn finish(
    process: Process,
    kill: Option<Kill>,
    leave: &Leave,
    notify: &mpsc::UnboundedSender<Notice>,
) {
    if let Some(Kill) = kill {
        return process.kill().await;
    }
    let (name, told) = (process.name.clone(), Instant::now());
    let overdue = process.stop(leave).await;
    let took = told.elapsed();
    // Nobody there: then all of the stack is going.
    let _ = notify.send(Notice::Left(Left {
        name,
        took,
        overdue,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Endpoint;

    #[test]
    fn only_ready_members_are_targets_and_the_youngest_or_unready_leaves_first() {
        let mut members = Members::default();
        let mut stops = Vec::new();
        for (name, role) in [
            ("dep", Role::Dep),
            ("api-1", Role::Api),
            ("api-2", Role::Api),
            ("api-3", Role::Api),
        ] {
            let (member, stop) = Member::new(name, role);
            members.0.push(member);
            stops.push(stop);
        }
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        members.set_ready("api-1", addr(1));
        members.set_ready("api-3", addr(3));
        assert_eq!(
            members.targets().api,
            [addr(1), addr(3)].map(Endpoint::from)
        );
        assert_eq!(members.targets().dep, []);
        assert!(members.wait_for_any());
        assert_eq!(members.replicas().len(), 3);

        assert_eq!(members.leaves_first().as_deref(), Some("api-2"));
        drop(members.take("api-2"));
        let asked = stops[2].try_recv();
        assert_eq!(asked, Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(members.leaves_first().as_deref(), Some("api-3"));
        assert_eq!(members.set_ready("api-2", addr(2)), None);
    }
}
