//! The CPU limit of the control group that this process is in, and how often it was reached: in a pod, the limit of
//! its container. Read from the files of cgroup v2 (Linux, `Documentation/admin-guide/cgroup-v2.rst`) or, on older
//! machines, v1 (`Documentation/scheduler/sched-bwc.rst`); elsewhere there are none, and so no limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a container sees its own group.
const FOLDER: &str = "/sys/fs/cgroup";

/// Thousandths of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millicores(pub u32);

/// What a control group shows in `cpu.stat`: periods in which there was work, those that ran out, and time spent waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) periods: u64,
    pub(crate) throttled_periods: u64,
    pub(crate) throttled: Duration,
}

/// A control group with a CPU limit.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    /// The limit.
    pub(crate) limit: Millicores,
}

impl Cgroup {
    /// The group of this process, where it has a limit.
    pub(crate) fn limited() -> Option<Self> {
        Self::at(Path::new(FOLDER))
    }

    fn at(root: &Path) -> Option<Self> {
        let v1 = root.join("cpu");
        let read = |file: PathBuf| fs::read_to_string(file).ok();
        let (folder, text) = if let Some(text) = read(root.join("cpu.max")) {
            (root.to_owned(), text)
        } else {
            let quota = read(v1.join("cpu.cfs_quota_us"))?;
            let period = read(v1.join("cpu.cfs_period_us"))?;
            (v1, quota + &period)
        };
        // `max`, in v1 `-1`, is no limit and no such number.
        let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (quota, period) = (numbers.next()??, numbers.next()??);
        Some(Self {
            folder,
            limit: Millicores(u32::try_from(quota * 1000 / period.max(1)).ok()?),
        })
    }

    /// What the kernel has counted; zeros where it says nothing.
    pub(crate) fn totals(&self) -> Totals {
        let text = fs::read_to_string(self.folder.join("cpu.stat")).unwrap_or_default();
        let count = |key| {
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .find(|(name, _)| *name == key)
                .and_then(|(_, value)| value.trim().parse().ok())
                .unwrap_or(0)
        };
        Totals {
            periods: count("nr_periods"),
            throttled_periods: count("nr_throttled"),
            // v1 counts in nanoseconds.
            throttled: Duration::from_micros(count("throttled_usec"))
                + Duration::from_nanos(count("throttled_time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(max: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cpu.max"), max).unwrap();
        fs::write(
            folder.path().join("cpu.stat"),
            "usage_usec 400\nnr_periods 12\nnr_throttled 5\nthrottled_usec 1500\n",
        )
        .unwrap();
        folder
    }

    #[test]
    fn a_limit_of_200m_and_its_counts_are_read() {
        let folder = group("20000 100000\n");
        let cgroup = Cgroup::at(folder.path()).unwrap();
        assert_eq!(cgroup.limit, Millicores(200));
        let totals = Totals {
            periods: 12,
            throttled_periods: 5,
            throttled: Duration::from_micros(1500),
        };
        assert_eq!(cgroup.totals(), totals);
    }

    #[test]
    fn the_older_files_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let cpu = folder.path().join("cpu");
        fs::create_dir(&cpu).unwrap();
        fs::write(cpu.join("cpu.cfs_quota_us"), "20000\n").unwrap();
        fs::write(cpu.join("cpu.cfs_period_us"), "100000\n").unwrap();
        fs::write(
            cpu.join("cpu.stat"),
            "nr_periods 3\nnr_throttled 2\nthrottled_time 1500000\n",
        )
        .unwrap();
        let cgroup = Cgroup::at(folder.path()).unwrap();
        assert_eq!(cgroup.limit, Millicores(200));
        assert_eq!(cgroup.totals().throttled, Duration::from_micros(1500));
        fs::write(cpu.join("cpu.cfs_quota_us"), "-1\n").unwrap();
        assert!(Cgroup::at(folder.path()).is_none());
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert!(Cgroup::at(group("max 100000\n").path()).is_none());
        assert!(Cgroup::at(Path::new("/no/such/group")).is_none());
    }
}
