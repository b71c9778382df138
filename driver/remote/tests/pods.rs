//! Load pods as they are: the program, over its standard input and output, against a server.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    num::NonZero,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lab_load::{
    Account, Ask, Cells, ClassPlan, Plan, Repeat, Targets,
    schedule::{Shape, Spacing, Stretch},
    summary::{self},
};
use lab_remote::{Fleet, Sent, Stream};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, duplex},
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// A wait that is this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a program as a load pod.
fn pod(command: &mut Command) -> (Stream, Child) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stream = Stream {
        from: Box::pin(child.stdout.take().unwrap()),
        to: Box::pin(child.stdin.take().unwrap()),
        last_words: Box::pin(async { "so the test says".to_owned() }),
    };
    (stream, child)
}

async fn pods(count: usize) -> (Fleet, Vec<Child>) {
    let load = |_| pod(&mut Command::new(env!("CARGO_BIN_EXE_load")));
    let (streams, children): (Vec<_>, _) = (0..count).map(load).unzip();
    let mut fleet = Fleet::default();
    // The last one was ready first.
    for (index, stream) in (0..).zip(streams).collect::<Vec<_>>().into_iter().rev() {
        fleet.admit(index, stream).await.unwrap();
    }
    (fleet, children)
}

/// Counts the bytes that a pod says.
fn counted(stream: Stream) -> (Stream, Arc<AtomicU64>) {
    let bytes = Arc::<AtomicU64>::default();
    let (near, mut far) = duplex(1 << 16);
    let (mut from, count) = (stream.from, Arc::clone(&bytes));
    tokio::spawn(async move {
        let mut some = vec![0; 1 << 16];
        while let Ok(read) = from.read(&mut some).await {
            count.fetch_add(read as u64, Relaxed);
            if read == 0 || far.write_all(&some[..read]).await.is_err() {
                return;
            }
        }
    });
    let from = Box::pin(near);
    (Stream { from, ..stream }, bytes)
}

