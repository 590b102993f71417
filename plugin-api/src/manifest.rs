//! The manifest: what a user should know of a plugin before any of its code runs.
//!
//! [`export_provider!`](crate::export_provider) puts it into a section of the library file as text: entries
//! `name=value`, each ended by a NUL, the first being `forgewatch-plugin=1`. A name may come several times.
//! `strings` shows it; [`parse`] reads it.
//!
//! **Evolution:** since ABI 1. Entries may be added; readers pass over those that they do not know. `abi` keeps
//! its name and meaning in every ABI version, since it is how a host tells that it is too old.

use std::fmt;

/// The section's name in an ELF file.
pub const ELF_SECTION: &str = ".forgewatch";
/// The section's name in a Mach-O file, in the segment `__DATA`.
pub const MACHO_SECTION: &str = "__forgewatch";

/// A plugin's manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The provider's short key.
    pub key: String,
    /// The provider's name for people.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The ABI version that it was built for.
    pub abi: u32,
    /// The plugin's licence, as an SPDX expression.
    pub licence: String,
    /// Regular expressions that preselect repository URLs.
    pub url_patterns: Vec<String>,
    /// Hosts that the plugin wishes to reach beside an integration's base URL.
    pub hosts: Vec<String>,
    /// The JSON Schema of the provider's options, empty when it takes none.
    pub options_schema: String,
}

/// Why a section holds no manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestError {
    /// The section does not begin as a manifest does.
    Foreign,
    /// The section is not text, or an entry is cut off or has no value.
    Malformed,
    /// An entry that every manifest has is missing or empty, or its value cannot be one.
    Entry(&'static str),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the section is not a Forgewatch manifest"),
            Self::Malformed => f.write_str("the manifest is damaged"),
            Self::Entry(name) => write!(f, "the manifest has no valid `{name}`"),
        }
    }
}

impl std::error::Error for ManifestError {}

/// Reads the bytes of the section.
///
/// # Errors
///
/// See [`ManifestError`]. For an ABI version that this crate does not speak, nothing but `abi` has to be there.
pub fn parse(section: &[u8]) -> Result<Manifest, ManifestError> {
    let text = std::str::from_utf8(section).map_err(|_| ManifestError::Malformed)?;
    let entries = text.trim_end_matches('\0').split('\0');
    let mut entries = entries.map(|entry| entry.split_once('=').ok_or(ManifestError::Malformed));
    if entries.next() != Some(Ok(("forgewatch-plugin", "1"))) {
        return Err(ManifestError::Foreign);
    }
    let mut manifest = Manifest::default();
    for entry in entries {
        let (name, value) = entry?;
        match name {
            "abi" => manifest.abi = value.parse().map_err(|_| ManifestError::Entry("abi"))?,
            "key" => value.clone_into(&mut manifest.key),
            "name" => value.clone_into(&mut manifest.name),
            "version" => value.clone_into(&mut manifest.version),
            "licence" => value.clone_into(&mut manifest.licence),
            "url-pattern" => manifest.url_patterns.push(value.to_owned()),
            "host" => manifest.hosts.push(value.to_owned()),
            "options-schema" => value.clone_into(&mut manifest.options_schema),
            _ => {}
        }
    }
    check(manifest)
}

fn check(manifest: Manifest) -> Result<Manifest, ManifestError> {
    if manifest.abi == 0 {
        return Err(ManifestError::Entry("abi"));
    }
    let required = [
        ("key", is_key(&manifest.key)),
        ("name", !manifest.name.is_empty()),
        ("version", !manifest.version.is_empty()),
    ];
    match required.iter().find(|(_, valid)| !valid) {
        Some((name, _)) if manifest.abi == crate::abi::ABI_VERSION => Err(ManifestError::Entry(name)),
        _ => Ok(manifest),
    }
}

/// Whether `text` can be a provider's key: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
pub const fn is_key(text: &str) -> bool {
    let mut bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 64 {
        return false;
    }
    while let [first, rest @ ..] = bytes {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') {
            return false;
        }
        bytes = rest;
    }
    true
}

/// The bytes of a text, for a static in a section.
#[doc(hidden)]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(text.as_bytes());
    bytes
}

