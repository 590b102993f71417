//! ABI 1 as a text: everything that a host and a plugin built years apart have to agree on, so that a change of it
//! is seen and reviewed like code.
//!
//! What abi_stable would compare when a library is opened comes from abi_stable's own descriptions of the types; the
//! rest are the names and numbers that both sides read. Absent: addresses, places in the source, patch versions,
//! and everything that may be added without harm, such as extensions.

mod types;

use std::fmt::{Debug, Write};
use std::path::PathBuf;

use forgewatch_plugin_api::abi::abi_stable::StableAbi;
use forgewatch_plugin_api::abi::abi_stable::library::RootModule;
use forgewatch_plugin_api::abi::{ABI_VERSION, HEADER_SYMBOL, PluginModule};
use forgewatch_plugin_api::manifest::{ELF_SECTION, MACHO_SECTION};
use forgewatch_plugin_api::{
    Authentication, BodyState, Method, REFUSED, Reason, SiloMode, UNSUPPORTED, UrlErrorKind,
};

use crate::build;

const HEADING: &str = "\
# Plugin ABI 1, on 64-bit machines: what hosts and plugins agree on. Written by `dev renew-baseline`, not by hand.
#
# A difference in this file means that plugins and hosts that are in use refuse each other. New abilities are
# extensions, and what comes later about a type goes into its attributes.
";

/// Where the description lies that was reviewed.
pub fn golden_file() -> PathBuf {
    build::root().join("plugin-api/abi-1.txt")
}

/// The description, with the names of the manifest's entries as they are in `library`, the bytes of a plugin.
///
/// # Panics
/// If the library has no manifest.
pub fn describe(library: &[u8]) -> String {
    let mut text = String::from(HEADING);
    for (title, lines) in
        [("entry point", entry_point()), ("manifest", manifest(library)), ("codes", codes())]
    {
        let _ = write!(text, "\n[{title}]\n{lines}");
    }
    // This crate's own types come first in a reversed alphabet.
    for (package, described) in types::describe(<PluginModule as StableAbi>::LAYOUT).iter().rev() {
        let _ = writeln!(text, "\n[types of {package}]");
        for (name, description) in described {
            let _ = write!(text, "\n{name}\n{description}");
        }
    }
    text
}

fn entry_point() -> String {
    let symbol = HEADER_SYMBOL.escape_ascii();
    let (name, version) = (PluginModule::NAME, PluginModule::VERSION_STRINGS);
    format!("ABI version {ABI_VERSION}\nsymbol {symbol}\nroot module {name} {version}\n")
}

/// The manifest's entries by name and in order; the values of the first two are fixed as well.
fn manifest(library: &[u8]) -> String {
    const MAGIC: &[u8] = b"forgewatch-plugin=";
    let start = library.windows(MAGIC.len()).position(|window| window == MAGIC);
    let entries = library[start.expect("a plugin has a manifest")..].split(|byte| *byte == 0);
    let entries = entries.take_while(|entry| !entry.is_empty()).map(String::from_utf8_lossy);
    let mut text = format!("section {ELF_SECTION} (ELF), __DATA,{MACHO_SECTION} (Mach-O)\n");
    let mut last = String::new();
    for (index, entry) in entries.enumerate() {
        let name = if index < 2 { &*entry } else { entry.split('=').next().unwrap_or_default() };
        if name != last {
            let _ = writeln!(text, "entry {name}");
        }
        name.clone_into(&mut last);
    }
    text
}

const REASONS: [(&str, Reason); 12] = [
    ("UNAUTHORIZED", Reason::UNAUTHORIZED),
    ("FORBIDDEN", Reason::FORBIDDEN),
    ("NOT_FOUND", Reason::NOT_FOUND),
    ("DISABLED", Reason::DISABLED),
    ("IDENTITY_INVALID", Reason::IDENTITY_INVALID),
    ("RATE_LIMITED", Reason::RATE_LIMITED),
    ("UNREACHABLE", Reason::UNREACHABLE),
    ("PROVIDER_ERROR", Reason::PROVIDER_ERROR),
    ("INVALID_RESPONSE", Reason::INVALID_RESPONSE),
    ("BASE_URL_UNRESOLVED", Reason::BASE_URL_UNRESOLVED),
    ("TIMED_OUT", Reason::TIMED_OUT),
    ("PLUGIN_FAILED", Reason::PLUGIN_FAILED),
];

const URL_ERRORS: [(&str, UrlErrorKind); 5] = [
    ("UNSUPPORTED_HOST", UrlErrorKind::UNSUPPORTED_HOST),
    ("NOT_A_REPOSITORY_URL", UrlErrorKind::NOT_A_REPOSITORY_URL),
    ("INSECURE_SCHEME", UrlErrorKind::INSECURE_SCHEME),
    ("INVALID_SEGMENT", UrlErrorKind::INVALID_SEGMENT),
    ("INVALID_PERCENT_ENCODING", UrlErrorKind::INVALID_PERCENT_ENCODING),
];

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

const SILO_MODES: [(&str, SiloMode); 3] =
    [("MONOLITH", SiloMode::MONOLITH), ("CONTROL", SiloMode::CONTROL), ("REGION", SiloMode::REGION)];

const BODY_STATES: [(&str, BodyState); 3] =
    [("COMPLETE", BodyState::COMPLETE), ("CUT_OFF", BodyState::CUT_OFF), ("TOO_LARGE", BodyState::TOO_LARGE)];

fn codes() -> String {
    let authentications = [
        ("none", Authentication::none()),
        ("bearer", Authentication::bearer()),
        ("basic", Authentication::basic("user")),
        ("header", Authentication::header("X-Name")),
    ];
    let methods = METHODS.map(|method| (method.name().unwrap_or("nameless"), method));
    let attributes = [REFUSED, UNSUPPORTED].map(|name| ("attribute of a failure", name));
    [
        lines(&attributes),
        lines(&REASONS),
        lines(&URL_ERRORS),
        lines(&methods),
        lines(&SILO_MODES),
        lines(&BODY_STATES),
        lines(&authentications),
    ]
    .concat()
}

fn lines(codes: &[(&str, impl Debug)]) -> String {
    codes.iter().map(|(name, code)| format!("{name} {code:?}\n")).collect()
}
