//! Renewing tokens: one at a time, stored before used, and not too often.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use forgewatch_plugin_api::{Failure, Reason};
use secrecy::SecretString;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::issuer::Issuer;
use super::{Credential, Identity, endpoint};
use crate::services::http::HttpClient;
use crate::state::{SavedIdentity, State, StateError};

/// How long a failed renewal stands for all that ask again.
const PAUSE: Duration = Duration::from_secs(30);

/// What a renewal needs from the process.
#[derive(Clone)]
pub(in crate::services) struct Keeper {
    pub(in crate::services) client: HttpClient,
    pub(in crate::services) state: Arc<State>,
    /// Owns the renewals under way: one that is begun is finished, whoever stops waiting for it.
    pub(in crate::services) tasks: TaskTracker,
}

/// What renewals of one identity remember. Whoever holds it is the one who renews.
#[derive(Default)]
pub(super) struct Memory {
    /// The last failure, and until when it stands.
    failed: Option<(Instant, Failure)>,
    /// Tokens that were obtained and could not be stored, so that they are not in use yet.
    unsaved: Option<SavedIdentity>,
}

type Lock = OwnedMutexGuard<Memory>;
type Renewed = Result<Arc<Credential>, Failure>;

impl Identity {
    /// A credential that may be used now, other than `rejected` if there can be another.
    pub(super) async fn renew(
        self: &Arc<Self>,
        keeper: &Keeper,
        issuer: &Arc<Issuer>,
        rejected: Option<&Arc<Credential>>,
    ) -> Renewed {
        let memory = match (Arc::clone(&self.memory).try_lock_owned(), self.current()) {
            (Ok(memory), _) => memory,
            // Another call renews early; what there is will do meanwhile.
            (Err(_), Some(current)) if rejected.is_none() && current.is_alive() => return Ok(current),
            (Err(_), _) => Arc::clone(&self.memory).lock_owned().await,
        };
        if let Some(settled) = self.settled(&memory, rejected) {
            return settled;
        }
        let renewal = Renewal {
            identity: Arc::clone(self),
            issuer: Arc::clone(issuer),
            keeper: keeper.clone(),
            rejected: rejected.cloned(),
        };
        let task = keeper.tasks.spawn(renewal.run(memory).in_current_span());
        task.await.unwrap_or_else(|error| {
            let detail = format!("identity `{}` was not refreshed: {error}", self.name);
            Err(Failure::new(Reason::PROVIDER_ERROR, detail))
        })
    }

    /// The answer when nothing is to be done: another call has renewed, or it makes no sense to try (again).
    fn settled(&self, memory: &Memory, rejected: Option<&Arc<Credential>>) -> Option<Renewed> {
        let current = self.current();
        if let Some(current) = &current {
            let is_rejected = rejected.is_some_and(|rejected| Arc::ptr_eq(rejected, current));
            if (!is_rejected && current.is_fresh()) || (is_rejected && current.is_young()) {
                return Some(Ok(Arc::clone(current)));
            }
        }
        let (until, failure) = memory.failed.as_ref()?;
        (Instant::now() < *until).then(|| or_alive(current, rejected, failure.clone()))
    }
}

/// A token that is refreshed early and still lives will do for now, unless a forge has refused it.
fn or_alive(
    current: Option<Arc<Credential>>,
    rejected: Option<&Arc<Credential>>,
    failure: Failure,
) -> Renewed {
    let is_usable = |current: &Arc<Credential>| {
        current.is_alive() && rejected.is_none_or(|rejected| !Arc::ptr_eq(rejected, current))
    };
    current.filter(is_usable).ok_or(failure)
}

struct Renewal {
    identity: Arc<Identity>,
    issuer: Arc<Issuer>,
    keeper: Keeper,
    rejected: Option<Arc<Credential>>,
}

impl Renewal {
    async fn run(self, mut memory: Lock) -> Renewed {
        match self.renewed(&mut memory).await {
            Ok(credential) => {
                memory.failed = None;
                Ok(credential)
            }
            Err(failure) => {
                tracing::warn!(identity = self.identity.name, "{}", failure.detail());
                let pause = failure.retry_after_s().map(Duration::from_secs);
                let until = Instant::now() + pause.unwrap_or_default().max(PAUSE);
                // Storing again what could not be stored asks nobody outside, so it need not wait.
                memory.failed = memory.unsaved.is_none().then(|| (until, failure.clone()));
                or_alive(self.identity.current(), self.rejected.as_ref(), failure)
            }
        }
    }

