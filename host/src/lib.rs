//! Forgewatch: knows, for every configured repository, whether your integration can still reach it, and why not.

pub mod plugins;
