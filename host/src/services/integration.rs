//! The services of one integration: its requests with its identity, and its metadata.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::abi::{HostObject, abi_stable::std_types::RVec};
use forgewatch_plugin_api::{Failure, Reason, Request, Response, Scheme, SiloMode};
use reqwest::header::{HeaderName, HeaderValue};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::base_url::{effective_base_url, origin_of, validate};
use super::budget::{Budget, Budgets, Refusal};
use super::call::{self, CallRecord};
use super::egress::{Egress, Outgoing, ProviderPolicy};
use super::hook_secret::HookSecret;
use super::http::{Answer, Noted, shown};
use super::identity::{Credential, Identity, Keeper};
use super::scrub::Scrubber;
use super::traffic::Requests;
use super::{Services, bridge, refused};
use crate::state::SavedMetadata;
use crate::text::printable;

/// The metadata value that is the base URL.
pub const DOMAIN_NAME: &str = "domain_name";
const LONGEST_NAME: usize = 64;
const LARGEST_VALUE_BYTES: usize = 4096;
/// How many names a plugin may save values under, the base URL among them.
const MOST_NAMES: usize = 64;

/// An integration as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationSettings {
    /// Its name in the configuration.
    pub key: String,
    /// Its base URL, malformed or not.
    pub domain_name: String,
    /// Whether that may be without TLS.
    pub allow_insecure_http: bool,
    /// Its default identity.
    pub identity: Option<Arc<Identity>>,
    /// Its further metadata.
    pub metadata: BTreeMap<String, String>,
}

/// What the host does for the plugin of one integration.
pub struct IntegrationServices {
    keeper: Keeper,
    silo_mode: SiloMode,
    provider: Arc<ProviderPolicy>,
    settings: IntegrationSettings,
    egress: Egress,
    /// Saved values that stand in for configured ones, the base URL among them.
    saved: Mutex<BTreeMap<String, String>>,
    requests: Arc<Requests>,
    budgets: Arc<Budgets>,
}

/// What an integration has in common with others.
pub(super) struct Shared {
    pub(super) keeper: Keeper,
    pub(super) silo_mode: SiloMode,
    pub(super) requests: Arc<Requests>,
    /// Of requests without an identity.
    pub(super) budgets: Arc<Budgets>,
}

impl IntegrationServices {
    pub(super) fn new(shared: Shared, provider: Arc<ProviderPolicy>, settings: IntegrationSettings) -> Self {
        let Shared { keeper, silo_mode, requests, budgets } = shared;
        let rows = keeper.state.all_metadata(&settings.key).unwrap_or_else(|error| {
            tracing::warn!(integration = settings.key, "saved metadata cannot be read: {error}");
            Vec::new()
        });
        let mut saved: BTreeMap<String, String> = rows
            .into_iter()
            .filter(|row| configured(&settings, &row.name) == row.configured)
            .map(|row| (row.name, row.value))
            .collect();
        let looked_up = saved.remove(DOMAIN_NAME);
        let base_url = effective_base_url(&provider, &settings.domain_name, looked_up.as_deref());
        let egress = Egress::new(&settings.key, settings.allow_insecure_http, &base_url);
        saved.insert(DOMAIN_NAME.to_owned(), base_url);
        let saved = Mutex::new(saved);
        Self { keeper, silo_mode, provider, settings, egress, saved, requests, budgets }
    }

    /// What its identity may ask at the forge of its base URL; none while that is malformed. Another integration with
    /// the same identity has the same one.
    pub fn budget(&self) -> Option<Arc<Budget>> {
        let budgets = self.settings.identity.as_ref().map_or(&*self.budgets, |identity| identity.budgets());
        self.egress.base().map(|origin| budgets.at(origin))
    }

    /// The default identity.
    pub fn default_identity(&self) -> Option<&Identity> {
        self.settings.identity.as_deref()
    }

    /// Whether `services` would make the same anew, but for what is held in memory here.
    pub fn are_those_of(
        &self,
        services: &Services,
        provider: &Arc<ProviderPolicy>,
        settings: &IntegrationSettings,
    ) -> bool {
        let (keeper, other) = (&self.keeper, &services.keeper);
        keeper.client.is(&other.client)
            && Arc::ptr_eq(&keeper.state, &other.state)
            && self.silo_mode == services.silo_mode
            && Arc::ptr_eq(&self.provider, provider)
            && self.settings == *settings
    }

    /// The base URL as configured, or as looked up and saved.
    pub fn domain_name(&self) -> String {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.get(DOMAIN_NAME).cloned().unwrap_or_default()
    }

