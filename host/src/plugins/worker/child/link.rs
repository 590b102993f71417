//! The socket to the host, and the host's services over it.

use std::borrow::Cow;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use bytes::BytesMut;
use foldhash::HashMap;
use forgewatch_plugin_api::abi::abi_stable::std_types::{ROption, RResult, RStr, RString, RVec};
use forgewatch_plugin_api::abi::async_ffi::{FfiFuture, FutureExt};
use forgewatch_plugin_api::abi::{HostServices, LogRecord};
use forgewatch_plugin_api::{Failure, Reason, Request, Response};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use super::super::process::DISCONNECTED;
use super::super::protocol::{
    Ask, Bytes, HostAnswer, LONGEST_TO_HOST, ToHost, ToWorker, append, framing, parse, read_buffer,
};
use crate::services::extensions;

/// What is written at once, in bytes, when plugin code goes on without a pause.
const FLUSH_AT: usize = 64 << 10;
/// What one log event may carry, in bytes; the host cuts it further.
const LONGEST_LOG: usize = 64 << 10;

/// The worker's end of the socket, and what is waiting to be written or taken.
pub(super) struct Link {
    socket: UnixStream,
    log_level: AtomicU8,
    /// The call that plugin code is being run for.
    call: AtomicU64,
    state: Mutex<State>,
}

struct State {
    unread: BytesMut,
    framing: LengthDelimitedCodec,
    unwritten: Vec<u8>,
    asks: HashMap<u64, Slot>,
    last_ask: u64,
}

/// The place where the answer to an ask is awaited.
enum Slot {
    Waiting(Option<Waker>),
    Answered(Result<HostAnswer<'static>, Failure>),
}

/// How to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until something is there.
    Yes,
    /// Not at all.
    No,
}

impl Link {
    pub(super) fn new(socket: UnixStream) -> Self {
        let state = State {
            unread: read_buffer(),
            framing: framing(u32::MAX as usize),
            unwritten: Vec::new(),
            asks: HashMap::default(),
            last_ask: 0,
        };
        Self { socket, log_level: AtomicU8::new(0), call: AtomicU64::new(0), state: Mutex::new(state) }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn set_log_level(&self, level: u8) {
        self.log_level.store(level, Ordering::Relaxed);
    }

    /// Runs plugin code on behalf of a call.
    pub(super) fn during<T>(&self, call: u64, code: impl FnOnce() -> T) -> T {
        self.call.store(call, Ordering::Relaxed);
        super::sandbox::note_call(call);
        let result = code();
        super::sandbox::note_call(0);
        self.call.store(0, Ordering::Relaxed);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a frame with the next [`Self::flush`]. In the place of one that is too long goes a failure, where
    /// somebody waits.
    pub(super) fn send(&self, frame: &ToHost<'_>) {
        let mut state = self.state();
        let unwritten = &mut state.unwritten;
        let before = unwritten.len();
        let longest = before + 4 + LONGEST_TO_HOST;
        if append(unwritten, frame).is_ok() && unwritten.len() <= longest {
            return;
        }
        unwritten.truncate(before);
        let too_long = |what: &str| {
            let detail = format!("{what} is longer than {} MiB", LONGEST_TO_HOST >> 20);
            Failure::new(Reason::PLUGIN_FAILED, detail)
        };
        match frame {
            ToHost::Done { id, .. } => {
                let answer = Err(too_long("the plugin's answer"));
                let _ = append(unwritten, &ToHost::Done { id: *id, answer });
            }
            ToHost::Ask { id, .. } => {
                let failure = too_long("what the plugin hands to the host");
                state.asks.insert(*id, Slot::Answered(Err(failure)));
            }
            _ => {}
        }
    }

    /// The next frame, waiting for it; `None` when the host has closed.
    pub(super) fn receive(&self) -> io::Result<Option<ToWorker<'static>>> {
        loop {
            if let Some(frame) = self.next()? {
                return Ok(Some(frame));
            }
            if self.read(Wait::Yes)? == 0 {
                return Ok(None);
            }
        }
    }

    /// A frame that was read already.
    pub(super) fn next(&self) -> io::Result<Option<ToWorker<'static>>> {
        let mut state = self.state();
        let State { unread, framing, .. } = &mut *state;
        match framing.decode(unread)? {
            Some(frame) => parse(&frame).map(Some).map_err(io::Error::other),
            None => Ok(None),
        }
    }

