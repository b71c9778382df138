//! The pods of a run, as one look after another shows them: who has come, who is ready, who has gone, and whether
//! somebody of this run has asked for that. Pure.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use lab_load::{Endpoint, Targets};

use super::state;
use crate::platform::{Change, Failure, Replica};

/// A container that has ended is told as such when this has passed and Kubernetes has not said why.
const UNEXPLAINED_FOR: Duration = Duration::from_secs(3);

/// What a container ends with that SIGKILL has ended, as shells and runtimes say it.
const KILLED: i32 = 128 + 9;

/// One pod of the run.
#[derive(Debug)]
struct Member {
    uid: String,
    app: String,
    /// Where it listens, once it has an address.
    address: Option<SocketAddr>,
    created: Instant,
    ready_since: Option<Instant>,
    stuck_since: Option<Instant>,
    ended_since: Option<Instant>,
    /// Since when it is known that it was told to leave.
    told: Option<Instant>,
    /// Whether it has, be its pod there or not.
    left: bool,
    /// Its grace period, where this run has it replaced.
    replaced: Option<Duration>,
    /// How often this run has killed its container, which the kubelet then restarts.
    crashes: i32,
}

/// All of them, by their names.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<String, Member>);

/// What a look has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Steps in the lives of the api's replicas.
    pub(super) changes: Vec<(String, Change)>,
    /// What nobody of this run has asked for.
    pub(super) failures: Vec<Failure>,
}

impl News {
    fn change(&mut self, name: &str, app: &str, change: Change) {
        if app == "api" {
            self.changes.push((name.to_owned(), change));
        }
    }

    fn failure(&mut self, pod: &str, text: String) {
        self.failures.push(Failure {
            service: pod.to_owned(),
            text,
        });
    }
}

impl Members {
    /// Books what has changed; `wanted` is how many pods a service is to have.
    ///
    /// Who leaves is booked before who comes: a pod that is there in place of another does not make up for it,
    /// whatever it is called.
    pub(super) fn follow(&mut self, pods: &[Pod], wanted: impl Fn(&str) -> usize) -> News {
        let mut news = News::default();
        for name in self.gone(pods) {
            self.leave(&name, None, &wanted, &mut news);
            self.end(&name, None, &mut news);
            self.0.remove(&name);
        }
        for pod in pods.iter().filter(|pod| state::is_leaving(pod)) {
            let name = state::name(pod);
            self.leave(name, Some(pod), &wanted, &mut news);
            if state::has_ended(pod) {
                self.end(name, state::exit_code(pod), &mut news);
            }
        }
        for pod in pods.iter().filter(|pod| !state::is_leaving(pod)) {
            self.admit(pod, &mut news);
        }
        news
    }

    /// Those whose pods are not there any more; another pod of the same name is another.
    fn gone(&self, pods: &[Pod]) -> Vec<String> {
        let is = |pod: &Pod, name: &str, member: &Member| {
            state::name(pod) == name && state::uid(pod) == member.uid
        };
        let gone = self
            .0
            .iter()
            .filter(|(name, member)| !pods.iter().any(|pod| is(pod, name, member)));
        gone.map(|(name, _)| name.clone()).collect()
    }

    /// Every replica of the api that is there is going to be replaced, and has so long from the word to its end.
    pub(super) fn replace(&mut self, grace: Duration) {
        for member in self.0.values_mut().filter(|member| member.app == "api") {
            member.replaced = Some(grace);
        }
    }

    /// A pod that goes takes no new requests; it still answers those under way.
    fn leave(
        &mut self,
        name: &str,
        pod: Option<&Pod>,
        wanted: impl Fn(&str) -> usize,
        news: &mut News,
    ) {
        let Some(member) = self.0.get_mut(name).filter(|member| member.told.is_none()) else {
            return;
        };
        member.told = Some(Instant::now());
        let app = member.app.clone();
        if member.replaced.is_some() && pod.and_then(state::disruption).is_none() {
            return news.change(name, &app, Change::Told);
        }
        news.change(name, &app, Change::Stopped);
        let left = self
            .0
            .values()
            .filter(|it| it.app == app && it.told.is_none());
        if left.count() < wanted(&app) {
            let why = pod.and_then(state::disruption);
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            let text =
                format!("it was deleted or evicted{why}, which nobody of this run asked for");
            news.failure(name, text);
        }
    }

