//! Pages over a ledger made by hand.

mod lists;
mod live;
mod pages;
mod people;
mod refusals;
mod sessions;
mod support;
