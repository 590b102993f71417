//! One sweep: checking a list of repositories once, many at a time.
//!
//! - Repositories are asked for together where that takes fewer requests; the verdicts are the same.
//! - A client is made once for each integration, and shared by its checks.
//! - Every check ends with one outcome within its time, whatever a plugin or a forge does; one repository's
//!   failure is never another's.
//! - When a sweep is cancelled it stops at once; what is known by then is its result.

mod batch;
mod check;
mod listing;
mod probe;
mod run;

pub use batch::{Batch, LARGEST_BATCH, Means};
pub(crate) use check::complete;
pub use check::{CheckResult, Connected, Integration, Spans, Target};
pub(crate) use listing::fingerprint;
pub use listing::{ListingEnd, Pager};
pub use probe::{Probe, Probed, Who};
pub use run::{Summary, Sweep};
