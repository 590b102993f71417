//! Incidents in trackers: the real binary with the real plugin before a fake that has work items and service hooks.

mod api;
mod inbound;
mod outbound;
mod story;
mod subscriptions;