    /// All further metadata, saved values in place of the configured ones.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = self.settings.metadata.clone();
        metadata.extend(self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone());
        metadata.remove(DOMAIN_NAME);
        metadata
    }

    /// The name of its identity.
    pub fn identity_name(&self) -> Option<&str> {
        self.settings.identity.as_ref().map(|identity| identity.name())
    }

    /// The word that the token of its identity begins with, where it has one that names the kind of token. No part of a
    /// secret is in it.
    pub fn token_prefix(&self) -> Option<String> {
        let identity = self.settings.identity.as_ref().filter(|_| self.silo_mode != SiloMode::REGION);
        identity?.token_prefix()
    }

    /// The services as a plugin gets them.
    pub fn host_object(self: &Arc<Self>) -> HostObject {
        bridge::for_integration(Arc::clone(self))
    }

    pub(super) fn plugin(&self) -> &str {
        &self.provider.key
    }

    /// Sends a plugin's request, if it may be sent, and notes the answer in `record`.
    ///
    /// Cancel-safe: a token refresh that has begun is finished all the same.
    ///
    /// # Errors
    ///
    /// No credential where one is asked for, a request that is not allowed, or no answer.
    pub async fn http(&self, request: &Request, record: Option<&CallRecord>) -> Result<Response, Failure> {
        let scheme = request.authentication().scheme().ok_or_else(|| {
            refused("the plugin asks for an authentication that this version does not know")
        })?;
        let identity = match scheme {
            Scheme::None => None,
            _ => Some(self.identity()?),
        };
        let mut outgoing = self.egress.judge(&self.provider, request)?;
        let secret = record.and_then(CallRecord::secret);
        if let Some(secret) = &secret {
            let is_base = self.egress.is_base(&outgoing.url);
            secret.fill(&mut outgoing, is_base)?;
        }
        let _turn = self.provider.turns.acquire().await;
        match identity {
            None => {
                let answer = self.send(None, &outgoing, None, record).await?;
                Ok(self.response(answer, None, secret.as_deref()))
            }
            Some(identity) => self.with_identity(identity, scheme, &outgoing, record).await,
        }
    }

    async fn with_identity(
        &self,
        identity: &Arc<Identity>,
        scheme: Scheme<'_>,
        outgoing: &Outgoing,
        record: Option<&CallRecord>,
    ) -> Result<Response, Failure> {
        let secret = record.and_then(CallRecord::secret);
        let credential = identity.credential(&self.keeper).await?;
        let header = identity.header(&credential, scheme)?;
        let answer = self.send(Some(identity), outgoing, Some(&header), record).await?;
        if answer.status == 401
            && let Some(renewed) = identity.after_rejection(&self.keeper, &credential).await?
        {
            let header = identity.header(&renewed, scheme)?;
            let answer = self.send(Some(identity), outgoing, Some(&header), record).await?;
            return Ok(self.response(answer, Some(&renewed), secret.as_deref()));
        }
        Ok(self.response(answer, Some(&credential), secret.as_deref()))
    }

    async fn send(
        &self,
        identity: Option<&Identity>,
        outgoing: &Outgoing,
        credential: Option<&(HeaderName, HeaderValue)>,
        record: Option<&CallRecord>,
    ) -> Result<Answer, Failure> {
        let budgets = identity.map_or(&*self.budgets, Identity::budgets);
        let is_urgent = !record.is_some_and(CallRecord::is_unattended);
        let pass = budgets.at(outgoing.url.origin()).pass(&outgoing.url, is_urgent).await;
        let pass = pass.map_err(|refusal| held_back(identity, outgoing, &refusal, record))?;
        if let Some(record) = record.filter(|_| !outgoing.reads()) {
            record.writes();
        }
        let noted = Noted { record, requests: Some(&self.requests), pass: Some(&pass) };
        self.keeper.client.send(outgoing, credential, noted).await
    }

    fn identity(&self) -> Result<&Arc<Identity>, Failure> {
        let invalid = |detail| Err(Failure::new(Reason::IDENTITY_INVALID, detail));
        let key = &self.settings.key;
        match &self.settings.identity {
            _ if self.silo_mode == SiloMode::REGION => invalid(format!(
                "integration `{key}` has no credential here: with `silo_mode = \"region\"` this process holds no \
                 identities"
            )),
            Some(identity) => Ok(identity),
            None => invalid(format!(
                "integration `{key}` has no identity: add `identity` under `[integrations.{key}]`"
            )),
        }
    }

    /// The answer without the secrets that it may hold: those of the request, and those that are newer.
    fn response(
        &self,
        answer: Answer,
        used: Option<&Arc<Credential>>,
        secret: Option<&HookSecret>,
    ) -> Response {
        let current = self.settings.identity.as_ref().and_then(|identity| identity.current());
        let newer = current.as_ref().filter(|current| !used.is_some_and(|used| Arc::ptr_eq(used, current)));
        let scrubbers = || {
            let of_credentials = used.into_iter().chain(newer).map(|credential| credential.scrubber());
            of_credentials.chain(secret.map(HookSecret::scrubber))
        };
        let mut body = answer.body;
        for scrubber in scrubbers() {
            body = scrubber.scrub(&body).unwrap_or(body);
        }
        let mut response = Response::new(answer.status, RVec::from(body)).with_body_state(answer.body_state);
        let scrubbed = |text| {
            scrubbers().fold(text, |text: Cow<'_, str>, scrubber: &Scrubber| scrubber.scrub_text(text))
        };
        for (name, value) in &answer.headers {
            let value = scrubbed(String::from_utf8_lossy(value.as_bytes()));
            // Whoever echoes a secret can do so in a name, too.
            response = response.with_header(&scrubbed(Cow::Borrowed(name.as_str())), &value);
        }
        response
    }

    fn room_for(&self, name: &str) -> Result<(), Failure> {
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.len() < MOST_NAMES || saved.contains_key(name) {
            return Ok(());
        }
        Err(refused(format!(
            "the integration has {MOST_NAMES} saved values already, which is all that it may have"
        )))
    }

    /// Saves a metadata value and gives back what was saved. A base URL holds for the next request already.
    ///
    /// When the store cannot be written, the value holds for this run and a warning says so.
    ///
    /// # Errors
    ///
    /// A base URL that is not trusted, and names and values that are too long or no plain text.
    pub async fn save_metadata(&self, name: &str, value: &str) -> Result<String, Failure> {
        let value = match name {
            DOMAIN_NAME if self.silo_mode == SiloMode::REGION => {
                return Err(refused("with `silo_mode = \"region\"` this process repairs no domain names"));
            }
            DOMAIN_NAME => validate(&self.provider, &self.settings.domain_name, value)?,
            _ => plain(name, value)?,
        };
        self.room_for(name)?;
        let saved = SavedMetadata {
            name: name.to_owned(),
            configured: configured(&self.settings, name).into_owned(),
            value: value.clone(),
        };
        if name == DOMAIN_NAME {
            self.egress.follow(&value);
        }
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.clone());
        let key = self.settings.key.clone();
        let state = Arc::clone(&self.keeper.state);
        let written = spawn_blocking(move || state.save_metadata(&key, &saved)).await;
        let problem = match written {
            Ok(Ok(())) => return Ok(value),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let integration = &self.settings.key;
        tracing::warn!(integration, "`{name}` holds for this run alone: {problem}");
        Ok(value)
    }
}

