//! Incidents and the issues that trackers have for them: found or made, followed, and closed when access is back.
//!
//! - An incident is over when access is back, and not before. That its issue is done says that people are done with it:
//!   it is *handled*, and nobody is reminded of it, until the issue is opened again.
//! - What comes from a tracker is never sent back to it, so the two sides cannot start a loop.
//! - That an issue is about to be made is in the state before it is; after a crash it is looked for, and made again only
//!   if it is surely not there.
//! - A link to an issue is lost by nobody's fault but by hand: an issue that is gone is shown as gone.
//!
//! What trackers are is absent: their plugins know. What an incident is, is the daemon's.

mod book;
mod desk;
mod handle;
mod inbound;
mod news;
mod people;
mod record;
mod report;
mod run;
mod settings;
mod states;
pub mod subscribing;
mod subscriptions;
mod take;

pub use desk::{Desk, Refusal, RefusalKind};
pub use handle::{Handle, LinkError, Source};
pub use inbound::{Change, Sender, Unheard};
pub use people::People;
pub use record::{Link, Record};
pub use report::TrackerReport;
pub use run::Tracker;
pub use settings::Settings;
pub use subscriptions::{Status, SubscriptionReport};
