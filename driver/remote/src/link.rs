//! The driver's end of one stream: orders go out, news come in, questions find their answers, and clocks are compared.

use std::{
    collections::HashMap,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lab_load::{Account, Ask, Found, Recording, Reply, Told};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, BufWriter},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    clock::Offset,
    frame,
    greeting::Greeting,
    message::{ToDriver, ToPod},
};

/// For a pod that runs to say who it is.
const GREETS_WITHIN: Duration = Duration::from_secs(10);

/// A pod answers every ping. A stream on which nothing came for this long is gone.
const SILENCE: Duration = Duration::from_secs(20);

/// Pings: a number of them soon after each other, to know the clock; then signs of life.
const FIRST_PINGS: (u32, Duration) = (20, Duration::from_millis(50));
const PING_EVERY: Duration = Duration::from_secs(1);

/// For whoever holds the stream to say why it broke, for which he may have to ask others.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// A stream to a load pod, both ways.
pub struct Stream {
    /// What the pod says.
    pub from: Pin<Box<dyn AsyncRead + Send>>,
    /// What it is told.
    pub to: Pin<Box<dyn AsyncWrite + Send>>,
    /// Asked when it has broken: why, in the words of whoever holds it; empty where nobody knows.
    pub last_words: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// What a pod says of its load.
#[derive(Debug)]
pub(crate) enum News {
    Ready,
    Failed(String),
    Told(Vec<Told>),
    Counted(Account),
    Rest(Box<Recording>),
}

/// A way to speak to one pod; as many as are wanted.
#[derive(Clone)]
pub struct Line {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<ToPod>,
}

struct Shared {
    index: u32,
    /// The zero of the driver's clock.
    epoch: Instant,
    known: Mutex<Known>,
    /// Cancelled when the stream is to end, or has ended.
    end: CancellationToken,
}

/// What there is to know of a pod and its stream.
#[derive(Default)]
struct Known {
    clock: Option<Offset>,
    /// The clock when the load began.
    clock_before: Option<Offset>,
    waiting: HashMap<u64, Waiting>,
    asked: u64,
    broken: Option<String>,
}

enum Waiting {
    Reply(oneshot::Sender<Result<Reply, String>>),
    Found(oneshot::Sender<Result<Found, String>>),
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.shared.index)
    }
}

impl Line {
    /// Greets the pod and begins to compare clocks. The news end with the stream.
    pub(crate) async fn open(
        index: u32,
        mut stream: Stream,
    ) -> Result<(Self, mpsc::UnboundedReceiver<News>), Error> {
        if let Err(why) = greet(index, &mut stream).await? {
            let why = with_last_words(why, stream.last_words).await;
            return Err(Error::Broken { index, why });
        }
        let (orders, ordered) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            index,
            epoch: Instant::now(),
            known: Mutex::default(),
            end: CancellationToken::new(),
        });
        let line = Self { shared, orders };
        tokio::spawn(write(stream.to, ordered, line.shared.end.clone()));
        tokio::spawn(ping(line.clone()));
        let reading = line.shared.clone();
        tokio::spawn(async move {
            let why = reading.read(stream.from, &tell).await;
            if !reading.end.is_cancelled() {
                let why = with_last_words(why, stream.last_words).await;
                reading.know().broken.get_or_insert(why);
            }
            // Who waits for an answer learns that none comes; the news end when `tell` goes, after that is known.
            reading.end.cancel();
            reading.know().waiting.clear();
            drop(tell);
        });
        Ok((line, news))
    }

    pub(crate) fn order(&self, order: ToPod) {
        // A stream that broke says so itself.
        let _ = self.orders.send(order);
    }

    /// Has the pod ask a service. Dropped before there is an answer, the question is taken back.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, String> {
        let (answer, answered) = oneshot::channel();
        let question = self.question(Waiting::Reply(answer));
        let id = question.id;
        self.order(ToPod::Ask { id, ask });
        answered.await.unwrap_or_else(|_| Err(self.why_broken()))
    }

    /// Has the pod look a name up; see [`lab_load::find`].
    pub async fn find(&self, host: &str, port: u16) -> Result<Found, String> {
        let (answer, answered) = oneshot::channel();
        let question = self.question(Waiting::Found(answer));
        let (id, host) = (question.id, host.to_owned());
        self.order(ToPod::Find { id, host, port });
        answered.await.unwrap_or_else(|_| Err(self.why_broken()))
    }

    fn question(&self, waiting: Waiting) -> Question<'_> {
        let mut known = self.shared.know();
        known.asked += 1;
        let id = known.asked;
        // Where the stream has ended, `waiting` goes at once, and with it the wait.
        if !self.shared.end.is_cancelled() {
            known.waiting.insert(id, waiting);
        }
        Question { line: self, id }
    }

    /// Ends the stream, and so the pod.
    pub fn end(&self) {
        self.shared.end.cancel();
    }

    /// Why the stream is gone, as a sentence; none while it stands, or where it was ended.
    pub fn broken(&self) -> Option<String> {
        let broken = self.shared.know().broken.is_some();
        broken.then(|| self.why_broken())
    }

    /// Why the stream is gone, as a sentence that names it.
    pub(crate) fn why_broken(&self) -> String {
        let known = self.shared.know();
        let why = known.broken.clone();
        let why = why.unwrap_or_else(|| "it was ended".to_owned());
        let index = self.shared.index;
        Error::Broken { index, why }.to_string()
    }

    /// Its clock, once it is known.
    pub(crate) fn clock(&self) -> Option<Offset> {
        self.shared.know().clock
    }

    /// A moment by the pod's clock, from now on compared anew.
    pub(crate) fn fix(&self, moment: Instant) -> Option<Duration> {
        let mut known = self.shared.know();
        let clock = known.clock.take()?;
        known.clock_before = Some(clock);
        Some(clock.to_pod(moment.saturating_duration_since(self.shared.epoch)))
    }

    /// The clock when the load began, and since.
    pub(crate) fn clocks(&self) -> Option<(Offset, Offset)> {
        let known = self.shared.know();
        let before = known.clock_before?;
        Some((before, known.clock.unwrap_or(before)))
    }
}

