//! The host's end of one worker: calls going out, services coming in.
//!
//! - What waits to be written is limited: whoever sends waits. What a worker may ask for at once is limited: then
//!   nothing more is read from it. The worker always reads, so neither side waits for the other for ever.
//! - A worker's frames can only concern what that worker was given. One that breaks the form ends it.
//! - When the worker ends, every call that it had ends with the cause.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use forgewatch_plugin_api::abi::HostObject;
use forgewatch_plugin_api::{Failure, Reason, UrlContext};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{Instrument, Span};

use super::process::{EndedBy, Ending};
use super::protocol::{Answer, Ask, Bytes, Call, HostAnswer, ToHost, ToWorker, append};
use super::sandbox::{Coverage, CrashReport};
use super::status::RestartCause;
use super::wire::{Frame, Unread, Wire};
use crate::services::call::{self, CallRecord};

/// How much may wait to be written before senders wait, in bytes.
const MOST_UNWRITTEN: usize = 4 << 20;
/// How many services a worker may use at once; more wait.
const MOST_ASKS: usize = 64;
/// How often a worker with something to do is asked whether it is alive.
const PING_EVERY: Duration = Duration::from_secs(1);

/// A running worker's calls and services. Shared by everything that uses the worker.
pub(super) struct Connection {
    out: Mutex<Out>,
    /// Something is to be written.
    filled: Notify,
    /// There is room again.
    drained: Notify,
    last_id: AtomicU64,
    inside: Mutex<Inside>,
    asks: Arc<Semaphore>,
    /// Nothing is read, since the worker asks for too much at once.
    throttled: AtomicBool,
    /// What of the sandbox the worker said to have before it opened its library.
    coverage: OnceLock<Coverage>,
    /// Takes what the worker says of its start.
    started: Mutex<Option<oneshot::Sender<Started>>>,
    /// Whether any call was answered yet.
    served: AtomicBool,
    /// Told when the last call has ended.
    idle: Notify,
    /// Takes the plugin's log, and says how much of it.
    log: Arc<HostObject>,
    /// The level that the worker was told last.
    log_level: AtomicU8,
}

/// What is to be written.
#[derive(Default)]
struct Out {
    frames: Vec<u8>,
    /// The context that the worker has as soon as it has read the frames.
    context: Option<Arc<UrlContext>>,
}

impl Out {
    fn append(&mut self, frame: &ToWorker<'_>) -> Result<(), postcard::Error> {
        if let ToWorker::Call { call: Call::ParseUrl { context: Some(context), .. }, .. } = frame
            && !self.context.as_ref().is_some_and(|known| Arc::ptr_eq(known, context))
        {
            append(&mut self.frames, &ToWorker::Context(Cow::Borrowed(context)))?;
            self.context = Some(Arc::clone(context));
        }
        append(&mut self.frames, frame)
    }
}

/// What the worker knows by number.
#[derive(Default)]
struct Inside {
    calls: HashMap<u64, Waiting>,
    hosts: HashMap<u64, Arc<HostObject>>,
    asks: HashMap<u64, AbortHandle>,
    /// Set once; no call begins after that.
    ended: Option<Arc<Ending>>,
}

/// Somebody who waits for a call's answer, and what its services need to know of them.
struct Waiting {
    answer: oneshot::Sender<Result<Result<Answer<'static>, Failure>, Arc<Ending>>>,
    record: Option<Arc<CallRecord>>,
    span: Span,
}

/// What a call gives: outside, the worker ended; inside, the plugin failed.
pub(super) type CallResult<T = Answer<'static>> = Result<Result<T, Failure>, Ended>;

/// A call that ended since its worker did.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ending: Arc<Ending>,
    /// Whether this call may be what ended it.
    pub(super) is_suspect: bool,
}

/// Whether there is a provider, or why not.
pub(super) type Started = Result<(), String>;

/// How a worker's conversation ended, as far as the socket tells.
#[derive(Debug)]
pub(super) enum Hangup {
    /// The socket was closed from the other side.
    Closed,
    /// The plugin's code crashed, or was asked where it hangs.
    Crashed(CrashReport),
    /// It sent what it must not.
    Violation(String),
    /// It has not reacted for so long.
    Stuck(Duration),
    /// It has not started for so long.
    NotStarted(Duration),
}