    /// Reads what is there and gives its length: 0 at the end, or when there is nothing and nothing was waited for.
    pub(super) fn read(&self, wait: Wait) -> io::Result<usize> {
        let mut chunk = [MaybeUninit::uninit(); 64 << 10];
        loop {
            let received = match wait {
                // The sandbox judges this call without looking at its arguments, which is faster.
                Wait::Yes => read(&self.socket, &mut chunk[..]),
                Wait::No => recv(&self.socket, &mut chunk[..], RecvFlags::DONTWAIT).map(|(read, _)| read),
            };
            return match received {
                Ok(([], _)) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((read, _)) => {
                    self.state().unread.extend_from_slice(read);
                    Ok(read.len())
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Ok(0),
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Writes everything; reads meanwhile, where the host does not take it at once.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut frames = std::mem::take(&mut self.state().unwritten);
        let mut written = 0;
        while written < frames.len() {
            match send(&self.socket, &frames[written..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut ready = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::OUT)];
                    let _ = poll(&mut ready, None);
                    if ready[0].revents().contains(PollFlags::IN) {
                        self.read(Wait::No)?;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        frames.clear();
        let mut state = self.state();
        if state.unwritten.is_empty() {
            // Kept for the next time.
            state.unwritten = frames;
        }
        Ok(())
    }

    /// Gives an answer to whoever awaits it.
    pub(super) fn answer(&self, id: u64, answer: Result<HostAnswer<'static>, Failure>) {
        let waker = match self.state().asks.get_mut(&id) {
            Some(slot) => match std::mem::replace(slot, Slot::Answered(answer)) {
                Slot::Waiting(waker) => waker,
                Slot::Answered(_) => None,
            },
            // It was dropped while the answer was on its way.
            None => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn ask(self: &Arc<Self>, host: u64, ask: Ask<'_>) -> Asked {
        let id = {
            let mut state = self.state();
            state.last_ask += 1;
            let id = state.last_ask;
            state.asks.insert(id, Slot::Waiting(None));
            id
        };
        self.send(&ToHost::Ask { id, call: self.call.load(Ordering::Relaxed), host, ask });
        Asked { link: Arc::clone(self), id }
    }
}

/// Awaits the answer to an ask.
struct Asked {
    link: Arc<Link>,
    id: u64,
}

impl Future for Asked {
    type Output = Result<HostAnswer<'static>, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Plugins bring wakers of their own, whose code must not run while the state is locked.
        let mut waker = Some(context.waker().clone());
        let mut state = self.link.state();
        if let Some(Slot::Waiting(waiting)) = state.asks.get_mut(&self.id) {
            std::mem::swap(waiting, &mut waker);
            drop(state);
            return Poll::Pending;
        }
        let slot = state.asks.remove(&self.id);
        drop(state);
        match slot {
            Some(Slot::Answered(answer)) => Poll::Ready(answer),
            _ => Poll::Ready(Err(broken())),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let slot = self.link.state().asks.remove(&self.id);
        if let Some(Slot::Waiting(_)) = slot {
            self.link.send(&ToHost::Unask { id: self.id });
        }
    }
}

fn broken() -> Failure {
    Failure::new(Reason::PLUGIN_FAILED, "the host gave an answer to something else")
}

/// The services of the host as the plugin in this process gets them.
pub(super) struct RemoteHost {
    link: Arc<Link>,
    /// Whose services they are; 0 for those of the plugin alone.
    host: u64,
}

impl RemoteHost {
    pub(super) fn of_plugin(link: Arc<Link>) -> Self {
        Self { link, host: 0 }
    }

    pub(super) fn new(link: Arc<Link>, host: u64) -> Self {
        Self { link, host }
    }
}

impl Drop for RemoteHost {
    fn drop(&mut self) {
        if self.host != 0 {
            self.link.send(&ToHost::DropHost { host: self.host });
        }
    }
}

/// Awaits an answer and takes what it should hold out of it.
fn export<R: Send + 'static>(
    asked: Asked,
    take: impl FnOnce(HostAnswer<'static>) -> Option<R> + Send + 'static,
) -> FfiFuture<RResult<R, Failure>> {
    async move { asked.await.and_then(|answer| take(answer).ok_or_else(broken)).into() }.into_ffi()
}

impl HostServices for RemoteHost {
    fn http(&self, request: Request) -> FfiFuture<RResult<Response, Failure>> {
        let asked = self.link.ask(self.host, Ask::Http(Cow::Owned(request)));
        export(asked, |answer| match answer {
            HostAnswer::Response(response) => Some(response.into_owned()),
            _ => None,
        })
    }

    fn save_metadata(&self, name: RString, value: RString) -> FfiFuture<RResult<RString, Failure>> {
        let ask = Ask::SaveMetadata { name: name.as_str().into(), value: value.as_str().into() };
        export(self.link.ask(self.host, ask), |answer| match answer {
            HostAnswer::Saved(value) => Some(value.into_owned().into()),
            _ => None,
        })
    }

    fn log_level(&self) -> u8 {
        self.link.log_level.load(Ordering::Relaxed)
    }

    fn log(&self, mut record: LogRecord) {
        if record.message.len() > LONGEST_LOG {
            let end = record.message.floor_char_boundary(LONGEST_LOG);
            record.message = record.message[..end].into();
        }
        let call = self.link.call.load(Ordering::Relaxed);
        self.link.send(&ToHost::Log { call, record: Cow::Borrowed(&record) });
        // What is told just before a crash must not be lost, and what is told without end must not pile up.
        let urgent = record.level == 1 || self.link.state().unwritten.len() > FLUSH_AT;
        if urgent && self.link.flush().is_err() {
            std::process::exit(i32::from(DISCONNECTED));
        }
    }

    fn now_unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn query_extension(&self, name: RStr<'_>) -> ROption<u32> {
        // Host and worker are one build, and offer the same.
        extensions::version(name.as_str()).into()
    }

    fn call_extension(&self, name: RString, payload: RVec<u8>) -> FfiFuture<RResult<RVec<u8>, Failure>> {
        let ask = Ask::Extension { name: name.as_str().into(), payload: Bytes(payload.as_slice().into()) };
        export(self.link.ask(self.host, ask), |answer| match answer {
            HostAnswer::Bytes(Bytes(bytes)) => Some(bytes.into_owned().into()),
            _ => None,
        })
    }
}
