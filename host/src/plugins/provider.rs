//! A provider as the host calls it, wherever its code runs.

use std::sync::Arc;

use forgewatch_plugin_api::abi::abi_stable::std_types::RStr;
use forgewatch_plugin_api::abi::{ClientObject, HostObject, ProviderObject};
use forgewatch_plugin_api::{Access, Failure, Integration, Repository, RepositoryUrl, UrlContext, UrlError};

use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use super::file::PluginFile;
use super::load::{LoadedLibrary, SealedLibrary};
use super::lock::Lock;
use super::registry::Room;
use super::watch::{Change, Watch};
use super::worker::{RemoteClient, RemoteProvider, RestartCause, Status, Supervisor, WorkerSettings};

/// How a provider does at a moment, wherever its code runs.
#[derive(Clone, Debug)]
pub struct Condition {
    /// One word, as [`Status::state`].
    pub state: &'static str,
    /// Why it is not ready, or not the newest.
    pub cause: Option<String>,
    /// How often its worker ended or was replaced; empty where it has none.
    pub restarts: Vec<(RestartCause, u64)>,
}

impl Condition {
    /// Whether it takes calls.
    pub fn is_up(&self) -> bool {
        self.state == "ready"
    }
}

/// A provider to be called. Cheap to clone.
#[derive(Clone)]
pub struct Provider {
    place: Place,
    /// Absent where no registry has opened it.
    opened: Option<Arc<Opened>>,
}

/// What a provider was opened from.
pub(super) struct Opened {
    pub(super) file: PluginFile,
    pub(super) room: Room,
    /// Whether a lock file was in use, which had this very build.
    pub(super) is_locked: bool,
}

#[derive(Clone)]
enum Place {
    InProcess(Arc<InProcess>),
    Worker(RemoteProvider),
    /// Nowhere: every call fails alike.
    Nowhere(Failure),
}

struct InProcess {
    object: ProviderObject,
    /// Says when the file has new bytes.
    watching: Option<AbortOnDropHandle<()>>,
}

impl Provider {
    /// Starts the provider of an open library in this process; `host` takes its log.
    ///
    /// # Errors
    ///
    /// The plugin panicked.
    pub fn in_process(library: LoadedLibrary, host: HostObject) -> Result<Self, Failure> {
        let object = (library.module.create())(host).into_result()?;
        let place = Place::InProcess(Arc::new(InProcess { object, watching: None }));
        Ok(Self { place, opened: None })
    }

