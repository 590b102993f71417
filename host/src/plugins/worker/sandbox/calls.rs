//! The system calls that a worker may make: whatever is not listed here is refused.
//!
//! Several filters hold at once and the strictest answer wins. Together they make it so:
//!
//! - What is not allowed fails with `EPERM`, which libraries that try their luck cope with.
//! - The calls in [`super::report::TELLING_CALLS`] end the process with a report that names them.
//! - `clone3`, whose arguments no filter can see, fails as if the kernel did not know it; the C library then uses
//!   `clone`, which is judged: a thread is refused, a process is told.
//! - A descriptor can neither be made nor be received: no sockets, no memory files, no `sendmsg`.

use std::collections::BTreeMap;
use std::io;

use libc::{c_int, c_long};
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::report::TELLING_CALLS;

/// Calls with the cases in which a filter matches; no case means always.
type Rules = Vec<(c_long, Vec<SeccompRule>)>;

/// One argument's condition: its index, how much of it the kernel reads, and what it has to be.
type Condition = (u8, SeccompCmpArgLen, SeccompCmpOp, u64);

const EXECUTABLE: u64 = libc::PROT_EXEC as u64;
const WRITABLE: u64 = (libc::PROT_READ | libc::PROT_WRITE) as u64;

/// With the branch-target bit that the loader sets on ARM; x86 refuses it by itself. Never together with writing.
const READABLE_CODE: u64 = (libc::PROT_READ | libc::PROT_EXEC | 0x10) as u64;

/// Calls whose arguments do not matter.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
];

/// Applies the filters under which the library is opened.
pub(super) fn refuse_most() -> io::Result<()> {
    let eperm = SeccompAction::Errno(libc::EPERM as u32);
    let enosys = SeccompAction::Errno(libc::ENOSYS as u32);
    apply(vec![
        compile(told(), SeccompAction::Allow, SeccompAction::Trap)?,
        compile(allowed(), eperm, SeccompAction::Allow)?,
        // The last filter wins among those that refuse.
        compile(Ok(vec![(libc::SYS_clone3, vec![])]), SeccompAction::Allow, enosys)?,
    ])
}

/// Applies the filter under which plugin code is called.
pub(super) fn refuse_loading() -> io::Result<()> {
    let eperm = SeccompAction::Errno(libc::EPERM as u32);
    apply(vec![compile(loading(), SeccompAction::Allow, eperm)?])
}

fn apply(programs: Vec<BpfProgram>) -> io::Result<()> {
    for program in &programs {
        seccompiler::apply_filter(program).map_err(|error| match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
            error => io::Error::other(error),
        })?;
    }
    Ok(())
}

fn compile(
    rules: Result<Rules, BackendError>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> io::Result<BpfProgram> {
    let program = || -> Result<BpfProgram, BackendError> {
        let machine = TargetArch::try_from(std::env::consts::ARCH)?;
        let rules: BTreeMap<_, _> = rules?.into_iter().collect();
        SeccompFilter::new(rules, otherwise, matched, machine)?.try_into()
    };
    program().map_err(io::Error::other)
}

fn case(conditions: &[Condition]) -> Result<SeccompRule, BackendError> {
    let made = |(index, length, operator, value): &Condition| {
        SeccompCondition::new(*index, length.clone(), operator.clone(), *value)
    };
    SeccompRule::new(conditions.iter().map(made).collect::<Result<_, _>>()?)
}

/// Argument `index` is one of `values`.
fn one_of(index: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| case(&[(index, Dword, Eq, *value as u64)])).collect()
}

/// The `int` argument `index` has no bits but these.
fn only(index: u8, bits: c_int) -> Condition {
    (index, Dword, MaskedEq(u64::from(!(bits as u32))), 0)
}

/// The same for an argument that the kernel reads as a whole.
fn only_long(index: u8, bits: u64) -> Condition {
    (index, Qword, MaskedEq(!bits), 0)
}

fn own_pid() -> u64 {
    u64::from(std::process::id())
}

