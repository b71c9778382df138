//! When a run may begin: every pod is ready and reached, runs the code of this folder, and reaches the others by name;
//! the autoscaler has figures, or will never have any.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use lab_load::Endpoint;
use reqwest::StatusCode;
use tokio::time::sleep;

use super::{LOOK_EVERY, Supervisor};
use crate::platform::{
    cluster::{Error, state},
    unexplained,
};

/// For all pods to be ready, images being there.
const READY_WITHIN: Duration = Duration::from_mins(2);

/// A reason not to get ready counts when it has lasted this long: a node gets room when old pods go.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// For the first request to get through to a pod that is ready: its address may be new to the network.
const REACHES_WITHIN: Duration = Duration::from_secs(15);

/// Between two attempts at that.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// For the services to reach each other: what a name service has in mind of a name, it has for half a minute.
const MET_WITHIN: Duration = Duration::from_secs(45);

/// For one look of a service at its peers: three steps of 2 s.
const PEERS_WITHIN: Duration = Duration::from_secs(8);

/// For the first figures of CPU use: metrics-server looks every 15 s and needs two looks.
const MEASURED_WITHIN: Duration = Duration::from_secs(90);

/// For the autoscaler's first computation after that; its default period is 15 s.
const LOOKED_WITHIN: Duration = Duration::from_secs(20);

impl Supervisor {
    pub(super) async fn all_ready(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        let missing_image = self.kubectl.site.missing_image();
        loop {
            let pods = self.service_pods().await?;
            for pod in &pods {
                let (name, stuck) = (state::name(pod), state::stuck(pod, &missing_image));
                let lasts = self.members.stuck_for(name, stuck.is_some());
                if let Some(text) = stuck.filter(|_| lasts >= STUCK_AFTER) {
                    let pod = name.to_owned();
                    return Err(Error::Stuck { pod, text });
                }
            }
            self.follow(&pods, self.scaling.desired);
            let missing = self.missing();
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.late(&missing).await);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Services that are not all there yet.
    fn missing(&self) -> Vec<&'static str> {
        let api = self.spec.api.as_ref();
        let database = u32::from(api.is_some_and(|api| api.database));
        let wanted = [
            ("dep", 1),
            ("worker", u32::from(self.spec.worker.is_some())),
            ("api", api.map_or(0, |api| api.replicas)),
            ("postgres", database),
            ("auditor", database),
        ];
        let missing = wanted
            .into_iter()
            .filter(|(app, count)| self.members.ready(app) < *count as usize);
        missing.map(|(app, _)| app).collect()
    }

    /// A service that does not get ready may be waiting for one that it does not reach.
    async fn late(&self, missing: &[&str]) -> Error {
        let mut met = String::new();
        for (app, pod) in self.with_peers() {
            if let Ok(Err(misses)) = self.meets(app, &pod).await {
                met.push_str("; ");
                met.push_str(&misses);
            }
        }
        Error::Late {
            missing: missing.join(", ") + &met,
            within: READY_WITHIN,
            look: self.kubectl.site.kubectl("get pods,events"),
        }
    }

    /// The driver can do nothing with pods that it does not get to.
    pub(super) async fn all_reached(&self) -> Result<(), Error> {
        for app in ["dep", "worker", "auditor", "api"] {
            for (name, endpoint) in self.members.endpoints(app) {
                self.reached(name, &self.pods.gateway.to(&endpoint)).await?;
            }
        }
        Ok(())
    }

