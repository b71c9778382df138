//! The book of one project.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use lab_record::{Reports, RunId, Standing};
use mdbook_driver::{
    MDBook,
    config::{Config, HtmlConfig},
};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    action::{Action, Number},
    check,
    flaw::{Flaw, Flaws},
    guess, home,
    live::Sources,
    options::Options,
    page,
    preprocessor::Lab,
    project::{self, Project},
    slot::Slot,
    status::{self, Latest, Ways},
    step::Step,
};

/// The book of a project, and what its runs say.
#[derive(Debug)]
pub struct Guide {
    root: PathBuf,
    options: Options,
    reports: Reports,
    sources: Vec<PathBuf>,
}

/// What a built book says of itself to who serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The commands on its pages: what a reader can do.
    pub actions: BTreeSet<Action>,
    /// Its page for what is not there, relative to the book; none where it wants none.
    pub not_found: Option<String>,
}

/// A guess that a command does not take.
pub(crate) struct NoGuess;

/// Why there is no book.
#[derive(Debug, thiserror::Error)]
pub enum GuideError {
    /// No folder from here up has a `book.toml`.
    #[error("no book.toml in {0} or above; run this inside the project")]
    NoBook(PathBuf),
    /// Pages or `book.toml` have mistakes.
    #[error(transparent)]
    Flaws(#[from] Flaws),
    /// mdBook can't build it.
    #[error("the book can't be built: {0}")]
    Build(String),
}

impl From<Flaw> for GuideError {
    fn from(flaw: Flaw) -> Self {
        Self::Flaws(Flaws(vec![flaw]))
    }
}

impl Guide {
    /// The guide whose `book.toml` is in `folder` or in one above it.
    pub fn find(folder: &Path) -> Result<Self, GuideError> {
        folder
            .ancestors()
            .find(|folder| folder.join("book.toml").is_file())
            .map_or_else(|| Err(GuideError::NoBook(folder.to_owned())), Self::at)
    }

    /// The guide of the project at `root`.
    pub fn at(root: &Path) -> Result<Self, GuideError> {
        let config = config(root)?;
        let options = Options::of(&config, root)?;
        let reports = Reports::at(root.join(&options.reports));
        let sources = sources(&config, &options)
            .map(|path| root.join(path))
            .collect();
        Ok(Self {
            root: root.to_owned(),
            options,
            reports,
            sources,
        })
    }

    /// The project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of its reports.
    pub fn reports(&self) -> &Path {
        self.reports.root()
    }

    /// The files and folders that its pages are made of, whether or not they are there.
    pub(crate) fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// The scenarios of the steps, in their order.
    pub fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.options.steps.iter().map(|step| &*step.scenario)
    }

