//! Load pods that send one plan together: each its share, all from the same moment on.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lab_load::{Account, Cells, Lateness, Ledger, Plan, Recording, Share, Targets, Told, merge};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Error, Line, Stream, clock::Offset, link::News, message::ToPod};

/// For every pod to open its connections.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// From the word to begin to the start, so that it reaches every pod in time; and what it may take on the way, in
/// round trips.
const LEAD_IN: Duration = Duration::from_millis(250);
const ROUND_TRIPS: u32 = 4;

/// For a pod that is told to stop to hand over what it has.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks for what a pod has yet to say of itself.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The load pods of a run.
#[derive(Debug, Default)]
pub struct Fleet {
    /// By their numbers.
    pods: BTreeMap<u32, (Line, mpsc::UnboundedReceiver<News>)>,
}

/// The load of a fleet, under way. Dropping it stops the load.
pub struct Running {
    t0: Instant,
    outcome: oneshot::Receiver<Sent>,
    _stop: DropGuard,
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Sent {
    /// Of all pods together.
    pub recording: Recording,
    /// What is to be known of each pod; none where the driver sent the load itself.
    pub pods: Vec<PodRecord>,
    /// Which stream broke, where one did, and why: the recording then lacks what came after.
    pub broken: Option<String>,
}

/// One pod's part in a load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodRecord {
    /// The pod's number, from 0.
    pub index: u32,
    /// How late its sends left.
    pub lateness: Lateness,
    /// Its clock is known to within this.
    pub clock_error: Duration,
    /// By how much its clock has gone wrong during the load, as far as that can be told.
    pub clock_drift: Duration,
    /// The quickest exchange with the driver.
    pub round_trip: Duration,
    /// All that it recorded but the cells.
    pub recording: Recording,
}

/// Who wants to hear of requests as they end.
#[derive(Clone)]
struct Hearers {
    live: mpsc::UnboundedSender<Account>,
    told: mpsc::UnboundedSender<Told>,
    /// Those of all pods together.
    cells: Arc<Mutex<Cells>>,
}

/// What the accounts of one pod come to.
struct Heard {
    lateness: Lateness,
    /// Of the requests that were told, by class.
    ledger: Vec<Ledger>,
    until: Duration,
}

impl Fleet {
    /// Greets the pods at the other ends of these streams.
    pub async fn join(streams: Vec<Stream>) -> Result<Self, Error> {
        let mut fleet = Self::default();
        for (index, stream) in (0_u32..).zip(streams) {
            fleet.admit(index, stream).await?;
        }
        Ok(fleet)
    }

    /// Greets one pod more, of this number: from 0 on, none is to be left out. From then on it knows that somebody is there.
    pub async fn admit(&mut self, index: u32, stream: Stream) -> Result<(), Error> {
        let pod = Line::open(index, stream).await?;
        self.pods.insert(index, pod);
        Ok(())
    }

    /// The lines to the pods, in their order.
    pub fn lines(&self) -> Vec<Line> {
        let lines = self.pods.values().map(|(line, _)| line.clone());
        lines.collect()
    }

    /// Has the pods open their connections and fixes the start, as [`lab_load::start`] does on this machine. What became
    /// of the requests is told to `live` a few times a second by each pod, from the start to its end.
    pub async fn start(
        self,
        plan: Plan,
        targets: watch::Receiver<Targets>,
        live: mpsc::UnboundedSender<Account>,
        told: mpsc::UnboundedSender<Told>,
        stop: CancellationToken,
    ) -> Result<Running, Error> {
        let mut pods: Vec<_> = self.pods.into_values().collect();
        let of = pods.len() as u32;
        for (index, (line, _)) in (0..).zip(&pods) {
            line.order(ToPod::Prepare {
                plan: plan.clone(),
                share: Share { index, of },
                targets: targets.borrow().clone(),
            });
        }
        let all_ready = async {
            for (index, (line, news)) in (0..).zip(&mut pods) {
                ready(index, line, news).await?;
            }
            Ok(())
        };
        timeout(READY_WITHIN, all_ready)
            .await
            .unwrap_or(Err(Error::Late(READY_WITHIN)))?;
        let t0 = begin(&pods)?;
        let stop = stop.child_token();
        let stopping = stop.clone();
        let cells = Arc::new(Mutex::new(Cells::new(&plan)));
        let hearers = Hearers { live, told, cells };
        let (done, outcome) = oneshot::channel();
        tokio::spawn(async move {
            // Nobody may be waiting any more.
            let _ = done.send(follow(pods, plan, targets, hearers, stopping).await);
        });
        Ok(Running {
            t0,
            outcome,
            _stop: stop.drop_guard(),
        })
    }
}