    /// A pod that was told to leave has; how is told of those that are replaced. It was killed where the kubelet says so,
    /// or, where nobody has heard that, where it took all of its grace period.
    ///
    /// Both moments are those at which a watch brings the news, by the clock of this machine: as exact as the API server
    /// is quick, some milliseconds, and the kubelet, which tells of a container's end within some tens of them. The times in the
    /// pod (`deletionTimestamp` less `deletionGracePeriodSeconds`, and `finishedAt`) are of whole seconds and of other clocks.
    fn end(&mut self, name: &str, exit_code: Option<i32>, news: &mut News) {
        let Some(member) = self.0.get_mut(name).filter(|member| !member.left) else {
            return;
        };
        member.left = true;
        if let (Some(told), Some(grace)) = (member.told, member.replaced) {
            let took = told.elapsed();
            let killed = exit_code.map_or(took >= grace, |code| code == KILLED);
            let change = if killed {
                Change::Overdue(took)
            } else {
                Change::Left(took)
            };
            news.change(name, "api", change);
        }
    }

    /// One that stays: new perhaps, ready perhaps, or at its end without having been asked to go.
    fn admit(&mut self, pod: &Pod, news: &mut News) {
        let (name, app) = (state::name(pod), state::app(pod));
        let member = self.0.entry(name.to_owned()).or_insert_with(|| {
            news.change(name, app, Change::Started);
            Member {
                uid: state::uid(pod).to_owned(),
                app: app.to_owned(),
                address: None,
                created: Instant::now(),
                ready_since: None,
                stuck_since: None,
                ended_since: None,
                told: None,
                left: false,
                replaced: None,
                crashes: 0,
            }
        });
        member.address = state::address(pod).or(member.address);
        if member.ready_since.is_none()
            && state::is_ready(pod)
            && state::restarts(pod) >= member.crashes
        {
            member.ready_since = Some(Instant::now());
            news.change(name, app, Change::Ready);
        }
        match state::ending(pod) {
            Some(ending) if ending.is_cause && !member.expects(pod) => {
                news.failure(name, ending.text);
            }
            Some(ending) if state::endings(pod) > member.crashes => {
                let since = *member.ended_since.get_or_insert_with(Instant::now);
                if since.elapsed() > UNEXPLAINED_FOR {
                    news.failure(name, ending.text);
                }
            }
            _ => member.ended_since = None,
        }
    }

    /// For how long a pod can't get ready, as one look after another has shown; `stuck` where this one does.
    pub(super) fn stuck_for(&mut self, pod: &str, stuck: bool) -> Duration {
        let Some(member) = self.0.get_mut(pod) else {
            return Duration::ZERO;
        };
        if !stuck {
            member.stuck_since = None;
            return Duration::ZERO;
        }
        let since = member.stuck_since.get_or_insert_with(Instant::now);
        since.elapsed()
    }

    /// How many of a service are ready.
    pub(super) fn ready(&self, app: &str) -> usize {
        let of = self.0.values().filter(|member| member.app == app);
        of.filter(|member| member.ready_since.is_some()).count()
    }

    /// The names of a service's pods.
    pub(super) fn names(&self, app: &str) -> impl Iterator<Item = &str> {
        self.of(app).map(|(name, _)| name)
    }

    /// A service's pods that have an address: their names, and where each takes requests.
    pub(super) fn endpoints(&self, app: &str) -> impl Iterator<Item = (&str, Endpoint)> {
        self.of(app)
            .filter_map(|(name, member)| Some((name, member.endpoint()?)))
    }

    fn of(&self, app: &str) -> impl Iterator<Item = (&str, &Member)> {
        let of = self.0.iter().filter(move |(_, member)| member.app == app);
        of.map(|(name, member)| (name.as_str(), member))
    }

