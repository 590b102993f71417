//! The router on a ledger made by hand, and the server on a real socket.

mod access;
mod events;
pub(crate) mod fixture;
mod lists;
mod rules;
mod socket;
mod webhooks;