    async fn reached(&self, name: &str, pod: &Endpoint) -> Result<(), Error> {
        let deadline = Instant::now() + REACHES_WITHIN;
        loop {
            let request = self.http.get(format!("{pod}/readyz"));
            let text = match request.timeout(REACHES_WITHIN).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                return Err(Error::Unreached {
                    pod: name.to_owned(),
                    namespace: self.kubectl.site.namespace.to_string(),
                    text,
                });
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Waits until each service reaches those that it needs by their names, as it says itself: that its pod is
    /// ready says nothing of it, and what it does not reach would be the code's FAIL.
    pub(super) async fn all_reach_each_other(&self) -> Result<(), Error> {
        let deadline = Instant::now() + MET_WITHIN;
        for (app, pod) in self.with_peers() {
            while let Err(misses) = self.meets(app, &pod).await? {
                if Instant::now() > deadline {
                    return Err(Error::Apart {
                        misses,
                        within: MET_WITHIN,
                        look: self
                            .kubectl
                            .site
                            .kubectl("get services,endpointslices,networkpolicies"),
                    });
                }
                sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// The pods of the services that need others.
    fn with_peers(&self) -> Vec<(&'static str, Endpoint)> {
        let of = |app: &'static str| {
            let pods = self.members.endpoints(app);
            pods.map(move |(_, endpoint)| (app, self.pods.gateway.to(&endpoint)))
        };
        of("auditor").chain(of("api")).collect()
    }

    /// Whether a pod reaches all that it needs; else what it misses.
    async fn meets(&self, app: &str, pod: &Endpoint) -> Result<Result<(), String>, Error> {
        let request = self.http.get(format!("{pod}/debug/peers"));
        let answer = match request.timeout(PEERS_WITHIN).send().await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(format!("{app} does not say whom it reaches: {error}"))),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(Ok(()));
        }
        if status == StatusCode::NOT_FOUND {
            return Err(Error::OldImage {
                remedy: self.kubectl.site.new_image(),
            });
        }
        let misses = misses(app, &answer.json().await.unwrap_or_default());
        Ok(Err(misses.unwrap_or_else(|| {
            format!("{app} does not say whom it reaches: {status}")
        })))
    }

    /// The image must have been built from the files that the report will show.
    pub(super) async fn runs_this_code(&self, root: &Path) -> Result<(), Error> {
        let targets = self.targets.borrow().clone();
        let asked = targets.worker.first().or(targets.api.first());
        let (Some(pod), "mine") = (asked, self.spec.code.as_str()) else {
            return Ok(());
        };
        let path = "debug/code";
        let answer = self.http.get(format!("{pod}/{path}")).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let files = match answer {
            Ok(answer) => answer.json::<BTreeMap<String, String>>().await,
            Err(error) => Err(error),
        };
        let files = files.map_err(|source| Error::Api {
            path: path.to_owned(),
            source,
        })?;
        for (file, text) in files {
            if std::fs::read_to_string(root.join(&file)).ok().as_ref() != Some(&text) {
                let remedy = self.kubectl.site.new_image();
                return Err(Error::OtherCode { file, remedy });
            }
        }
        Ok(())
    }

    /// Waits until the autoscaler has figures and has looked at them: what comes before that is a new
    /// cluster's start-up, which no scenario is about. Figures that can't come are not waited for: that they don't
    /// is what the run will show.
    pub(super) async fn autoscaler_sees(&mut self) -> Result<(), Error> {
        let pods = self.service_pods().await?;
        let of_api = pods.iter().filter(|pod| state::app(pod) == "api");
        if let Some(reason) = of_api.into_iter().find_map(state::immeasurable) {
            let desired = self.scaling.desired;
            let sentence =
                format!("autoscaler: no figure will come, so nobody waits for it; {reason}");
            self.decide(desired, sentence, Some(unexplained(desired)));
            return Ok(());
        }
        let begun = Instant::now();
        let mut measured_since = None;
        loop {
            self.look_at_autoscaler().await?;
            if self.scaling.active || self.scaling.hopeless {
                return Ok(());
            }
            if measured_since.is_none() && self.is_measured().await {
                measured_since = Some(Instant::now());
            }
            match measured_since {
                Some(since) if since.elapsed() > LOOKED_WITHIN => return Ok(()),
                None if begun.elapsed() > MEASURED_WITHIN => {
                    return Err(Error::NoMetrics {
                        look: self.kubectl.site.kubectl("top pods"),
                    });
                }
                _ => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Whether there are figures of every replica.
    async fn is_measured(&self) -> bool {
        let measured = self.reader.api.measured_pods().await.unwrap_or_default();
        self.members.names("api").all(|pod| measured.contains(pod))
    }
}

/// From what `/debug/peers` says: whom a service does not reach, and why.
fn misses(app: &str, looks: &serde_json::Value) -> Option<String> {
    let fails = looks.as_object()?.iter().filter_map(|(peer, look)| {
        let why = look["fails"].as_str()?;
        Some(format!("{app} does not reach {peer}: {why}"))
    });
    let fails: Vec<String> = fails.collect();
    (!fails.is_empty()).then(|| fails.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::misses;

    #[test]
    fn who_does_not_reach_whom_is_named() {
        let looks = json!({
            "dep": { "peer": "dep:8082", "fails": "dep is 10.43.0.9:8082, where nothing answers" },
            "database": { "peer": "postgres:5432", "reached": "10.43.0.7:5432" },
        });
        assert_eq!(
            misses("api", &looks).unwrap(),
            "api does not reach dep: dep is 10.43.0.9:8082, where nothing answers"
        );
        assert_eq!(misses("api", &json!({ "error": "?" })), None);
    }
}
