//! Targets of alerts before those that they are made for: a receiver of webhooks, a real Alertmanager, a real mail
//! server; through `forgewatch alerts test` and through the library.
//!
//! Absent: who is told of what and when, which is the daemon's.
#![cfg(target_os = "linux")]

mod adverse;
mod alertmanager;
mod command;
mod hostile;
mod mail;
mod support;
mod webhooks;
