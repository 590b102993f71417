//! config_commands
