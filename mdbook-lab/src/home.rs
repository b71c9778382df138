//! Ways from a report to the guide, as long as the guide serves it: the links that a report by itself can't have, in the
//! places that `driver/report/src/pages/home.rs` marks.

use lab_record::Standing;
use maud::{Markup, html};

use crate::{
    options::Options,
    status::{self, Ways},
    step::Step,
};

/// What ends each place.
const END: &str = "</span>";

/// A report with links to the pages of the steps that it is about, and what is next as it is now, by where they stand.
pub(crate) fn lead_back(
    report: &str,
    options: &Options,
    standings: impl Fn() -> Vec<Standing>,
) -> String {
    let ways = Ways::served(options);
    let mut led = report.to_owned();
    for (number, step) in (1..).zip(&options.steps) {
        let place = format!(
            "<span class=\"guide\" data-lab-guide=\"{}\">",
            step.scenario
        );
        led = fill(&led, &place, || way_back(number, step, &ways).into_string());
    }
    let next = || status::next_words(options, &standings(), &ways).into_string();
    led = fill(&led, "<span class=\"next\" data-lab-next=\"\">", next);
    // It is open.
    fill(&led, "<span data-lab-how=\"\">", String::new)
}

/// The link to the page of a step.
fn way_back(number: usize, step: &Step, ways: &Ways) -> Markup {
    html! { a.guide href={ (ways.pages) (step.page()) } { "Step " (number) ": " (step.title) } }
}

/// Puts `content` into each place that begins so, instead of what is there.
fn fill(html: &str, place: &str, content: impl Fn() -> String) -> String {
    let mut parts = html.split(place);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    let mut known = None;
    for part in parts {
        let rest = part.split_once(END).map_or("", |(_, rest)| rest);
        filled.push_str(place);
        filled.push_str(known.get_or_insert_with(&content));
        filled.push_str(END);
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_filled_and_all_else_stays() {
        let html = "<p><b x>old</span> and <b x></span></p><b y>stays</span>";
        assert_eq!(
            fill(html, "<b x>", || "new".to_owned()),
            "<p><b x>new</span> and <b x>new</span></p><b y>stays</span>"
        );
        assert_eq!(
            fill("nothing", "<b x>", || panic!("not asked for")),
            "nothing"
        );
    }
}
