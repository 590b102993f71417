//! What a dying worker says of its end, and the words for it.
//!
//! The report comes from a process in which plugin code ran, so [`CrashReport::parse`] takes any bytes and the report
//! decides nothing but what an operator reads.

use std::fmt;

use libc::{c_int, c_long};

use super::MEMORY_LIMIT_BYTES;

/// The first byte of a report, which begins no other message.
pub(in crate::plugins) const REPORT_MARK: u8 = 0xff;

/// The mark, signal, code, address, system call, call, and flags.
const REPORT_BYTES: usize = 1 + 4 + 4 + 8 + 4 + 8 + 1;

const FROM_OUTSIDE: u8 = 1;
const STACK_OVERFLOW: u8 = 1 << 1;
const HALF_USED: u8 = 1 << 2;
const USED_UP: u8 = 1 << 3;

/// The signals that are reported: number, name, and what it means when the process itself caused it.
pub(super) const SIGNALS: &[(c_int, &str, &str)] = &[
    (libc::SIGABRT, "SIGABRT", "it aborted (SIGABRT)"),
    (libc::SIGALRM, "SIGALRM", "it did not answer: plugin code kept its thread"),
    (libc::SIGBUS, "SIGBUS", "it crashed with a bus error (SIGBUS)"),
    (libc::SIGFPE, "SIGFPE", "it crashed in an arithmetic operation (SIGFPE)"),
    (libc::SIGILL, "SIGILL", "it crashed at an instruction that this processor does not know (SIGILL)"),
    (libc::SIGSEGV, "SIGSEGV", "it crashed with a segmentation fault (SIGSEGV)"),
    (libc::SIGSYS, "SIGSYS", "it made a system call that the sandbox does not allow (SIGSYS)"),
    (libc::SIGTRAP, "SIGTRAP", "it ran into a breakpoint (SIGTRAP)"),
];

const CONNECT: &str = "open a network connection";
const PROCESS: &str = "start a process";
const PROGRAM: &str = "run a program";
const PEEK: &str = "look into another process";
const SIGNAL: &str = "send another process a signal";
const SYSTEM: &str = "change file systems or namespaces";

/// The calls that a plugin never makes by accident: number, name, and what it was up to.
#[cfg(target_os = "linux")]
pub(super) const TELLING_CALLS: &[(c_long, &str, &str)] = &[
    (libc::SYS_accept, "accept", CONNECT),
    (libc::SYS_accept4, "accept4", CONNECT),
    (libc::SYS_bind, "bind", CONNECT),
    (libc::SYS_chroot, "chroot", SYSTEM),
    (libc::SYS_clone, "clone", PROCESS),
    (libc::SYS_connect, "connect", CONNECT),
    (libc::SYS_execve, "execve", PROGRAM),
    (libc::SYS_execveat, "execveat", PROGRAM),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "fork", PROCESS),
    (libc::SYS_kill, "kill", SIGNAL),
    (libc::SYS_listen, "listen", CONNECT),
    (libc::SYS_mount, "mount", SYSTEM),
    (libc::SYS_pidfd_getfd, "pidfd_getfd", PEEK),
    (libc::SYS_pidfd_open, "pidfd_open", PEEK),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal", SIGNAL),
    (libc::SYS_pivot_root, "pivot_root", SYSTEM),
    (libc::SYS_process_vm_readv, "process_vm_readv", PEEK),
    (libc::SYS_process_vm_writev, "process_vm_writev", PEEK),
    (libc::SYS_ptrace, "ptrace", PEEK),
    (libc::SYS_rt_sigqueueinfo, "rt_sigqueueinfo", SIGNAL),
    (libc::SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", SIGNAL),
    (libc::SYS_setns, "setns", SYSTEM),
    (libc::SYS_socket, "socket", CONNECT),
    (libc::SYS_socketpair, "socketpair", CONNECT),
    (libc::SYS_tgkill, "tgkill", SIGNAL),
    (libc::SYS_tkill, "tkill", SIGNAL),
    (libc::SYS_umount2, "umount2", SYSTEM),
    (libc::SYS_unshare, "unshare", SYSTEM),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "vfork", PROCESS),
];
#[cfg(not(target_os = "linux"))]
pub(super) const TELLING_CALLS: &[(c_long, &str, &str)] = &[];

