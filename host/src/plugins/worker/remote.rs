//! A provider and its clients in a worker, as the rest of the host calls them.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Access, Failure, Integration, Repository, RepositoryUrl, UrlContext, UrlError};

use super::connection::{CallResult, Connection, mismatched};
use super::protocol::{Answer, Bytes, Call};
use super::status::Status;
use super::supervise::Supervisor;
use crate::services::call;

/// A provider in a worker. Cheap to clone.
#[derive(Clone)]
pub(in crate::plugins) struct RemoteProvider {
    supervisor: Arc<Supervisor>,
}

/// What a client is made from, on each new worker again.
pub(in crate::plugins) type Describe = Box<dyn Fn() -> Integration + Send + Sync>;

/// A client, on whichever worker there is.
pub(in crate::plugins) struct RemoteClient {
    supervisor: Arc<Supervisor>,
    host: Arc<HostObject>,
    describe: Describe,
    made: Mutex<Option<Made>>,
    /// One client is made at a time.
    making: tokio::sync::Mutex<()>,
}

/// A client on one worker.
struct Made {
    connection: Arc<Connection>,
    id: u64,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.connection.drop_client(self.id);
    }
}

/// Sends one call until it has an answer, taking it out of what the worker says.
macro_rules! until_answered {
    ($supervisor:expr, $ask:expr) => {{
        let mut tries = $supervisor.tries();
        loop {
            let connection = tries.next().await?;
            match $ask(&connection).await {
                Ok(answer) => break answer,
                Err(ended) => tries.failed(&ended)?,
            }
        }
    }};
}

impl RemoteProvider {
    pub(in crate::plugins) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor: Arc::new(supervisor) }
    }

    pub(in crate::plugins) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.supervisor, &other.supervisor)
    }

    pub(in crate::plugins) fn status(&self) -> Status {
        self.supervisor.status()
    }

    pub(in crate::plugins) async fn ready(&self) -> Result<Status, Failure> {
        self.supervisor.ready().await
    }

    pub(in crate::plugins) async fn close(&self) {
        self.supervisor.close().await;
    }

    pub(in crate::plugins) async fn parse_repository_url(
        &self,
        url: &str,
        context: &Arc<UrlContext>,
    ) -> Result<Result<RepositoryUrl, UrlError>, Failure> {
        let ask = async |connection: &Arc<Connection>| {
            let call = Call::ParseUrl { url: url.into(), context: Some(Arc::clone(context)) };
            connection.call(connection.next_id(), call).await
        };
        match until_answered!(self.supervisor, ask)? {
            Answer::Url(parsed) => Ok(parsed),
            _ => Err(mismatched()),
        }
    }

    pub(in crate::plugins) async fn get_client(
        &self,
        host: HostObject,
        describe: Describe,
    ) -> Result<RemoteClient, Failure> {
        let client = RemoteClient {
            supervisor: Arc::clone(&self.supervisor),
            host: Arc::new(host),
            describe,
            made: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        };
        until_answered!(self.supervisor, async |connection: &Arc<Connection>| client.on(connection).await)?;
        Ok(client)
    }

    pub(in crate::plugins) async fn query_extension(&self, name: &str) -> Result<Option<u32>, Failure> {
        query(&self.supervisor, None, name).await
    }

    pub(in crate::plugins) async fn call_extension(
        &self,
        host: HostObject,
        name: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        extension(&self.supervisor, None, Arc::new(host), name, payload).await
    }
}

impl RemoteClient {
    pub(in crate::plugins) async fn has_repo_access(
        &self,
        repository: &Repository,
    ) -> Result<Access, Failure> {
        let ask = async |connection: &Arc<Connection>| {
            let client = match self.on(connection).await? {
                Ok(client) => client,
                Err(failure) => return Ok(Err(failure)),
            };
            let call = Call::HasRepoAccess { client, repository: Cow::Borrowed(repository) };
            connection.call(connection.next_id(), call).await
        };
        match until_answered!(self.supervisor, ask)? {
            Answer::Access(access) => Ok(access),
            _ => Err(mismatched()),
        }
    }

    pub(in crate::plugins) async fn query_extension(&self, name: &str) -> Result<Option<u32>, Failure> {
        query(&self.supervisor, Some(self), name).await
    }

    pub(in crate::plugins) async fn call_extension(
        &self,
        host: HostObject,
        name: &str,
        payload: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        extension(&self.supervisor, Some(self), Arc::new(host), name, payload).await
    }

    /// The client's number on this worker, after making it where it is not there yet.
    async fn on(&self, connection: &Arc<Connection>) -> CallResult<u64> {
        if let Some(id) = self.known(connection) {
            return Ok(Ok(id));
        }
        let _making = self.making.lock().await;
        if let Some(id) = self.known(connection) {
            return Ok(Ok(id));
        }
        let id = connection.next_id();
        let host = connection.lend(Arc::clone(&self.host));
        let call = Call::GetClient { host, integration: Cow::Owned((self.describe)()) };
        match connection.call(id, call).await? {
            Ok(Answer::Client) => {
                let made = Made { connection: Arc::clone(connection), id };
                let older = self.made.lock().unwrap_or_else(PoisonError::into_inner).replace(made);
                drop(older);
                Ok(Ok(id))
            }
            Ok(_) => Ok(Err(mismatched())),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn known(&self, connection: &Arc<Connection>) -> Option<u64> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().filter(|made| Arc::ptr_eq(&made.connection, connection)).map(|made| made.id)
    }
}

async fn query(
    supervisor: &Supervisor,
    client: Option<&RemoteClient>,
    name: &str,
) -> Result<Option<u32>, Failure> {
    let ask = async |connection: &Arc<Connection>| {
        let client = match on(client, connection).await? {
            Ok(client) => client,
            Err(failure) => return Ok(Err(failure)),
        };
        connection.call(connection.next_id(), Call::QueryExtension { client, name: name.into() }).await
    };
    match until_answered!(supervisor, ask)? {
        Answer::Version(version) => Ok(version),
        _ => Err(mismatched()),
    }
}

async fn extension(
    supervisor: &Supervisor,
    client: Option<&RemoteClient>,
    host: Arc<HostObject>,
    name: &str,
    payload: &[u8],
) -> Result<Vec<u8>, Failure> {
    let ask = async |connection: &Arc<Connection>| {
        let client = match on(client, connection).await? {
            Ok(client) => client,
            Err(failure) => return Ok(Err(failure)),
        };
        let host = connection.lend(Arc::clone(&host));
        let payload = Bytes(payload.into());
        connection
            .call(connection.next_id(), Call::UseExtension { client, host, name: name.into(), payload })
            .await
    };
    // Without a record nobody would know what it has written when its worker ends.
    call::noted(async |_| match until_answered!(supervisor, ask)? {
        Answer::Bytes(Bytes(bytes)) => Ok(bytes.into_owned()),
        _ => Err(mismatched()),
    })
    .await
}

async fn on(client: Option<&RemoteClient>, connection: &Arc<Connection>) -> CallResult<Option<u64>> {
    match client {
        Some(client) => Ok(client.on(connection).await?.map(Some)),
        None => Ok(Ok(None)),
    }
}
