//! The `forgewatch` binary: everything happens in the library.

use std::process::ExitCode;

/// A check makes many short-lived allocations on several threads; the system's allocator spends a tenth of it there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages and would keep a lot of memory of which little is used. Workers inherit this.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    forgewatch::cli::run()
}
