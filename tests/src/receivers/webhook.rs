//! A receiver of webhooks: it takes everything, but for what it was told to do to the next requests.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::{ServerConnection, StreamOwned};

use super::Certified;
use crate::process::wait_for;

/// How long a client may take for each step of its request.
const LIMIT: Duration = Duration::from_secs(20);

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status, and nothing else.
    Status(u16),
    /// A status, further headers and a body.
    With(u16, Vec<(String, String)>, String),
    /// These bytes, which may be no HTTP, and the end of the connection.
    Bytes(Vec<u8>),
    /// This status after this time.
    Late(Duration, u16),
    /// Nothing, for as long as the receiver is there.
    Silence,
    /// A body of which the first bytes come, and then nothing.
    Unfinished(u16),
    /// The connection is torn down.
    Reset,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// Like `POST /hooks/x HTTP/1.1`.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Received {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// A running receiver.
pub struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    book: Mutex<Book>,
    ended: Condvar,
}

#[derive(Default)]
struct Book {
    requests: Vec<Received>,
    answers: VecDeque<Answer>,
    bodies: Vec<(String, Answer)>,
    usual: Option<Answer>,
    is_over: bool,
}

impl Receiver {
    /// Starts one without TLS.
    ///
    /// # Panics
    /// If it cannot be started, as everywhere in here.
    pub fn start() -> Self {
        Self::listening(None)
    }

    /// Starts one with TLS.
    pub fn start_tls(certified: &Certified) -> Self {
        Self::listening(Some(certified))
    }

    fn listening(certified: Option<&Certified>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let (config, known) = (certified.map(Certified::config), Arc::clone(&shared));
        let listening = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if known.book().is_over {
                    return;
                }
                let (config, known) = (config.clone(), Arc::clone(&known));
                // Who fails is a client that does not like what it is shown.
                thread::spawn(move || match config {
                    None => known.serve(&stream, &stream),
                    Some(config) => {
                        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
                        let mut stream = stream;
                        connection.complete_io(&mut stream)?;
                        let raw = stream.try_clone()?;
                        known.serve(StreamOwned::new(connection, stream), &raw)
                    }
                });
            }
        });
        let scheme = if certified.is_some() { "https" } else { "http" };
        Self { address, scheme, shared, listening: Some(listening) }
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Decides what becomes of the next requests, one each.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.book().answers.extend(answers);
    }

    /// Decides what becomes of those with this text in their bodies, unless that was decided otherwise.
    pub fn answer_if(&self, text: &str, answer: Answer) {
        self.shared.book().bodies.push((text.to_owned(), answer));
    }

    /// Decides what becomes of all others; 200 again with `None`. How many requests came before that.
    pub fn answer_usually(&self, answer: Option<Answer>) -> usize {
        let mut book = self.shared.book();
        book.usual = answer;
        book.requests.len()
    }

    /// What came so far, in order.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.book().requests.clone()
    }

    /// Waits for so many requests, and gives all of them.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("{count} requests"), || Some(self.requests()).filter(|it| it.len() >= count))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.book().is_over = true;
        self.shared.ended.notify_all();
        // Whoever waits for connections sees one more and ends; after that there is nobody to connect to.
        let _ = TcpStream::connect(self.address);
        let _ = self.listening.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the one request of a connection.
    fn serve(&self, stream: impl Read + Write, raw: &TcpStream) -> io::Result<()> {
        raw.set_read_timeout(Some(LIMIT))?;
        let mut stream = BufReader::new(stream);
        let request = read(&mut stream)?;
        let answer = {
            let mut book = self.book();
            let of_body = book.bodies.iter().find(|(text, _)| request.body.contains(text));
            let of_body = of_body.map(|(_, answer)| answer.clone());
            book.requests.push(request);
            let next = book.answers.pop_front().or(of_body).or_else(|| book.usual.clone());
            next.unwrap_or(Answer::Status(200))
        };
        let out = stream.get_mut();
        match answer {
            Answer::Status(status) => write!(out, "{}content-length: 0\r\n\r\n", head(status))?,
            Answer::With(status, headers, body) => {
                let more: String =
                    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                write!(out, "{}{more}content-length: {}\r\n\r\n{body}", head(status), body.len())?;
            }
            Answer::Late(wait, status) => {
                thread::sleep(wait);
                write!(out, "{}content-length: 0\r\n\r\n", head(status))?;
            }
            Answer::Bytes(bytes) => out.write_all(&bytes)?,
            Answer::Unfinished(status) => {
                write!(out, "{}content-length: 1000\r\n\r\nbegun", head(status))?;
                out.flush()?;
                self.wait_for_the_end();
            }
            Answer::Silence => self.wait_for_the_end(),
            Answer::Reset => set_socket_linger(raw, Some(Duration::ZERO))?,
        }
        out.flush()
    }

    fn wait_for_the_end(&self) {
        let book = self.book();
        drop(self.ended.wait_while(book, |book| !book.is_over).unwrap_or_else(PoisonError::into_inner));
    }
}

fn head(status: u16) -> String {
    format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n")
}

fn read(stream: &mut impl BufRead) -> io::Result<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let mut received = Received { line, headers: headers.collect(), body: String::new() };
    let length = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    // What was cut off on its way is no request.
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    received.body = String::from_utf8(body).map_err(io::Error::other)?;
    Ok(received)
}
