//! Who runs in a namespace: a Lease of the cluster, so that no driver takes another's objects away. It is renewed for
//! as long as the run lasts; one whose driver was killed is not, and the next run takes it when it has seen that.
//!
//! Whether a Lease is renewed is told by watching it, and not by the times in it: two machines' clocks differ.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::{
    api::coordination::v1::Lease,
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use lab_say::note;
use reqwest::StatusCode;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{Error, objects, reader::Api, site::Site};
use crate::platform::StackSpec;

/// The Lease's name.
const NAME: &str = "run";

/// One that nobody renews for this long is nobody's.
const LASTS: Duration = Duration::from_secs(15);

/// Between two renewals: one that fails is made up for by the next.
const RENEWED_EVERY: Duration = Duration::from_secs(4);

/// Between two looks at somebody else's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A run, as others are told of it.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// Who runs what.
    pub(super) text: String,
    /// The run, as its objects are labelled.
    pub(super) run: String,
}

impl Holder {
    /// Of a run of `spec`.
    pub(super) fn of(spec: &StackSpec) -> Self {
        let name = |name| std::env::var(name).ok().filter(|name| !name.is_empty());
        let user = name("USER").or_else(|| name("LOGNAME"));
        let host = rustix::system::uname();
        let folder = spec.run_folder.as_deref();
        let last = |path: Option<&std::path::Path>| {
            let name = path?.file_name()?.to_str()?;
            Some(name.to_owned())
        };
        let run = last(folder).unwrap_or_else(|| format!("run-{:016x}", fastrand::u64(..)));
        let scenario = last(folder.and_then(std::path::Path::parent));
        Self {
            text: format!(
                "{}@{} runs {} with {} code ({run})",
                user.as_deref().unwrap_or("somebody"),
                host.nodename().to_string_lossy(),
                scenario.as_deref().unwrap_or("something"),
                spec.code,
            ),
            run,
        }
    }
}

/// The namespace is this run's until this is dropped. The Lease itself goes with the run's objects.
pub(super) struct Claim {
    renewing: JoinHandle<()>,
    lost: oneshot::Receiver<String>,
    owner: watch::Sender<Option<OwnerReference>>,
}

impl Claim {
    /// Takes the namespace, at once where nobody has it; refused where somebody has.
    pub(super) async fn take(api: &Api, site: &Site, holder: &Holder) -> Result<Self, Error> {
        let lease = acquired(api, site, holder).await?;
        let (tell, lost) = oneshot::channel();
        let (owner, known) = watch::channel(None);
        let (api, holder) = (api.clone(), holder.clone());
        Ok(Self {
            renewing: tokio::spawn(async move {
                let other = renew(&api, &holder, lease, known).await;
                // Nobody has to listen.
                let _ = tell.send(other);
            }),
            lost,
            owner,
        })
    }

    /// From now on the Lease goes with its owner, where the driver is killed.
    pub(super) fn belongs_to(&self, owner: OwnerReference) {
        self.owner.send_replace(Some(owner));
    }