impl Connection {
    /// A connection whose worker says to `started` how its start went; `host` takes the plugin's log.
    pub(super) fn new(host: Arc<HostObject>, started: oneshot::Sender<Started>) -> Self {
        let log_level = AtomicU8::new(host.log_level());
        let log = Arc::clone(&host);
        let inside = Inside { hosts: HashMap::from_iter([(0, host)]), ..Inside::default() };
        Self {
            out: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            last_id: AtomicU64::new(0),
            inside: Mutex::new(inside),
            asks: Arc::new(Semaphore::new(MOST_ASKS)),
            throttled: AtomicBool::new(false),
            coverage: OnceLock::new(),
            started: Mutex::new(Some(started)),
            served: AtomicBool::new(false),
            idle: Notify::new(),
            log,
            log_level,
        }
    }

    /// The level that the worker has to log at.
    pub(super) fn log_level(&self) -> u8 {
        self.log_level.load(Ordering::Relaxed)
    }

    /// Tells the worker if the host's log takes more or less than it did.
    fn tell_log_level(&self) {
        let level = self.log.log_level();
        if self.log_level.swap(level, Ordering::Relaxed) != level {
            self.push(&ToWorker::LogLevel(level));
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker has answered any call.
    pub(super) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Waits until no call is under way.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.inside().calls.is_empty() {
                return;
            }
            idle.await;
        }
    }

    /// Gives the worker a host handle; its number.
    pub(super) fn lend(&self, host: Arc<HostObject>) -> u64 {
        let id = self.next_id();
        self.inside().hosts.insert(id, host);
        id
    }

    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Sends a call and waits for its answer. Cancel-safe: the worker drops what nobody waits for.
    pub(super) async fn call(&self, id: u64, call: Call<'_>) -> CallResult {
        let (sender, mut receiver) = oneshot::channel();
        let waiting = Waiting { answer: sender, record: call::current(), span: Span::current() };
        {
            let mut inside = self.inside();
            if let Some(ending) = &inside.ended {
                return Err(Ended { ending: Arc::clone(ending), is_suspect: false });
            }
            inside.calls.insert(id, waiting);
        }
        self.tell_log_level();
        let mut cancel = Cancel { connection: self, id: Some(id) };
        let frame = ToWorker::Call { id, call };
        // The worker may end while the call still waits to be sent.
        let answer = tokio::select! {
            biased;
            answer = &mut receiver => answer,
            () = self.send(&frame) => receiver.await,
        };
        cancel.id = None;
        let answer = answer.unwrap_or_else(|_| {
            Err(Arc::new(Ending::by_plugin(RestartCause::Exited, "it ended without a word")))
        });
        answer.map_err(|ending| {
            let is_suspect = ending.by == EndedBy::Plugin && ending.call.is_none_or(|call| call == id);
            Ended { ending, is_suspect }
        })
    }

    /// Says that a client is not needed any more.
    pub(super) fn drop_client(&self, client: u64) {
        self.push(&ToWorker::DropClient { client });
    }

    async fn send(&self, frame: &ToWorker<'_>) {
        loop {
            let drained = self.drained.notified();
            if self.has_ended() {
                return;
            }
            if self.out().frames.len() < MOST_UNWRITTEN {
                self.push(frame);
                return;
            }
            drained.await;
        }
    }

    /// Writes soon, whatever waits already: for frames that are small and come once for each call.
    pub(super) fn push(&self, frame: &ToWorker<'_>) {
        if let Err(error) = self.out().append(frame) {
            tracing::error!("a frame to a plugin's worker was not sent: {error}");
        }
        self.filled.notify_one();
    }

    /// Ends every call with `ending`, and every call that is still to come.
    pub(super) fn end(&self, ending: &Arc<Ending>) {
        let Inside { calls, hosts, asks, .. } = std::mem::replace(
            &mut *self.inside(),
            Inside { ended: Some(Arc::clone(ending)), ..Inside::default() },
        );
        asks.values().for_each(AbortHandle::abort);
        for waiting in calls.into_values() {
            let _ = waiting.answer.send(Err(Arc::clone(ending)));
        }
        drop(hosts);
        self.idle.notify_waiters();
        self.drained.notify_waiters();
    }

    /// What of the sandbox the worker has.
    pub(super) fn coverage(&self) -> Option<&Coverage> {
        self.coverage.get()
    }

    /// Whether the worker has gone.
    pub(super) fn has_ended(&self) -> bool {
        self.inside().ended.is_some()
    }

