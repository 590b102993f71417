//! Skeleton.

pub mod services;
pub mod state;
pub mod text;