/// A server that answers 200 to everything, and the lines of the requests that it has had.
async fn server() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let all = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let seen = Arc::clone(&all);
            tokio::spawn(async move {
                let (from, mut to) = connection.into_split();
                let mut lines = BufReader::new(from).lines();
                let mut head = Vec::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if !line.is_empty() {
                        head.push(line);
                        continue;
                    }
                    let line = std::mem::take(&mut head).remove(0);
                    seen.lock().unwrap().push(line);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                    if to.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

fn plan(seconds: u64) -> Plan {
    let class = |name: &str, rate: f64, spacing| {
        let stretch = Stretch {
            length: Duration::from_secs(seconds),
            shape: Shape::Constant(rate.try_into().unwrap()),
        };
        let mut class = ClassPlan::get(name, "/{key}", vec![stretch]);
        class.timeout = Duration::from_secs(20);
        class.keeps_answers = true;
        class.schedule.spacing = spacing;
        class
    };
    let mut even = class("even", 101.0, Spacing::Even);
    even.repeat = Some(Repeat { every: 10, lag: 3 });
    let random = class("random", 53.0, Spacing::Poisson { seed: 7 });
    Plan {
        connections_per_target: 4,
        drain: PATIENCE,
        ..Plan::of("test", vec![even, random])
    }
}

fn api(address: SocketAddr) -> watch::Receiver<Targets> {
    let targets = Targets {
        api: vec![address.into()],
        ..Targets::default()
    };
    watch::channel(targets).1
}

/// Sends a plan; what came of it, and what was told meanwhile: of requests, and to how many clients.
async fn send(fleet: Fleet, plan: &Plan, address: SocketAddr) -> (Sent, Vec<Account>, usize) {
    let (live, mut accounts) = mpsc::unbounded_channel();
    let (tell, mut told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let running = fleet
        .start(plan.clone(), api(address), live, tell, stop)
        .await
        .unwrap();
    assert!(running.t0().elapsed() < PATIENCE);
    let sent = timeout(PATIENCE, running.finish()).await.unwrap();
    let accounts = std::iter::from_fn(|| accounts.try_recv().ok()).collect();
    let told = std::iter::from_fn(|| told.try_recv().ok()).count();
    (sent, accounts, told)
}

/// Waits until so many requests have ended.
async fn heard(accounts: &mut mpsc::UnboundedReceiver<Account>, requests: u64) {
    let mut ended = 0;
    while ended < requests {
        let account = timeout(PATIENCE, accounts.recv()).await.unwrap().unwrap();
        ended += account.part.requests();
    }
}

/// Checks that the counts are those of the plan.
fn balanced(plan: &Plan, sent: &Sent) {
    let classes = summary::classes(plan, &sent.recording.cells);
    summary::verify_books(plan, &sent.recording, &classes).unwrap();
}

#[tokio::test]
async fn several_pods_send_one_plan() {
    let mut plan = plan(2);
    plan.loops = NonZero::new(2);
    let (address, seen) = server().await;
    let (fleet, mut children) = pods(3).await;
    let lines = fleet.lines();
    let (sent, accounts, told) = send(fleet, &plan, address).await;

    assert_eq!(sent.broken, None);
    assert!(sent.recording.complete);
    balanced(&plan, &sent);
    let arrivals = |class: &ClassPlan| class.schedule.arrivals().count();
    let planned: usize = plan.classes.iter().map(arrivals).sum();
    assert_eq!(told, planned);
    let cells = &sent.recording.cells;
    assert_eq!(cells.requests(), planned as u64);
    for account in &accounts {
        assert!(
            account
                .part
                .all()
                .all(|cell| cell.ended.ok == cell.ended.all)
        );
    }
    // What was told meanwhile, in many parts, is all of it.
    let mut live = Cells::new(&plan);
    for account in &accounts {
        live.merge(&account.part);
    }
    assert_eq!(live.take(), cells.clone().take());
    for engine in 0..3 {
        let own = accounts.iter().filter(|account| account.engine == engine);
        let until: Vec<Duration> = own.map(|account| account.until).collect();
        assert!(until.len() > 5 && until.is_sorted(), "{until:?}");
    }

    // Each arrival once, at its own time, with the key that it has without pods.
    for (index, class) in plan.classes.iter().enumerate() {
        for (span, cell) in cells.of(index) {
            let due = class.schedule.arrivals().filter(|at| span.contains(at));
            assert_eq!(cell.due.offered, due.count() as u64, "{span:?}");
        }
    }
    let repeated = arrivals(&plan.classes[0]) / 10;
    let requests: Vec<String> = seen.lock().unwrap().clone();
    assert_eq!(requests.len(), planned);
    let different: BTreeSet<&String> = requests.iter().collect();
    assert_eq!(different.len(), planned - repeated);

    let shares: Vec<u64> = sent.pods.iter().map(|pod| pod.lateness.sent()).collect();
    let planned = planned as u64;
    assert_eq!(shares.iter().sum::<u64>(), planned);
    assert!(
        shares.iter().all(|share| share.abs_diff(planned / 3) <= 2),
        "{shares:?}"
    );
    assert!(sent.pods.iter().all(|pod| pod.recording.floor.is_some()));
    // Each pod has two loops, and each of those half of its share.
    for (pod, share) in sent.pods.iter().zip(&shares) {
        let loops = pod.recording.loops.iter().map(|one| one.sent);
        let loops: Vec<u64> = loops.collect();
        assert_eq!((loops.len(), loops.iter().sum()), (2, *share));
        assert!(
            loops.iter().all(|of| of.abs_diff(share / 2) <= 2),
            "{loops:?}"
        );
    }

    for line in lines {
        line.end();
    }
    for child in &mut children {
        let ended = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pod_says_of_ten_times_the_requests_is_not_ten_times_as_long() {
    let (address, _) = server().await;
    let said = async |times: f64| {
        let mut plan = plan(2);
        for class in &mut plan.classes {
            class.keeps_answers = false;
            let Shape::Constant(rate) = class.schedule.stretches[0].shape else {
                panic!("a constant rate");
            };
            let rate = (rate.get() * times).try_into().unwrap();
            class.schedule.stretches[0].shape = Shape::Constant(rate);
        }
        let (stream, _child) = pod(&mut Command::new(env!("CARGO_BIN_EXE_load")));
        let (stream, bytes) = counted(stream);
        let fleet = Fleet::join(vec![stream]).await.unwrap();
        let (sent, ..) = send(fleet, &plan, address).await;
        balanced(&plan, &sent);
        (sent.recording.cells.requests(), bytes.load(Relaxed))
    };
    let (few, of_few) = said(1.0).await;
    let (many, of_many) = said(10.0).await;
    assert!(many > 9 * few, "{few}, {many}");
    // Each of them told by itself would be 9 times the bytes; told in cells, twice is usual. How many buckets the latencies
    // fall into, the machine has a word in.
    assert!(
        of_many < 5 * of_few,
        "{few} requests in {of_few} bytes, {many} in {of_many}"
    );
}

#[tokio::test]
async fn a_stream_that_breaks_is_named_and_what_was_measured_is_kept() {
    let plan = plan(30);
    let (address, _) = server().await;
    let (fleet, mut children) = pods(2).await;
    let (live, mut accounts) = mpsc::unbounded_channel();
    let (tell, _told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let running = fleet
        .start(plan.clone(), api(address), live, tell, stop)
        .await
        .unwrap();
    heard(&mut accounts, 50).await;
    children[1].kill().await.unwrap();
    let sent = timeout(PATIENCE, running.finish()).await.unwrap();
    let broken = sent.broken.clone().unwrap();
    assert_eq!(
        broken,
        "the stream to load pod 1 broke: the pod has ended, or the way to it; so the test says"
    );
    let requests = sent.recording.cells.requests();
    assert!(!sent.recording.complete && (50..154 * 30).contains(&requests));
    balanced(&plan, &sent);
}

#[tokio::test]
async fn a_pod_of_another_build_is_told_with_the_remedy() {
    let mut other = Command::new("sh");
    other.args([
        "-c",
        "read greeting; echo 'lab-load 1 of last week'; cat >/dev/null",
    ]);
    let (stream, _child) = pod(&mut other);
    let Err(error) = Fleet::join(vec![stream]).await else {
        panic!("it was taken for one of ours");
    };
    let text = error.to_string();
    assert!(
        text.starts_with("load pod 0 is `lab-load 1 of last week`, and this driver `lab-load 1 "),
        "{text}"
    );
    assert!(text.contains("make image"), "{text}");
}

#[tokio::test]
async fn a_pod_refuses_a_driver_of_another_build() {
    let mut load = Command::new(env!("CARGO_BIN_EXE_load"));
    let mut load = load
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = load.stdin.take().unwrap();
    stdin.write_all(b"lab-load 1 of tomorrow\n").await.unwrap();
    let output = timeout(PATIENCE, load.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("the driver says `lab-load 1 of tomorrow`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_pod_asks_for_the_driver_and_finds_names() {
    let (address, seen) = server().await;
    let (fleet, _children) = pods(1).await;
    let line = fleet.lines().remove(0);
    for _ in 0..3 {
        let ask = Ask {
            to: address.into(),
            method: "GET".into(),
            path: "/metrics?all".into(),
            body: None,
        };
        let reply = line.ask(ask).await.unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"hello"[..]));
    }
    assert_eq!(seen.lock().unwrap()[2], "GET /metrics?all HTTP/1.1");
    let found = line.find("localhost", address.port()).await.unwrap();
    assert_eq!(found.taking, [address]);
    assert!(line.find("no-such-host.invalid", 80).await.is_err());

    // A server that never answers keeps nobody, and one that is gone is told.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ask = Ask {
        to: silent.local_addr().unwrap().into(),
        method: "GET".into(),
        path: "/".into(),
        body: None,
    };
    let asked = timeout(Duration::from_millis(200), line.ask(ask.clone())).await;
    assert!(asked.is_err());
    let (mut connection, _) = silent.accept().await.unwrap();
    let mut request = Vec::new();
    // The question is taken back, which closes the connection.
    timeout(PATIENCE, connection.read_to_end(&mut request))
        .await
        .unwrap()
        .unwrap();
    assert!(request.starts_with(b"GET / HTTP/1.1"));
    drop(silent);
    assert!(line.ask(ask).await.is_err());
}

#[tokio::test]
async fn a_load_that_can_not_begin_says_why() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (fleet, _children) = pods(1).await;
    let (live, _accounts) = mpsc::unbounded_channel();
    let (tell, _told) = mpsc::unbounded_channel();
    let started = fleet
        .start(plan(1), api(closed), live, tell, CancellationToken::new())
        .await;
    let text = started.err().unwrap().to_string();
    assert!(text.contains("load pod 0 can't send"), "{text}");
    assert!(text.contains(&closed.to_string()), "{text}");
}

#[tokio::test]
async fn a_load_that_is_stopped_hands_over_what_it_has() {
    let (address, _) = server().await;
    let (fleet, _children) = pods(2).await;
    let (live, mut accounts) = mpsc::unbounded_channel();
    let (tell, _told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let plan = plan(30);
    let running = fleet
        .start(plan.clone(), api(address), live, tell, stop.clone())
        .await
        .unwrap();
    heard(&mut accounts, 1).await;
    sleep(Duration::from_millis(300)).await;
    stop.cancel();
    let sent = timeout(PATIENCE, running.finish()).await.unwrap();
    assert_eq!(sent.broken, None);
    assert!(!sent.recording.complete && sent.recording.cells.requests() > 0);
    balanced(&plan, &sent);
}

/// As somebody who may have no second thread; the system asks nothing of root.
#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_are_told_by_the_name_of_the_limit() {
    use std::{
        fs::{self, Permissions},
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    };

    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_load"), &program).unwrap();
    let limited = "ulimit -u 1 2>/dev/null || ulimit -p 1; exec \"$@\"";
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", limited, "sh"])
        .arg(&program)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("may have 1 processes and threads (`ulimit -u`)")
            && said.contains("raise it"),
        "{said}"
    );
}
