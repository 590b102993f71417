//! The `forgewatch` binary: everything happens in the library.

use std::process::ExitCode;

/// A check makes many short-lived allocations on several threads; the system's allocator spends a tenth of it there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    forgewatch::cli::run()
}