    /// Picks the oldest replica of the api that is ready, to be killed: it is not ready from now on. Its name, and where
    /// it takes requests.
    pub(super) fn kill(&mut self) -> Option<(String, Option<Endpoint>)> {
        let serving = self
            .0
            .iter_mut()
            .filter(|(_, member)| member.app == "api" && member.ready_since.is_some())
            .min_by_key(|(_, member)| member.created);
        let (name, member) = serving?;
        member.ready_since = None;
        member.crashes += 1;
        Some((name.clone(), member.endpoint()))
    }

    /// Pods of an app that were told to stop and have not ended yet.
    pub(super) fn leaving(&self, app: &str) -> usize {
        let leaves = |member: &Member| member.told.is_some() && !member.left;
        self.of(app).filter(|(_, member)| leaves(member)).count()
    }

    /// Where a pod takes requests that is, or was, ready for them.
    pub(super) fn served_at(&self, name: &str) -> Option<Endpoint> {
        let member = self.0.get(name)?;
        member.ready_since.and(member.endpoint())
    }

    /// Nobody is there any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Where requests go, oldest first.
    pub(super) fn targets(&self) -> Targets {
        let of = |app: &str| {
            let staying = self.of(app).filter(|(_, member)| member.told.is_none());
            let mut members: Vec<_> = staying
                .filter_map(|(_, member)| Some((member.ready_since?, member.endpoint()?)))
                .collect();
            members.sort();
            members.into_iter().map(|(_, endpoint)| endpoint).collect()
        };
        Targets {
            api: of("api"),
            worker: of("worker"),
            dep: of("dep"),
            auditor: of("auditor"),
        }
    }

    /// The api's replicas, oldest first, each reached by `way`.
    pub(super) fn replicas(&self, way: impl Fn(&Endpoint) -> Endpoint) -> Vec<Replica> {
        let staying = self.of("api").filter(|(_, member)| member.told.is_none());
        let mut replicas: Vec<Replica> = staying
            .map(|(name, member)| Replica {
                name: name.to_owned(),
                endpoint: member
                    .ready_since
                    .and_then(|_| Some(way(&member.endpoint()?))),
                created: member.created,
                ready_since: member.ready_since,
            })
            .collect();
        replicas.sort_by_key(|replica| replica.created);
        replicas
    }
}

impl Member {
    fn endpoint(&self) -> Option<Endpoint> {
        self.address.map(Endpoint::from)
    }

    /// Whether all its container's ends were brought about by this run. No eviction is.
    fn expects(&self, pod: &Pod) -> bool {
        state::disruption(pod).is_none() && state::endings(pod) <= self.crashes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, uid: &str, more: &Value) -> Pod {
        let mut metadata = json!({ "name": name, "uid": uid, "labels": { "app": "api" } });
        if more["leaving"] == true {
            metadata["deletionTimestamp"] = "2026-11-25T08:00:00Z".into();
        }
        let ready = if more["ready"] == false {
            "False"
        } else {
            "True"
        };
        let mut conditions = vec![json!({ "type": "Ready", "status": ready })];
        conditions.extend(more["condition"].as_object().map(|it| json!(it)));
        let status = json!({
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [{ "name": "api", "image": "lab", "imageID": "", "ready": true,
                "restartCount": more["restarts"].as_i64().unwrap_or(0),
                "state": more["state"], "lastState": more["last"] }],
        });
        serde_json::from_value(json!({ "metadata": metadata, "status": status })).unwrap()
    }

    /// An api of one pod that has been ready for a look.
    fn one() -> Members {
        let mut members = Members::default();
        let news = members.follow(&[pod("api-m", "1", &json!({}))], |_| 1);
        assert_eq!(news.failures, []);
        assert_eq!(members.ready("api"), 1);
        members
    }

    #[test]
    fn a_pod_that_is_replaced_is_missed_whatever_the_new_ones_name() {
        let leaving = || pod("api-m", "1", &json!({ "leaving": true }));
        for name in ["api-a", "api-z"] {
            let new = || pod(name, "2", &json!({ "ready": false }));
            let ready = || pod(name, "2", &json!({}));
            for pods in [
                vec![leaving(), new()],
                vec![new(), leaving()],
                vec![ready(), leaving()],
                // The old one is gone by the time that anybody looks.
                vec![new()],
                vec![ready()],
            ] {
                let news = one().follow(&pods, |_| 1);
                let [failure] = &news.failures[..] else {
                    panic!("{name}: {news:?}");
                };
                assert_eq!(failure.service, "api-m");
                assert!(failure.text.contains("deleted or evicted"), "{failure:?}");
            }
        }
    }

