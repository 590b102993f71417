//! The ABI from outside: a provider behind the exported trait objects, as a host calls it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod author;
mod containment;
mod extensions;
mod issues;
mod manifest;
