//! Old plugins in today's host, today's plugins in an old host, and the description of what both agree on.
//!
//! Old is what `tests/fixtures/abi-1` holds: a provider and a small host built on a frozen copy of plugin-api.

mod extensions;
mod layout;
mod old_host;
mod old_plugin;