    /// Talks to the worker until one side ends it.
    pub(super) async fn talk(self: &Arc<Self>, wire: &mut Wire, stall: Duration) -> Hangup {
        let (mut reader, writer) = wire.socket.split();
        let alive = Notify::new();
        tokio::select! {
            // Reading comes last: a worker that sends without end takes no turn from the others.
            biased;
            hangup = self.watch(&alive, stall) => hangup,
            // What was written last may still be worth reading; the reader sees the end by itself.
            hangup = self.write(writer, stall) => hangup,
            hangup = self.read(&mut reader, &mut wire.unread, &alive) => hangup,
        }
    }

    async fn write(&self, mut writer: WriteHalf<'_>, stall: Duration) -> Hangup {
        let mut frames = Vec::new();
        loop {
            self.filled.notified().await;
            std::mem::swap(&mut frames, &mut self.out().frames);
            self.drained.notify_waiters();
            let mut rest = frames.as_slice();
            while !rest.is_empty() {
                match timeout(stall, writer.write(rest)).await {
                    Ok(Ok(length)) => rest = &rest[length..],
                    Ok(Err(_)) => return std::future::pending().await,
                    Err(_) => return Hangup::Stuck(stall),
                }
            }
            frames.clear();
        }
    }

    /// Asks again and again whether the worker reacts, as long as it has something to do, or to start.
    async fn watch(&self, alive: &Notify, stall: Duration) -> Hangup {
        let mut ticks = interval(PING_EVERY.min(stall / 2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begun = Instant::now();
        loop {
            ticks.tick().await;
            if self.started().is_some() && begun.elapsed() > stall {
                return Hangup::NotStarted(stall);
            }
            if self.inside().calls.is_empty() {
                continue;
            }
            self.push(&ToWorker::Ping);
            // While nothing is read, its answer cannot be seen.
            if timeout(stall, alive.notified()).await.is_err() && !self.throttled.load(Ordering::Relaxed) {
                return Hangup::Stuck(stall);
            }
        }
    }

    async fn read(
        self: &Arc<Self>,
        reader: &mut ReadHalf<'_>,
        unread: &mut Unread,
        alive: &Notify,
    ) -> Hangup {
        loop {
            let taken = match unread.frame() {
                Ok(Some(Frame::Message(ToHost::Pong))) => {
                    alive.notify_one();
                    Ok(())
                }
                Ok(Some(Frame::Message(frame))) => {
                    // Who sends without end must not keep this task from finding out that it does nothing else.
                    consume_budget().await;
                    self.take(frame).await
                }
                Ok(Some(Frame::Crash(report))) => return Hangup::Crashed(report),
                Ok(None) => match reader.read_buf(&mut unread.bytes).await {
                    Ok(1..) => Ok(()),
                    _ => return Hangup::Closed,
                },
                Err(violation) => Err(violation),
            };
            if let Err(violation) = taken {
                return Hangup::Violation(violation);
            }
        }
    }

    async fn take(self: &Arc<Self>, frame: ToHost<'static>) -> Result<(), String> {
        match frame {
            ToHost::Done { id, answer } => {
                if let Some(waiting) = self.remove(id) {
                    self.served.store(true, Ordering::Relaxed);
                    // Whoever waited may have gone this very moment.
                    let _ = waiting.answer.send(Ok(answer));
                }
            }
            ToHost::Ask { id, call, host, ask } => {
                self.throttled.store(true, Ordering::Relaxed);
                let permit = Arc::clone(&self.asks).acquire_owned().await;
                self.throttled.store(false, Ordering::Relaxed);
                let permit = permit.map_err(|error| error.to_string())?;
                self.serve(id, call, host, ask, permit)?;
            }
            ToHost::Unask { id } => {
                if let Some(task) = self.inside().asks.remove(&id) {
                    task.abort();
                }
            }
            ToHost::DropHost { host } => {
                let host = self.inside().hosts.remove(&host);
                drop(host);
            }
            ToHost::Log { call, record } => {
                let span = self.inside().calls.get(&call).map(|waiting| waiting.span.clone());
                span.unwrap_or_else(Span::none).in_scope(|| self.log.log(record.into_owned()));
            }
            ToHost::Pong => {}
            ToHost::Entered { coverage } => {
                self.coverage.set(coverage).map_err(|_| "it entered its sandbox twice".to_owned())?;
            }
            ToHost::Ready => self.starts(Ok(()))?,
            ToHost::Refused { detail } => self.starts(Err(detail.into_owned()))?,
        }
        Ok(())
    }

    fn started(&self) -> MutexGuard<'_, Option<oneshot::Sender<Started>>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starts(&self, started: Started) -> Result<(), String> {
        let waiting = self.started().take();
        // Whoever waited may have given up.
        waiting.map(|waiting| drop(waiting.send(started))).ok_or_else(|| "it started twice".to_owned())
    }

    fn remove(&self, id: u64) -> Option<Waiting> {
        let mut inside = self.inside();
        let waiting = inside.calls.remove(&id);
        if inside.calls.is_empty() {
            self.idle.notify_waiters();
        }
        waiting
    }

    /// Starts a service for the worker, in the name of the call that needs it.
    fn serve(
        self: &Arc<Self>,
        id: u64,
        call: u64,
        host: u64,
        ask: Ask<'static>,
        permit: OwnedSemaphorePermit,
    ) -> Result<(), String> {
        let (host, record, span) = {
            let inside = self.inside();
            if inside.asks.contains_key(&id) {
                return Err("it asked for two things under one number".to_owned());
            }
            let Some(host) = inside.hosts.get(&host).cloned() else {
                return Err("it asked for the services of an integration that is not its own".to_owned());
            };
            match inside.calls.get(&call) {
                Some(waiting) => (host, waiting.record.clone(), waiting.span.clone()),
                None => (host, None, Span::none()),
            }
        };
        let connection = Arc::clone(self);
        let work = async move {
            let answer = match record {
                Some(record) => call::scope(record, answer(&host, ask)).await,
                None => answer(&host, ask).await,
            };
            connection.send(&ToWorker::Answer { id, answer }).await;
        };
        let mut work = Box::pin(work.instrument(span));
        // What need not wait needs no task.
        if work.as_mut().now_or_never().is_some() {
            return Ok(());
        }
        let connection = Arc::clone(self);
        // Begun and noted under one lock: it cannot end before it is noted.
        let mut inside = self.inside();
        let task = tokio::spawn(async move {
            work.await;
            connection.inside().asks.remove(&id);
            drop(permit);
        });
        inside.asks.insert(id, task.abort_handle());
        Ok(())
    }
}

/// Tells the worker that nobody waits any more, unless the answer came.
struct Cancel<'a> {
    connection: &'a Connection,
    id: Option<u64>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.connection.remove(id);
            // Even if it has answered: a client that nobody took stays with it otherwise.
            self.connection.push(&ToWorker::Cancel { id });
        }
    }
}