/// A request that is not sent, to stay within what the forge allows.
fn held_back(
    identity: Option<&Identity>,
    outgoing: &Outgoing,
    refusal: &Refusal,
    record: Option<&CallRecord>,
) -> Failure {
    let wait = refusal.until.saturating_duration_since(Instant::now());
    if let Some(record) = record {
        record.held_back(wait);
    }
    let seconds = call::whole_seconds(wait);
    let until = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(seconds));
    let who = match identity {
        Some(identity) => format!("identity `{}`", printable(identity.name(), 100)),
        None => "requests without an identity".to_owned(),
    };
    let forge = printable(outgoing.url.host_str().unwrap_or_default(), 200);
    let detail = refusal.why.told(&who, &forge, &until);
    tracing::debug!(method = %outgoing.method, url = %shown(&outgoing.url), "not sent: {detail}");
    Failure::new(Reason::RATE_LIMITED, detail).with_retry_after_s(seconds)
}

/// What a saved value came from, as the store knows it.
fn configured<'a>(settings: &'a IntegrationSettings, name: &str) -> Cow<'a, str> {
    origin_of(match name {
        DOMAIN_NAME => &settings.domain_name,
        _ => settings.metadata.get(name).map_or("", String::as_str),
    })
}

fn plain(name: &str, value: &str) -> Result<String, Failure> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_name) {
        let rule = "it must be 1 to 64 of a-z, 0-9, `_`, `.` and `-`";
        return Err(refused(format!("a metadata name was not accepted: {rule}")));
    }
    if value.len() > LARGEST_VALUE_BYTES {
        return Err(refused(format!("the metadata `{name}` is larger than {LARGEST_VALUE_BYTES} bytes")));
    }
    Ok(value.to_owned())
}
