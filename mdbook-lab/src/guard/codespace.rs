//! The address under which GitHub Codespaces shows a port of its machine to the one whose machine it is.
//!
//! Its proxy asks for a login, then passes requests on to the port on loopback; an `Origin` that is the address's own
//! comes as `http://localhost:PORT`, others as they are (symfony/demo, issue 1542, where it was measured).

/// The host that leads to `port` of this machine where it is a codespace: the name and the domain that Codespaces sets in
/// the environment (GitHub Docs, "Default environment variables for your codespace").
pub(crate) fn host(port: u16, set: impl Fn(&str) -> Option<String>) -> Option<String> {
    if set("CODESPACES")? != "true" {
        return None;
    }
    let name = set("CODESPACE_NAME").filter(|name| is_of(name, "-"))?;
    let domain =
        set("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN").filter(|name| is_of(name, "-."))?;
    Some(format!("{name}-{port}.{domain}"))
}

/// What can stand in a host as it is.
fn is_of(text: &str, more: &str) -> bool {
    let fits =
        |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || more.contains(sign);
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: [(&'static str, &'static str); 3]) -> Option<String> {
        host(3000, |name| {
            let found = set.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn only_a_codespace_has_another_host() {
        let [is, name, domain] = [
            ("CODESPACES", "true"),
            ("CODESPACE_NAME", "shiny-lamp-7q"),
            ("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev"),
        ];
        let there = with([is, name, domain]);
        assert_eq!(there.as_deref(), Some("shiny-lamp-7q-3000.app.github.dev"));
        assert_eq!(with([("CODESPACES", "false"), name, domain]), None);
        assert_eq!(with([("", ""), name, domain]), None);
        assert_eq!(
            with([is, ("CODESPACE_NAME", "evil.example/"), domain]),
            None
        );
        assert_eq!(with([is, ("CODESPACE_NAME", ""), domain]), None);
    }
}
