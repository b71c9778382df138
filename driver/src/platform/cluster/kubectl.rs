//! `kubectl`, which knows how to reach and to authenticate with every cluster: single commands, proxies that stay,
//! and streams to pods.

use std::{
    io,
    process::{Output, Stdio},
    time::Duration,
};

use lab_remote::Stream;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use super::site::Site;

/// For a command that only asks.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Runs the rest of its arguments until its standard input ends, which it does even where this process
/// is killed: nothing is left behind. Its output goes to the program alone, so that the end of that is seen.
const UNTIL_INPUT_ENDS: &str =
    r#""$@" & child=$!; exec >/dev/null 2>&1; cat >/dev/null; kill "$child"; wait"#;

/// Why `kubectl` did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum KubectlError {
    /// There is none.
    #[error(
        "kubectl does not start ({0}); install it from https://kubernetes.io/docs/tasks/tools/"
    )]
    Missing(io::Error),
    /// It takes too long.
    #[error(
        "`kubectl {command}` did not end within {} s; is the cluster of context `{context}` running? \
         `make up PLATFORM=k3d` starts the workshop's own", .within.as_secs()
    )]
    Slow {
        /// What was asked.
        command: String,
        /// Of which cluster.
        context: String,
        /// How long it had.
        within: Duration,
    },
    /// It says no.
    #[error("`kubectl {command}` in context `{context}` failed: {message}{advice}")]
    Refused {
        /// What was asked.
        command: String,
        /// Of which cluster.
        context: String,
        /// Its own words.
        message: String,
        /// What to do.
        advice: String,
    },
}

impl KubectlError {
    /// Whether the same may work later: the API server was not to be had.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Missing(_) => false,
            Self::Slow { .. } => true,
            Self::Refused { message, .. } => !says(message, FORBIDDEN),
        }
    }
}

/// `kubectl` for one namespace of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    /// Which.
    pub(super) site: Site,
}

impl Kubectl {
    /// All arguments of a command.
    pub(super) fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let context = format!("--context={}", self.site.context);
        let namespace = format!("--namespace={}", self.site.namespace);
        [context, namespace]
            .into_iter()
            .chain(arguments.iter().map(|&text| text.to_owned()))
            .collect()
    }

    /// Asks for something; what it prints.
    pub(super) async fn ask(&self, arguments: &[&str]) -> Result<String, KubectlError> {
        self.run(arguments, None, ANSWERS_WITHIN).await
    }

    /// Runs it with `input` on standard input for at most `within`; what it prints.
    pub(super) async fn run(
        &self,
        arguments: &[&str],
        input: Option<&[u8]>,
        within: Duration,
    ) -> Result<String, KubectlError> {
        let mut command = Command::new("kubectl");
        command
            .args(self.arguments(arguments))
            .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let talk = async {
            let mut child = command.spawn()?;
            if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
                // One that does not read to the end says why on its standard error.
                let _ = stdin.write_all(input).await;
            }
            child.wait_with_output().await
        };
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        match timeout(within, talk).await {
            Ok(Ok(output)) => self.read(&name, &output),
            Ok(Err(error)) => Err(KubectlError::Missing(error)),
            Err(_) => Err(KubectlError::Slow {
                command: name,
                context: self.site.context.clone(),
                within,
            }),
        }
    }

    fn read(&self, command: &str, output: &Output) -> Result<String, KubectlError> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Its libraries log before its last words.
        let message = stderr.lines().rev().find(|line| !line.trim().is_empty());
        let message = message.unwrap_or("it gives no reason").trim().to_owned();
        Err(KubectlError::Refused {
            command: command.to_owned(),
            context: self.site.context.clone(),
            advice: advice(&message, &self.site),
            message,
        })
    }

    /// Starts a command that stays. It ends with its [`Staying`].
    pub(super) fn stay(&self, arguments: &[&str]) -> Result<Staying, KubectlError> {
        let mut child = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh", "kubectl"])
            .args(self.arguments(arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for the driver, which ends in order.
            .process_group(0)
            .spawn()
            .map_err(KubectlError::Missing)?;
        let stdout = child.stdout.take().expect("piped above");
        let stderr = child.stderr.take().expect("piped above");
        Ok(Staying {
            child,
            lines: BufReader::new(stdout).lines(),
            last_words: tokio::spawn(last_words(stderr)),
        })
    }

    /// Starts a command whose standard input and output are a stream to a pod. Where this process is killed, its
    /// input ends, and so does the command with the pod.
    pub(super) fn attach(&self, arguments: &[&str]) -> Result<(Stream, Attached), KubectlError> {
        let mut child = Command::new("kubectl")
            .args(self.arguments(arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for the driver, which ends in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(KubectlError::Missing)?;
        let stderr = child.stderr.take().expect("piped above");
        let said = tokio::spawn(last_words(stderr));
        let stream = Stream {
            from: Box::pin(child.stdout.take().expect("piped above")),
            to: Box::pin(child.stdin.take().expect("piped above")),
            last_words: Box::pin(async {
                let words = said.await.ok().flatten();
                words.map_or(String::new(), |words| format!("kubectl says: {words}"))
            }),
        };
        Ok((stream, Attached(child)))
    }
}

/// The command behind a stream. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Attached(Child);

impl Attached {
    /// Waits for its end, which the end of the stream brings about.
    pub(super) async fn ended(&mut self) {
        let _ = self.0.wait().await;
    }
}

/// How an API server says that one may not.
const FORBIDDEN: &[&str] = &["Forbidden", "forbidden", "Unauthorized"];

fn says(message: &str, words: &[&str]) -> bool {
    words.iter().any(|word| message.contains(word))
}

fn advice(message: &str, site: &Site) -> String {
    if says(
        message,
        &["context was not found", "does not exist", "no context"],
    ) {
        "; `make up PLATFORM=k3d` makes the workshop's cluster, CONTEXT=… names another".to_owned()
    } else if says(
        message,
        &[
            "refused",
            "Unable to connect",
            "no such host",
            "timeout",
            "timed out",
        ],
    ) {
        "; is the cluster running? `make up PLATFORM=k3d` starts the workshop's own".to_owned()
    } else if says(message, FORBIDDEN) {
        super::RIGHTS.to_owned()
    } else if says(message, &["immutable"]) {
        format!(
            "; an older version of the workshop has left something there, and {} removes it",
            site.kubectl_delete()
        )
    } else {
        String::new()
    }
}

/// A `kubectl` that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Staying {
    /// Its standard input is what keeps it.
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    last_words: JoinHandle<Option<String>>,
}

/// The last line of what it complains of. All is read: it must never wait for a reader.
async fn last_words(stderr: ChildStderr) -> Option<String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.trim().is_empty() {
            last = Some(line);
        }
    }
    last
}

impl Staying {
    /// The next line that it prints; none when it has ended.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }

    /// What it complained of, when it has ended.
    pub(super) async fn complaint(&mut self) -> String {
        drop(self.child.stdin.take());
        let said = timeout(Duration::from_secs(1), &mut self.last_words).await;
        let words = said.ok().and_then(Result::ok).flatten();
        words.unwrap_or_else(|| "no reason given".to_owned())
    }

    /// Ends it and waits for that.
    pub(super) async fn end(mut self) {
        drop(self.child.stdin.take());
        let _ = timeout(Duration::from_secs(3), self.child.wait()).await;
    }
}
