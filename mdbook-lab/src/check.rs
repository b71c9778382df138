//! Holds the pages against the project, one to one: targets, steps, edit points and links.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use lab_record::Part;
use mdbook_driver::{
    MDBook,
    book::{BookItem, Chapter},
};
use mdbook_markdown::{
    MarkdownOptions, new_cmark_parser,
    pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd},
};

use percent_encoding::percent_decode_str;

use crate::{
    action::Target,
    flaw::Flaw,
    html,
    marks::{self, Ask},
    options::Options,
    pace,
    project::{Makefile, Project},
    prompt::{self, paths},
    slot::Slot,
    step::{Step, page, starter},
};

/// Every mistake of a book that builds; `built` is where it was built to.
pub(crate) fn check(book: &MDBook, options: &Options, built: &Path) -> Vec<Flaw> {
    let project = Project::at(&book.root);
    let chapters: Vec<&Chapter> = book
        .iter()
        .filter_map(|item| match item {
            BookItem::Chapter(chapter) if !chapter.is_draft_chapter() => Some(chapter),
            _ => None,
        })
        .collect();
    let check = Check {
        src: &book.config.book.src,
        options,
        project,
        chapters,
        built,
    };
    let mut flaws = Vec::new();
    if !options.steps.is_empty() {
        flaws.extend(check.steps());
    }
    if let Some(folder) = &options.scenarios {
        flaws.extend(check.told(folder));
        flaws.extend(check.hour());
    }
    for chapter in &check.chapters {
        flaws.extend(check.page(chapter));
    }
    flaws
}

struct Check<'a> {
    src: &'a Path,
    options: &'a Options,
    project: Project,
    chapters: Vec<&'a Chapter>,
    built: &'a Path,
}

