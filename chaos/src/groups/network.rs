//! Networks of their own without what a run needs, which take root and Linux.

use std::process::Command;

use anyhow::ensure;

use crate::{trial::Trial, world::works};

pub(crate) fn network(trial: &mut Trial<'_>) {
    if !works("unshare", &["-n", "ip", "link", "set", "lo", "up"]) {
        return trial.skip("no loopback, IPv6 only", "they take root, unshare and ip");
    }
    for (name, script) in [
        ("no loopback", ":"),
        (
            "IPv6 only",
            "ip link set lo up && ip addr del 127.0.0.1/8 dev lo",
        ),
    ] {
        trial.case(name, |world, _| {
            let script = format!("{script}; exec \"$@\"");
            let mut command = Command::new("unshare");
            command.args(["-n", "sh", "-c", &script, "sh"]);
            let run = world.run("everything");
            command.arg(run.get_program()).args(run.get_args());
            let settings = run
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?)));
            command
                .envs(settings)
                .env_remove("CARGO")
                .current_dir(&world.root);
            let begun = std::time::Instant::now();
            world
                .start(&mut command)?
                .end()?
                .with(&[2])?
                .says("127.0.0.1")?;
            ensure!(
                begun.elapsed().as_secs() < 5,
                "it took {:?}",
                begun.elapsed()
            );
            Ok(())
        });
    }
}
