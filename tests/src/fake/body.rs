//! Answer bodies that end well, badly, late or never.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::socket::ResetSwitch;

/// What follows the first bytes of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing: the body is complete.
    End,
    /// That many spaces, made up as they are sent.
    Fill(u64),
    /// Silence, with the connection left open.
    Stall,
    /// The connection is closed without the rest.
    Break,
    /// The connection is reset without the rest.
    Reset,
}

/// The error that makes hyper give up on a connection.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for Broken {}

pub(crate) struct FakeBody {
    first: Option<Bytes>,
    rest: Rest,
    reset: Option<ResetSwitch>,
    /// Whether hyper had a turn to send what it was given, before the connection goes away.
    flushed: bool,
}

const FILLING: Bytes = Bytes::from_static(&[b' '; 16 * 1024]);

impl FakeBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::new(bytes, Rest::End, None)
    }

    pub(crate) fn new(first: Bytes, rest: Rest, reset: Option<ResetSwitch>) -> Self {
        Self { first: (!first.is_empty()).then_some(first), rest, reset, flushed: false }
    }

    fn break_off(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if !self.flushed {
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let (Rest::Reset, Some(reset)) = (&self.rest, &self.reset) {
            reset.throw();
        }
        Poll::Ready(Some(Err(Broken)))
    }
}

impl Body for FakeBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let body = self.get_mut();
        if let Some(first) = body.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        match &mut body.rest {
            Rest::End | Rest::Fill(0) => Poll::Ready(None),
            Rest::Fill(left) => {
                let size = (*left).min(FILLING.len() as u64);
                *left -= size;
                let size = usize::try_from(size).unwrap_or(FILLING.len());
                Poll::Ready(Some(Ok(Frame::data(FILLING.slice(..size)))))
            }
            Rest::Stall => Poll::Pending,
            Rest::Break | Rest::Reset => body.break_off(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest == Rest::End
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::End => SizeHint::with_exact(self.first.as_ref().map_or(0, |first| first.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}