impl Check<'_> {
    /// Steps, chapters and `make stepN` belong together, each exactly once.
    fn steps(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let numbered: Vec<_> = self
            .chapters
            .iter()
            .filter(|chapter| chapter.number.is_some())
            .map(|chapter| (chapter.name.as_str(), chapter.path.as_deref()))
            .collect();
        let steps: Vec<_> = self
            .options
            .steps
            .iter()
            .map(|step| (step.title.as_str(), Some(step.chapter.as_path())))
            .collect();
        if numbered != steps {
            flaws.push(Flaw::of(
                self.src.join("SUMMARY.md"),
                format!(
                    "its numbered chapters must be the steps of {}, with their titles: \
                     {numbered:?} against {steps:?}",
                    self.options.place()
                ),
            ));
        }
        match self.project.makefile() {
            Ok(makefile) => flaws.extend(self.targets(makefile)),
            Err(why) => flaws.push(Flaw::of("Makefile", format!("it has the steps: {why}"))),
        }
        for (number, step) in (1..).zip(&self.options.steps) {
            flaws.extend(self.step(number, step));
        }
        flaws
    }

    /// The targets `stepN` are the steps.
    fn targets(&self, makefile: &Makefile) -> Vec<Flaw> {
        let place = self.options.place();
        let made = makefile
            .targets
            .keys()
            .filter(|target| numbered(target, "step").is_some());
        let told: BTreeSet<Target> = (1..=self.options.steps.len())
            .filter_map(|number| target_of(number).parse().ok())
            .collect();
        let more = made
            .filter(|target| !told.contains(target))
            .map(|target| format!("`make {}` has no step in {place}", target.as_str()));
        let missing = told
            .iter()
            .filter(|target| !makefile.may_have(target))
            .map(|target| {
                let target = target.as_str();
                format!("there is no `{target}`, which {place} has a step for")
            });
        more.chain(missing)
            .map(|text| Flaw::of("Makefile", text))
            .collect()
    }

    fn step(&self, number: usize, step: &Step) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let target = target_of(number);
        let recipe = target
            .parse()
            .ok()
            .and_then(|target: Target| self.project.makefile().ok()?.recipe(&target));
        let scenario = &step.scenario;
        let names_it = |word: &str| word == scenario || word.parse() == Ok(number);
        if recipe.is_some_and(|recipe| !recipe.split_whitespace().any(names_it)) {
            let place = self.options.place();
            let text = format!("`{target}` does not run `{scenario}`, as {place} says");
            flaws.push(Flaw::of("Makefile", text));
        }
        for edit in &step.edit {
            let todo = format!("LAB: STEP{number} TODO");
            let starter = starter(edit);
            if self.project.text(edit).is_empty() {
                flaws.push(Flaw::of(
                    edit,
                    format!("step {number} edits it, and it is not there"),
                ));
            }
            if !self.project.text(&starter).contains(&todo) {
                flaws.push(Flaw::of(&starter, format!("`{todo}` is not in it")));
            }
        }
        let chapter = self
            .chapters
            .iter()
            .find(|chapter| chapter.path.as_deref() == Some(&step.chapter));
        if let Some(chapter) = chapter {
            flaws.extend(self.chapter_of_step(chapter, &target, step));
        }
        flaws
    }

    /// A step's chapter runs its step, shows its status and names what is edited.
    fn chapter_of_step(&self, chapter: &Chapter, target: &str, step: &Step) -> Vec<Flaw> {
        let file = self.file(chapter);
        let asks: Vec<_> = marks::find(&chapter.content)
            .0
            .into_iter()
            .map(|mark| mark.ask)
            .collect();
        let runs = |ask: &Ask| matches!(ask, Ask::Command(run) if run.as_str() == target);
        let mut flaws = Vec::new();
        if !asks.iter().any(runs) {
            flaws.push(Flaw::of(
                &file,
                format!("no `lab-run` block has `make {target}`"),
            ));
        }
        if !asks.contains(&Ask::Status(step.scenario.clone())) {
            let directive = format!("{{{{#lab status {}}}}}", step.scenario);
            flaws.push(Flaw::of(&file, format!("`{directive}` is not in it")));
        }
        let guess = Ask::Slot(Slot::Guess(step.scenario.clone()));
        if step.guess.is_some() && !asks.contains(&guess) {
            let directive = format!("{{{{#lab guess {}}}}}", step.scenario);
            flaws.push(Flaw::of(
                &file,
                format!("its scenario asks for a guess, and `{directive}` is not in it"),
            ));
        }
        for edit in &step.edit {
            if !chapter.content.contains(&*edit.to_string_lossy()) {
                let text = format!("it does not name the edit point {}", edit.display());
                flaws.push(Flaw::of(&file, text));
            }
        }
        flaws
    }

    /// The pages of the hour say how long they take, and take no longer.
    fn hour(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut all = 0;
        for chapter in &self.chapters {
            let mut steps = self.options.steps.iter();
            let step = steps.find(|step| chapter.path.as_deref() == Some(&*step.chapter));
            if step.is_some_and(|step| step.part == Part::Afterwards) {
                continue;
            }
            let file = self.file(chapter);
            match pace::stated(&chapter.content) {
                Some(minutes) => {
                    all += minutes;
                    let load = step.and_then(|step| step.load);
                    let flaw = pace::too_long(&chapter.content, minutes, load);
                    flaws.extend(flaw.map(|text| Flaw::of(&file, text)));
                }
                None if step.is_some() => flaws.push(Flaw::of(
                    &file,
                    "it is a step of the hour and does not say how long it takes, in a line of its own: `*12 minutes.*`"
                        .to_owned(),
                )),
                None => {}
            }
        }
        if all > pace::HOUR {
            let text = format!("the pages of the hour say {all} minutes together");
            flaws.push(Flaw::of(self.src.join("SUMMARY.md"), text));
        }
        flaws
    }

    /// Of what the scenarios in `folder` declare the pages leave nothing out: each cheat is told of, and each step has a
    /// prompt, which names what is there.
    fn told(&self, folder: &Path) -> Vec<Flaw> {
        let (codes, prompts) = (self.codes(), self.prompts());
        let mut flaws = Vec::new();
        for Prompt { file, line, text } in &prompts {
            let unsaid = unsaid(text, self.options).into_iter();
            flaws.extend(unsaid.map(|text| Flaw::at(file, *line, text)));
            let missing = paths(text).filter(|path| self.project.text(path).is_empty());
            flaws.extend(missing.map(|path| {
                let text = format!("the prompt names {}, which is not there", path.display());
                Flaw::at(file, *line, text)
            }));
        }
        for step in &self.options.steps {
            let file = folder.join(&step.scenario).with_extension("toml");
            let untold = step.cheats.iter().filter(|name| !codes.contains(*name));
            flaws.extend(
                untold.map(|name| Flaw::of(&file, format!("no page tells of its cheat `{name}`"))),
            );
            flaws.extend(self.picture(&file, step));
            let is_for_it = |prompt: &Prompt| {
                let of = prompt::step_of(&prompt.text, self.options);
                of.is_some_and(|(_, of)| of.scenario == step.scenario)
            };
            if !prompts.iter().any(is_for_it) {
                let text = "no `lab-prompt` block is for it: one with the scenario's name and its edit points";
                flaws.push(Flaw::of(&file, text));
            }
        }
        flaws
    }

    /// A step of the hour has a picture of its system, and the chapter of each that has one shows it.
    fn picture(&self, file: &Path, step: &Step) -> Option<Flaw> {
        let chapter = self.chapters.iter();
        let mut chapter = chapter.filter(|chapter| chapter.path.as_deref() == Some(&step.chapter));
        if step.system.is_none() {
            let text = "it has no `[lesson.system]`, of which the picture at the head of its chapter is made";
            return (step.part == Part::Hour).then(|| Flaw::of(file, text));
        }
        let chapter = chapter.next()?;
        let ask = Ask::System(step.scenario.clone());
        let shows = marks::find(&chapter.content)
            .0
            .iter()
            .any(|mark| mark.ask == ask);
        let text = format!("`{{{{#lab system {}}}}}` is not in it", step.scenario);
        (!shows).then(|| Flaw::of(self.file(chapter), text))
    }

    /// What pages show as code within a line.
    fn codes(&self) -> BTreeSet<String> {
        let events = self
            .chapters
            .iter()
            .flat_map(|chapter| new_cmark_parser(&chapter.content, &MarkdownOptions::default()));
        let codes = events.filter_map(|event| match event {
            Event::Code(code) => Some(code.into_string()),
            _ => None,
        });
        codes.collect()
    }

    /// The prompts of all pages.
    fn prompts(&self) -> Vec<Prompt> {
        let of = |chapter: &&Chapter| {
            let prompts = marks::find(&chapter.content).0.into_iter();
            let prompts = prompts.filter_map(|mark| match mark.ask {
                Ask::Prompt(text) => Some(Prompt {
                    file: self.file(chapter),
                    line: line_of(&chapter.content, mark.range.start),
                    text,
                }),
                _ => None,
            });
            prompts.collect::<Vec<_>>()
        };
        self.chapters.iter().flat_map(of).collect()
    }

    /// What a page names must be there.
    fn page(&self, chapter: &Chapter) -> Vec<Flaw> {
        let file = self.file(chapter);
        let text = &chapter.content;
        let mut flaws = Vec::new();
        let mut say = |at: usize, flaw: String| {
            flaws.push(Flaw::at(&file, line_of(text, at), flaw));
        };
        let made = made(text);
        let mut in_shell = false;
        let mut open_details = Vec::new();
        for (event, range) in new_cmark_parser(text, &MarkdownOptions::default()).into_offset_iter()
        {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    in_shell = info.split(',').next() == Some("sh");
                }
                Event::End(TagEnd::CodeBlock) => in_shell = false,
                Event::Text(code) if in_shell => {
                    let commands = code.lines().filter_map(|line| self.make(line, &made));
                    commands.for_each(|flaw| say(range.start, flaw));
                }
                Event::Code(code) => {
                    if let Some(flaw) = self.make(&code, &made) {
                        say(range.start, flaw);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    if let Some(flaw) = self.link(chapter, &dest_url) {
                        say(range.start, flaw);
                    }
                }
                // The lines of a block come as events of their own, and a comment may span some.
                Event::Start(Tag::HtmlBlock) | Event::InlineHtml(_) => {
                    for (at, flaw) in tags(&text[range.clone()], range.start, &mut open_details) {
                        say(at, flaw);
                    }
                }
                _ => {}
            }
        }
        for at in open_details {
            say(at, "<details> is not closed".to_owned());
        }
        for (at, flaw) in self.edit_points(text, &made) {
            say(at, flaw);
        }
        flaws
    }

    /// What is wrong with a command, where it is one of make's.
    fn make(&self, command: &str, made: &BTreeSet<usize>) -> Option<String> {
        let words = command.trim().strip_prefix("make ")?;
        // Without a Makefile it is the command of some other project.
        let makefile = self.project.makefile().ok()?;
        let targets = words
            .split('#')
            .next()?
            .split_whitespace()
            .filter(|word| !word.contains('=') && !word.starts_with('-'))
            .filter_map(|word| word.parse::<Target>().ok());
        targets.into_iter().find_map(|target| {
            let name = target.as_str();
            if !makefile.may_have(&target) {
                return Some(format!("the Makefile has no target `{name}`"));
            }
            // Of a rule for all numbers those are meant that a step has.
            let number = numbered(&target, "step").or_else(|| numbered(&target, "solve"))?;
            let steps = self.options.steps.len();
            let is_known = (1..=steps).contains(&number) || made.contains(&number);
            (steps > 0 && !is_known).then(|| {
                format!(
                    "`{name}` is for no step: {} has {steps}",
                    self.options.place()
                )
            })
        })
    }

    /// What is wrong with a link, where it is one inside the book.
    fn link(&self, chapter: &Chapter, link: &str) -> Option<String> {
        if is_elsewhere(link) {
            return None;
        }
        let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
        let plain = |part| percent_decode_str(part).decode_utf8_lossy();
        let (path, fragment) = (plain(path), plain(fragment));
        let here = chapter.path.as_deref().unwrap_or(Path::new(""));
        let target = if path.is_empty() {
            here.to_owned()
        } else {
            flat(&here.parent().unwrap_or(Path::new("")).join(&*path))
        };
        let page = if target.extension().is_some_and(|end| end == "md") {
            page(&target)
        } else {
            target
        };
        let Ok(html) = fs::read(self.built.join(&page)) else {
            return Some(format!("the book has no `{}`", page.display()));
        };
        let id = format!("id=\"{fragment}\"");
        let found = fragment.is_empty() || String::from_utf8_lossy(&html).contains(&id);
        (!found).then(|| format!("`{}` has no heading `#{fragment}`", page.display()))
    }

    /// Edit points that a page names and no starter has.
    fn edit_points(&self, text: &str, made: &BTreeSet<usize>) -> Vec<(usize, String)> {
        const MARK: &str = "LAB: STEP";
        let known: Vec<String> = self
            .options
            .steps
            .iter()
            .flat_map(|step| &step.edit)
            .map(|edit| self.project.text(&starter(edit)))
            .collect();
        text.match_indices(MARK)
            .filter_map(|(at, _)| {
                let digits = text[at + MARK.len()..]
                    .bytes()
                    .take_while(u8::is_ascii_digit)
                    .count();
                let name = &text[at..at + MARK.len() + digits];
                let todo = format!("{name} TODO");
                let is_made = name[MARK.len()..]
                    .parse()
                    .is_ok_and(|step| made.contains(&step));
                (!is_made && !known.iter().any(|text| text.contains(&todo)))
                    .then(|| (at, format!("`{todo}` is in no starter")))
            })
            .collect()
    }

    fn file(&self, chapter: &Chapter) -> PathBuf {
        let path = chapter.source_path.as_deref().or(chapter.path.as_deref());
        self.src.join(path.unwrap_or(Path::new(&chapter.name)))
    }
}