    /// Waits until somebody else has taken it, which happens where it could not be renewed for long; who.
    pub(super) async fn lost(&mut self) -> String {
        match (&mut self.lost).await {
            Ok(other) => other,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

async fn acquired(api: &Api, site: &Site, holder: &Holder) -> Result<Lease, Error> {
    let mut watched: Option<(Lease, Instant)> = None;
    loop {
        let found = api.lease(NAME).await?;
        let free = match (&found, &watched) {
            (None, _) => true,
            (Some(now), Some((before, since))) if renewed(now) == renewed(before) => {
                since.elapsed() > lasts(now)
            }
            (Some(now), Some(_)) if who(now).is_some() => {
                return Err(Error::InUse {
                    namespace: site.namespace.to_string(),
                    holder: described(now, &TimeZone::system()),
                });
            }
            (Some(now), _) => who(now).is_none(),
        };
        if free {
            let taken = api.put_lease(&lease(found.as_ref(), holder, None)).await;
            match taken {
                Err(error) if is(&error, StatusCode::CONFLICT) => {}
                taken => return taken,
            }
        } else if let (Some(found), None) = (found, &watched) {
            note!(
                "  {}: whether that run still goes is seen within {} s",
                described(&found, &TimeZone::system()),
                lasts(&found).as_secs()
            );
            watched = Some((found, Instant::now()));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Renews it for ever; returns who has it where that is somebody else.
async fn renew(
    api: &Api,
    holder: &Holder,
    mut held: Lease,
    mut owner: watch::Receiver<Option<OwnerReference>>,
) -> String {
    loop {
        tokio::select! {
            () = sleep(RENEWED_EVERY) => {}
            Ok(()) = owner.changed() => {}
        }
        let owner = owner.borrow_and_update().clone();
        let next = lease(Some(&held), holder, owner);
        match api.put_lease(&next).await {
            Ok(renewed) => held = renewed,
            Err(error) if is(&error, StatusCode::CONFLICT) => {
                let Ok(Some(now)) = api.lease(NAME).await else {
                    continue;
                };
                match who(&now) {
                    Some(other) if other != holder.text => {
                        return described(&now, &TimeZone::system());
                    }
                    _ => held = now,
                }
            }
            // A server that does not answer may do so the next time; and one that has no such Lease any more
            // has lost the run's objects, too, which is told elsewhere.
            Err(_) => {}
        }
    }
}

fn is(error: &Error, status: StatusCode) -> bool {
    matches!(error, Error::Api { source, .. } if source.status() == Some(status))
}

/// `before` as `holder` has it from now on, to go with `owner`.
fn lease(before: Option<&Lease>, holder: &Holder, owner: Option<OwnerReference>) -> Lease {
    let now = MicroTime(Timestamp::now());
    let mut lease = before.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        },
        ..Lease::default()
    });
    lease.metadata.labels = Some(objects::labels(&holder.run));
    lease.metadata.owner_references = owner.map(|owner| vec![owner]);
    let renews = who(&lease) == Some(holder.text.as_str());
    let spec = lease.spec.get_or_insert_default();
    if !renews {
        // Somebody had it before.
        let transitions = before.map(|_| spec.lease_transitions.unwrap_or_default() + 1);
        spec.lease_transitions = transitions;
        spec.holder_identity = Some(holder.text.clone());
        spec.acquire_time = Some(now.clone());
        spec.lease_duration_seconds = i32::try_from(LASTS.as_secs()).ok();
    }
    spec.renew_time = Some(now);
    lease
}

fn who(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

/// What changes with each renewal and each new holder.
fn renewed(lease: &Lease) -> Option<&str> {
    lease.metadata.resource_version.as_deref()
}

fn lasts(lease: &Lease) -> Duration {
    let seconds = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(LASTS, Duration::from_secs)
}

/// E.g. `ada@laptop runs tx with mine code (20261125T…), since 18:30:12`.
fn described(lease: &Lease, zone: &TimeZone) -> String {
    let holder = who(lease).unwrap_or("somebody");
    let since = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.acquire_time.as_ref());
    since.map_or_else(
        || holder.to_owned(),
        |MicroTime(since)| {
            let since = since.to_zoned(zone.clone()).strftime("%H:%M:%S");
            format!("{holder}, since {since}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(text: &str) -> Holder {
        Holder {
            text: text.to_owned(),
            run: "20261125T183012Z-4f2a".to_owned(),
        }
    }

    #[test]
    fn a_holder_is_described_by_run_and_code() {
        let spec = StackSpec {
            run_folder: Some("/r/reports/tx/20261125T183012Z-4f2a".into()),
            ..StackSpec::new("solved")
        };
        let holder = Holder::of(&spec);
        assert_eq!(holder.run, "20261125T183012Z-4f2a");
        assert!(
            holder
                .text
                .ends_with(" runs tx with solved code (20261125T183012Z-4f2a)"),
            "{}",
            holder.text
        );
    }

    #[test]
    fn a_renewal_keeps_the_time_of_the_claim_and_a_take_over_does_not() {
        let mut first = lease(None, &holder("ada"), None);
        let long_ago = MicroTime("2026-11-25T08:00:00Z".parse().unwrap());
        first.spec.as_mut().unwrap().acquire_time = Some(long_ago.clone());
        let renewed = lease(Some(&first), &holder("ada"), None).spec.unwrap();
        assert_eq!(renewed.acquire_time, Some(long_ago.clone()));
        assert_eq!(renewed.lease_transitions, None);
        let taken = lease(Some(&first), &holder("bob"), None);
        assert_eq!(who(&taken), Some("bob"));
        let taken = taken.spec.unwrap();
        assert_ne!(taken.acquire_time, Some(long_ago));
        assert_eq!(taken.lease_transitions, Some(1));
        assert_eq!(described(&first, &TimeZone::UTC), "ada, since 08:00:00");
    }
}
