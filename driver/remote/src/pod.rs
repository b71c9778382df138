//! The load pod's side: does as it is told over the stream until that ends.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use lab_load::{Asker, Plan, Recording, Share, Targets};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, BufWriter},
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    frame,
    greeting::Greeting,
    message::{ToDriver, ToPod},
};

/// A driver says something every second. One that is silent for this long is gone, though the stream stands.
const SILENCE: Duration = Duration::from_mins(1);

/// How long the pod looks at how late it wakes up, while it is idle.
const FLOOR: Duration = Duration::from_secs(1);

/// Between two batches of samples.
const BATCH: Duration = Duration::from_millis(100);

/// As many samples as make one message.
const TOGETHER: usize = 2048;

/// Why a load pod ends before its stream does.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there.
    #[error("no driver has said a word for {} s", SILENCE.as_secs())]
    Silence,
    /// It is a driver of another build.
    #[error("the driver says `{driver}`, this pod is `{pod}`")]
    Other {
        /// What the driver said.
        driver: String,
        /// What this pod is.
        pod: String,
    },
    /// What comes is no message, or the stream broke.
    #[error("the stream from the driver broke")]
    Stream(#[from] io::Error),
}

/// Serves one driver until `input` ends.
pub async fn serve(
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> Result<(), Error> {
    let mut input = BufReader::new(input);
    let mut output = BufWriter::new(output);
    let greeting = timeout(SILENCE, Greeting::read(&mut input)).await;
    let Some(driver) = greeting.map_err(|_| Error::Silence)?? else {
        return Ok(());
    };
    let own = Greeting::own();
    own.write(&mut output).await?;
    if driver != own {
        return Err(Error::Other {
            driver: driver.text().to_owned(),
            pod: own.text().to_owned(),
        });
    }
    let (say, mut said) = mpsc::unbounded_channel();
    let (hear, mut heard) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(message) = said.recv().await {
            // A driver that is gone ends the input, too.
            if frame::write(&mut output, &message).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(message) = frame::read(&mut input).await.transpose() {
            let broken = message.is_err();
            if hear.send(message).await.is_err() || broken {
                return;
            }
        }
    });
    let mut pod = Pod::new(say);
    loop {
        match timeout(SILENCE, heard.recv()).await {
            Ok(Some(order)) => pod.obey(order?),
            Ok(None) => return Ok(()),
            Err(_) => return Err(Error::Silence),
        }
    }
}

struct Pod {
    /// The zero of its clock.
    epoch: Instant,
    say: mpsc::UnboundedSender<ToDriver>,
    asker: Arc<Asker>,
    asked: HashMap<u64, AbortHandle>,
    load: Option<Load>,
}

/// The reins of the load.
struct Load {
    targets: watch::Sender<Targets>,
    begin: Option<oneshot::Sender<Instant>>,
    stop: DropGuard,
}

impl Pod {
    fn new(say: mpsc::UnboundedSender<ToDriver>) -> Self {
        Self {
            epoch: Instant::now(),
            say,
            asker: Arc::default(),
            asked: HashMap::new(),
            load: None,
        }
    }

    fn look_at_floor(&self) {
        let say = self.say.clone();
        tokio::spawn(async move {
            // Without a thread for it the pod can't send either, and will say so.
            if let Ok(floor) = lab_load::floor(FLOOR).await {
                let _ = say.send(ToDriver::Floor(floor));
            }
        });
    }

    fn obey(&mut self, order: ToPod) {
        match order {
            ToPod::Ping { sent } => self.tell(ToDriver::Pong {
                sent,
                seen: self.epoch.elapsed(),
            }),
            ToPod::LookAtFloor => self.look_at_floor(),
            ToPod::Prepare {
                plan,
                share,
                targets,
            } => self.prepare(plan, share, targets),
            ToPod::Targets(targets) => {
                if let Some(load) = &self.load {
                    load.targets.send_replace(targets);
                }
            }
            ToPod::Begin { at } => {
                let begin = self.load.as_mut().and_then(|load| load.begin.take());
                if let Some(begin) = begin {
                    // A load that has failed says so itself.
                    let _ = begin.send(self.epoch + at);
                }
            }
            ToPod::Stop => {
                if let Some(load) = self.load.take() {
                    drop(load.stop);
                }
            }
            ToPod::Ask { id, ask } => {
                let asker = Arc::clone(&self.asker);
                self.answer(id, async move {
                    let reply = asker.ask(&ask).await.map_err(|error| error.to_string());
                    ToDriver::Reply { id, reply }
                });
            }
            ToPod::Forget { id } => {
                if let Some(task) = self.asked.remove(&id) {
                    task.abort();
                }
            }
            ToPod::Find { id, host, port } => self.answer(id, async move {
                let found = lab_load::find(&host, port, None)
                    .await
                    .map_err(|error| error.to_string());
                ToDriver::Found { id, found }
            }),
        }
    }

    fn tell(&self, message: ToDriver) {
        // A driver that is gone ends the input, too.
        let _ = self.say.send(message);
    }

    fn answer(&mut self, id: u64, work: impl Future<Output = ToDriver> + Send + 'static) {
        self.asked.retain(|_, task| !task.is_finished());
        let say = self.say.clone();
        let task = tokio::spawn(async move {
            let _ = say.send(work.await);
        });
        self.asked.insert(id, task.abort_handle());
    }

    fn prepare(&mut self, plan: Plan, share: Share, targets: Targets) {
        let (targets, targets_seen) = watch::channel(targets);
        let (begin, start) = oneshot::channel();
        let stop = CancellationToken::new();
        let (say, stopped) = (self.say.clone(), stop.clone());
        tokio::spawn(async move {
            let ended = load(plan, share, targets_seen, start, stopped, &say).await;
            let last = match ended {
                Ok(rest) => ToDriver::Rest(rest),
                Err(error) => ToDriver::Failed(lab_say::reason(&error)),
            };
            let _ = say.send(last);
        });
        self.load = Some(Load {
            targets,
            begin: Some(begin),
            stop: stop.drop_guard(),
        });
    }
}

/// Sends a share of a plan; the recording, which is sent without its cells, since samples are told as they come.
async fn load(
    plan: Plan,
    share: Share,
    targets: watch::Receiver<Targets>,
    start: oneshot::Receiver<Instant>,
    stop: CancellationToken,
    say: &mpsc::UnboundedSender<ToDriver>,
) -> Result<Recording, lab_load::LoadError> {
    let (live, mut samples) = mpsc::unbounded_channel();
    let (tell, mut told) = mpsc::unbounded_channel();
    let ready = lab_load::prepare(plan, share, targets, live, tell, stop).await?;
    let _ = say.send(ToDriver::Ready);
    let Ok(t0) = start.await else {
        return Err(lab_load::LoadError::Lost);
    };
    let mut load = std::pin::pin!(ready.begin(t0).finish());
    let mut batches = interval(BATCH);
    batches.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pass_on = || {
        // The samples are taken first, so that what their clients were told is there, and said before them.
        let samples = take(&mut samples);
        let told = take(&mut told);
        let told = told
            .chunks(TOGETHER)
            .map(|some| ToDriver::Told(some.to_vec()));
        let samples = samples
            .chunks(TOGETHER)
            .map(|some| ToDriver::Samples(some.to_vec()));
        for message in told.chain(samples) {
            let _ = say.send(message);
        }
    };
    let ended = loop {
        tokio::select! {
            ended = &mut load => break ended,
            _ = batches.tick() => pass_on(),
        }
    };
    pass_on();
    ended
}

fn take<T>(from: &mut mpsc::UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| from.try_recv().ok()).collect()
}
