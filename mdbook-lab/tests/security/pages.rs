//! What a reader gets by the address of a page: no attack, and not counted as one.

use std::fs;

use crate::attack::Guide;

#[test]
fn what_is_not_there_gets_the_books_own_page_with_its_style() {
    let project = Guide::project();
    let book = |file: &str| project.path().join(file);
    let config = fs::read_to_string(book("book.toml")).unwrap();
    let elsewhere = "site-url = \"/some/where/\"\ninput-404 = \"lost.md\"\n";
    fs::write(book("book.toml"), config + elsewhere).unwrap();
    fs::write(book("book/lost.md"), "Nobody is here.\n").unwrap();
    // A folder that has the name of ours.
    fs::create_dir(book("book/reports")).unwrap();
    fs::write(book("book/reports/yearly.md"), "A good year.\n").unwrap();
    fs::write(
        book("book/SUMMARY.md"),
        "- [A step](step.md)\n- [A report](reports/yearly.md)\n",
    )
    .unwrap();

    let guide = Guide::serve(project, 0);
    let lost = guide.get("/no/such/page.html", &[]);
    assert_eq!(lost.status, 404);
    assert!(lost.body.contains("Nobody is here."), "{}", lost.body);
    assert!(lost.body.contains("<base href=\"/\">"), "{}", lost.body);
    let (_, style) = lost.body.split_once("href=\"css/general").unwrap();
    let (style, _) = style.split_once('"').unwrap();
    let style = guide.get(&format!("/css/general{style}"), &[]);
    assert_eq!(style.status, 200);

    let yearly = guide.get("/reports/yearly.html", &[]);
    assert_eq!(yearly.status, 200);
    assert!(yearly.body.contains("A good year."), "{}", yearly.body);
    assert_eq!(guide.get("/reports/none.html", &[]).status, 404);
}
