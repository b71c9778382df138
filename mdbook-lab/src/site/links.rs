//! Links of a site that lead nowhere: to a file or an anchor that is not there, or out of the site's folder.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
};

use html5ever::{
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
        states::RawKind,
    },
};
use percent_encoding::percent_decode_str;

use super::{flaw, pages};
use crate::{check::is_elsewhere, flaw::Flaw};

/// Those in the pages below `site`. What a page's script would make is not seen.
pub(super) fn dead(site: &Path) -> io::Result<Vec<Flaw>> {
    let mut read = BTreeMap::new();
    for path in pages(site)? {
        let page = Page::of(&fs::read_to_string(&path)?);
        read.insert(path, page);
    }
    let mut flaws = Vec::new();
    for (path, page) in &read {
        for (line, link) in &page.links {
            if let Some(text) = wrong(site, path, link, &read) {
                flaws.push(flaw(site, path, Some(*line), text));
            }
        }
    }
    Ok(flaws)
}

/// What is wrong with a link of the page at `from`.
fn wrong(site: &Path, from: &Path, link: &str, pages: &BTreeMap<PathBuf, Page>) -> Option<String> {
    if link.starts_with("file:") {
        return Some(format!("`{link}` is a file of this machine"));
    }
    if is_elsewhere(link) {
        return None;
    }
    if link.starts_with('/') {
        return Some(format!(
            "`{link}` leads to the root of the host, where the site may not be"
        ));
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or_default();
    let plain = |part| percent_decode_str(part).decode_utf8_lossy();
    let mut target = if path.is_empty() {
        from.to_owned()
    } else {
        let Some(target) = inside(site, from.parent()?, &plain(path)) else {
            return Some(format!("`{link}` leads out of the site"));
        };
        target
    };
    if target.is_dir() {
        target.push("index.html");
    }
    if !target.is_file() {
        return Some(format!("`{link}`: there is no such file"));
    }
    let anchor = plain(anchor);
    let is_there = anchor.is_empty()
        || pages
            .get(&target)
            .is_some_and(|page| page.anchors.contains(&*anchor));
    (!is_there).then(|| format!("`{link}`: that page has no `#{anchor}`"))
}

/// Where a relative path leads to from a folder of the site; none where it leaves it.
fn inside(site: &Path, folder: &Path, path: &str) -> Option<PathBuf> {
    let mut target = folder.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir if target == site => return None,
            Component::ParentDir => {
                target.pop();
            }
            Component::CurDir => {}
            part => target.push(part),
        }
    }
    Some(target)
}

/// What of a page can be linked to, and where it links to.
#[derive(Debug, Default)]
struct Page {
    anchors: BTreeSet<String>,
    /// Each with its line.
    links: Vec<(u64, String)>,
}

impl Page {
    fn of(html: &str) -> Self {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(html));
        let tokenizer = Tokenizer::new(Reader::default(), TokenizerOpts::default());
        // It stops for scripts only where the reader asks it to.
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }

    fn take(&mut self, tag: &Tag, line: u64) {
        for attribute in &tag.attrs {
            let value = attribute.value.trim().to_owned();
            match &*attribute.name.local {
                "id" => drop(self.anchors.insert(value)),
                "name" if &*tag.name == "a" => drop(self.anchors.insert(value)),
                "href" | "src" | "poster" => self.links.push((line, value)),
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct Reader(RefCell<Page>);

impl TokenSink for Reader {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        if tag.kind != TagKind::StartTag {
            return TokenSinkResult::Continue;
        }
        self.0.borrow_mut().take(&tag, line);
        // HTML, 13.2.6.4: what is in these is no markup.
        match &*tag.name {
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "noframes" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dead_link_is_named_and_no_other() {
        let site = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = site.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "a/page.html",
            "<h1 id=\"größe\">x</h1>\n<a href=\"../index.html#top\">\n<a href='#gr%C3%B6%C3%9Fe'>\
             <a href=..><a href='https://elsewhere'><a href='data:,'>\
             <!-- <a href='comment'> --><script>\"<a href='script'>\"</script>\n\
             <a href='none.html'>\n<a href='#none'>\n<a href='/root'>\n<img src='../../out.png'>\
             <a href='file:///etc'><a href='../index.html#a&amp;b'>",
        );
        put("index.html", "<p id=top><a name='a&amp;b'>");
        let found: Vec<String> = dead(site.path())
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "a/page.html:4: `none.html`: there is no such file",
                "a/page.html:5: `#none`: that page has no `#none`",
                "a/page.html:6: `/root` leads to the root of the host, where the site may not be",
                "a/page.html:7: `../../out.png` leads out of the site",
                "a/page.html:7: `file:///etc` is a file of this machine",
            ]
        );
    }
}
