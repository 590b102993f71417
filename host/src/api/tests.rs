//! The router on a ledger made by hand, and the server on a real socket.

mod access;
mod events;
mod fixture;
mod lists;
mod rules;
mod socket;
