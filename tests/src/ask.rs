//! Requests to a daemon's HTTP side, right or wrong, each over a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long each step of it may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// Asks for a path; what is sent along is JSON.
///
/// # Errors
/// If nobody answers, or not in HTTP.
pub fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Reply> {
    ask_with(address, method, path, &[], body)
}

/// The same with further headers.
///
/// # Errors
/// Like [`ask`].
pub fn ask_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> io::Result<Reply> {
    send(address, method, path, &[headers, &["Content-Type: application/json"]].concat(), body)
}

/// The same where the headers say what is sent along.
///
/// # Errors
/// Like [`ask`].
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> io::Result<Reply> {
    let length = format!("Content-Length: {}", body.len());
    let headers = [headers, &[length.as_str()]].concat();
    let answer = talk(address, (head(address, method, path, &headers) + body).as_bytes())?;
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    });
    parsed.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, answer))
}

/// Everything before the body of a request that is to be its connection's last one.
pub fn head(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> String {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n")
}

/// Sends these bytes; what comes back until the connection ends.
///
/// # Errors
/// If there is nobody, or it does not end.
pub fn talk(address: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let mut stream = connect(address)?;
    // Who has heard enough hangs up, and may have said why before.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A connection to send what one likes.
///
/// # Errors
/// If there is nobody.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}