/// How a worker ended, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plugins) struct CrashReport {
    pub(super) signal: c_int,
    pub(super) code: c_int,
    /// The address that was accessed, for the signals that have one.
    pub(super) address: u64,
    /// The system call that was refused; 0 if none was.
    pub(super) syscall: c_int,
    /// The call that plugin code ran for; 0 for none.
    pub(super) call: u64,
    pub(super) from_outside: bool,
    pub(super) stack_overflow: bool,
    pub(super) memory: Memory,
}

/// How much memory an aborted worker had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Left,
    /// Less than half was left: a large allocation may have failed.
    HalfUsed,
    UsedUp,
}

impl CrashReport {
    /// Reads what follows a frame's length; `None` if it is no report.
    pub(in crate::plugins) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = <&[u8; REPORT_BYTES]>::try_from(bytes).ok()?.as_slice();
        let ([REPORT_MARK], signal, code) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?) else {
            return None;
        };
        let signal = c_int::from_le_bytes(signal);
        SIGNALS.iter().find(|(number, ..)| *number == signal)?;
        let (address, syscall, call) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
        let [flags] = take(&mut rest)?;
        Some(Self {
            signal,
            code: c_int::from_le_bytes(code),
            address: u64::from_le_bytes(address),
            syscall: c_int::from_le_bytes(syscall),
            call: u64::from_le_bytes(call),
            from_outside: flags & FROM_OUTSIDE != 0,
            stack_overflow: flags & STACK_OVERFLOW != 0,
            memory: match flags & (USED_UP | HALF_USED) {
                0 => Memory::Left,
                HALF_USED => Memory::HalfUsed,
                _ => Memory::UsedUp,
            },
        })
    }

    /// The report with its length in front. Runs in a signal handler: it allocates nothing.
    pub(super) fn frame(&self) -> [u8; 4 + REPORT_BYTES] {
        let mut flags = 0;
        for (set, flag) in [
            (self.from_outside, FROM_OUTSIDE),
            (self.stack_overflow, STACK_OVERFLOW),
            (self.memory == Memory::HalfUsed, HALF_USED),
            (self.memory == Memory::UsedUp, USED_UP),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let mut frame = [0; 4 + REPORT_BYTES];
        let mut end = 0;
        for field in [
            (REPORT_BYTES as u32).to_le_bytes().as_slice(),
            &[REPORT_MARK],
            &self.signal.to_le_bytes(),
            &self.code.to_le_bytes(),
            &self.address.to_le_bytes(),
            &self.syscall.to_le_bytes(),
            &self.call.to_le_bytes(),
            &[flags],
        ] {
            for byte in field {
                frame[end] = *byte;
                end += 1;
            }
        }
        frame
    }

    /// The call that plugin code ran for; 0 for none.
    pub(in crate::plugins) fn call(&self) -> u64 {
        self.call
    }

    /// Whether another process sent the signal: nothing is known about the plugin then. The host's own question to a
    /// worker that does not answer is none of these.
    pub(super) fn is_from_outside(&self) -> bool {
        self.from_outside && !self.is_unresponsive()
    }

    /// Whether the host asked where it hangs.
    pub(in crate::plugins) fn is_unresponsive(&self) -> bool {
        self.signal == libc::SIGALRM
    }

    fn names_address(&self) -> bool {
        // The kernel's own codes up to 0x7f come with an address; 0x80 means that it does not know it.
        matches!(self.signal, libc::SIGSEGV | libc::SIGBUS) && (1..0x80).contains(&self.code)
    }
}

