//! The handlers that send a [`CrashReport`] before the process ends.
//!
//! A handler may interrupt anything, an allocation too, so it only does what is safe then: it reads atomics, fills an
//! array, makes three system calls.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use libc::{c_int, c_void, siginfo_t};

use super::MEMORY_LIMIT_BYTES;
use super::report::{CrashReport, Memory, SIGNALS};

/// Twice what the widest vector registers need.
const HANDLER_STACK_BYTES: usize = 64 * 1024;

/// A function with large variables can miss the end of the stack by so much.
const STACK_SLACK_BYTES: u64 = 1024 * 1024;

/// Less free memory than this is none.
const USED_UP_BYTES: u64 = 16 * 1024 * 1024;

static SOCKET: AtomicI32 = AtomicI32::new(-1);
static CALL: AtomicU64 = AtomicU64::new(0);
static STACK_END: AtomicU64 = AtomicU64::new(0);

/// How the kernel lays out its description of a refused call. The libc crate has no name for it.
#[repr(C)]
struct RefusedCall {
    signal: c_int,
    errno: c_int,
    code: c_int,
    instruction: *const c_void,
    call: c_int,
    machine: u32,
}

pub(super) fn note_call(id: u64) {
    CALL.store(id, Relaxed);
}

pub(super) fn install(socket: BorrowedFd<'_>) -> io::Result<()> {
    SOCKET.store(socket.as_raw_fd(), Relaxed);
    STACK_END.store(stack_end()?, Relaxed);
    // Never given back: a handler runs on it as long as the process lives.
    let memory = Box::leak(vec![0_u8; HANDLER_STACK_BYTES].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: HANDLER_STACK_BYTES };
    // SAFETY: the memory is leaked and nobody else has it.
    succeeded(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) })?;
    for (signal, ..) in SIGNALS {
        install_for(*signal)?;
    }
    Ok(())
}

fn install_for(signal: c_int) -> io::Result<()> {
    // SAFETY: all zero is a valid `sigaction`, whose other fields are set below.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = report;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the signature that SA_SIGINFO wants, and is safe to run at any moment.
    succeeded(unsafe {
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    })
}

/// The lowest address that the thread's stack may grow to.
fn stack_end() -> io::Result<u64> {
    let (mut end, mut size) = (ptr::null_mut::<c_void>(), 0);
    // SAFETY: `pthread_getattr_np` fills the attributes in before they are read; they are given back once.
    unsafe {
        let mut attributes: libc::pthread_attr_t = mem::zeroed();
        let status = libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes);
        if status != 0 {
            return Err(io::Error::from_raw_os_error(status));
        }
        libc::pthread_attr_getstack(&raw const attributes, &raw mut end, &raw mut size);
        libc::pthread_attr_destroy(&raw mut attributes);
    }
    Ok(end as u64)
}

fn succeeded(status: c_int) -> io::Result<()> {
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn report(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the kernel passes a valid description.
    let report = describe(signal, unsafe { &*info });
    let frame = report.frame();
    // SAFETY: the bytes outlive the call. All three calls are safe in a handler; nothing of this process runs after.
    unsafe {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        libc::send(SOCKET.load(Relaxed), frame.as_ptr().cast(), frame.len(), flags);
        libc::_exit(128 + signal)
    }
}

fn describe(signal: c_int, info: &siginfo_t) -> CrashReport {
    let sent = matches!(info.si_code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE);
    // SAFETY: for these codes the kernel fills the sender in.
    let from_outside = sent && unsafe { info.si_pid() != libc::getpid() };
    // SAFETY: only read where the kernel fills the address in; for the other codes the bytes are there as well.
    let address = if sent { 0 } else { unsafe { info.si_addr() as u64 } };
    CrashReport {
        signal,
        code: info.si_code,
        address,
        syscall: if signal == libc::SIGSYS && !sent { refused_call(info) } else { 0 },
        call: CALL.load(Relaxed),
        from_outside,
        stack_overflow: signal == libc::SIGSEGV && !sent && lies_at_stack_end(address),
        memory: if signal == libc::SIGABRT { probe_memory() } else { Memory::Left },
    }
}

fn refused_call(info: &siginfo_t) -> i32 {
    // SAFETY: a `siginfo_t` is larger than, and aligned as, the kernel's layout of it for this signal.
    unsafe { (*ptr::from_ref(info).cast::<RefusedCall>()).call }
}

fn lies_at_stack_end(address: u64) -> bool {
    let end = STACK_END.load(Relaxed);
    (end.saturating_sub(STACK_SLACK_BYTES)..end.saturating_add(HANDLER_STACK_BYTES as u64)).contains(&address)
}

/// A buffer that doubles fails long before the last byte is used, hence the middle answer.
fn probe_memory() -> Memory {
    if !can_map(USED_UP_BYTES) {
        Memory::UsedUp
    } else if !can_map(MEMORY_LIMIT_BYTES / 2) {
        Memory::HalfUsed
    } else {
        Memory::Left
    }
}

fn can_map(bytes: u64) -> bool {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping touches nothing that exists.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), bytes as usize, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: it was made just now and nobody has seen it.
    unsafe { libc::munmap(mapped, bytes as usize) };
    true
}
