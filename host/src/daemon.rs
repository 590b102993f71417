//! The daemon: checks every repository for ever, believes what lasts, and keeps what happened.
//!
//! - One task, the conductor, decides everything: which check starts, what its result means, what is written. So a
//!   repository never has two checks at once, and no two results are judged at the same time.
//! - Checks run on tasks of their own; disks, files and clients never hold the conductor up.
//! - The wall clock is only shown and stored; everything that waits goes by the monotonic one.

mod handle;
mod ledger;
mod notify;
mod report;
mod snapshot;

pub use handle::{Asked, Handle, Reloads, Stopping};
pub use ledger::{Entry, Ledger, Seen, Standby};
pub use notify::{Notifier, Watchdog};
pub use report::{
    ConfigReport, IncidentReport, IntegrationReport, PluginReport, Report, RepositoriesReport, Stamp,
    StateReport,
};
pub use snapshot::Tally;