    #[test]
    fn a_pod_of_the_same_name_is_another_one() {
        let mut members = one();
        let news = members.follow(&[pod("api-m", "2", &json!({}))], |_| 1);
        assert_eq!(news.failures.len(), 1, "{news:?}");
        let steps: Vec<Change> = news.changes.iter().map(|(_, change)| *change).collect();
        assert_eq!(steps, [Change::Stopped, Change::Started, Change::Ready]);
        assert_eq!(members.ready("api"), 1);
    }

    #[test]
    fn pods_that_an_autoscaler_adds_and_takes_away_are_no_failure() {
        let of = |uid: &str, more: Value| pod(&format!("api-{uid}"), uid, &more);
        let mut members = one();
        let first = pod("api-m", "1", &json!({}));
        let more = [
            first.clone(),
            of("2", json!({})),
            of("3", json!({ "ready": false })),
        ];
        assert_eq!(members.follow(&more, |_| 3).failures, []);
        let fewer = [
            first,
            of("2", json!({ "leaving": true })),
            of("3", json!({})),
        ];
        assert_eq!(members.follow(&fewer, |_| 2).failures, []);
        // One that was never admitted before it went is nobody's loss.
        let passing = [
            fewer[0].clone(),
            of("3", json!({})),
            of("4", json!({ "leaving": true })),
        ];
        assert_eq!(members.follow(&passing, |_| 2).failures, []);
    }

