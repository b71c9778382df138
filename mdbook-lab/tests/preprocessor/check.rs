//! `mdbook-lab check`: each way in which guide and project can part.

use std::fs;

use crate::project::{self, Project};

fn flaws(project: &Project) -> String {
    let err = project.run(&["check"], "").refused();
    err.trim().to_owned()
}

#[test]
fn a_sound_guide_passes() {
    let said = Project::new().run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, "The guide and the project agree.\n");
}

#[test]
fn a_target_that_is_not_in_the_makefile_is_found_wherever_a_page_names_it() {
    let project = Project::new()
        .append("book/index.md", "\nTry `make tea`.\n")
        .append(
            "book/step2.md",
            "\n```sh\nmake step1 coffee   # both\n```\n",
        );
    assert_eq!(
        flaws(&project),
        "book/index.md:21: the Makefile has no target `tea`\n\
         book/step2.md:22: the Makefile has no target `coffee`"
    );
}

#[test]
fn steps_and_chapters_belong_together() {
    let left_out =
        Project::new().change("book/SUMMARY.md", "- [Transaction scope](step2.md)\n", "");
    let flaw = flaws(&left_out);
    assert!(
        flaw.starts_with("book/SUMMARY.md: its numbered chapters"),
        "{flaw}"
    );

    let one_more = Project::new().append("book/SUMMARY.md", "\n---\n\n- [More](more/sources.md)\n");
    let one_more = one_more.change("book/SUMMARY.md", "[Sources](more/sources.md)\n", "");
    let flaw = flaws(&one_more);
    assert!(
        flaw.starts_with("book/SUMMARY.md: its numbered chapters"),
        "{flaw}"
    );

    let no_target = Project::new().change("Makefile", "step2: ## the second step\n", "step9:\n");
    let flaw = flaws(&no_target.change("book/step2.md", "make step2", "make step9"));
    assert!(flaw.contains("Makefile: there is no `step2`"), "{flaw}");
    assert!(
        flaw.contains("Makefile: `make step9` has no step in book.toml"),
        "{flaw}"
    );
}

#[test]
fn a_step_does_what_its_chapter_says() {
    let other_run = Project::new().change("Makefile", "@driver run tx", "@driver run timeouts");
    assert_eq!(
        flaws(&other_run),
        "Makefile: `step2` does not run `tx`, as book.toml says"
    );
    let silent = Project::new()
        .change("book/step2.md", "{{#lab status tx}}", "")
        .change("book/step2.md", "sh,lab-run", "sh")
        .change("book/step2.md", "lab-services/src/cases/tx.rs", "it");
    let flaw = flaws(&silent.change("book/step2.md", "lab-services/src/cases/tx.rs", "it"));
    assert_eq!(
        flaw,
        "book/step2.md: `{{#lab status tx}}` is not in it\n\
         book/step2.md: it does not name the edit point lab-services/src/cases/tx.rs\n\
         book/step2.md: no `lab-run` block has `make step2`"
    );
}

#[test]
fn edit_points_are_in_the_sources() {
    let starter = "lab-services/src/cases/starter/tx.rs";
    let unmarked = Project::new().change(starter, "// LAB: STEP2 TODO\n", "");
    assert_eq!(
        flaws(&unmarked),
        "book/step2.md:3: `LAB: STEP2 TODO` is in no starter\n\
         lab-services/src/cases/starter/tx.rs: `LAB: STEP2 TODO` is not in it"
    );
    let gone = Project::new().remove("lab-services/src/cases/tx.rs");
    assert_eq!(
        flaws(&gone),
        "lab-services/src/cases/tx.rs: step 2 edits it, and it is not there"
    );
}

#[test]
fn links_lead_somewhere() {
    let project = Project::new()
        .append(
            "book/index.md",
            "\n[a](step3.md) [b](step1.md#nowhere) [c](#welcome)\n",
        )
        .append(
            "book/more/sources.md",
            "\n[d](../step1.md#run-it) [e](step1.md)\n",
        )
        .append("book/step1.md", "\n<a href=\"step2.html\">f</a>\n");
    insta::assert_snapshot!(flaws(&project));
}

