//! A fake GitHub: the end points of the REST interface that say who reaches what.
//!
//! It answers at `api.github.com`, at `api.{name}.ghe.com`, and below `/api/v3/` on the enterprise hosts of the
//! [`Github`] that it serves and on this machine. One set of accounts is behind all of them. Limits go by the clock.
//!
//! Absent: GraphQL, writing, everything about a repository but that it is there.

pub mod contoso;
mod jwt;
mod routes;
mod service;
mod sessions;
mod views;
mod world;

pub use jwt::public_key;
pub use world::{
    App, Block, Github, Installation, Permission, RateLimit, Repository, Standing, Token, Visibility,
};

pub(crate) use routes::{Request, locate, serves};
pub(crate) use service::answer;
pub(crate) use sessions::Sessions;
