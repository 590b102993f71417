//! Provider plugins: finding library files, judging them unopened, opening them, calling them.
//!
//! - A file is read once for judging; the bytes that are opened are hashed and judged again.
//! - With a lock file in use, nothing is opened but the very bytes that are locked.
//! - None of a plugin's code runs before a configured integration, a routed URL or a command needs it.
//! - Nothing is ever unloaded.
//!
//! The rest of the host sees [`Provider`] and [`Client`] and does not know where their code runs.

mod discover;
mod extensions;
mod file;
mod load;
mod lock;
mod needed;
mod provider;
mod registry;
mod watch;
mod worker;

pub use discover::{Discovery, Refused};
pub use extensions::delivery_for_plugin;
pub use file::{PluginFile, Refusal, RefusalState, read_plugin_file};
pub use load::{LoadError, LoadedLibrary, SealedLibrary};
pub use lock::{Lock, LockError, Locked, wished_hosts};
pub use provider::{Client, Condition, Provider};
pub use registry::{Registry, Room, UnknownProvider, open_in};
pub use worker::{
    COMMAND as WORKER_COMMAND, Coverage, RestartCause, Status, WorkerSettings, run as run_worker,
};