    /// The steps, in their order.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.options.steps
    }

    /// Builds the book into `destination` for serving: what runs say is left out of the pages, and
    /// [`fill`](Self::fill) puts it in.
    pub fn build(&self, destination: &Path) -> Result<Declared, GuideError> {
        let lab = Lab::served();
        let config = for_browsers(config(&self.root)?)?;
        let html = build(&self.root, config, destination, lab.clone())?;
        let not_found = html.get_404_output_file();
        Ok(Declared {
            actions: lab.take_actions(),
            not_found: (!not_found.is_empty()).then_some(not_found),
        })
    }

    /// Builds the book into `destination` for a place whose address nobody knows, as some folder of a site: without
    /// the page for what is not there, which would have to name it. What runs say is left out of the pages, for
    /// [`fill_from`](Self::fill_from).
    pub(crate) fn build_movable(&self, destination: &Path) -> Result<(), GuideError> {
        let config = without_lost_page(for_browsers(config(&self.root)?)?)?;
        build(&self.root, config, destination, Lab::served()).map(drop)
    }

    /// Everything in which the pages and the project disagree.
    pub fn check(&self) -> Result<(), GuideError> {
        let built = tempfile::tempdir().map_err(|error| GuideError::Build(error.to_string()))?;
        let browsers = for_browsers(config(&self.root)?)?;
        build(&self.root, browsers, built.path(), Lab::new())?;
        let book = load(&self.root, config(&self.root)?)?;
        let mut flaws = check::check(&book, &self.options, built.path());
        flaws.sort();
        if flaws.is_empty() {
            Ok(())
        } else {
            Err(Flaws(flaws).into())
        }
    }

    /// What goes into `.lab-status` of a scenario, with links as the server has them.
    pub fn status_html(&self, scenario: &str) -> String {
        self.options
            .step(scenario)
            .map_or_else(String::new, |step| {
                let latest = Latest::of(&self.reports, scenario);
                let ways = Ways::served(&self.options);
                status::status(step, latest.as_ref(), &ways).into_string()
            })
    }

    /// What goes into `.lab-progress`, with links as the server has them.
    pub fn progress_html(&self) -> String {
        let ways = Ways::served(&self.options);
        status::progress(&self.options, &self.standings(), &ways).into_string()
    }

    /// The ways to all that is to be read of a run that has ended.
    pub fn links_html(&self, scenario: &str, run: &RunId) -> String {
        let ways = Ways::served(&self.options);
        status::links_of(&self.reports, scenario, run, &ways).into_string()
    }

    /// The guess that goes with a command: the number, where it runs a step that asks for one.
    pub(crate) fn guess(&self, action: &Action, guess: f64) -> Result<Number, NoGuess> {
        let steps = (1..).zip(&self.options.steps);
        let mut asking = steps.filter(|(_, step)| step.guess.is_some());
        let is_asked = asking
            .any(|(number, _)| matches!(action, Action::Make(target) if target.is_step(number)));
        let number = Number::new(guess, guess::LARGEST).filter(|_| is_asked);
        number.ok_or(NoGuess)
    }

    /// The slots of pages that say what there is now, each with what goes into it.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, String)> {
        let sources = self.sources_of_slots();
        let slots: Vec<Slot> = sources.slots().collect();
        // What can't be filled was told when the book was built.
        slots
            .into_iter()
            .filter_map(move |slot| sources.html(&slot).ok().map(|html| (slot, html)))
    }

    fn sources_of_slots(&self) -> Sources<'_> {
        self.sources_from((&self.root, &self.reports), Ways::served(&self.options))
    }

    fn sources_from<'a>(
        &'a self,
        (root, reports): (&Path, &'a Reports),
        ways: Ways,
    ) -> Sources<'a> {
        Sources {
            options: &self.options,
            reports,
            project: Project::at(root),
            ways,
        }
    }

    /// A report with links to the pages of the steps that it is about, and what is next as it is now.
    pub fn lead_back(&self, report: &str) -> String {
        home::lead_back(report, &self.options, || self.standings())
    }

    fn standings(&self) -> Vec<Standing> {
        status::standings(&self.options, &self.root, &self.reports)
    }

    /// The files that participants edit, relative to the project.
    pub(crate) fn edits(&self) -> impl Iterator<Item = &Path> {
        let steps = self.options.steps.iter();
        steps.flat_map(|step| step.edit.iter().map(PathBuf::as_path))
    }

    /// What the book and its steps are.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A built page with what there is now, so that it is true without JavaScript, too.
    pub fn fill(&self, page: &str) -> String {
        let ways = Ways::served(&self.options);
        let own = (&*self.root, &self.reports);
        self.fill_from(page, own, &ways, |scenario| self.status_html(scenario))
    }

    /// The same of the edit points below `root` and the runs in `reports`, with links as `ways` has them, and with a
    /// `status` of each scenario.
    pub(crate) fn fill_from(
        &self,
        page: &str,
        (root, reports): (&Path, &Reports),
        ways: &Ways,
        status: impl Fn(&str) -> String,
    ) -> String {
        let mut filled = page.to_owned();
        let mut fill = |slot: &str, html: &dyn Fn() -> String| {
            if filled.contains(slot) {
                filled = filled.replace(slot, &slot.replacen("><", &format!(">{}<", html()), 1));
            }
        };
        let options = &self.options;
        let standings = || status::standings(options, root, reports);
        fill(&page::slot_of_progress(), &|| {
            status::progress(options, &standings(), ways).into_string()
        });
        fill(page::SLOT_OF_NEXT, &|| {
            status::next(options, &standings(), ways).into_string()
        });
        for scenario in self.scenarios() {
            fill(&page::slot_of_status(scenario), &|| status(scenario));
        }
        let sources = self.sources_from((root, reports), ways.clone());
        for slot in sources.slots() {
            // What can't be filled was told when the book was built.
            let html = || sources.html(&slot).unwrap_or_default();
            fill(&slot.element(""), &html);
        }
        filled
    }
}