/// Whether a link leads out of the book: with a scheme, as `https:` is, or to another host.
pub(crate) fn is_elsewhere(link: &str) -> bool {
    let is_scheme = |scheme: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(plain)
    };
    link.starts_with("//")
        || link
            .split_once(':')
            .is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// What is wrong in HTML that begins at `start` of a page; `open` are the `<details>` that are not closed yet.
fn tags(html: &str, start: usize, open: &mut Vec<usize>) -> Vec<(usize, String)> {
    let html = html::without_comments(html);
    let mut flaws = Vec::new();
    for (at, _) in html.match_indices('<') {
        let tag = &html[at..];
        let end = tag.find('>').unwrap_or(tag.len());
        let at = start + at;
        if tag[..end].contains("href=") || tag[..end].contains("src=") {
            flaws.push((
                at,
                "write links in Markdown, where they are checked".to_owned(),
            ));
        }
        if tag.starts_with("<details") {
            open.push(at);
        }
        if tag.starts_with("</details") && open.pop().is_none() {
            flaws.push((at, "</details> closes nothing".to_owned()));
        }
    }
    flaws
}

/// A prompt, and where it is.
struct Prompt {
    file: PathBuf,
    line: usize,
    text: String,
}

/// The number of the line in which a place of a page is.
fn line_of(page: &str, at: usize) -> usize {
    page[..at].matches('\n').count() + 1
}

