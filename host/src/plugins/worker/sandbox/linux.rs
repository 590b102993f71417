//! The steps of the set-up that Linux offers, in the order in which each still works.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::coverage::{Coverage, Gap};
use super::{MEMORY_LIMIT_BYTES, calls, crash};

/// Streams, socket, library, and one that the loader opens; the rest is reserve.
const DESCRIPTOR_LIMIT: u64 = 16;

/// Room for the writable memory, the library and the stack. The limit on writable memory alone can be got round: a copy
/// of the stack's mapping does not count for it, nor do the tables behind endless read-only memory.
const ADDRESS_LIMIT_BYTES: u64 = 2 * MEMORY_LIMIT_BYTES;

/// A stack without a limit could not overflow, only eat memory.
const STACK_LIMIT_BYTES: u64 = 8 * 1024 * 1024;

pub(super) fn die_with_host(socket: &UnixStream) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A host that died before that line sends no signal. The kernel remembers who made the socket pair.
    let host = rustix::net::sockopt::socket_peercred(socket)?.pid;
    if rustix::process::getppid() == Some(host) {
        return Ok(());
    }
    Err(io::Error::other("the host that started this worker is gone"))
}

pub(super) fn close_all_but_standard_streams() {
    const FIRST: RawFd = 3;
    // Kernels before 5.9 lack the call. The host opens its descriptors so that they are not inherited anyway.
    // SAFETY: this is the first thing in the process, so nobody in it owns a descriptor from 3 on.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, RawFd::MAX, 0) };
}

pub(super) fn bound_resources() -> io::Result<()> {
    // Best effort: where `/proc` is restricted, the kernel chooses by size.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, DESCRIPTOR_LIMIT),
        (Resource::Stack, STACK_LIMIT_BYTES),
        (Resource::Data, used_bytes(&status, "VmData:") + MEMORY_LIMIT_BYTES),
        (Resource::As, used_bytes(&status, "VmSize:") + ADDRESS_LIMIT_BYTES),
    ] {
        let hardest = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let limit = Some(limit.min(hardest));
        rustix::process::setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
    }
    Ok(())
}

/// What counts for a limit already. An allocator may have reserved much more than it uses.
fn used_bytes(status: &str, field: &str) -> u64 {
    let kibibytes = status.lines().find_map(|line| line.strip_prefix(field)?.strip_suffix("kB"));
    kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

pub(super) fn enter(socket: BorrowedFd<'_>) -> Coverage {
    let mut gaps = Vec::new();
    let errno = |error: &io::Error| error.raw_os_error().unwrap_or_default();
    if fs::read_dir("/proc/self/task").map_or(0, Iterator::count) > 1 {
        gaps.push(Gap::Threads);
    }
    if let Err(error) = crash::install(socket) {
        gaps.push(Gap::CrashReports { errno: errno(&error) });
    }
    if let Err(error) = give_up_privileges() {
        gaps.push(Gap::Capabilities { errno: errno(&error) });
    }
    let landlock = deny_everything().unwrap_or_else(|gap| {
        gaps.push(gap);
        0
    });
    if let Err(error) = calls::refuse_most() {
        gaps.push(Gap::Calls { errno: errno(&error), landlock });
    }
    Coverage::of(gaps)
}

fn give_up_privileges() -> io::Result<()> {
    // Core dumps through a pipe ignore their limit of 0 but not this, and no process of this user may look inside.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::thread::set_no_new_privs(true)?;
    // Kernels before 4.3 have no ambient set.
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )?;
    Ok(())
}

/// Denies whatever Landlock knows and answers with the version of its interface.
fn deny_everything() -> Result<u8, Gap> {
    const NEWEST: ABI = ABI::V10;
    let restrict = || -> Result<_, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .restrict_self()
    };
    match restrict() {
        Ok(status) if status.ruleset != RulesetStatus::NotEnforced => match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => Ok(effective_abi as u8),
            _ => Err(Gap::Landlock { known: false }),
        },
        Ok(status) => Err(Gap::Landlock { known: status.landlock == LandlockStatus::NotEnabled }),
        Err(_) => Err(Gap::Landlock { known: true }),
    }
}
