//! Plugins in processes of their own: the host starts itself as a worker for each, and talks to it over a socket.
//!
//! - The same library file runs here and in the host's own process; the rest of the host cannot tell the two apart.
//! - A worker inherits nothing but its socket and its library. On Linux it runs in a sandbox from before the library
//!   is opened.
//! - Whatever a worker does costs its plugin's answers and no others: it is killed when it gives no sign of life,
//!   started again when it ends, and left alone when it ends too often.

mod child;
mod connection;
mod history;
mod process;
mod protocol;
mod remote;
mod sandbox;
mod status;
mod supervise;
mod wire;

pub use child::run;
pub use protocol::COMMAND;
pub(super) use remote::{RemoteClient, RemoteProvider};
pub use sandbox::Coverage;
pub use status::{RestartCause, Status};
pub(super) use supervise::Supervisor;
pub use supervise::WorkerSettings;
