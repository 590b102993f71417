//! A connection to whoever answers in the place of a mail server, before TLS shows who that is.
//!
//! - It ends after a bounded number of bytes, since what reads from it waits for the end of a line, however far that is.
//! - One line is handed over at a time. So nothing that came behind the last line without TLS is left to be taken for an
//!   answer with it: the handshake gets that, and fails.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;

/// What all answers together may have, TLS included.
const MOST_BYTES: usize = 1 << 20;

/// A connection of which a bounded number of bytes is read, by the line.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: BufReader<TcpStream>,
    left: usize,
}

impl Bounded {
    /// Connects to the first address of a server that takes it.
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let stream = BufReader::new(TcpStream::connect((host, port)).await?);
        Ok(Self { stream, left: MOST_BYTES })
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, left } = self.get_mut();
        let mut stream = Pin::new(stream);
        let came = ready!(stream.as_mut().poll_fill_buf(context))?;
        let line = came.iter().position(|byte| *byte == b'\n').map_or(came.len(), |end| end + 1);
        let count = line.min(buffer.remaining());
        if count > *left {
            let message = format!("it answers more than {} MiB", MOST_BYTES >> 20);
            return Poll::Ready(Err(io::Error::other(message)));
        }
        buffer.put_slice(&came[..count]);
        stream.consume(count);
        *left -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().peer_addr()
    }
}