impl Running {
    /// The zero of every offset.
    pub fn t0(&self) -> Instant {
        self.t0
    }

    /// Waits for the last request of the last pod, or for what broke.
    pub async fn finish(self) -> Sent {
        self.outcome.await.unwrap_or_else(|_| Sent {
            broken: Some("the load pods were given up".to_owned()),
            ..Sent::default()
        })
    }
}

/// Waits until a pod's connections stand, its clock is known and it has looked at itself.
async fn ready(
    index: u32,
    line: &Line,
    news: &mut mpsc::UnboundedReceiver<News>,
) -> Result<(), Error> {
    loop {
        match news.recv().await {
            Some(News::Ready) => break,
            Some(News::Failed(text)) => return Err(Error::Load { index, text }),
            Some(_) => {}
            None => return Err(Error::Gone(line.why_broken())),
        }
    }
    while line.clock().is_none() {
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Tells all pods the start, each by its own clock.
fn begin(pods: &[(Line, mpsc::UnboundedReceiver<News>)]) -> Result<Instant, Error> {
    let clocks = pods.iter().filter_map(|(line, _)| line.clock());
    let slowest = clocks.map(Offset::round_trip).max();
    let t0 = Instant::now() + LEAD_IN + ROUND_TRIPS * slowest.unwrap_or_default();
    for (line, _) in pods {
        let Some(at) = line.fix(t0) else {
            return Err(Error::Gone(line.why_broken()));
        };
        line.order(ToPod::Begin { at });
    }
    Ok(t0)
}

/// Takes in what the pods say until the last has ended.
async fn follow(
    pods: Vec<(Line, mpsc::UnboundedReceiver<News>)>,
    plan: Plan,
    targets: watch::Receiver<Targets>,
    hearers: Hearers,
    stop: CancellationToken,
) -> Sent {
    let lines: Vec<Line> = pods.iter().map(|(line, _)| line.clone()).collect();
    let passing_on = tokio::spawn(pass_on(lines, targets, stop.clone()));
    let given_up = CancellationToken::new();
    let of = pods.len() as u32;
    let mut parts = JoinSet::new();
    for (index, (line, news)) in (0..).zip(pods) {
        let (hearers, given_up) = (hearers.clone(), given_up.clone());
        let share = Share { index, of };
        let plan = plan.clone();
        parts.spawn(async move {
            let mut heard = Heard::new(&plan);
            let rest = listen(&line, news, &hearers, &given_up, &mut heard).await;
            part(&line, &plan, share, heard, rest)
        });
    }
    let mut ended = Vec::new();
    let mut broken = None;
    let wait = async {
        stop.cancelled().await;
        sleep(STOPS_WITHIN).await;
        given_up.cancel();
    };
    let mut wait = std::pin::pin!(wait);
    let mut waited = false;
    loop {
        tokio::select! {
            part = parts.join_next() => match part {
                Some(Ok((record, recording, why))) => {
                    if let Some(why) = why {
                        broken.get_or_insert(why);
                        // What the others send alone is another load.
                        stop.cancel();
                    }
                    ended.push((record, recording));
                }
                Some(Err(error)) => {
                    broken.get_or_insert(error.to_string());
                }
                None => break,
            },
            () = &mut wait, if !waited => waited = true,
        }
    }
    passing_on.abort();
    ended.sort_by_key(|(record, _)| record.index);
    let (pods, recordings): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    let mut recording = merge(recordings);
    recording.cells = Box::new(hearers.take_cells());
    recording.complete &= broken.is_none();
    Sent {
        recording,
        pods,
        broken,
    }
}

/// Tells the pods where requests may be sent, and when to stop.
async fn pass_on(lines: Vec<Line>, mut targets: watch::Receiver<Targets>, stop: CancellationToken) {
    let changes = async {
        while targets.changed().await.is_ok() {
            let now = targets.borrow_and_update().clone();
            for line in &lines {
                line.order(ToPod::Targets(now.clone()));
            }
        }
        // A sender that is gone leaves the last targets in force.
        std::future::pending::<()>().await;
    };
    stop.run_until_cancelled(changes).await;
    for line in &lines {
        line.order(ToPod::Stop);
    }
}

impl Hearers {
    /// Passes on what a pod tells of its requests.
    fn hear(&self, account: Account, heard: &mut Heard) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.merge(&account.part);
        heard.note(&account);
        // Nobody has to listen.
        let _ = self.live.send(account);
    }

    fn take_cells(&self) -> Cells {
        mem::take(&mut self.cells.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Heard {
    fn new(plan: &Plan) -> Self {
        Self {
            lateness: Lateness::new(plan.lateness),
            ledger: vec![Ledger::default(); plan.classes.len()],
            until: Duration::ZERO,
        }
    }

    fn note(&mut self, account: &Account) {
        self.until = account.until;
        account.part.add_lateness_to(&mut self.lateness);
        for (class, ledger) in self.ledger.iter_mut().enumerate() {
            for (_, cell) in account.part.of(class) {
                ledger.offered += cell.due.offered;
                ledger.dropped += cell.due.dropped;
            }
            ledger.again += account.part.again_of(class);
        }
    }

    /// The recording of a pod that broke off: its counts are those of what came.
    fn broken_off(&self, plan: &Plan, share: Share) -> Recording {
        let classes = plan.classes.iter().zip(&self.ledger);
        let ledger = classes.map(|(class, ledger)| Ledger {
            planned: share.count(class.schedule.extent().0),
            ..*ledger
        });
        Recording {
            ledger: ledger.collect(),
            wall: self.until,
            ..Recording::default()
        }
    }
}

/// What one pod says, until it has said all: what it recorded besides its requests, or why there is nothing.
async fn listen(
    line: &Line,
    mut news: mpsc::UnboundedReceiver<News>,
    hearers: &Hearers,
    given_up: &CancellationToken,
    heard: &mut Heard,
) -> Result<Recording, String> {
    loop {
        let next = tokio::select! {
            biased;
            next = news.recv() => next,
            () = given_up.cancelled() => {
                return Err("a load pod did not stop when it was told to".to_owned());
            }
        };
        match next {
            Some(News::Told(some)) => {
                for one in some {
                    // Nobody has to listen.
                    let _ = hearers.told.send(one);
                }
            }
            Some(News::Counted(account)) => hearers.hear(account, heard),
            Some(News::Rest(rest)) => return Ok(*rest),
            Some(News::Failed(text)) => return Err(text),
            Some(News::Ready) => {}
            None => return Err(line.why_broken()),
        }
    }
}

/// Puts together what is known of a pod's part.
fn part(
    line: &Line,
    plan: &Plan,
    share: Share,
    heard: Heard,
    rest: Result<Recording, String>,
) -> (PodRecord, Recording, Option<String>) {
    let (recording, why) = match rest {
        Ok(rest) => (rest, None),
        Err(why) => (heard.broken_off(plan, share), Some(why)),
    };
    let mut record = PodRecord {
        index: share.index,
        lateness: heard.lateness,
        recording: recording.clone(),
        ..PodRecord::default()
    };
    if let Some((before, now)) = line.clocks() {
        record.clock_error = before.error();
        record.clock_drift = now.drift_since(before);
        record.round_trip = before.round_trip();
    }
    (record, recording, why)
}