#[test]
fn a_file_may_be_called_as_no_url_is() {
    let project = Project::new()
        .append("book/SUMMARY.md", "\n[C#](<more/c#.md>)\n")
        .append("book/index.md", "\n[g](more/c%23.md) [h](more/c%23.md#c)\n");
    fs::write(project.root().join("book/more/c#.md"), "# C\n").expect("a page");
    let said = project.run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn what_is_opened_is_closed() {
    let unclosed = Project::new().change("book/step1.md", "</details>\n", "");
    assert_eq!(
        flaws(&unclosed),
        "book/step1.md:16: <details> is not closed"
    );
    let directive = Project::new().append("book/index.md", "\n{{#lab progress\n");
    let flaw = flaws(&directive);
    assert!(flaw.starts_with("book/index.md:21: "), "{flaw}");
    assert!(flaw.contains("not closed"), "{flaw}");
}

#[test]
fn what_is_commented_out_names_nothing() {
    let comment = "\n<!--\n<details>\n\n{{#lab nonsense}} <a href=\"none.html\">f</a>\n-->\n";
    let said = Project::new().append("book/index.md", comment);
    let said = said.run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

#[test]
fn outside_a_project_it_says_where_to_be() {
    let project = Project::new().remove("book.toml");
    let flaw = flaws(&project);
    assert!(flaw.starts_with("no book.toml in "), "{flaw}");
    assert!(flaw.ends_with("run this inside the project"), "{flaw}");
}

/// A project whose scenarios say what the steps are, with a rule of make for all of them.
fn declared() -> Project {
    let scenario = |name: &str, number: u8, title: &str, part: &str| {
        format!(
            "name = '{name}'\nstep = {number}\nheadline = 'theirs'\nedit = ['lab-services/src/cases/{name}.rs']\n\
             cheats = ['{name}-trick']\n[lesson]\ntitle = '{title}'\nchapter = 'step{number}.md'\npart = '{part}'\n\
             wrong = 'all of it'\nbound = 'it'\n[[checks]]\nid = 'theirs'\ntitle = 'Theirs'\nkind = 'effect'\n\
             limit = {{ at_most = '1s' }}\n[lesson.system]\narrows = []\n\
             nodes = [{{ id = 'api', label = 'api', edit = '{name}.rs' }}]\n"
        )
    };
    let project = Project::new();
    let put = |file: &str, text: &str| {
        let path = project.root().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect(file);
        fs::write(path, text).expect(file);
    };
    put(
        "scenarios/timeouts.toml",
        &scenario("timeouts", 1, "Timeouts", "hour"),
    );
    put(
        "scenarios/tx.toml",
        &scenario("tx", 2, "Transaction scope", "afterwards"),
    );
    put("scenarios/own.toml", "name = 'own'\n");
    put(
        "Makefile",
        "step%: always\n\t@driver run $* $(how)\nreset:\n\t@git checkout lab-services\n",
    );
    let book = fs::read_to_string(project.root().join("book.toml")).expect("book.toml");
    let (before, steps) = book
        .split_once("[[preprocessor.lab.steps]]")
        .expect("steps");
    let after = steps.find("[output.html]").map_or("", |at| &steps[at..]);
    put(
        "book.toml",
        &format!("{before}scenarios = 'scenarios'\n\n{after}"),
    );
    project
        .change("book/step1.md", "You edit", "*12 minutes.* You edit")
        .append(
            "book/more/sources.md",
            "\n`timeouts-trick` and `tx-trick`\n\n{{#lab steps}}\n\n{{#lab variants}}\n",
        )
        .append(
            "book/step1.md",
            "\n{{#lab system timeouts}}\n\n```text,lab-prompt\nScenario `timeouts`: lab-services/src/cases/timeouts.rs. Do not open solved; change\nnothing outside.\n```\n",
        )
        .change(
            "book/step2.md",
            "What waits for what?",
            "What waits for what? The symptom: it waits. The rule: it ends. Do not run it.",
        )
        .append(
            "book/step2.md",
            "\n{{#lab system tx}}\n\n```text,lab-prompt\nScenario `tx`: (lab-services/src/cases/tx.rs) Do not open solved; change nothing outside.\n```\n",
        )
}

#[test]
fn scenarios_say_what_the_steps_are() {
    let said = declared().run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let pages = project::pages(&declared().preprocess("html"));
    for row in [
        "| [1](<../step1.md>) | `timeouts` | all of it | it | `lab-services/src/cases/timeouts.rs` |",
        "| [1](<../step1.md>) | `timeouts-trick` |",
        "| [2](<../step2.md>), after the event | `tx` | all of it | it | `lab-services/src/cases/tx.rs` |",
    ] {
        assert!(pages.contains(row), "{pages}");
    }
    assert!(
        pages.contains("<strong>0 of 1 steps done</strong>, and 1 of 1 after the event"),
        "{pages}"
    );
}

#[test]
fn what_contradicts_a_scenario_is_found() {
    let scenario = "scenarios/tx.toml";
    let renamed = declared().change(scenario, "Transaction scope", "Transactions");
    assert!(
        flaws(&renamed)
            .starts_with("book/SUMMARY.md: its numbered chapters must be the steps of scenarios,"),
        "{}",
        flaws(&renamed)
    );
    for (file, from, to, flaw) in [
        (
            scenario,
            "step = 2",
            "step = 3",
            "scenarios/tx.toml: `step = 3`, and there is no other step 2, or two of one number",
        ),
        (
            scenario,
            "tx-trick'",
            "tx-trick', 'more'",
            "scenarios/tx.toml: no page tells of its cheat `more`",
        ),
        (
            "book/step2.md",
            "{{#lab system tx}}",
            "",
            "book/step2.md: `{{#lab system tx}}` is not in it",
        ),
        (
            "scenarios/tx.toml",
            "edit = 'tx.rs'",
            "edit = 'ty.rs'",
            "scenarios/tx.toml: [lesson.system]: `api`: `ty.rs` is the name of no file in `edit`",
        ),
        (
            "Makefile",
            "run $*",
            "run 1",
            "Makefile: `step2` does not run `tx`, as scenarios says",
        ),
        (
            "book/step2.md",
            "(lab-services/src/cases/tx.rs)",
            "lab-services/src/cases/ty.rs",
            "book/step2.md:23: the prompt does not say the rule of the check: `The rule: …`, or for a step the `headline` of its scenario\n\
             book/step2.md:23: the prompt does not say the symptom: `The symptom: …`\n\
             book/step2.md:23: the prompt names lab-services/src/cases/ty.rs, which is not there\n\
             scenarios/tx.toml: no `lab-prompt` block is for it: one with the scenario's name and its edit points",
        ),
        (
            "book/index.md",
            "`make reset`",
            "`make step3`",
            "book/index.md:5: `step3` is for no step: scenarios has 2",
        ),
    ] {
        assert_eq!(flaws(&declared().change(file, from, to)), flaw);
    }
}

#[test]
fn a_prompt_says_what_an_agent_must_know() {
    let said = |from: &str, to: &str| flaws(&declared().change("book/step2.md", from, to));
    for (from, to, flaw) in [
        (
            "Do not open solved; change",
            "change",
            "what not to do: `Do not …`\n",
        ),
        (
            "open solved",
            "open it",
            "that folders named solved are closed, ",
        ),
        (
            "change nothing outside",
            "and so on",
            "that folders named solved are closed, ",
        ),
        (
            "Scenario `tx`: (lab-services/src/cases/tx.rs) Do",
            "The symptom: none. The rule: none. Do",
            "a file: its path, or data.json",
        ),
    ] {
        let said = said(from, to);
        let flaw = format!("book/step2.md:23: the prompt does not say {flaw}");
        assert!((said.clone() + "\n").contains(&flaw), "{said}");
    }
    let other = declared().change(
        "scenarios/tx.toml",
        "headline = 'theirs'",
        "headline = 'none'",
    );
    assert!(
        flaws(&other).contains("book/step2.md:23: the prompt does not say the rule of the check")
    );
}

#[test]
fn a_prompt_of_a_step_has_what_its_scenario_and_the_latest_run_say() {
    let pages = project::pages(&declared().preprocess("html"));
    for text in [
        "The symptom: all of it.\nThe rule: &quot;Theirs&quot; has to be ≤\u{a0}1\u{a0}s, ",
        "<span class=\"lab-failing\" data-lab-slot=\"failing tx\">In my latest run, 20261124T042658Z-edbf, every check holds.</span>",
        "There is no run of mine yet: `make step1` makes one.",
    ] {
        assert!(pages.contains(text), "{text}: {pages}");
    }
    let plain = project::pages(&declared().preprocess("markdown"));
    assert!(
        plain.contains("\nIn my latest run, 20261124T042658Z-edbf, every check holds.\n```"),
        "{plain}"
    );
}

#[test]
fn a_step_of_the_hour_has_a_picture_and_others_may() {
    let without = |name: &str, number: u8| {
        let system = "[lesson.system]\narrows = []\n".to_owned()
            + &format!("nodes = [{{ id = 'api', label = 'api', edit = '{name}.rs' }}]\n");
        declared()
            .change(&format!("scenarios/{name}.toml"), &system, "")
            .change(
                &format!("book/step{number}.md"),
                &format!("{{{{#lab system {name}}}}}"),
                "",
            )
    };
    let said = without("tx", 2).run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(
        flaws(&without("timeouts", 1)),
        "scenarios/timeouts.toml: it has no `[lesson.system]`, of which the picture at the head of its chapter is made"
    );
}

#[test]
fn a_page_may_make_the_step_that_it_names() {
    let shows = "\n```toml\nname = 'own'\nstep = 3\n```\n\nLook for `LAB: STEP3 TODO`, then `make step3`.\n";
    let said = declared()
        .append("book/index.md", shows)
        .run(&["check"], "");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let other = declared().append("book/index.md", &shows.replace("make step3", "make step4"));
    assert!(
        flaws(&other).ends_with("`step4` is for no step: scenarios has 2"),
        "{}",
        flaws(&other)
    );
}