/// Takes a question back where nobody waits any more.
struct Question<'a> {
    line: &'a Line,
    id: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let waited = self.line.shared.know().waiting.remove(&self.id);
        if waited.is_some() {
            self.line.order(ToPod::Forget { id: self.id });
        }
    }
}

impl Shared {
    fn know(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the stream ends; why it did.
    async fn read(
        &self,
        from: Pin<Box<dyn AsyncRead + Send>>,
        tell: &mpsc::UnboundedSender<News>,
    ) -> String {
        let mut from = BufReader::new(from);
        loop {
            match timeout(SILENCE, frame::read(&mut from)).await {
                Ok(Ok(Some(message))) => self.take(message, tell),
                Ok(Ok(None)) => return "the pod has ended, or the way to it".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return format!("nothing came for {} s", SILENCE.as_secs()),
            }
        }
    }

    fn take(&self, message: ToDriver, tell: &mpsc::UnboundedSender<News>) {
        let mut known = self.know();
        let news = match message {
            ToDriver::Pong { sent, seen } => {
                let clock = Offset::of(sent, seen, self.epoch.elapsed());
                known.clock = Some(clock.or(known.clock));
                return;
            }
            ToDriver::Reply { id, reply } => {
                if let Some(Waiting::Reply(waiting)) = known.waiting.remove(&id) {
                    let _ = waiting.send(reply);
                }
                return;
            }
            ToDriver::Found { id, found } => {
                if let Some(Waiting::Found(waiting)) = known.waiting.remove(&id) {
                    let _ = waiting.send(found);
                }
                return;
            }
            ToDriver::Ready => News::Ready,
            ToDriver::Failed(text) => News::Failed(text),
            ToDriver::Told(told) => News::Told(told),
            ToDriver::Counted { until, part } => News::Counted(Account {
                engine: self.index,
                until,
                part,
            }),
            ToDriver::Rest(rest) => News::Rest(Box::new(rest)),
        };
        // Nobody has to listen.
        let _ = tell.send(news);
    }
}

/// Says who this is and hears who that is; within, why the stream gave no answer.
async fn greet(index: u32, stream: &mut Stream) -> Result<Result<(), String>, Error> {
    let own = Greeting::own();
    let exchange = async {
        own.write(&mut stream.to).await?;
        Greeting::read(&mut stream.from).await
    };
    match timeout(GREETS_WITHIN, exchange).await {
        Ok(Ok(Some(pod))) if pod == own => Ok(Ok(())),
        Ok(Ok(Some(pod))) => Err(Error::Other {
            index,
            pod: pod.text().to_owned(),
            driver: own.text().to_owned(),
        }),
        Ok(Ok(None)) => Ok(Err("the pod has ended, or the way to it".to_owned())),
        Ok(Err(error)) => Ok(Err(error.to_string())),
        Err(_) => Ok(Err(format!(
            "no word of it within {} s",
            GREETS_WITHIN.as_secs()
        ))),
    }
}

async fn with_last_words(
    why: String,
    last_words: Pin<Box<dyn Future<Output = String> + Send>>,
) -> String {
    match timeout(LAST_WORDS, last_words).await {
        Ok(words) if !words.is_empty() => format!("{why}; {words}"),
        _ => why,
    }
}

/// Passes orders on until the stream is to end, which closing it says.
async fn write(
    to: Pin<Box<dyn AsyncWrite + Send>>,
    mut orders: mpsc::UnboundedReceiver<ToPod>,
    end: CancellationToken,
) {
    let mut to = BufWriter::new(to);
    let pass_on = async {
        while let Some(order) = orders.recv().await {
            frame::write(&mut to, &order).await?;
        }
        Ok::<_, io::Error>(())
    };
    // Where it can't be written any more, the reader says why.
    let _ = end.run_until_cancelled(pass_on).await;
}

async fn ping(line: Line) {
    let (first, often) = FIRST_PINGS;
    let pings = async {
        for n in 0_u32.. {
            let sent = line.shared.epoch.elapsed();
            line.order(ToPod::Ping { sent });
            sleep(if n < first { often } else { PING_EVERY }).await;
        }
    };
    line.shared.end.run_until_cancelled(pings).await;
}
