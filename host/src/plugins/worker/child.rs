//! The worker's side: one process, one thread, one plugin.
//!
//! - Everything a plugin asks for goes over the socket; the process can do nothing else.
//! - The thread runs plugin code, reads and writes in turns. Where a write would wait it reads meanwhile, so two
//!   full sockets never wait for each other.
//! - A worker that cannot go on ends itself; its host starts another.

mod link;
mod tasks;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use forgewatch_plugin_api::abi::HostServices_TO;
use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;

use self::link::{Link, RemoteHost};
use self::tasks::Tasks;
use super::process::DISCONNECTED;
use super::protocol::{ToHost, ToWorker};
use super::sandbox::{self, Inherited};
use crate::plugins::load::open_copy;

/// Runs the worker that this process was started as; gives the status to exit with.
pub fn run() -> ExitCode {
    let inherited = match sandbox::inherit() {
        Ok(inherited) => inherited,
        Err(error) => {
            eprintln!(
                "error: this command is for forgewatch itself, which starts it for each plugin: {error}"
            );
            return ExitCode::from(2);
        }
    };
    match serve(inherited) {
        Ok(()) => ExitCode::SUCCESS,
        // The host has closed, or the socket is broken: either way nobody listens.
        Err(_) => ExitCode::from(DISCONNECTED),
    }
}

fn serve(Inherited { socket, library }: Inherited) -> io::Result<()> {
    let link = Arc::new(Link::new(socket));
    let Some(ToWorker::Hello(hello)) = link.receive()? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    link.set_log_level(hello.log_level);
    let entered = sandbox::enter(link.socket());
    if hello.require_sandbox && !entered.coverage().is_full() {
        let coverage = entered.coverage();
        return refuse(
            &link,
            format!("the sandbox is not whole here ({coverage}), and `plugins.require_sandbox` is set"),
        );
    }
    link.send(&ToHost::Entered { coverage: entered.coverage().clone() });
    link.flush()?;
    let copy = hello.copy.map_or_else(|| descriptor_path(&library), PathBuf::from);
    let opened = open_copy(Path::new(&hello.shown), &copy);
    drop(library);
    entered.seal()?;
    let started = opened.map_err(|error| error.to_string()).and_then(|module| {
        let host = HostServices_TO::from_value(RemoteHost::of_plugin(Arc::clone(&link)), TD_Opaque);
        (module.create())(host).into_result().map_err(|failure| failure.to_string())
    });
    match started {
        Ok(provider) => {
            link.send(&ToHost::Ready);
            Tasks::new(link, provider).run()
        }
        Err(problem) => refuse(&link, problem),
    }
}

fn refuse(link: &Link, detail: String) -> io::Result<()> {
    link.send(&ToHost::Refused { detail: detail.into() });
    link.flush()
}

fn descriptor_path(library: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", library.as_fd().as_raw_fd()))
}