fn config(root: &Path) -> Result<Config, GuideError> {
    let text = fs::read_to_string(root.join("book.toml"))
        .map_err(|error| Flaw::of("book.toml", format!("can't be read: {error}")))?;
    let config: Config = text
        .parse()
        .map_err(|error| Flaw::of("book.toml", format!("{error:#}")))?;
    // mdBook would log the mistake, drop the whole table and go on.
    html(&config)?;
    Ok(config)
}

fn html(config: &Config) -> Result<HtmlConfig, Flaw> {
    config
        .get("output.html")
        .map(Option::unwrap_or_default)
        .map_err(|error| Flaw::of("book.toml", format!("[output.html]: {error:#}")))
}

/// The same book as a server at the root of its address has it, in a browser and in nothing else. `mdbook serve`
/// overrides the site's address, too: the page for what is not there finds its style by it.
fn for_browsers(mut config: Config) -> Result<Config, GuideError> {
    let failed = |error| GuideError::Build(format!("{error:#}"));
    let html: Option<toml::Table> = config.get("output.html").map_err(failed)?;
    let mut html = html.unwrap_or_default();
    html.insert("site-url".to_owned(), "/".into());
    html.remove("live-reload-endpoint");
    let outputs = toml::Table::from_iter([("html".to_owned(), html.into())]);
    config.set("output", outputs).map_err(failed)?;
    Ok(config)
}

/// What pages are made of and quote, relative to the project: what `mdbook serve` watches, and what is ours.
fn sources(config: &Config, options: &Options) -> impl Iterator<Item = PathBuf> {
    let html = html(config).unwrap_or_default();
    let edited = options.steps.iter().flat_map(|step| &step.edit);
    // With the starters beside them; at the root there is all else, too.
    let edited = edited.map(|file| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => file.clone(),
    });
    let named = ["book.toml", project::EXAMPLES].into_iter();
    [config.book.src.clone(), html.theme_dir(Path::new(""))]
        .into_iter()
        .chain(html.additional_css)
        .chain(html.additional_js)
        .chain(config.build.extra_watch_dirs.clone())
        .chain(options.scenarios.clone())
        .chain(edited)
        .chain(named.chain(project::MAKEFILES).map(PathBuf::from))
}

fn load(root: &Path, config: Config) -> Result<MDBook, GuideError> {
    MDBook::load_with_config(root, config).map_err(|error| GuideError::Build(format!("{error:#}")))
}

fn without_lost_page(mut config: Config) -> Result<Config, GuideError> {
    config
        .set("output.html.input-404", "")
        .map_err(|error| GuideError::Build(format!("{error:#}")))?;
    Ok(config)
}

fn build(
    root: &Path,
    mut config: Config,
    destination: &Path,
    lab: Lab,
) -> Result<HtmlConfig, GuideError> {
    let html = html(&config)?;
    destination.clone_into(&mut config.build.build_dir);
    let complaints = Complaints::default();
    let built = tracing::subscriber::with_default(complaints.subscriber(), || {
        let mut book = load(root, config)?;
        book.with_preprocessor(lab);
        book.build()
            .map_err(|error| match error.downcast::<Flaws>() {
                Ok(flaws) => GuideError::Flaws(flaws),
                Err(error) => GuideError::Build(format!("{error:#}")),
            })
    });
    built?;
    complaints.none().map_err(GuideError::Build)?;
    Ok(html)
}

/// What mdBook logs as an error. It goes on after some: a missing `{{#include}}` stays in the page.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<u8>>>);

impl Complaints {
    fn subscriber(&self) -> impl tracing::Subscriber + use<> {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::ERROR)
            .with_writer(self.clone())
            .with_ansi(false)
            .with_target(false)
            .with_level(false)
            .without_time()
            .finish()
    }

    fn none(&self) -> Result<(), String> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.is_empty() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&text).trim_end().to_owned())
        }
    }
}

impl Write for Complaints {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Complaints {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