    #[test]
    fn an_eviction_is_told_with_its_reason() {
        let condition = json!({ "type": "DisruptionTarget", "status": "True",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting" });
        let evicted = json!({ "leaving": true, "condition": condition });
        let news = one().follow(&[pod("api-m", "1", &evicted)], |_| 1);
        assert!(
            news.failures[0]
                .text
                .contains("EvictionByEvictionAPI: Eviction API: evicting"),
            "{news:?}"
        );
    }

    #[test]
    fn a_container_that_ends_waits_for_its_reason_and_a_crash_is_told_at_once() {
        let mut members = one();
        let ended = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
        let ended = json!({ "ready": false, "state": ended });
        let news = members.follow(&[pod("api-m", "1", &ended)], |_| 1);
        assert_eq!(news.failures, []);
        let mut why = ended.clone();
        why["condition"] = json!({ "type": "DisruptionTarget", "status": "True",
            "reason": "TerminationByKubelet", "message": "The node was low on resource: memory." });
        let news = members.follow(&[pod("api-m", "1", &why)], |_| 1);
        assert!(
            news.failures[0].text.contains("low on resource: memory"),
            "{news:?}"
        );

        let mut members = one();
        members.follow(&[pod("api-m", "1", &ended)], |_| 1);
        let member = members.0.get_mut("api-m").unwrap();
        member.ended_since = Instant::now().checked_sub(UNEXPLAINED_FOR * 2);
        let news = members.follow(&[pod("api-m", "1", &ended)], |_| 1);
        assert!(news.failures[0].text.contains("exit code 0"), "{news:?}");

        let crashed = json!({ "terminated": { "exitCode": 134, "reason": "Error" } });
        let crashed = json!({ "restarts": 1, "last": crashed });
        let news = one().follow(&[pod("api-m", "1", &crashed)], |_| 1);
        assert!(news.failures[0].text.contains("exit code 134"), "{news:?}");
    }

    #[test]
    fn a_crash_that_the_scenario_wants_is_none_and_the_pod_is_ready_when_it_is_back() {
        let mut members = one();
        assert_eq!(members.kill().unwrap().0, "api-m");
        assert_eq!(members.ready("api"), 0);
        let ended = json!({ "terminated": { "exitCode": 134, "reason": "Error" } });
        let down = json!({ "ready": false, "state": ended });
        let back = json!({ "restarts": 1, "last": ended });
        for (more, ready) in [(json!({}), 0), (down, 0), (back, 1)] {
            let news = members.follow(&[pod("api-m", "1", &more)], |_| 1);
            assert_eq!(news.failures, [], "{more}");
            assert_eq!(members.ready("api"), ready, "{more}");
        }
    }

    fn replaced() -> Members {
        let mut members = one();
        members.replace(Duration::from_secs(8));
        members
    }

    fn ended(exit_code: i32, reason: &str) -> Pod {
        let state = json!({ "terminated": { "exitCode": exit_code, "reason": reason } });
        pod("api-m", "1", &json!({ "leaving": true, "state": state }))
    }

    #[test]
    fn one_that_is_replaced_is_told_leaves_and_is_gone_and_nobody_misses_it() {
        let mut members = replaced();
        let leaving = pod("api-m", "1", &json!({ "leaving": true }));
        let new = pod("api-n", "2", &json!({}));
        let mut follow = |pods: &[Pod]| {
            let news = members.follow(pods, |_| 1);
            assert_eq!(news.failures, []);
            let of_old = news.changes.into_iter().filter(|(name, _)| name == "api-m");
            let changes: Vec<Change> = of_old.map(|(_, change)| change).collect();
            (
                changes,
                members.leaving("api"),
                members.replicas(Clone::clone).len(),
            )
        };
        assert_eq!(
            follow(&[leaving.clone(), new.clone()]),
            (vec![Change::Told], 1, 1)
        );
        assert_eq!(follow(&[leaving, new.clone()]), (vec![], 1, 1));
        let (changes, leaving, _) = follow(&[ended(0, "Completed"), new.clone()]);
        assert!(matches!(changes[..], [Change::Left(_)]), "{changes:?}");
        assert_eq!(leaving, 0);
        assert_eq!(
            follow(&[ended(0, "Completed"), new.clone()]),
            (vec![], 0, 1)
        );
        assert_eq!(follow(&[new]), (vec![], 0, 1));
    }

    #[test]
    fn one_that_had_to_be_killed_is_known_by_its_exit_code_or_by_the_time_it_took() {
        let how = |last: Option<Pod>, took: u64| {
            let mut members = replaced();
            members.follow(&[pod("api-m", "1", &json!({ "leaving": true }))], |_| 1);
            let told = Instant::now().checked_sub(Duration::from_secs(took));
            members.0.get_mut("api-m").unwrap().told = told;
            let news = members.follow(last.as_slice(), |_| 1);
            let mut leaving = crate::platform::Leaving::default();
            for (_, change) in news.changes {
                leaving.book(change);
            }
            (leaving.left, leaving.killed, leaving.slowest.as_secs())
        };
        assert_eq!(how(Some(ended(137, "Error")), 8), (1, 1, 8));
        // It ended by itself at the last moment, or was told of late.
        assert_eq!(how(Some(ended(0, "Completed")), 9), (1, 0, 9));
        // Nobody has seen how.
        for (last, took, killed) in [
            (None, 4, 0),
            (None, 8, 1),
            (Some(ended(137, "ContainerStatusUnknown")), 4, 0),
        ] {
            assert_eq!(how(last, took), (1, killed, took));
        }
    }

    #[test]
    fn an_eviction_in_a_rolling_restart_is_told_as_one() {
        let condition = json!({ "type": "DisruptionTarget", "status": "True",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting" });
        let evicted = pod(
            "api-m",
            "1",
            &json!({ "leaving": true, "condition": condition }),
        );
        let news = replaced().follow(&[evicted], |_| 1);
        assert_eq!(news.failures.len(), 1, "{news:?}");
        // What comes in place of the old ones may not go.
        let mut members = replaced();
        let new = |more| pod("api-n", "2", &more);
        let leaving = pod("api-m", "1", &json!({ "leaving": true }));
        members.follow(&[leaving, new(json!({}))], |_| 1);
        let news = members.follow(&[new(json!({ "leaving": true }))], |_| 1);
        assert_eq!(news.failures.len(), 1, "{news:?}");
    }
}
