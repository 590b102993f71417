//! Reading repository URLs: what a provider's parser is told and what it answers.
//!
//! **Evolution:** since ABI 1, frozen, as in `types`.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};

use crate::types::Attributes;

/// A base URL of a configured integration of the same provider.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BaseUrl {
    url: RString,
    allow_insecure_http: bool,
}

impl BaseUrl {
    /// A base URL, and whether the operator accepts it without TLS.
    pub fn new(url: &str, allow_insecure_http: bool) -> Self {
        Self { url: url.into(), allow_insecure_http }
    }

    /// The URL as configured or repaired; it may be malformed.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the operator accepts plain HTTP for it.
    pub fn allow_insecure_http(&self) -> bool {
        self.allow_insecure_http
    }
}

/// What a parser may need to know beside the URL.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UrlContext {
    options: RString,
    base_urls: RVec<BaseUrl>,
    attributes: Attributes,
}

impl UrlContext {
    /// A context from the provider's options (a JSON object as text) and its integrations' base URLs.
    pub fn new(options: &str, base_urls: impl IntoIterator<Item = BaseUrl>) -> Self {
        Self {
            options: options.into(),
            base_urls: base_urls.into_iter().collect(),
            attributes: Attributes::default(),
        }
    }

    /// The provider's options, a JSON object as text.
    pub fn options(&self) -> &str {
        &self.options
    }

    /// The base URLs of the provider's integrations.
    pub fn base_urls(&self) -> &[BaseUrl] {
        &self.base_urls
    }

    /// What later versions tell a parser, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }
}

impl Default for UrlContext {
    fn default() -> Self {
        Self::new("{}", [])
    }
}

/// Where a repository URL leads.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RepositoryUrl {
    base_url: RString,
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::texts"))]
    aliases: RVec<RString>,
    project: ROption<RString>,
    name: RString,
    attributes: Attributes,
}

impl RepositoryUrl {
    /// A repository `name` under a canonical base URL (`https://…/`).
    pub fn new(base_url: &str, name: &str) -> Self {
        Self {
            base_url: base_url.into(),
            aliases: RVec::new(),
            project: ROption::RNone,
            name: name.into(),
            attributes: Attributes::default(),
        }
    }

    /// Sets the project (group, namespace, owner).
    #[must_use]
    pub fn with_project(mut self, project: &str) -> Self {
        self.project = ROption::RSome(project.into());
        self
    }

    /// Adds another base URL that leads to the same account.
    #[must_use]
    pub fn with_alias(mut self, base_url: &str) -> Self {
        self.aliases.push(base_url.into());
        self
    }

    /// Sets what has no field of its own.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.set(name, value);
        self
    }

    /// What has no field of its own, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// The canonical base URL.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Other base URLs that lead to the same account.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().map(RString::as_str)
    }

    /// The project, decoded.
    pub fn project(&self) -> Option<&str> {
        self.project.as_ref().map(RString::as_str).into_option()
    }

    /// The repository's name or id, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The kind of a [`UrlError`]. An open code.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UrlErrorKind(u32);

impl UrlErrorKind {
    /// The host is none of this provider's.
    pub const UNSUPPORTED_HOST: Self = Self(1);
    /// The host is right and the rest names no repository.
    pub const NOT_A_REPOSITORY_URL: Self = Self(2);
    /// Plain HTTP where it is not accepted.
    pub const INSECURE_SCHEME: Self = Self(3);
    /// A project or repository that cannot be one: `..`, a slash, a control character.
    pub const INVALID_SEGMENT: Self = Self(4);
    /// A broken percent escape, or one that is not UTF-8.
    pub const INVALID_PERCENT_ENCODING: Self = Self(5);

    /// The number that crosses the ABI.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The kind with this number, known or not.
    pub const fn from_code(code: u32) -> Self {
        Self(code)
    }
}

/// Why a URL does not lead to a repository of this provider.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UrlError {
    kind: UrlErrorKind,
    detail: RString,
    attributes: Attributes,
}

impl UrlError {
    /// An error with its kind and one sentence. Do not repeat user information from the URL.
    pub fn new(kind: UrlErrorKind, detail: impl Into<RString>) -> Self {
        Self { kind, detail: detail.into(), attributes: Attributes::default() }
    }

    /// Sets what has no field of its own.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.set(name, value);
        self
    }

    /// What has no field of its own, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// The kind.
    pub fn kind(&self) -> UrlErrorKind {
        self.kind
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl std::fmt::Display for UrlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for UrlError {}
