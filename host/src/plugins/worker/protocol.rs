//! What a host and its worker say to each other over their socket.
//!
//! Private: both ends are the same build of the same program, so a frame may change at any time. A frame is its
//! length (4 bytes, little endian) and the postcard form of [`ToWorker`] or [`ToHost`]. What comes from a worker is
//! an answer of native code that nobody vouches for: its length is limited, its form is checked, and the numbers
//! in it name only what was given to that worker.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::BytesMut;
use forgewatch_plugin_api::abi::LogRecord;
use forgewatch_plugin_api::{
    Access, Failure, Integration, Repository, RepositoryUrl, Request, Response, UrlContext, UrlError,
};
use serde::{Deserialize, Deserializer, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

use super::sandbox::Coverage;

/// The longest frame that a worker may send, in bytes.
pub(super) const LONGEST_TO_HOST: usize = 4 << 20;
/// The name of the hidden command that is a worker.
pub const COMMAND: &str = "plugin-worker";

/// From the host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker<'a> {
    /// The first frame.
    Hello(Hello),
    /// What URLs are taken apart with from then on.
    Context(Cow<'a, UrlContext>),
    /// Asks for something; answered by [`ToHost::Done`] unless it is cancelled.
    Call { id: u64, call: Call<'a> },
    /// Nobody waits for the answer any more.
    Cancel { id: u64 },
    /// The answer to [`ToHost::Ask`].
    Answer { id: u64, answer: Result<HostAnswer<'a>, Failure> },
    /// A client is not needed any more.
    DropClient { client: u64 },
    /// Answered by [`ToHost::Pong`] as soon as no plugin code runs.
    Ping,
    /// The host's log takes events up to another level now.
    LogLevel(u8),
}

/// What a worker has to know before it opens its library.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The library's own path, for messages.
    pub(super) shown: String,
    /// The immutable copy to open, where the inherited descriptor cannot be.
    pub(super) copy: Option<String>,
    /// Whether to open nothing unless all of the sandbox is there.
    pub(super) require_sandbox: bool,
    /// The most detailed level that the host's log takes, as the ABI numbers it.
    pub(super) log_level: u8,
}

/// What a plugin is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Call<'a> {
    ParseUrl {
        url: Cow<'a, str>,
        /// Sent ahead in a frame of its own, once for all the calls that share it.
        #[serde(skip)]
        context: Option<Arc<UrlContext>>,
    },
    /// Makes the client that is known by the call's id from then on.
    GetClient {
        host: u64,
        integration: Cow<'a, Integration>,
    },
    HasRepoAccess {
        client: u64,
        repository: Cow<'a, Repository>,
    },
    /// To the client, or to the provider.
    QueryExtension {
        client: Option<u64>,
        name: Cow<'a, str>,
    },
    UseExtension {
        client: Option<u64>,
        host: u64,
        name: Cow<'a, str>,
        payload: Bytes<'a>,
    },
}

/// Bytes as one piece.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bytes<'a>(
    #[serde(serialize_with = "serde_bytes::serialize", deserialize_with = "owned")] pub(super) Cow<'a, [u8]>,
);

fn owned<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [u8]>, D::Error> {
    serde_bytes::ByteBuf::deserialize(deserializer).map(|bytes| Cow::Owned(bytes.into_vec()))
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToHost<'a> {
    /// What of the sandbox there is. Said before the library is opened, while nobody could have tampered with it.
    Entered { coverage: Coverage },
    /// The provider is there.
    Ready,
    /// There is none, and trying again would not help.
    Refused { detail: Cow<'a, str> },
    /// A call's end.
    Done { id: u64, answer: Result<Answer<'a>, Failure> },
    /// Asks the host for a service on behalf of a call, or of none (0).
    Ask { id: u64, call: u64, host: u64, ask: Ask<'a> },
    /// Nobody waits for that answer any more.
    Unask { id: u64 },
    /// A host handle is not held any more.
    DropHost { host: u64 },
    /// An event of the plugin's log.
    Log { call: u64, record: Cow<'a, LogRecord> },
    /// The answer to [`ToWorker::Ping`].
    Pong,
}

/// What a call gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer<'a> {
    Url(Result<RepositoryUrl, UrlError>),
    Client,
    Access(Access),
    Version(Option<u32>),
    Bytes(Bytes<'a>),
}

/// A service of the host's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask<'a> {
    Http(Cow<'a, Request>),
    SaveMetadata { name: Cow<'a, str>, value: Cow<'a, str> },
    Extension { name: Cow<'a, str>, payload: Bytes<'a> },
}

/// What a service gave.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum HostAnswer<'a> {
    Response(Cow<'a, Response>),
    Saved(Cow<'a, str>),
    Bytes(Bytes<'a>),
}

/// Appends a frame.
///
/// # Errors
///
/// The frame is too long for its length; then nothing is appended.
pub(super) fn append(frames: &mut Vec<u8>, frame: &impl Serialize) -> Result<(), postcard::Error> {
    let start = frames.len();
    frames.extend_from_slice(&[0; 4]);
    let written = postcard::to_io(frame, &mut *frames).and_then(|frames| {
        u32::try_from(frames.len() - start - 4).map_err(|_| postcard::Error::SerializeBufferFull)
    });
    match written {
        Ok(length) => frames[start..start + 4].copy_from_slice(&length.to_le_bytes()),
        Err(_) => frames.truncate(start),
    }
    written.map(drop)
}

/// Takes a frame apart.
pub(super) fn parse<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T, postcard::Error> {
    postcard::from_bytes(frame)
}

/// Cuts frames out of what was read.
pub(super) fn framing(longest: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().little_endian().max_frame_length(longest).new_codec()
}

/// What was read and not taken apart yet.
pub(super) fn read_buffer() -> BytesMut {
    BytesMut::with_capacity(64 << 10)
}
