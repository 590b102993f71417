//! Plugins in worker processes, as an operator meets them: what happens to workers from outside, to their files, and
//! on kernels that lack something.
#![cfg(target_os = "linux")]

mod kernel;
mod listing;
mod needs;
mod replacing;
mod soak;
mod supervision;
mod support;
mod telling;