/// One phrase about the worker.
impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        let known = SIGNALS.iter().find(|(number, ..)| *number == self.signal);
        let (_, name, meaning) = known.copied().unwrap_or((0, "a signal", "it was ended by a signal"));
        let limit = MEMORY_LIMIT_BYTES / MIB;
        let refused = TELLING_CALLS.iter().find(|(call, ..)| c_long::from(self.syscall) == *call);
        match (self.signal, self.memory) {
            _ if self.is_from_outside() => write!(f, "it was sent {name} from outside"),
            (libc::SIGSEGV, _) if self.stack_overflow => f.write_str("its stack overflowed"),
            (libc::SIGABRT, Memory::UsedUp) => {
                write!(f, "it aborted after it had used up its memory of {limit} MiB")
            }
            (libc::SIGABRT, Memory::HalfUsed) => {
                write!(f, "it aborted (SIGABRT) with more than half of its memory of {limit} MiB in use")
            }
            (libc::SIGSYS, _) if refused.is_some() => {
                let (_, call, attempt) = refused.copied().unwrap_or_default();
                write!(f, "it tried to {attempt} (`{call}`), which the sandbox does not allow")
            }
            _ if self.names_address() => write!(f, "{meaning} at address {:#x}", self.address),
            _ => f.write_str(meaning),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: CrashReport = CrashReport {
        signal: libc::SIGSEGV,
        code: 1,
        address: 0,
        syscall: 0,
        call: 7,
        from_outside: false,
        stack_overflow: false,
        memory: Memory::Left,
    };

    #[test]
    #[cfg(target_os = "linux")]
    fn every_end_has_its_phrase() {
        let aborted = |memory| CrashReport { signal: libc::SIGABRT, code: libc::SI_TKILL, memory, ..PLAIN };
        let refused = |call: c_long| CrashReport { signal: libc::SIGSYS, syscall: call as c_int, ..PLAIN };
        for (report, phrase) in [
            (PLAIN, "it crashed with a segmentation fault (SIGSEGV) at address 0x0"),
            (CrashReport { code: 0x80, ..PLAIN }, "it crashed with a segmentation fault (SIGSEGV)"),
            (CrashReport { stack_overflow: true, ..PLAIN }, "its stack overflowed"),
            (CrashReport { from_outside: true, code: 0, ..PLAIN }, "it was sent SIGSEGV from outside"),
            (
                CrashReport { signal: libc::SIGBUS, address: 0x10, ..PLAIN },
                "it crashed with a bus error (SIGBUS) at address 0x10",
            ),
            (
                CrashReport { signal: libc::SIGALRM, from_outside: true, ..PLAIN },
                "it did not answer: plugin code kept its thread",
            ),
            (aborted(Memory::Left), "it aborted (SIGABRT)"),
            (
                aborted(Memory::HalfUsed),
                "it aborted (SIGABRT) with more than half of its memory of 512 MiB in use",
            ),
            (aborted(Memory::UsedUp), "it aborted after it had used up its memory of 512 MiB"),
            (
                refused(libc::SYS_socket),
                "it tried to open a network connection (`socket`), which the sandbox does not allow",
            ),
            (
                refused(libc::SYS_clone),
                "it tried to start a process (`clone`), which the sandbox does not allow",
            ),
            (refused(9999), "it made a system call that the sandbox does not allow (SIGSYS)"),
        ] {
            assert_eq!(report.to_string(), phrase);
            assert_eq!(CrashReport::parse(&report.frame()[4..]), Some(report));
            assert_eq!(report.call(), 7);
        }
    }

    #[test]
    fn what_is_no_report_is_none() {
        let frame = PLAIN.frame();
        assert_eq!(frame[..4], (frame.len() as u32 - 4).to_le_bytes());
        let mut changed = frame;
        changed[4] = 0;
        assert_eq!(CrashReport::parse(&changed[4..]), None, "another mark");
        let unknown = CrashReport { signal: 77, ..PLAIN };
        assert_eq!(CrashReport::parse(&unknown.frame()[4..]), None, "a signal that is never reported");
        for end in 4..frame.len() {
            assert_eq!(CrashReport::parse(&frame[4..end]), None, "cut off");
        }
        assert_eq!(CrashReport::parse(&[&frame[4..], &[0]].concat()), None, "too long");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..40), signal in 0..SIGNALS.len()) {
            let _ = CrashReport::parse(&bytes);
            bytes.resize(REPORT_BYTES, 0);
            bytes[0] = REPORT_MARK;
            bytes[1..5].copy_from_slice(&SIGNALS[signal].0.to_le_bytes());
            let phrase = CrashReport::parse(&bytes).expect("fields may be anything").to_string();
            prop_assert!(phrase.starts_with("it"), "{phrase}");
        }
    }
}
