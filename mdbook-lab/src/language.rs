//! What a file is written in, as code blocks say it.

use std::path::Path;

/// By the ending of its name.
pub(crate) fn of(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("rs") => "rust",
        Some("yaml" | "yml") => "yaml",
        Some("toml") => "toml",
        Some("sh") => "sh",
        Some("json") => "json",
        _ => "text",
    }
}
