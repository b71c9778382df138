//! `mdbook-lab serve`: the live guide. One server, one origin, this machine only.
//!
//! It builds the book and serves it with the reports ([`site`], [`files`]), follows every run
//! ([`runs`]), starts what a page asks for ([`job`]), and tells all open pages ([`news`]). Who may
//! ask for what, and how much of the server anybody can take up, is in [`crate::guard`].

mod building;
mod editor;
mod files;
mod job;
mod news;
mod routes;
mod runs;
mod site;
mod wall;
mod watch;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use lab_record::{Frame, Line, RunId};
use lab_say::note;
use tokio::{net::TcpListener, sync::oneshot};

pub use self::site::BuildError;
use self::{
    editor::Editor,
    job::Desk,
    news::{Message, Newsroom},
    routes::Parts,
    runs::{News, Watch},
    site::Shelf,
    watch::Changes,
};
use crate::{
    Guide,
    guard::{
        access::Door,
        codespace, connections,
        invitation::{Invitation, Opens},
        signals::Signals,
    },
};

/// Between two looks at the runs: what happens is on the page within twice this.
const LOOK_EVERY: Duration = Duration::from_millis(80);
/// The same while no page follows.
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// The guide, to who opens it.
const OPENS: Opens = Opens {
    name: "The guide",
    ends: "ends the guide and what it runs",
    prefix: "open-guide-",
};

/// How to serve.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// Whether to open the guide in a browser.
    pub open: bool,
}

