//! Forgewatch knows, for every configured repository, whether your integration can still reach it, and why not.
//!
//! This library is the binary's inside: it exists so that tests and the binary share one build. Only the
//! command line and the configuration files are promised to users, not these modules.
//!
//! Dependencies between the modules never run in a circle; [`config`] and [`verdict`] know no other room but [`text`].

pub mod alerts;
pub mod api;
mod backoff;
pub mod cli;
pub mod config;
pub mod conformance;
pub mod daemon;
pub mod discovery;
pub mod journal;
pub mod logging;
pub mod metrics;
pub mod plan;
pub mod plugins;
pub mod prepare;
pub mod routing;
pub mod services;
pub mod state;
pub mod sweep;
pub mod text;
pub mod tracker;
pub mod verdict;
mod web;
