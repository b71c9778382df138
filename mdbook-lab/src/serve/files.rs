//! Files below a folder, by the path of a URL, read-only: never above it, never through a link.

use std::{fs::File, io, path::Path};

use percent_encoding::percent_decode_str;
use rustix::{
    fd::OwnedFd,
    fs::{FileType, Mode, OFlags, fstat, open, openat},
};

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found {
    /// A file, open for reading.
    File(File),
    /// A folder.
    Folder,
    /// Nothing that we would show.
    Nothing,
}

/// The parts of a URL's path, decoded; none where a part is a trick: a step up, a hidden file, a
/// separator in disguise. An empty last part, of a path that ends in `/`, is left out.
pub(crate) fn parts(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    path.split('/')
        .map(|part| {
            let part = percent_decode_str(part).decode_utf8().ok()?;
            let plain = !part.is_empty()
                && !part.starts_with('.')
                && !part.contains(['/', '\\', ':'])
                && !part.contains(char::is_control);
            plain.then(|| part.into_owned())
        })
        .collect()
}

/// Opens `parts` below `root`, one folder at a time and each without following links, so that
/// nothing can be swapped in between.
pub(crate) fn find(root: &Path, parts: &[String]) -> Found {
    look(root, parts).unwrap_or(Found::Nothing)
}

fn look(root: &Path, parts: &[String]) -> io::Result<Found> {
    // NONBLOCK: opening a named pipe must not wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut found: OwnedFd = open(root, flags | OFlags::DIRECTORY, Mode::empty())?;
    for part in parts {
        found = openat(
            &found,
            part.as_str(),
            flags | OFlags::NOFOLLOW,
            Mode::empty(),
        )?;
    }
    Ok(match FileType::from_raw_mode(fstat(&found)?.st_mode) {
        FileType::Directory => Found::Folder,
        FileType::RegularFile => Found::File(File::from(found)),
        _ => Found::Nothing,
    })
}

/// The content type by the end of a name. What we don't know is offered as plain bytes.
pub(crate) fn content_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" | "log" | "jsonl" | "md" | "toml" | "yaml" | "rs" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn tricks_are_no_paths() {
        for trick in [
            "/../secret",
            "/a/../../secret",
            "/%2e%2e/secret",
            "/a%2f..%2fsecret",
            "/a%5c..%5csecret",
            "/.git/config",
            "/a//b",
            "//etc/passwd",
            "/a%00.html",
            "/C:/secret",
            "/%ff",
        ] {
            assert_eq!(parts(trick), None, "{trick}");
        }
        assert_eq!(parts("/").unwrap(), Vec::<String>::new());
        assert_eq!(parts("/a%20b/c.html").unwrap(), ["a b", "c.html"]);
        assert_eq!(parts("/a/").unwrap(), ["a"]);
    }

    #[test]
    fn links_and_pipes_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("inside")).unwrap();
        fs::write(root.path().join("inside/page.html"), "hello").unwrap();
        symlink(outside.path().join("secret"), root.path().join("file")).unwrap();
        symlink(outside.path(), root.path().join("folder")).unwrap();
        let find = |path: &str| find(root.path(), &parts(path).unwrap());

        let Found::File(file) = find("/inside/page.html") else {
            panic!("no file");
        };
        assert_eq!(io::read_to_string(file).unwrap(), "hello");
        assert!(matches!(find("/inside"), Found::Folder));
        for nothing in ["/file", "/folder/secret", "/none", "/inside/page.html/x"] {
            assert!(matches!(find(nothing), Found::Nothing), "{nothing}");
        }
    }
}
