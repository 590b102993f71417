//! Stories told through the real binary and the real plugin libraries, against fakes of their forges on this machine.
//!
//! Each test has a sandbox and a fake of its own. Only what a user could see is looked at: results, standard
//! error, the files that are left, and what the forge was asked. Absent: the command line's own manners.

mod error_space;
mod github;
mod gitlab;
mod identities;
mod repair;
mod routes;
mod secrets;
mod support;
#[cfg(target_os = "linux")]
mod tracker;
