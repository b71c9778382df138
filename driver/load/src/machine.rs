//! What the operating system tells about the driver: CPU time, open files, SYN retransmissions.

use std::time::Duration;

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

/// Files to ask for: a failing service keeps hundreds of connections busy, and macOS starts
/// programs with a limit of 256. It refuses more than 10,240 (its `OPEN_MAX`).
const OPEN_FILES: u64 = 10_240;

/// Allows this process, and those that it will start, enough open files for a scenario.
///
/// Failing to is not an error yet: should files run out, the self-check says so.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES, |hard| hard.min(OPEN_FILES));
    if limit.current.is_some_and(|soft| soft < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// CPU time that the calling thread has used.
pub(super) fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time that this process has used.
pub(super) fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().unwrap_or_default()
}

/// SYN packets that this machine has sent again since it started, by any program; none where the
/// system doesn't tell.
pub(super) fn syn_retransmits() -> Option<u64> {
    let netstat = std::fs::read_to_string("/proc/net/netstat").ok()?;
    extended_tcp_counter(&netstat, "TCPSynRetrans")
}

/// Reads a counter of the `TcpExt` pair of lines: one of names, one of values.
fn extended_tcp_counter(netstat: &str, name: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let column = names.split_whitespace().position(|word| word == name)?;
    values.split_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let netstat = "TcpExt: SyncookiesSent TCPSynRetrans TCPOrigDataSent\n\
                       TcpExt: 0 17 93021\n\
                       IpExt: InNoRoutes TCPSynRetrans\n\
                       IpExt: 4 5\n";
        assert_eq!(extended_tcp_counter(netstat, "TCPSynRetrans"), Some(17));
        assert_eq!(extended_tcp_counter(netstat, "TCPMissing"), None);
        assert_eq!(extended_tcp_counter("", "TCPSynRetrans"), None);
    }

    #[test]
    fn work_takes_cpu_time() {
        let before = (thread_cpu(), process_cpu());
        let mut sum = 0u64;
        while thread_cpu() == before.0 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu() > before.1);
    }
}