/// The number in the name of a target like `step1`.
fn numbered(target: &Target, word: &str) -> Option<usize> {
    target.as_str().strip_prefix(word)?.parse().ok()
}

/// The steps whose scenarios a page shows, `step = 5`: who follows the page has them.
fn made(page: &str) -> BTreeSet<usize> {
    let numbers = page.lines().filter_map(|line| line.strip_prefix("step = "));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// What an agent must know and a prompt, with what its scenario adds, does not say: which file, which symptom, which rule,
/// and what it must not do.
fn unsaid(prompt: &str, options: &Options) -> Vec<String> {
    let step = prompt::step_of(prompt, options).map(|(_, step)| step);
    let whole = prompt::whole(prompt, step);
    // However its lines break.
    let words = whole.split_whitespace().collect::<Vec<_>>().join(" ");
    let says = |what: &str| words.contains(what);
    let wanted = [
        (
            paths(&whole).next().is_some() || says("data.json"),
            "a file: its path, or data.json",
        ),
        (says(prompt::SYMPTOM), "the symptom: `The symptom: …`"),
        (
            says(prompt::RULE),
            "the rule of the check: `The rule: …`, or for a step the `headline` of its scenario",
        ),
        (says("Do not "), "what not to do: `Do not …`"),
        (
            step.is_none() || says("solved") && (says("nothing outside") || says("nothing else")),
            "that folders named solved are closed, and that nothing outside the edit points is changed, or nothing else",
        ),
    ];
    let unsaid = wanted.into_iter().filter(|(is_said, _)| !is_said);
    unsaid
        .map(|(_, what)| format!("the prompt does not say {what}"))
        .collect()
}

fn target_of(number: usize) -> String {
    format!("step{number}")
}

/// A relative path without its steps up.
fn flat(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                flat.pop();
            }
            Component::CurDir => {}
            part => flat.push(part),
        }
    }
    flat
}