    /// Says in the log when there are new bytes, which a library that is open cannot take up.
    pub(super) fn watched(mut self, mut watch: Watch, lock: Option<Arc<Lock>>) -> Self {
        if let Place::InProcess(place) = &mut self.place
            && let Some(place) = Arc::get_mut(place)
        {
            place.watching = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                loop {
                    if watch.changed().await == Change::Gone {
                        tracing::warn!("{}", watch.absence());
                        continue;
                    }
                    let (path, lock) = (watch.path().to_owned(), lock.clone());
                    let read = spawn_blocking(move || SealedLibrary::of(&path, lock.as_deref())).await;
                    watch.taken();
                    let (path, found) = (
                        watch.path().display(),
                        match read {
                            Ok(Ok(_)) => "a plugin".to_owned(),
                            Ok(Err(error)) => format!("one that cannot be used: {error}"),
                            Err(error) => error.to_string(),
                        },
                    );
                    tracing::warn!(
                        "`{path}` has new bytes ({found}); with `isolation = \"in_process\"` they are used after a restart"
                    );
                }
            })));
        }
        self
    }

    /// Starts a worker for a library; `watch` looks at its file and `lock` says which other builds may replace it.
    /// Needs a runtime.
    pub(super) fn in_worker(
        library: SealedLibrary,
        watch: Watch,
        lock: Option<Arc<Lock>>,
        settings: WorkerSettings,
        host: HostObject,
    ) -> Self {
        let supervisor = Supervisor::start(library, watch, lock, settings, host);
        Self { place: Place::Worker(RemoteProvider::new(supervisor)), opened: None }
    }

    pub(crate) fn nowhere(failure: Failure) -> Self {
        Self { place: Place::Nowhere(failure), opened: None }
    }

    pub(super) fn opened_from(self, opened: Opened) -> Self {
        Self { opened: Some(Arc::new(opened)), ..self }
    }

    /// What it was opened from, unless nothing can be expected of it any more.
    pub(super) fn living(&self) -> Option<&Opened> {
        let is_refused = self.status().is_some_and(|status| status.is_refused());
        self.opened.as_deref().filter(|_| !is_refused)
    }

    /// Whether both are handles on one opened plugin.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::InProcess(one), Place::InProcess(other)) => Arc::ptr_eq(one, other),
            (Place::Worker(one), Place::Worker(other)) => one.is(other),
            _ => false,
        }
    }

    /// Waits until the provider answers calls, or nothing can be expected of it for now. How its worker is, where it
    /// has one. Cancel-safe.
    ///
    /// # Errors
    ///
    /// What calls would answer.
    pub async fn ready(&self) -> Result<Option<Status>, Failure> {
        match &self.place {
            Place::InProcess(_) => Ok(None),
            Place::Worker(provider) => provider.ready().await.map(Some),
            Place::Nowhere(failure) => Err(failure.clone()),
        }
    }

    /// Ends its worker, where it has one, and lets go of everything that the worker used. Calls fail after that.
    ///
    /// Takes as long as a worker takes to end by itself, and at most a second or so.
    pub async fn close(&self) {
        if let Place::Worker(provider) = &self.place {
            provider.close().await;
        }
    }

    /// How its worker is at this moment, where it has one.
    pub fn status(&self) -> Option<Status> {
        match &self.place {
            Place::Worker(provider) => Some(provider.status()),
            Place::InProcess(_) | Place::Nowhere(_) => None,
        }
    }

    /// How often another build has taken its place while it was in use.
    pub fn replacements(&self) -> u64 {
        let status = self.status();
        status.and_then(|status| status.restarts.get(&RestartCause::Replaced).copied()).unwrap_or_default()
    }

    /// How it does at this moment.
    pub fn condition(&self) -> Condition {
        match &self.place {
            Place::InProcess(_) => Condition { state: "ready", cause: None, restarts: Vec::new() },
            Place::Worker(provider) => {
                let status = provider.status();
                let count = |cause: RestartCause| status.restarts.get(&cause).copied().unwrap_or_default();
                Condition {
                    state: status.state(),
                    cause: status.cause().map(ToOwned::to_owned),
                    restarts: RestartCause::ALL.map(|cause| (cause, count(cause))).to_vec(),
                }
            }
            Place::Nowhere(failure) => {
                Condition { state: "refused", cause: Some(failure.detail().to_owned()), restarts: Vec::new() }
            }
        }
    }

    /// Takes a repository URL apart. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Outside, the plugin failed; inside, the URL is none of its repositories.
    pub async fn parse_repository_url(
        &self,
        url: &str,
        context: &Arc<UrlContext>,
    ) -> Result<Result<RepositoryUrl, UrlError>, Failure> {
        match &self.place {
            Place::InProcess(place) => {
                place.object.parse_repository_url(url.into(), context).into_result().map(Into::into)
            }
            Place::Worker(provider) => provider.parse_repository_url(url, context).await,
            Place::Nowhere(failure) => Err(failure.clone()),
        }
    }

    /// Makes a client for the integration that `describe` describes: again on each new worker. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or its panic.
    pub async fn get_client(
        &self,
        host: HostObject,
        describe: impl Fn() -> Integration + Send + Sync + 'static,
    ) -> Result<Client, Failure> {
        let place = match &self.place {
            Place::InProcess(place) => {
                ClientPlace::InProcess(place.object.get_client(host, describe()).await.into_result()?)
            }
            Place::Worker(provider) => {
                ClientPlace::Worker(provider.get_client(host, Box::new(describe)).await?)
            }
            Place::Nowhere(failure) => return Err(failure.clone()),
        };
        Ok(Client { place })
    }

    /// The version of an extension that the provider offers. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin failed.
    pub async fn query_extension(&self, name: &str) -> Result<Option<u32>, Failure> {
        match &self.place {
            Place::InProcess(place) => Ok(place.object.query_extension(RStr::from_str(name)).into_option()),
            Place::Worker(provider) => provider.query_extension(name).await,
            Place::Nowhere(failure) => Err(failure.clone()),
        }
    }

    /// Calls an extension that needs no client. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The extension's own, [`Failure::unsupported`], or the plugin's panic.
    pub async fn call_extension(
        &self,
        host: HostObject,
        name: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        match &self.place {
            Place::InProcess(place) => {
                let answer = place.object.call_extension(host, name.into(), payload.into()).await;
                answer.into_result().map(Into::into)
            }
            Place::Worker(provider) => provider.call_extension(host, name, payload).await,
            Place::Nowhere(failure) => Err(failure.clone()),
        }
    }
}

/// A provider's handle on one integration.
pub struct Client {
    place: ClientPlace,
}

enum ClientPlace {
    InProcess(ClientObject),
    Worker(RemoteClient),
}

impl Client {
    /// Checks one repository. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin's failure, or its panic.
    pub async fn has_repo_access(&self, repository: &Repository) -> Result<Access, Failure> {
        match &self.place {
            ClientPlace::InProcess(object) => object.has_repo_access(repository).await.into_result(),
            ClientPlace::Worker(client) => client.has_repo_access(repository).await,
        }
    }

    /// The version of an extension, as this client's forge supports it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The plugin failed.
    pub async fn query_extension(&self, name: &str) -> Result<Option<u32>, Failure> {
        match &self.place {
            ClientPlace::InProcess(object) => Ok(object.query_extension(RStr::from_str(name)).into_option()),
            ClientPlace::Worker(client) => client.query_extension(name).await,
        }
    }

    /// Calls an extension that works on a client. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The extension's own, [`Failure::unsupported`], or the plugin's panic.
    pub async fn call_extension(
        &self,
        host: HostObject,
        name: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        match &self.place {
            ClientPlace::InProcess(object) => {
                let answer = object.call_extension(host, name.into(), payload.into()).await;
                answer.into_result().map(Into::into)
            }
            ClientPlace::Worker(client) => client.call_extension(host, name, payload).await,
        }
    }
}
