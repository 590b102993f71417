//! How this process does, as far as the system tells without being asked for much.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// What the process uses.
pub(super) struct Process {
    pub(super) started_at: SystemTime,
    pub(super) cpu: Duration,
    /// Only Linux tells.
    pub(super) resident_bytes: Option<u64>,
    /// Only Linux tells.
    pub(super) open_fds: Option<usize>,
}

impl Process {
    pub(super) fn now() -> Self {
        Self {
            started_at: started_at(),
            cpu: since_zero(ClockId::ProcessCPUTime),
            resident_bytes: resident_bytes(),
            // Looking takes a descriptor itself.
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1)),
        }
    }
}

/// When this process began; where the system does not tell, when that was asked for first.
pub fn started_at() -> SystemTime {
    static STARTED_AT: LazyLock<SystemTime> = LazyLock::new(|| SystemTime::now() - age().unwrap_or_default());
    *STARTED_AT
}

#[cfg(target_os = "linux")]
fn age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything; what follows it begins with the third field, and the start is the 22nd.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let began = Duration::try_from_secs_f64(ticks / rustix::param::clock_ticks_per_second() as f64).ok()?;
    since_zero(ClockId::Boottime).checked_sub(began)
}

#[cfg(not(target_os = "linux"))]
fn age() -> Option<Duration> {
    None
}

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn since_zero(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_young_and_uses_something() {
        let process = Process::now();
        let age = process.started_at.elapsed().unwrap();
        assert!(age < Duration::from_secs(24 * 3600), "{age:?}");
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.open_fds.unwrap() >= 1);
        assert!(!process.cpu.is_zero());
    }
}
