//! What passes between host and plugin: descriptions of integrations and repositories, answers and failures.
//!
//! Every type here crosses the ABI as it is: `repr(C)`, fields private, read through methods.
//! **Evolution:** since ABI 1, frozen. Nothing may be added, removed or reordered; what comes later travels in
//! the attributes of the types that stand for themselves (not of their parts). Codes are open: a number that this version does not know is kept, not
//! a fault.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec, Tuple2};

/// Names and text values, in the order in which they were set. Few, so looked up by walking.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Attributes {
    #[cfg_attr(feature = "serde", serde(with = "crate::wire::pairs"))]
    entries: RVec<Tuple2<RString, RString>>,
}

impl Attributes {
    /// Sets `name`, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: impl Into<RString>) {
        let value = value.into();
        match self.entries.iter_mut().find(|entry| entry.0 == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push(Tuple2(name.into(), value)),
        }
    }

    /// Adds `name` even when it is there already, as HTTP headers may be.
    pub fn append(&mut self, name: &str, value: impl Into<RString>) {
        self.entries.push(Tuple2(name.into(), value.into()));
    }

    /// The first value of `name`, compared exactly.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first value of `name`, compared without regard to ASCII case.
    pub fn get_ignoring_case(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (entry.0.as_str(), entry.1.as_str()))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let entries = pairs.into_iter().map(|(name, value)| Tuple2(name.into(), value.into())).collect();
        Self { entries }
    }
}

/// Whether this process may hold identities.
///
/// An open code: treat a value that you do not know like [`SiloMode::MONOLITH`].
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SiloMode(u8);

impl SiloMode {
    /// Everything in one process.
    pub const MONOLITH: Self = Self(0);
    /// Holds identities and state.
    pub const CONTROL: Self = Self(1);
    /// Holds no identity and never repairs domain names.
    pub const REGION: Self = Self(2);
}

/// One installed account or organisation on a provider, as the host sees it now.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Integration {
    key: RString,
    external_id: ROption<RString>,
    domain_name: RString,
    identity_kind: ROption<RString>,
    silo_mode: SiloMode,
    allow_insecure_http: bool,
    metadata: Attributes,
    options: RString,
    attributes: Attributes,
}

impl Integration {
    /// An integration named `key` in the configuration, whose base URL is `domain_name`.
    pub fn new(key: &str, domain_name: &str) -> Self {
        Self {
            key: key.into(),
            external_id: ROption::RNone,
            domain_name: domain_name.into(),
            identity_kind: ROption::RNone,
            silo_mode: SiloMode::MONOLITH,
            allow_insecure_http: false,
            metadata: Attributes::default(),
            options: "{}".into(),
            attributes: Attributes::default(),
        }
    }

    /// Sets the base URL.
    #[must_use]
    pub fn with_domain_name(mut self, domain_name: &str) -> Self {
        self.domain_name = domain_name.into();
        self
    }

    /// Sets the forge's own id of the account.
    #[must_use]
    pub fn with_external_id(mut self, id: &str) -> Self {
        self.external_id = ROption::RSome(id.into());
        self
    }

    /// Says that the integration has an identity, and of which kind (`pat`, `oauth2`, …).
    #[must_use]
    pub fn with_identity_kind(mut self, kind: &str) -> Self {
        self.identity_kind = ROption::RSome(kind.into());
        self
    }

    /// Sets the silo mode of the process.
    #[must_use]
    pub fn with_silo_mode(mut self, mode: SiloMode) -> Self {
        self.silo_mode = mode;
        self
    }

    /// Says whether a base URL without TLS is acceptable.
    #[must_use]
    pub fn with_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    /// Adds further metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Attributes) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets the provider's options, a JSON object as text.
    #[must_use]
    pub fn with_options(mut self, json: &str) -> Self {
        self.options = json.into();
        self
    }

    /// Sets what has no field of its own.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.set(name, value);
        self
    }

    /// The integration's name in the configuration.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The forge's own id of the account. It is text, whatever it looks like.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_ref().map(RString::as_str).into_option()
    }

    /// The base URL, as configured or as repaired and saved earlier. It may be malformed.
    pub fn domain_name(&self) -> &str {
        &self.domain_name
    }

    /// The kind of the default identity, `None` when the integration has none.
    ///
    /// The secret itself stays in the host: see [`Authentication`](crate::Authentication).
    pub fn identity_kind(&self) -> Option<&str> {
        self.identity_kind.as_ref().map(RString::as_str).into_option()
    }

    /// The silo mode of the process.
    pub fn silo_mode(&self) -> SiloMode {
        self.silo_mode
    }

    /// Whether the operator accepts a base URL without TLS.
    pub fn allow_insecure_http(&self) -> bool {
        self.allow_insecure_http
    }

    /// Further metadata, by name.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)
    }

    /// The provider's options, a JSON object as text that fits the plugin's own schema.
    pub fn options(&self) -> &str {
        &self.options
    }

    /// What later versions say about an integration, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }
}

