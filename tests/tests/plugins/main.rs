//! What plugins can do wrong, one row for each way: through the real binary, with real libraries and processes.
//!
//! `cargo test -p forgewatch-tests --test plugins -- --nocapture` prints the rows with what came of them.

#![cfg(target_os = "linux")]

mod asks;
mod constructors;
mod ends;
mod files;
mod floods;
mod modes;
mod reaches;
mod stalls;
mod support;
