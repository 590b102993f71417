//! The daemon's pages as people meet them: in a real browser, with a mouse, with keys alone, without scripts, by night
//! and on a telephone.
//!
//! They need Debian's packages chromium and chromium-driver, and axe-core: `npm ci --prefix tests`.
#![cfg(target_os = "linux")]

mod filters;
mod harness;
mod keyboard;
mod live;
mod login;
mod many;
mod names;
mod pages;
mod people;
mod plain;
mod support;
