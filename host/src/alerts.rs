//! Telling people and programs of incidents: each transition of one, once, to everybody who is to hear of it.
//!
//! - What is owed to whom is in the state, with what was told already: a crash loses nothing. What a target has taken
//!   and could not be written down any more, since the process or the disk ended at that moment, is sent once more,
//!   under the id that it had, if that could be saved.
//! - A target that is down, slow or answers nonsense costs nobody else anything.
//! - Text of forges is quoted for where it goes: JSON, chat, mail. None of it becomes markup, a mention or a header.
//!
//! Deciding what an incident is, is absent: that is the daemon's. Forges and plugins cannot reach a target: the
//! addresses are known here alone, and nothing here speaks for a plugin.

mod message;
mod outbox;
mod plan;
mod report;
mod run;
mod settings;
mod target;

pub use message::{Handling, Happening, Message, Told, ToldIssue};
pub use plan::Labels;
pub(crate) use plan::{Matches, Plan};
pub use report::TargetReport;
pub use run::{Alerts, Handle, People, Source};
pub use settings::Settings;
pub(crate) use target::test_message;
pub use target::{Refusal, Target};