    async fn renewed(&self, memory: &mut Memory) -> Renewed {
        if self.identity.current().is_none()
            && let Some(credential) = self.first().await
        {
            return Ok(credential);
        }
        // Held until the new tokens are stored.
        let (_lock, saved) = match self.lock().await {
            Ok((lock, saved)) => (Some(lock), saved),
            Err(error) if self.issuer.grant.rotates() => return Err(self.not_stored(&error)),
            Err(error) => {
                tracing::warn!(identity = self.identity.name, "tokens are kept in memory: {error}");
                (None, None)
            }
        };
        if let Some(tokens) = memory.unsaved.clone() {
            self.store(&tokens).await.map_err(|error| self.not_stored(&error))?;
            memory.unsaved = None;
            return Ok(self.adopt(tokens));
        }
        // Newer than what is in memory even where the access token is the same.
        let stored = saved.as_ref().and_then(|saved| saved.refresh_token.clone());
        if let Some(credential) = saved.and_then(|saved| self.usable(saved)) {
            return Ok(credential);
        }
        let tokens = self.ask(stored).await?;
        if let Err(error) = self.store(&tokens).await {
            if self.issuer.grant.rotates() {
                memory.unsaved = Some(tokens);
                return Err(self.not_stored(&error));
            }
            tracing::warn!(identity = self.identity.name, "tokens are kept in memory: {error}");
        }
        tracing::info!(identity = self.identity.name, "identity refreshed");
        Ok(self.adopt(tokens))
    }

    /// What is known without asking anybody: what was stored by an earlier run, else what is configured.
    async fn first(&self) -> Option<Arc<Credential>> {
        let identity = Arc::clone(&self.identity);
        let issuer = Arc::clone(&self.issuer);
        let state = Arc::clone(&self.keeper.state);
        let read = spawn_blocking(move || state.identity(&identity.name, &issuer.fingerprint)).await;
        let saved = match read {
            Ok(Ok(saved)) => saved,
            Ok(Err(error)) => {
                tracing::warn!(identity = self.identity.name, "saved tokens cannot be read: {error}");
                None
            }
            Err(_) => None,
        };
        let credential = match saved {
            Some(saved) => self.adopt(saved),
            None => self.identity.adopt(self.issuer.configured()?),
        };
        credential.is_fresh().then_some(credential)
    }

    /// Waits for other processes, makes sure that a write would work, and reads what they stored.
    async fn lock(&self) -> Result<(File, Option<SavedIdentity>), StateError> {
        let identity = Arc::clone(&self.identity);
        let issuer = Arc::clone(&self.issuer);
        self.blocking(move |state| {
            let lock = state.exclusive(&format!("identity {}", identity.name))?;
            state.ensure_writable()?;
            let saved = state.identity(&identity.name, &issuer.fingerprint)?;
            Ok((lock, saved))
        })
        .await
    }

    /// To be called under the lock, so that the tokens of a successor are stored after these.
    async fn store(&self, tokens: &SavedIdentity) -> Result<(), StateError> {
        if self.identity.is_replaced.load(Ordering::Relaxed) {
            return Ok(());
        }
        let identity = Arc::clone(&self.identity);
        let issuer = Arc::clone(&self.issuer);
        let tokens = tokens.clone();
        self.blocking(move |state| state.save_identity(&identity.name, &issuer.fingerprint, &tokens)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let state = Arc::clone(&self.keeper.state);
        let ended = spawn_blocking(move || work(&state)).await;
        ended.unwrap_or_else(|error| {
            Err(StateError::Unwritable {
                path: self.keeper.state.path().to_owned(),
                problem: error.to_string(),
            })
        })
    }

    /// Tokens that another process stored, if they are news here and good for a while.
    fn usable(&self, saved: SavedIdentity) -> Option<Arc<Credential>> {
        let current = self.identity.current();
        let is_known = |known: &Arc<Credential>| known.has_secret(&saved.access_token);
        if current.as_ref().is_some_and(is_known) || self.rejected.as_ref().is_some_and(is_known) {
            return None;
        }
        let credential = self.adopt(saved);
        credential.is_fresh().then_some(credential)
    }

    /// Asks with the newest refresh token there is.
    async fn ask(&self, stored: Option<SecretString>) -> Result<SavedIdentity, Failure> {
        let current = self.identity.current();
        let refresh_token =
            stored.or_else(|| current?.refresh_token.clone()).or_else(|| self.issuer.refresh_token.clone());
        let tokens =
            endpoint::ask(&self.keeper.client, &self.identity.name, &self.issuer, refresh_token.as_ref())
                .await?;
        let saved_at = SystemTime::now();
        Ok(SavedIdentity {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token.or(refresh_token),
            expires_at: saved_at + tokens.lifetime,
            saved_at,
        })
    }

    fn adopt(&self, tokens: SavedIdentity) -> Arc<Credential> {
        let previous = self.identity.current();
        self.identity.adopt(Credential::obtained(tokens, previous.as_deref()))
    }

    fn not_stored(&self, error: &StateError) -> Failure {
        let detail = format!(
            "identity `{}` was not refreshed, since its next refresh token would be lost: {error}",
            self.identity.name
        );
        Failure::new(Reason::PROVIDER_ERROR, detail)
    }
}
