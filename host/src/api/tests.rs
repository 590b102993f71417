//! The router on a ledger made by hand, and the server on a real socket.

mod access;
mod events;
pub(crate) mod fixture;
mod lists;
mod orders;
mod rules;
mod search;
mod socket;
mod webhooks;
