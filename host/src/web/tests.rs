//! Pages over a ledger made by hand.

mod lists;
mod pages;
mod refusals;
mod sessions;
mod support;
