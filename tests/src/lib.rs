//! The harness: what the tests, the benchmarks and the walk-through of the documentation run against.
//!
//! It holds stand-ins for the outside world and drives the built binary as a user would. It never reaches
//! into the host's internals.

pub mod abi;
pub mod ask;
#[cfg(target_os = "linux")]
pub mod browser;
pub mod build;
#[cfg(target_os = "linux")]
pub mod contract;
#[cfg(target_os = "linux")]
pub mod daemon;
#[cfg(target_os = "linux")]
pub mod endurance;
pub mod fake;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
pub mod gallery;
pub mod haystack;
pub mod nobody;
pub mod patch;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod receivers;
pub mod records;
#[cfg(target_os = "linux")]
pub mod running;
pub mod sandbox;
#[cfg(target_os = "linux")]
pub mod screenshots;
#[cfg(target_os = "linux")]
pub mod soak;
pub mod watchlist;