/// Makes a library a plugin: its manifest and its entry point.
///
/// ```
/// # use forgewatch_plugin_api::prelude::*;
/// # #[derive(Default)]
/// # struct MyForge;
/// # impl Provider for MyForge {
/// #     type Client = ();
/// #     fn parse_repository_url(&self, _: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> { unimplemented!() }
/// #     async fn get_base_url(&self, _: &Host, _: &Integration) -> Result<String, Failure> { unimplemented!() }
/// #     async fn get_client(&self, _: Host, _: Integration) -> Result<(), Failure> { unimplemented!() }
/// #     async fn has_repo_access(&self, _: &(), _: &Repository) -> Result<Access, Failure> { unimplemented!() }
/// # }
/// forgewatch_plugin_api::export_provider! {
///     provider: MyForge,
///     key: "my-forge",
///     name: "My Forge",
///     url_patterns: [r"^https://my-forge\.example/"],
///     hosts: ["api.my-forge.example"],
///     options_schema: r#"{"type": "object", "properties": {"region": {"type": "string"}}}"#,
/// }
/// # fn main() {}
/// ```
///
/// The entries come in this order; `hosts` and `options_schema` may be left out. All values are literals, or
/// macros that make literals (`include_str!`).
///
/// - `key`: 1 to 64 of `a-z`, `0-9`, `-` and `_`; what `provider = "…"` names in the configuration.
/// - `url_patterns`: expressions of the crate `regex`, tried on the whole URL as the operator wrote it. They
///   choose whom to ask; hosts of configured base URLs are asked about without a pattern.
/// - `hosts`: what operators may want in `allow_hosts`: a host or `host:port`, without scheme and path.
/// - `options_schema`: a JSON Schema of `[providers.KEY.options]`.
/// - The version and the licence come from the crate's own `Cargo.toml`; `license` should be set there.
///
/// `panic = "abort"` does not compile: panics could not be contained. Nor does a key that no host would take:
///
/// ```compile_fail
/// # use forgewatch_plugin_api::prelude::*;
/// # #[derive(Default)]
/// # struct MyForge;
/// # impl Provider for MyForge {
/// #     type Client = ();
/// #     fn parse_repository_url(&self, _: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> { unimplemented!() }
/// #     async fn get_base_url(&self, _: &Host, _: &Integration) -> Result<String, Failure> { unimplemented!() }
/// #     async fn get_client(&self, _: Host, _: Integration) -> Result<(), Failure> { unimplemented!() }
/// #     async fn has_repo_access(&self, _: &(), _: &Repository) -> Result<Access, Failure> { unimplemented!() }
/// # }
/// forgewatch_plugin_api::export_provider! {
///     provider: MyForge,
///     key: "My Forge",
///     name: "My Forge",
///     url_patterns: [r"^https://my-forge\.example/"],
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_provider {
    (
        provider: $provider:ty,
        key: $key:expr,
        name: $name:expr,
        url_patterns: [$($pattern:expr),* $(,)?]
        $(, hosts: [$($host:expr),* $(,)?])?
        $(, options_schema: $schema:expr)?
        $(,)?
    ) => {
        const _: () = {
            #[cfg(panic = "abort")]
            ::core::compile_error!("a Forgewatch plugin needs `panic = \"unwind\"`: panics are contained in it");

            ::core::assert!(
                $crate::manifest::is_key($key),
                "`key` must be 1 to 64 of a-z, 0-9, `-` and `_`"
            );

            const TEXT: &str = ::core::concat!(
                "forgewatch-plugin=1\0abi=1\0key=", $key, "\0name=", $name,
                "\0version=", ::core::env!("CARGO_PKG_VERSION"),
                "\0licence=", ::core::env!("CARGO_PKG_LICENSE"),
                $("\0url-pattern=", $pattern,)*
                $($("\0host=", $host,)*)?
                $("\0options-schema=", $schema,)?
                "\0"
            );

            #[used]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".forgewatch"))]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__forgewatch"))]
            static MANIFEST: [u8; TEXT.len()] = $crate::manifest::bytes(TEXT);

            #[unsafe(no_mangle)]
            static forgewatch_plugin_v1: $crate::abi::abi_stable::library::LibHeader =
                $crate::abi::header($crate::abi::root_module::<$provider>);
        };
    };
}
