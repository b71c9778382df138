//! What happens, told to every open page: the events of `/lab/events`.
//!
//! Who joins late gets first what it takes to stand where the others stand: a reload in the middle
//! of a run loses nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lab_record::{Line, RunId};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::building::Building;

/// Pages that may follow at once. A browser has six connections for us, and a page in the
/// background gives its own back.
const SEATS: usize = 32;
/// Lines of a command's output kept for who joins late.
const KEPT_OUTPUT: usize = 1000;
/// A page that is so many events behind starts again from the present.
const BACKLOG: usize = 4096;

/// One thing that a page is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Message {
    /// What runs from a page: sent first, and when a command starts.
    Hello {
        /// The command under way.
        running: Option<Command>,
        /// The one before, and how it ended.
        last: Option<Ended>,
    },
    /// The status of a step has changed.
    Status {
        /// The step's scenario.
        scenario: String,
        /// What goes into its `.lab-status`.
        html: String,
    },
    /// The progress over all steps has changed.
    Progress {
        /// What goes into `.lab-progress`.
        html: String,
    },
    /// What there is now has changed, where a page says it.
    Slot {
        /// The name of the slot.
        name: String,
        /// What goes into it.
        html: String,
    },
    /// A line of a run that is under way, wherever it was started.
    Line {
        /// The run.
        run_id: RunId,
        /// Its scenario.
        scenario: String,
        /// The line.
        line: Line,
    },
    /// What stands on the stage of that run, as a picture in which nothing was seen yet.
    Picture {
        /// The run.
        run_id: RunId,
        /// The picture, an `svg` element. `lab_stage::SCRIPT` brings it to the moment of a tick.
        html: String,
    },
    /// That run is over. Its status follows if it has changed.
    Over {
        /// The run.
        run_id: RunId,
        /// Its scenario.
        scenario: String,
        /// The ways to all that is to be read of it.
        html: String,
    },
    /// A line that the command wrote.
    Output {
        /// The command's number.
        id: u64,
        /// The line, without its end.
        text: String,
    },
    /// How far the command's build is.
    Build {
        /// The command's number.
        id: u64,
        /// How far.
        #[serde(flatten)]
        building: Building,
    },
    /// The command has ended.
    Ended(Ended),
    /// The book was built again, or could not be. Who joins is told of the book that stands.
    Reload {
        /// Which book it is; a page that knows another is out of date.
        book: Option<String>,
        /// The pages that changed, relative to the book.
        pages: Vec<String>,
        /// Why it could not be built; the old book stays.
        error: Option<String>,
    },
}

/// A command under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Command {
    /// Its number, counted from the start of the server.
    pub(crate) id: u64,
    /// The action, as pages write it.
    pub(crate) action: String,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ended {
    /// Its number.
    pub(crate) id: u64,
    /// The action, as pages write it.
    pub(crate) action: String,
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// True where somebody asked for its end: no code says more then.
    pub(crate) cancelled: bool,
}

impl Message {
    /// The name of the event.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Status { .. } => "status",
            Self::Progress { .. } => "progress",
            Self::Slot { .. } => "slot",
            Self::Line { .. } => "line",
            Self::Picture { .. } => "picture",
            Self::Over { .. } => "over",
            Self::Output { .. } => "output",
            Self::Build { .. } => "build",
            Self::Ended(_) => "ended",
            Self::Reload { .. } => "reload",
        }
    }
}

/// Where everything is told, and from where pages follow.
pub(crate) struct Newsroom {
    present: Mutex<Present>,
    wire: broadcast::Sender<Message>,
    seats: Arc<Semaphore>,
}

/// What who joins must know.
#[derive(Default)]
struct Present {
    running: Option<Command>,
    last: Option<Ended>,
    statuses: BTreeMap<String, String>,
    progress: Option<String>,
    slots: BTreeMap<String, String>,
    /// The latest run: its lines and, where it has come, its end.
    lines: Vec<Message>,
    output: VecDeque<Message>,
    /// How far the command's build is, until something else begins.
    build: Option<Message>,
    book: Option<String>,
    build_error: Option<String>,
}

