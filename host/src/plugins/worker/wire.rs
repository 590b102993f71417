//! Reading what a worker sends: frames of limited length, and the report of its crash.

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use super::protocol::{LONGEST_TO_HOST, ToHost, framing, parse, read_buffer};
use super::sandbox::{CrashReport, REPORT_MARK};

/// The socket to a worker.
pub(super) struct Wire {
    pub(super) socket: UnixStream,
    pub(super) unread: Unread,
}

/// What was read and not taken apart yet.
pub(super) struct Unread {
    pub(super) bytes: BytesMut,
    framing: LengthDelimitedCodec,
}

/// What a worker sent.
pub(super) enum Frame {
    Message(ToHost<'static>),
    Crash(CrashReport),
}

impl Wire {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, unread: Unread { bytes: read_buffer(), framing: framing(LONGEST_TO_HOST) } }
    }

    /// What the worker reports of its crash, if it does; everything else that it still sends is dropped.
    pub(super) async fn last_words(&mut self) -> Option<CrashReport> {
        loop {
            match self.unread.frame() {
                Ok(Some(Frame::Crash(report))) => return Some(report),
                Ok(Some(Frame::Message(_))) => {}
                Ok(None) => match self.socket.read_buf(&mut self.unread.bytes).await {
                    Ok(1..) => {}
                    _ => return None,
                },
                Err(_) => return None,
            }
        }
    }
}

impl Unread {
    /// What was read already and can be taken apart.
    ///
    /// # Errors
    ///
    /// It is nothing that a worker may send.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, String> {
        let no_message = || "it sent what is no message".to_owned();
        let frame = self.framing.decode(&mut self.bytes);
        let Some(frame) =
            frame.map_err(|_| format!("it sent a message of more than {} MiB", LONGEST_TO_HOST >> 20))?
        else {
            return Ok(None);
        };
        match frame.first() {
            Some(&REPORT_MARK) => CrashReport::parse(&frame).map(Frame::Crash),
            _ => parse(&frame).ok().map(Frame::Message),
        }
        .map(Some)
        .ok_or_else(no_message)
    }
}
