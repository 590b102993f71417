//! Stories of authors: a crate that is written, a guide that is followed, a plugin that is judged.

mod conformance;
mod guide;
mod new;
