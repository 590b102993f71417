//! A server that answers one request per connection with what a closure says.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What happens to a request.
pub(super) enum Reply {
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing at all.
    Hang(Vec<u8>),
    /// The connection is reset.
    Reset,
}

/// A complete answer.
pub(super) fn answer(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Reply {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        bytes.push_str(header);
        bytes.push_str("\r\n");
    }
    bytes.push_str("\r\n");
    Reply::Bytes([bytes.as_bytes(), body].concat())
}

/// Runs until it is dropped.
pub(super) struct Server {
    port: u16,
    scheme: &'static str,
    certificate: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Plain HTTP. The closure gets each request as text, head and body, and its number from 0.
    pub(super) async fn start(reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(None, String::new(), reply).await
    }

    /// HTTPS with a certificate of its own for the loopback address.
    pub(super) async fn start_tls(reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let names = ["127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::with(Some(TlsAcceptor::from(Arc::new(config))), cert.pem(), reply).await
    }

    async fn with(
        tls: Option<TlsAcceptor>,
        certificate: String,
        reply: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let reply = Arc::new(reply);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, reply, tls) = (Arc::clone(&seen), Arc::clone(&reply), tls.clone());
                tokio::spawn(async move {
                    let decide = |text: String| {
                        let mut seen = seen.lock().unwrap();
                        seen.push(text.clone());
                        let number = seen.len() - 1;
                        drop(seen);
                        reply(&text, number)
                    };
                    // A client that goes away is part of some tests.
                    let _ = serve(stream, tls, decide).await;
                });
            }
        });
        Self { port, scheme, certificate, requests, task }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}/{path}", self.scheme, self.port)
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// All requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port where nobody listens, held so that no other test's server comes to be there meanwhile.
pub(super) struct Nobody(TcpSocket);

impl Nobody {
    pub(super) fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.0.local_addr().unwrap())
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    decide: impl FnOnce(String) -> Reply,
) -> io::Result<()> {
    match tls {
        Some(tls) => {
            let mut stream = tls.accept(stream).await?;
            let reply = decide(read(&mut stream).await?);
            write(&mut stream, reply).await
        }
        None => {
            let mut stream = stream;
            match decide(read(&mut stream).await?) {
                Reply::Reset => stream.set_zero_linger(),
                reply => write(&mut stream, reply).await,
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return Ok(text.into_owned());
        }
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
        Reply::Hang(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            // Longer than any test; the client goes first.
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        Reply::Reset => {}
    }
    stream.shutdown().await
}