/// A page that follows: what it must know, then what happens from now on.
pub(crate) struct Follower {
    /// Where things stand.
    pub(crate) present: Vec<Message>,
    /// What comes.
    pub(crate) coming: broadcast::Receiver<Message>,
    /// Its place, free again when this is dropped.
    pub(crate) seat: OwnedSemaphorePermit,
}

impl Newsroom {
    /// One in which nothing has happened.
    pub(crate) fn new() -> Self {
        Self {
            present: Mutex::default(),
            wire: broadcast::Sender::new(BACKLOG),
            seats: Arc::new(Semaphore::new(SEATS)),
        }
    }

    /// Tells everybody, unless they know it.
    pub(crate) fn tell(&self, message: Message) {
        let mut present = self.lock();
        if present.take_in(&message) {
            // Nobody listening is fine.
            let _ = self.wire.send(message);
        }
    }

    /// A place to follow from; none where all are taken.
    pub(crate) fn join(&self) -> Option<Follower> {
        let seat = self.seats.clone().try_acquire_owned().ok()?;
        // Under one lock: nothing is told twice, nothing falls between.
        let present = self.lock();
        Some(Follower {
            present: present.messages(),
            coming: self.wire.subscribe(),
            seat,
        })
    }

    /// Whether anybody follows.
    pub(crate) fn has_followers(&self) -> bool {
        self.wire.receiver_count() > 0
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Present {
    /// Remembers what the next to join must know. False where `message` is no news.
    fn take_in(&mut self, message: &Message) -> bool {
        match message {
            Message::Hello { running, last } => {
                self.running.clone_from(running);
                self.last.clone_from(last);
                self.output.clear();
                self.build = None;
                // A run that is over leaves the panel to the new command.
                if matches!(self.lines.last(), Some(Message::Over { .. })) {
                    self.lines.clear();
                }
            }
            Message::Status { scenario, html } => {
                let known = self.statuses.insert(scenario.clone(), html.clone());
                return known.as_ref() != Some(html);
            }
            Message::Progress { html } => {
                return self.progress.replace(html.clone()).as_ref() != Some(html);
            }
            Message::Slot { name, html } => {
                let known = self.slots.insert(name.clone(), html.clone());
                return known.as_ref() != Some(html);
            }
            Message::Line { line, .. } => {
                if matches!(line, Line::Started { .. }) {
                    self.lines.clear();
                    self.build = None;
                    if self.running.is_none() {
                        // A run from elsewhere: what a page's last command said is not of it.
                        self.output.clear();
                        self.last = None;
                    }
                }
                self.lines.push(message.clone());
            }
            Message::Picture { .. } | Message::Over { .. } => self.lines.push(message.clone()),
            Message::Output { .. } => {
                if self.output.len() == KEPT_OUTPUT {
                    self.output.pop_front();
                }
                self.output.push_back(message.clone());
            }
            Message::Build { .. } => self.build = Some(message.clone()),
            Message::Ended(ended) => {
                self.running = None;
                self.build = None;
                self.last = Some(ended.clone());
            }
            Message::Reload { book, error, .. } => {
                // A book that could not be built leaves the one before.
                if book.is_some() {
                    self.book.clone_from(book);
                }
                self.build_error.clone_from(error);
            }
        }
        true
    }

    fn messages(&self) -> Vec<Message> {
        let hello = Message::Hello {
            running: self.running.clone(),
            last: self.last.clone(),
        };
        let statuses = self
            .statuses
            .iter()
            .map(|(scenario, html)| Message::Status {
                scenario: scenario.clone(),
                html: html.clone(),
            });
        let progress = self
            .progress
            .iter()
            .map(|html| Message::Progress { html: html.clone() });
        let slots = self.slots.iter().map(|(name, html)| Message::Slot {
            name: name.clone(),
            html: html.clone(),
        });
        let book = self.book.iter().map(|book| Message::Reload {
            book: Some(book.clone()),
            pages: Vec::new(),
            error: self.build_error.clone(),
        });
        std::iter::once(hello)
            .chain(statuses)
            .chain(progress)
            .chain(slots)
            .chain(self.lines.iter().cloned())
            .chain(self.output.iter().cloned())
            .chain(self.build.clone())
            .chain(book)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(html: &str) -> Message {
        Message::Status {
            scenario: "tx".to_owned(),
            html: html.to_owned(),
        }
    }

    fn output(text: &str) -> Message {
        Message::Output {
            id: 1,
            text: text.to_owned(),
        }
    }

    #[test]
    fn who_joins_late_learns_where_things_stand() {
        let room = Newsroom::new();
        let command = Command {
            id: 1,
            action: "step1".to_owned(),
        };
        let hello = Message::Hello {
            running: Some(command),
            last: None,
        };
        room.tell(output("of the command before"));
        room.tell(hello.clone());
        room.tell(status("old"));
        room.tell(status("new"));
        room.tell(output("hello"));
        let present = room.join().unwrap().present;
        assert_eq!(present, [hello, status("new"), output("hello")]);
    }

    #[test]
    fn what_a_command_said_is_not_of_a_later_run_from_elsewhere() {
        let room = Newsroom::new();
        room.tell(output("an error"));
        room.tell(Message::Ended(Ended {
            id: 1,
            action: "step1".to_owned(),
            code: Some(2),
            cancelled: false,
        }));
        let run_id: RunId = "20261123T151302Z-4f2a".parse().unwrap();
        let started = Message::Line {
            run_id: run_id.clone(),
            scenario: "tx".to_owned(),
            line: Line::Started {
                run_id,
                scenario: "tx".to_owned(),
                code: "mine".to_owned(),
                planned_s: 4.0,
            },
        };
        room.tell(started.clone());
        let nothing = Message::Hello {
            running: None,
            last: None,
        };
        assert_eq!(room.join().unwrap().present, [nothing, started]);
    }

    #[test]
    fn what_all_know_is_not_told_again() {
        let room = Newsroom::new();
        let mut follower = room.join().unwrap();
        room.tell(status("same"));
        room.tell(status("same"));
        assert_eq!(follower.coming.try_recv().unwrap(), status("same"));
        assert!(follower.coming.try_recv().is_err());
    }

    #[test]
    fn a_mistake_in_the_book_is_told_until_it_is_mended() {
        let reload = |book: Option<&str>, error: Option<&str>| Message::Reload {
            book: book.map(str::to_owned),
            pages: Vec::new(),
            error: error.map(str::to_owned),
        };
        let room = Newsroom::new();
        let last = || room.join().unwrap().present.pop().unwrap();
        room.tell(reload(Some("one"), None));
        room.tell(reload(None, Some("step1.md:3")));
        assert_eq!(last(), reload(Some("one"), Some("step1.md:3")));
        room.tell(reload(Some("two"), None));
        assert_eq!(last(), reload(Some("two"), None));
    }

    #[test]
    fn seats_are_few_and_come_back() {
        let room = Newsroom::new();
        let mut taken: Vec<_> = std::iter::from_fn(|| room.join()).collect();
        assert_eq!(taken.len(), SEATS);
        taken.pop();
        assert!(room.join().is_some());
    }

    #[test]
    fn events_look_as_the_page_expects_them() {
        let ended = Message::Ended(Ended {
            id: 3,
            action: "step1".to_owned(),
            code: None,
            cancelled: true,
        });
        assert_eq!(ended.name(), "ended");
        assert_eq!(
            serde_json::to_string(&ended).unwrap(),
            r#"{"id":3,"action":"step1","code":null,"cancelled":true}"#
        );
        assert_eq!(
            serde_json::to_string(&output("<b>")).unwrap(),
            r#"{"id":1,"text":"<b>"}"#
        );
    }
}
