//! The course of it: one try after the other, each with a seed of its own, each followed by the same look at what
//! it left.

use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;
use lab_say::{note, say};

use crate::world::World;

/// What has been tried so far.
pub(crate) struct Trial<'a> {
    pub(crate) world: &'a World,
    seed: u64,
    /// Whether there is time for much.
    long: bool,
    pub(crate) groups: Vec<Group>,
}

/// The tries of one kind.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) tried: usize,
    pub(crate) lost: Vec<String>,
    /// What this machine can't try, and why.
    pub(crate) skipped: Vec<String>,
    pub(crate) took: Duration,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(world: &'a World, seed: u64, long: bool) -> Self {
        Self {
            world,
            seed,
            long,
            groups: Vec::new(),
        }
    }

    /// Does all that a group tries.
    pub(crate) fn group(&mut self, name: &'static str, group: fn(&mut Self)) {
        self.groups.push(Group {
            name,
            tried: 0,
            lost: Vec::new(),
            skipped: Vec::new(),
            took: Duration::ZERO,
        });
        let begun = Instant::now();
        group(self);
        let group = self.current();
        group.took = begun.elapsed();
        say!(
            "{:14} {:>5} tried, {} lost, {:.0} s",
            group.name,
            group.tried,
            group.lost.len(),
            group.took.as_secs_f64()
        );
    }

    /// So many in a short trial, so many in a long one.
    pub(crate) fn times(&self, short: usize, long: usize) -> usize {
        if self.long { long } else { short }
    }

    /// Tries something in a fresh world. Where the case finds nothing wrong, what it left is looked at.
    pub(crate) fn case(&mut self, name: &str, case: impl FnOnce(&World, &mut Rng) -> Result<()>) {
        let number = self.current().tried as u64;
        let place = self.groups.len() as u64;
        let mut random = Rng::with_seed(self.seed ^ (place << 32) ^ number);
        let world = self.world;
        let tried = world
            .refresh()
            .and_then(|()| case(world, &mut random))
            .and_then(|()| world.look());
        if tried.is_err() {
            world.clear();
        }
        let group = self.current();
        group.tried += 1;
        if let Err(error) = tried {
            let lost = format!("{name}, try {number}: {error:#}");
            note!("LOST {}: {lost}", group.name);
            group.lost.push(lost);
        }
    }

    /// Says what can't be tried here.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.current().skipped.push(format!("{what} ({why})"));
    }

    pub(crate) fn tried(&self) -> usize {
        self.groups.iter().map(|group| group.tried).sum()
    }

    pub(crate) fn lost(&self) -> usize {
        self.groups.iter().map(|group| group.lost.len()).sum()
    }

    fn current(&mut self) -> &mut Group {
        self.groups.last_mut().expect("a group has begun")
    }
}
