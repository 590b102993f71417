//! The calls of a worker: each is a future, polled on the one thread when something woke it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use forgewatch_plugin_api::abi::abi_stable::sabi_trait::TD_Opaque;
use forgewatch_plugin_api::abi::abi_stable::std_types::RStr;
use forgewatch_plugin_api::abi::{ClientObject, HostObject, HostServices_TO, ProviderObject};
use forgewatch_plugin_api::{Failure, Reason, UrlContext};

use super::super::protocol::{Answer, Bytes, Call, ToHost, ToWorker};
use super::link::{Link, RemoteHost, Wait};

/// How long calls are run without a look at the socket, but for one call that takes longer.
const LONGEST_TURN: Duration = Duration::from_millis(50);

/// A call's work.
type Task = Pin<Box<dyn Future<Output = Result<Answer<'static>, Failure>>>>;

/// The provider, its clients, and the calls under way.
pub(super) struct Tasks {
    link: Arc<Link>,
    provider: Arc<ProviderObject>,
    clients: Arc<Mutex<HashMap<u64, Arc<ClientObject>>>>,
    /// What URLs are taken apart with.
    context: Arc<UrlContext>,
    running: HashMap<u64, (Task, Waker)>,
    woken: Arc<Woken>,
}

/// The calls that can go on.
#[derive(Default)]
struct Woken(Mutex<VecDeque<u64>>);

impl Woken {
    fn push(&self, call: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(call);
    }

    fn pop(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

struct TaskWaker {
    call: u64,
    woken: Arc<Woken>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.woken.push(self.call);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.push(self.call);
    }
}

impl Tasks {
    pub(super) fn new(link: Arc<Link>, provider: ProviderObject) -> Self {
        Self {
            link,
            provider: Arc::new(provider),
            clients: Arc::default(),
            context: Arc::default(),
            running: HashMap::default(),
            woken: Arc::default(),
        }
    }

    /// Serves until the host closes the socket.
    pub(super) fn run(mut self) -> io::Result<()> {
        loop {
            self.link.flush()?;
            let wait = if self.woken.len() == 0 { Wait::Yes } else { Wait::No };
            self.link.read(wait)?;
            while let Some(frame) = self.link.next()? {
                self.take(frame)?;
            }
            // Those that wake each other come again after the next look at the socket. That comes soon, too, when
            // they are slow: the host takes for dead who does not look for long.
            let begun = Instant::now();
            for _ in 0..self.woken.len() {
                let Some(call) = self.woken.pop() else { break };
                self.poll(call);
                if begun.elapsed() > LONGEST_TURN {
                    break;
                }
            }
        }
    }

    fn take(&mut self, frame: ToWorker<'static>) -> io::Result<()> {
        match frame {
            ToWorker::Context(context) => self.context = Arc::new(context.into_owned()),
            ToWorker::Call { id, call } => {
                let task = self.task(id, call);
                let waker = Waker::from(Arc::new(TaskWaker { call: id, woken: Arc::clone(&self.woken) }));
                self.running.insert(id, (task, waker));
                self.woken.push(id);
            }
            ToWorker::Cancel { id } => {
                let task = self.running.remove(&id);
                // It may have been made while the cancellation was on its way.
                let client = self.clients().remove(&id);
                self.link.during(id, || drop((task, client)));
            }
            ToWorker::Answer { id, answer } => self.link.answer(id, answer),
            ToWorker::DropClient { client } => {
                let client = self.clients().remove(&client);
                drop(client);
            }
            ToWorker::Ping => {
                // At once: the call that is polled next may be a slow one.
                self.link.send(&ToHost::Pong);
                self.link.flush()?;
            }
            ToWorker::LogLevel(level) => self.link.set_log_level(level),
            ToWorker::Hello(_) => {}
        }
        Ok(())
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<ClientObject>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&mut self, id: u64) {
        let Some((task, waker)) = self.running.get_mut(&id) else { return };
        let polled = self.link.during(id, || task.as_mut().poll(&mut Context::from_waker(waker)));
        if let Poll::Ready(answer) = polled {
            self.link.send(&ToHost::Done { id, answer });
            self.running.remove(&id);
        }
    }

    fn task(&self, id: u64, call: Call<'static>) -> Task {
        let provider = Arc::clone(&self.provider);
        match call {
            Call::ParseUrl { url, .. } => {
                let context = Arc::clone(&self.context);
                Box::pin(async move {
                    let parsed = provider.parse_repository_url(RStr::from_str(&url), &context);
                    parsed.into_result().map(|parsed| Answer::Url(parsed.into()))
                })
            }
            Call::GetClient { host, integration } => {
                let host = self.host(host);
                let clients = Arc::clone(&self.clients);
                Box::pin(async move {
                    let client = provider.get_client(host, integration.into_owned()).await.into_result()?;
                    clients.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(client));
                    Ok(Answer::Client)
                })
            }
            Call::HasRepoAccess { client, repository } => {
                let client = self.client(client);
                Box::pin(async move {
                    let access = client?.has_repo_access(&repository).await;
                    access.into_result().map(Answer::Access)
                })
            }
            Call::QueryExtension { client, name } => {
                let client = client.map(|client| self.client(client)).transpose();
                Box::pin(async move {
                    let name = RStr::from_str(&name);
                    let version = match client? {
                        Some(client) => client.query_extension(name),
                        None => provider.query_extension(name),
                    };
                    Ok(Answer::Version(version.into_option()))
                })
            }
            Call::UseExtension { client, host, name, payload: Bytes(payload) } => {
                let client = client.map(|client| self.client(client)).transpose();
                let host = self.host(host);
                Box::pin(async move {
                    let (name, payload) = (name.into_owned().into(), payload.into_owned().into());
                    let answer = match client? {
                        Some(client) => client.call_extension(host, name, payload).await,
                        None => provider.call_extension(host, name, payload).await,
                    };
                    answer.into_result().map(|bytes| Answer::Bytes(Bytes(bytes.into_vec().into())))
                })
            }
        }
    }

    fn host(&self, host: u64) -> HostObject {
        HostServices_TO::from_value(RemoteHost::new(Arc::clone(&self.link), host), TD_Opaque)
    }

    fn client(&self, id: u64) -> Result<Arc<ClientObject>, Failure> {
        let gone = || Failure::new(Reason::PLUGIN_FAILED, "the worker does not know this client");
        self.clients().get(&id).cloned().ok_or_else(gone)
    }
}
