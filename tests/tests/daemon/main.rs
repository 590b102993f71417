//! The daemon as an operator meets it: the real binary with the real plugin and a real state, before a forge that
//! goes wrong in every way that forges do.
#![cfg(target_os = "linux")]

mod alerts;
mod answers;
mod batches;
mod budgets;
mod discovery;
mod http;
mod identities;
mod losses;
mod mass;
mod outages;
mod plugins;
mod reloads;
mod restarts;
mod scheduling;
mod secrets;
mod states;
mod stops;
mod support;
mod tracker;
mod web;
