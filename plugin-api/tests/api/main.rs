//! The ABI from outside: a provider behind the exported trait objects, as a host calls it.

mod containment;
mod manifest;
