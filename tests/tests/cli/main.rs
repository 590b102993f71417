//! Stories about the command line, told through the real binary: what it prints, how it ends, what it survives.

mod authors;
mod bad_config;
mod config_commands;
mod discovery;
mod formats;
mod help;
mod hostile;
mod interrupt;
mod lock;
mod plan;
mod plugin_files;
mod plugins;
mod state;
mod state_commands;
mod status;
mod support;
mod tracker;
