//! Shells as participants may have them.

use std::path::Path;

use crate::trial::Trial;

/// What a shell may say.
const SETTINGS: [(&str, &[(&str, &str)]); 6] = [
    (
        "an odd locale and zone",
        &[
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "xx"),
            ("TZ", "Asia/Kathmandu"),
        ],
    ),
    ("no HOME", &[("HOME", "")]),
    (
        "settings of PostgreSQL",
        &[
            ("PGPORT", "1"),
            ("PGHOST", "nowhere"),
            ("PGUSER", "me"),
            ("PGDATA", "/nowhere"),
            ("PGSSLMODE", "verify-full"),
            ("PGOPTIONS", "-c no_such_setting=on"),
        ],
    ),
    (
        "a proxy",
        &[
            ("http_proxy", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ],
    ),
    (
        "settings of the services",
        &[
            ("LAB_LISTEN", "0.0.0.0:1"),
            ("LAB_CODE", "solved"),
            ("LAB_DATABASE_URL", "x"),
        ],
    ),
    (
        "a wide terminal that is none",
        &[("COLUMNS", "0"), ("TERM", "dumb"), ("NO_COLOR", "1")],
    ),
];

pub(crate) fn environments(trial: &mut Trial<'_>) {
    let all = SETTINGS.len();
    for number in 0..trial.times(2, all) {
        // Some in a row, from another place each time.
        let (name, settings) = SETTINGS[(number * 5 + trial.tried()) % all];
        trial.case(name, |world, _| {
            let mut command = world.run("everything");
            command.envs(settings.iter().copied());
            world
                .start(&mut command)?
                .end()?
                .measured()?
                .says("SCORE everything")?;
            Ok(())
        });
    }
    trial.case("few files and a strict umask", |world, _| {
        let script = r#"ulimit -n 200; umask 077; exec "$@""#;
        let mut command = world.command(Path::new("sh"), &["-c", script, "sh", "driver"]);
        command.args(["run", "--scenario-file", "chaos/scenarios/everything.toml"]);
        world.start(&mut command)?.end()?.measured()?;
        Ok(())
    });
}
