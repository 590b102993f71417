//! Forgewatch knows, for every configured repository, whether your integration can still reach it, and why not.
//!
//! This library is the binary's inside: it exists so that tests and the binary share one build. Only the
//! command line and the configuration files are promised to users, not these modules.
//!
//! Dependencies between the modules never run in a circle; [`config`] knows no other module.

pub mod cli;
pub mod config;
pub mod plugins;
