//! Libraries that a plugin asks for and will not get.
//!
//! A sandboxed process opens no file but its plugin, so the loader can only give the plugin what the host itself has
//! loaded. A plugin that needs more still works in the host's own process; `plugin verify` tells its author.

use std::fs::File;

use object::{Object, ReadCache, ReadRef};

use crate::text;

const LONGEST_NAME_CHARS: usize = 100;

/// The names of the libraries that the one in `bytes` needs and that the sandbox does not give it. Empty for damaged
/// bytes, which are refused elsewhere, and where there is no sandbox.
pub(super) fn not_at_hand(bytes: &[u8]) -> Vec<String> {
    let Ok(executable) = File::open("/proc/self/exe") else {
        return Vec::new();
    };
    let at_hand = needed(&ReadCache::new(executable));
    let missing = |name: &String| !at_hand.contains(name) && !is_loader(name);
    needed(bytes)
        .into_iter()
        .filter(missing)
        .map(|name| text::printable(&name, LONGEST_NAME_CHARS).into_owned())
        .collect()
}

/// The loader is in every process that can open a library, whether it is asked for or not.
fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux")
}

fn needed<'data>(file: impl ReadRef<'data>) -> Vec<String> {
    let Ok(file) = object::File::parse(file) else {
        return Vec::new();
    };
    let Ok(libraries) = file.import_libraries() else {
        return Vec::new();
    };
    libraries.flatten().map(|library| String::from_utf8_lossy(library.name()).into_owned()).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    /// A library that needs `extra`, or else only what every library of Rust needs.
    fn library(extra: Option<&str>) -> Vec<u8> {
        let folder = tempfile::TempDir::new().expect("a folder");
        let build = |name: &str, code: &str, link: Option<&str>| {
            let source = folder.path().join(format!("{name}.rs"));
            std::fs::write(&source, code).expect("a source file");
            let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
            command.args(["--edition=2024", "--crate-type=cdylib", "--crate-name", name]).arg(&source);
            command.arg("-L").arg(folder.path()).arg("--out-dir").arg(folder.path());
            command.args(link.map(|link| format!("-Clink-arg=-Wl,--no-as-needed,-l{link}")));
            assert!(command.status().is_ok_and(|status| status.success()));
            std::fs::read(folder.path().join(format!("lib{name}.so"))).expect("a library")
        };
        if let Some(extra) = extra {
            build(extra, "", None);
        }
        build("plugin", "#[unsafe(no_mangle)] pub fn fail() { panic!() }", extra)
    }

    #[test]
    fn only_what_the_host_lacks_is_told() {
        assert!(needed(library(None).as_slice()).contains(&"libc.so.6".to_owned()));
        assert_eq!(not_at_hand(&library(None)), Vec::<String>::new());
        assert_eq!(not_at_hand(&library(Some("strange"))), ["libstrange.so"]);
        assert_eq!(not_at_hand(b"no library"), Vec::<String>::new());
    }
}
