//! Stories told through the real binary and the real plugin libraries, against a fake Azure DevOps and a fake GitHub on
//! this machine.
//!
//! Each test has a sandbox and a fake of its own. Only what a user could see is looked at: results, standard
//! error, the files that are left, and what the forge was asked. Absent: the command line's own manners.

mod error_space;
mod github;
mod identities;
mod repair;
mod routes;
mod secrets;
mod support;