async fn answer(host: &HostObject, ask: Ask<'static>) -> Result<HostAnswer<'static>, Failure> {
    match ask {
        Ask::Http(request) => {
            let response = host.http(request.into_owned()).await.into_result()?;
            Ok(HostAnswer::Response(Cow::Owned(response)))
        }
        Ask::SaveMetadata { name, value } => {
            let saved = host.save_metadata(name.into_owned().into(), value.into_owned().into()).await;
            saved.into_result().map(|value| HostAnswer::Saved(value.into_string().into()))
        }
        Ask::Extension { name, payload: Bytes(payload) } => {
            let answer = host.call_extension(name.into_owned().into(), payload.into_owned().into()).await;
            answer.into_result().map(|bytes| HostAnswer::Bytes(Bytes(bytes.into_vec().into())))
        }
    }
}

/// What a plugin that answers something else than it was asked gets.
pub(super) fn mismatched() -> Failure {
    Failure::new(Reason::PLUGIN_FAILED, "the plugin's worker answered something else than it was asked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_sent_once_and_again_when_it_is_another() {
        let mut out = Out::default();
        let mut written = |context: &Arc<UrlContext>| {
            let before = out.frames.len();
            let call = Call::ParseUrl { url: "u".into(), context: Some(Arc::clone(context)) };
            out.append(&ToWorker::Call { id: 1, call }).unwrap();
            out.frames.len() - before
        };
        let options = "x".repeat(1000);
        let contexts = [(); 2].map(|()| Arc::new(UrlContext::new(&options, [])));
        let lengths = [0, 0, 1, 1, 0].map(|which: usize| written(&contexts[which]) > options.len());
        assert_eq!(lengths, [true, false, true, false, true]);
    }
}
