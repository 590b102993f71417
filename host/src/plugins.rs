//! Provider plugins: finding library files, judging them unopened, opening them, calling them.
//!
//! - A file is read once for judging; the bytes that are opened are hashed and judged again.
//! - None of a plugin's code runs before a configured integration, a routed URL or a command needs it.
//! - Nothing is ever unloaded.
//!
//! The rest of the host sees [`Provider`] and [`Client`] and does not know where their code runs.

mod discover;
mod file;
mod load;
#[cfg_attr(not(test), expect(dead_code, reason = "`plugin verify` does not ask it yet"))]
mod needed;
mod provider;
mod registry;
mod worker;

pub use discover::{Discovery, Refused};
pub use file::{PluginFile, Refusal, RefusalState, read_plugin_file};
pub use load::{LoadError, LoadedLibrary, load};
pub use provider::{Client, Provider};
pub use registry::{ProviderError, Registry};