/// Attribute of an [`Integration`]: the beginning of its identity's token where that is a word that names the kind of
/// token and no secret, like `glpat-`. Since 1.2.0; absent where tokens have no such word, or the host is older.
///
/// It tells an operator who mixed tokens up. It is no reason not to ask: forges change their words.
pub const TOKEN_PREFIX: &str = "token_prefix";

/// One repository of an integration.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Repository {
    name: RString,
    project: ROption<RString>,
    external_id: ROption<RString>,
    attributes: Attributes,
}

impl Repository {
    /// A repository by its name on the forge.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            project: ROption::RNone,
            external_id: ROption::RNone,
            attributes: Attributes::default(),
        }
    }

    /// Sets the project (group, namespace, owner) that it belongs to.
    #[must_use]
    pub fn with_project(mut self, project: &str) -> Self {
        self.project = ROption::RSome(project.into());
        self
    }

    /// Sets the forge's own id, which survives a rename.
    #[must_use]
    pub fn with_external_id(mut self, id: &str) -> Self {
        self.external_id = ROption::RSome(id.into());
        self
    }

    /// The name, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The project, decoded.
    pub fn project(&self) -> Option<&str> {
        self.project.as_ref().map(RString::as_str).into_option()
    }

    /// The forge's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.external_id.as_ref().map(RString::as_str).into_option()
    }

    /// What later versions say about a repository, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }
}

/// Why a check ended as it did.
///
/// An open code: the host reads a number that it does not know as [`Reason::PROVIDER_ERROR`].
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reason(u32);

impl Reason {
    /// The identity is not accepted, or not for this organisation.
    pub const UNAUTHORIZED: Self = Self(1);
    /// The identity is accepted, this access is not.
    pub const FORBIDDEN: Self = Self(2);
    /// The forge shows no such repository to the identity.
    pub const NOT_FOUND: Self = Self(3);
    /// The repository is there and switched off.
    pub const DISABLED: Self = Self(4);
    /// No usable credential: none configured, expired, or refused by its own issuer.
    pub const IDENTITY_INVALID: Self = Self(5);
    /// The forge asks to wait.
    pub const RATE_LIMITED: Self = Self(6);
    /// No HTTP answer: name resolution, connection, TLS, or the request's own time-out.
    pub const UNREACHABLE: Self = Self(7);
    /// The forge answered that it failed.
    pub const PROVIDER_ERROR: Self = Self(8);
    /// The forge's answer makes no sense.
    pub const INVALID_RESPONSE: Self = Self(9);
    /// The base URL is malformed and looking it up gave no usable one.
    pub const BASE_URL_UNRESOLVED: Self = Self(10);
    /// The check as a whole took too long.
    pub const TIMED_OUT: Self = Self(11);
    /// The plugin failed: a panic, a crash, a broken promise.
    pub const PLUGIN_FAILED: Self = Self(12);

    /// The number that crosses the ABI.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The reason with this number, known or not.
    pub const fn from_code(code: u32) -> Self {
        Self(code)
    }
}

/// The integration has access.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Access {
    detail: RString,
    attributes: Attributes,
}

impl Access {
    /// Access without more to say.
    pub fn granted() -> Self {
        Self::default()
    }

    /// Adds one sentence on what an operator should know all the same (a new name, for example).
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<RString>) -> Self {
        self.detail = detail.into();
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

    /// The sentence, empty when there is none.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// No access, or none that could be made sure of, and why.
///
/// The detail is one sentence: what was seen and what to do about it. It must not hold a secret; the host
/// escapes control characters and cuts it at 2,000 characters.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Failure {
    reason: Reason,
    detail: RString,
    http_status: ROption<u16>,
    retry_after_s: ROption<u64>,
    attributes: Attributes,
}

impl Failure {
    /// A failure with its reason and one sentence.
    pub fn new(reason: Reason, detail: impl Into<RString>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            http_status: ROption::RNone,
            retry_after_s: ROption::RNone,
            attributes: Attributes::default(),
        }
    }

    /// Changes the reason and keeps the rest.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Changes the sentence and keeps the rest.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<RString>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Names the HTTP status that decided. Without it the host reports the last answer's.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = ROption::RSome(status);
        self
    }

    /// Names the seconds after which to try again.
    #[must_use]
    pub fn with_retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = ROption::RSome(seconds);
        self
    }

    /// Sets what has no field of its own.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.set(name, value);
        self
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status that decided.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status.into_option()
    }

    /// The seconds after which to try again.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s.into_option()
    }

    /// What has no field of its own, by name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// Whether the host refused to send the request at all, because the operator has not allowed it.
    pub fn is_refused(&self) -> bool {
        self.attribute(REFUSED).is_some()
    }
}

/// Attribute of a [`Failure`] that the host sets when it refuses a request.
pub const REFUSED: &str = "refused";

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}