/// Why the guide can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The book does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The port is taken, or not allowed.
    #[error(
        "can't listen on 127.0.0.1:{port}: {why}; is another guide open? \
         `make book PORT={next}` takes another port", next = port.saturating_add(1)
    )]
    Bind {
        /// The port.
        port: u16,
        /// What the system says.
        why: io::Error,
    },
    /// The folders of the book can't be watched.
    #[error("can't watch the book for changes")]
    Watch(#[from] notify::Error),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[from] getrandom::Error),
    /// Too few threads.
    #[error(transparent)]
    Threads(#[from] lab_say::TooFewThreads),
    /// Anything else that the system refuses.
    #[error("can't start the server")]
    System(#[from] io::Error),
}

/// Threads of the runtime.
const WORKERS: usize = 2;

/// Those that read files, follow changes of files and wait for what runs.
const THREADS_BESIDE: usize = 6;

/// Serves the guide of the project at `root` until Ctrl-C; what runs then is interrupted and
/// waited for.
pub fn serve(guide: Guide, root: &Path, options: Options) -> Result<(), ServeError> {
    lab_say::allow_threads(WORKERS + THREADS_BESIDE)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let served = runtime.block_on(until_interrupted(guide, root, options));
    // Threads that wait for the next change or run need not be waited for.
    runtime.shutdown_background();
    served
}

async fn until_interrupted(guide: Guide, root: &Path, options: Options) -> Result<(), ServeError> {
    let root = root.canonicalize()?;
    let guide = Arc::new(guide);
    let listener = bind(options.port)?;
    let mut signals = Signals::new()?;
    let news = Arc::new(Newsroom::new());
    let shelf = build(
        Arc::clone(&guide),
        &news,
        Changes::of(guide.sources(), guide.reports())?,
    )
    .await?;
    follow(Arc::clone(&guide), &news);

    let desk = Arc::new(Desk::new(root.clone(), Arc::clone(&news)));
    let address = listener.local_addr()?;
    let forwarded = codespace::host(address.port(), |name| std::env::var(name).ok());
    let door = Door::new(address)?.forwarded(forwarded);
    let parts = Arc::new(Parts {
        invitation: Invitation::hand_out(OPENS, &door, &root, options.open),
        door,
        editor: Editor::of_this_machine(),
        root,
        shelf: Arc::clone(&shelf),
        guide,
        news,
        desk: Arc::clone(&desk),
    });
    tokio::select! {
        () = connections::serve(listener, routes::app(Arc::clone(&parts))) => {}
        () = signals.any() => {}
    }
    tokio::select! {
        () = desk.close() => {}
        // Asked twice: it ends at once, and so does what runs.
        () = signals.any() => desk.kill(),
    }
    parts.invitation.withdraw();
    shelf.clear();
    Ok(())
}

fn bind(port: u16) -> Result<TcpListener, ServeError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    connections::bind(address).map_err(|why| ServeError::Bind { port, why })
}

/// Builds the book, and again at every change.
///
/// One thread builds them all: what an allocator keeps for each thread that once needed much, it
/// keeps once.
async fn build(
    guide: Arc<Guide>,
    news: &Arc<Newsroom>,
    changes: Changes,
) -> Result<Arc<Shelf>, ServeError> {
    let (first, built) = oneshot::channel();
    let news = Arc::clone(news);
    let of_slots = Arc::clone(&guide);
    thread::spawn(move || {
        let shelf = match Shelf::new(guide) {
            Ok(shelf) => Arc::new(shelf),
            Err(error) => return drop(first.send(Err(error))),
        };
        news.tell(Message::Reload {
            book: Some(shelf.site().name()),
            pages: Vec::new(),
            error: None,
        });
        if first.send(Ok(Arc::clone(&shelf))).is_ok() {
            rebuild(&of_slots, &changes, &shelf, &news);
        }
    });
    Ok(built.await.map_err(io::Error::other)??)
}

/// Builds the book again at every change, and tells of it.
fn rebuild(guide: &Guide, changes: &Changes, shelf: &Shelf, news: &Newsroom) {
    while changes.wait() {
        // Before the page knows of another book: then it comes again by itself. What is next depends on the edit points.
        tell_progress(guide, news);
        tell_slots(guide, news);
        news.tell(match shelf.rebuild() {
            Ok(pages) => Message::Reload {
                book: Some(shelf.site().name()),
                pages,
                error: None,
            },
            Err(error) => {
                let error = lab_say::reason(&error);
                note!("{error}");
                Message::Reload {
                    book: None,
                    pages: Vec::new(),
                    error: Some(error),
                }
            }
        });
    }
}

/// Tells how far the steps are and what is next, as far as that is news.
fn tell_progress(guide: &Guide, news: &Newsroom) {
    let html = guide.progress_html();
    news.tell(Message::Progress { html });
}

/// Tells what there is now, as far as that is news.
fn tell_slots(guide: &Guide, news: &Newsroom) {
    for (slot, html) in guide.slots() {
        let name = slot.name();
        news.tell(Message::Slot { name, html });
    }
}

/// Tells of every run and of what it changes: one thread looks, another renders, so that a reports
/// folder with hundreds of runs delays no line.
fn follow(guide: Arc<Guide>, news: &Arc<Newsroom>) {
    let reports = guide.reports().to_owned();
    let (stale, to_render) = mpsc::channel();
    let room = Arc::clone(news);
    let of_runs = Arc::clone(&guide);
    thread::spawn(move || {
        while let Ok(()) = to_render.recv() {
            while to_render.try_recv().is_ok() {}
            for scenario in guide.scenarios() {
                room.tell(Message::Status {
                    scenario: scenario.to_owned(),
                    html: guide.status_html(scenario),
                });
            }
            tell_progress(&guide, &room);
            tell_slots(&guide, &room);
        }
    });
    let room = Arc::clone(news);
    thread::spawn(move || {
        let mut watch = Watch::new(reports);
        let mut render = stale.send(());
        while render.is_ok() {
            let looked = watch.look(SystemTime::now());
            let mut is_stale = false;
            for item in looked {
                is_stale |= tell_of(item, &room, &of_runs);
            }
            if is_stale {
                render = stale.send(());
            }
            thread::sleep(if room.has_followers() {
                LOOK_EVERY
            } else {
                LOOK_SELDOM
            });
        }
    });
}

/// Tells of a run. True where what runs say has changed by it.
fn tell_of(item: News, room: &Newsroom, guide: &Guide) -> bool {
    match item {
        News::Line {
            run_id,
            scenario,
            line,
        } => {
            let picture = picture_of(&run_id, &line);
            room.tell(Message::Line {
                run_id,
                scenario,
                line,
            });
            if let Some(picture) = picture {
                room.tell(picture);
            }
            false
        }
        News::Over { run_id, scenario } => {
            let html = guide.links_html(&scenario, &run_id);
            room.tell(Message::Over {
                run_id,
                scenario,
                html,
            });
            true
        }
        News::Changed => true,
    }
}

/// The picture of what a run's plan says of its stage.
fn picture_of(run_id: &RunId, line: &Line) -> Option<Message> {
    let Line::Planned {
        stage: Some(stage), ..
    } = line
    else {
        return None;
    };
    Some(Message::Picture {
        run_id: run_id.clone(),
        html: lab_stage::picture(stage, &Frame::default()).into_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::{error::Error, iter::successors};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let full = || io::Error::other("disk full");
        for error in [
            ServeError::Build(BuildError::Folder(full())),
            ServeError::Bind {
                port: 80,
                why: full(),
            },
            ServeError::System(full()),
        ] {
            let first: &(dyn Error + 'static) = &error;
            let chain = successors(Some(first), |error| (*error).source());
            let told: Vec<_> = chain.map(ToString::to_string).collect();
            let told = told.join(": ");
            assert_eq!(told.matches("disk full").count(), 1, "{told}");
        }
    }
}
