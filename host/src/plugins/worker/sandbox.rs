//! What a worker process does to itself before it runs any of its plugin's code: the host's second room for `unsafe`.
//!
//! - [`inherit`] comes first, [`enter`] before the library is opened (its constructors run there), [`Entered::seal`]
//!   right after. What has been given up never comes back.
//! - The process has one thread and never gets a second: Landlock and the call filters belong to a thread.
//! - A constructor runs before [`Entered::seal`] and can prevent it. So what must hold against a hostile library is
//!   in [`enter`]; [`Entered::seal`] takes away what only the loader needs.
//! - A crash sends one [`CrashReport`] over the socket. It comes out of a process in which plugin code ran: the host
//!   believes none of it further than for a message.
//!
//! Only Linux has a sandbox. Elsewhere the process is set up and [`Coverage`] says that nothing is covered.
#![expect(unsafe_code, reason = "signal handlers, closing foreign descriptors, emptying the environment")]

#[cfg(target_os = "linux")]
mod calls;
mod coverage;
#[cfg(target_os = "linux")]
mod crash;
#[cfg(target_os = "linux")]
mod linux;
mod report;
#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

pub use coverage::Coverage;
pub(in crate::plugins) use report::{CrashReport, REPORT_MARK};

/// How much writable memory a worker may have, in bytes, beyond what it started with.
const MEMORY_LIMIT_BYTES: u64 = 512 * 1024 * 1024;

/// What the worker was started with.
pub(super) struct Inherited {
    /// The way to the host; blocking.
    pub(super) socket: UnixStream,
    /// The library's immutable copy.
    pub(super) library: OwnedFd,
}

/// Takes socket and library from the standard streams, binds the process's life to the host's, and bounds what it
/// may use. The first thing in the process, while it has one thread and has opened nothing.
///
/// # Errors
///
/// Standard input is no Unix socket (somebody ran it by hand; nothing has been changed then), the host is gone
/// already, or the system refuses a step.
pub(super) fn inherit() -> io::Result<Inherited> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.local_addr().map_err(|_| {
        io::Error::other("standard input is no socket: forgewatch starts this command itself, do not run it")
    })?;
    #[cfg(target_os = "linux")]
    let socket = {
        linux::die_with_host(&socket)?;
        drop(socket);
        linux::close_all_but_standard_streams();
        UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?)
    };
    for (name, _) in std::env::vars_os() {
        // SAFETY: the process has one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
    let library = io::stdout().as_fd().try_clone_to_owned()?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    #[cfg(target_os = "linux")]
    linux::bound_resources()?;
    Ok(Inherited { socket, library })
}

/// A process that is ready for its library.
#[must_use = "the sandbox is closed by `seal`"]
pub(super) struct Entered {
    coverage: Coverage,
}

/// Gives up everything but what the loader needs, and installs crash reporting over `socket`, which has to stay open
/// under its number for the life of the process. Steps that this kernel does not know are named in the coverage.
#[cfg(target_os = "linux")]
pub(super) fn enter(socket: BorrowedFd<'_>) -> Entered {
    Entered { coverage: linux::enter(socket) }
}

/// There is nothing to enter on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn enter(_socket: BorrowedFd<'_>) -> Entered {
    Entered { coverage: Coverage::None }
}

impl Entered {
    /// What holds from now on. Tell it to the host before the library is opened: after that, plugin code may have
    /// tampered with it.
    pub(super) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Takes away what the loader needed: opening files, executable memory, more filters.
    ///
    /// # Errors
    ///
    /// The filter that follows the first ones is refused, which no kernel does by itself: plugin code must not be called.
    pub(super) fn seal(self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.coverage.has_call_filter() {
            calls::refuse_loading()?;
        }
        Ok(())
    }
}

/// Notes the call that plugin code is being run for; 0 is none. A crash report names it.
pub(super) fn note_call(id: u64) {
    #[cfg(target_os = "linux")]
    crash::note_call(id);
    #[cfg(not(target_os = "linux"))]
    let _ = id;
}