fn allowed() -> Result<Rules, BackendError> {
    let null = |index| (index, Qword, Eq, 0);
    // Shared memory would escape the memory limit, and so would a mapping that grows like a stack or huge pages.
    let evading = libc::MAP_TYPE | libc::MAP_GROWSDOWN | libc::MAP_HUGETLB | libc::MAP_LOCKED;
    let private = (3, Qword, MaskedEq(evading as u64), libc::MAP_PRIVATE as u64);
    let reading = |index| only(index, libc::O_CLOEXEC | libc::O_LARGEFILE);
    let advice = [libc::MADV_DONTNEED, libc::MADV_FREE, libc::MADV_HUGEPAGE, libc::MADV_NOHUGEPAGE];
    let waits = [libc::FUTEX_WAIT, libc::FUTEX_WAKE, libc::FUTEX_WAIT_BITSET, libc::FUTEX_WAKE_BITSET].map(
        |operation| {
            let kind = !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) as u32;
            case(&[(1, Dword, MaskedEq(u64::from(kind)), operation as u64)])
        },
    );
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, vec![])).collect();
    rules.extend([
        (libc::SYS_fcntl, one_of(1, &[libc::F_GETFD, libc::F_GETFL])?),
        (libc::SYS_futex, waits.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_madvise, one_of(2, &advice)?),
        (
            libc::SYS_mmap,
            vec![
                case(&[private.clone(), only_long(2, WRITABLE)])?,
                case(&[private, only_long(2, READABLE_CODE)])?,
            ],
        ),
        (libc::SYS_mprotect, vec![case(&[only_long(2, WRITABLE)])?, case(&[only_long(2, READABLE_CODE)])?]),
        (libc::SYS_mremap, vec![case(&[only_long(3, libc::MREMAP_MAYMOVE as u64)])?]),
        // The C library's `fstat`. Without a path; that it is empty no filter can see.
        (
            libc::SYS_newfstatat,
            vec![case(&[
                (0, Dword, Ne, libc::AT_FDCWD as u32 as u64),
                (3, Dword, Eq, libc::AT_EMPTY_PATH as u64),
            ])?],
        ),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![case(&[reading(1)])?]),
        (libc::SYS_openat, vec![case(&[reading(2)])?]),
        (libc::SYS_prctl, one_of(0, &[libc::PR_SET_NO_NEW_PRIVS])?),
        // No out-of-band data and no error queue: both are rarely tested corners of the kernel.
        (libc::SYS_recvfrom, vec![case(&[null(4), only(3, libc::MSG_DONTWAIT | libc::MSG_WAITALL)])?]),
        // Blocked, a signal could not report anything: `posix_spawn` blocks all before it makes its process.
        (
            libc::SYS_rt_sigprocmask,
            vec![case(&[(0, Dword, Eq, libc::SIG_UNBLOCK as u64)])?, case(&[null(1)])?],
        ),
        (
            libc::SYS_seccomp,
            vec![case(&[(0, Dword, Eq, u64::from(libc::SECCOMP_SET_MODE_FILTER)), (1, Dword, Eq, 0)])?],
        ),
        (libc::SYS_sendto, vec![case(&[null(4), only(3, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)])?]),
        (libc::SYS_tgkill, vec![case(&[(0, Dword, Eq, own_pid()), (2, Dword, Eq, libc::SIGABRT as u64)])?]),
    ]);
    Ok(rules)
}

/// The calls that end the process. Sending itself a signal and asking for a thread are only refused.
fn told() -> Result<Rules, BackendError> {
    let judged = |call: c_long| match call {
        libc::SYS_clone => Ok(vec![case(&[(0, Qword, MaskedEq(libc::CLONE_THREAD as u64), 0)])?]),
        libc::SYS_kill | libc::SYS_tgkill => Ok(vec![case(&[(0, Dword, Ne, own_pid())])?]),
        _ => Ok(vec![]),
    };
    TELLING_CALLS.iter().map(|(call, ..)| Ok((*call, judged(*call)?))).collect()
}

/// What nothing needs once the library is open.
fn loading() -> Result<Rules, BackendError> {
    let executable = || Ok(vec![case(&[(2, Qword, MaskedEq(EXECUTABLE), EXECUTABLE)])?]);
    Ok(vec![
        (libc::SYS_mmap, executable()?),
        (libc::SYS_mprotect, executable()?),
        (libc::SYS_newfstatat, vec![]),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, vec![]),
        (libc::SYS_openat, vec![]),
        (libc::SYS_prctl, vec![]),
        (libc::SYS_seccomp, vec![]),
    ])
}
