//! The `forgewatch` binary: everything happens in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    forgewatch::cli::run()
}
