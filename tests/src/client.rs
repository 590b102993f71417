//! A client of the daemon's HTTP side that sends what it is told to, right or wrong.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer, as far as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status; 0 where there is none.
    pub status: u16,
    /// Its status line and headers.
    pub head: String,
    /// The rest of what came, as it came.
    pub body: String,
}

impl Reply {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// A connection on which nothing waits longer than 20 seconds.
///
/// # Errors
/// There is nobody.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Sends these bytes on a connection of their own; what comes back until its end.
///
/// # Errors
/// There is nobody, or the connection does not end.
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

/// A request that is the connection's last one, up to the end of its headers.
pub fn head(address: SocketAddr, method: &str, path: &str, headers: &[&str]) -> String {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}\r\n")
}

/// Asks for a path.
///
/// # Errors
/// Like [`talk`].
pub fn get(address: SocketAddr, path: &str, headers: &[&str]) -> io::Result<Reply> {
    talk(address, head(address, "GET", path, headers).as_bytes()).map(|text| Reply::of(&text))
}

/// Posts JSON, or nothing.
///
/// # Errors
/// Like [`talk`].
pub fn post(address: SocketAddr, path: &str, headers: &[&str], body: &str) -> io::Result<Reply> {
    let length = format!("content-length: {}", body.len());
    let headers = [headers, &["content-type: application/json", length.as_str()]].concat();
    let whole = head(address, "POST", path, &headers) + body;
    talk(address, whole.as_bytes()).map(|text| Reply::of(&text))
}
