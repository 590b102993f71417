//! Why there was no answer, in words and without the URL.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;

use crate::text::printable;

/// The cause of a failed exchange.
pub(super) struct Cause {
    /// Whether the connection was refused, or broke before an answer.
    pub(super) is_refused_or_reset: bool,
    /// What happened.
    pub(super) text: String,
}

pub(super) fn of(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    let mut last = String::new();
    while let Some(error) = next {
        if let Some(cause) = known(error) {
            return cause;
        }
        last = error.to_string();
        next = error.source();
    }
    other(printable(&last, 300).into_owned())
}

fn known(error: &(dyn Error + 'static)) -> Option<Cause> {
    let words = error.to_string();
    if words == "dns error" {
        return Some(other(format!("name resolution failed: {}", printable(&deepest(error), 200))));
    }
    if words.starts_with("tunnel error") {
        return Some(other(tunnel(error, &words)));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(other(tls(error)));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // An error of the connection itself comes as this one's source.
        return match () {
            () if error.is_incomplete_message() => Some(broken("the connection was closed before an answer")),
            () if error.is_parse() => Some(other("what came back is not HTTP".to_owned())),
            () => None,
        };
    }
    io(error.downcast_ref::<io::Error>()?)
}

/// Why a proxy was of no use. The library tells the cases apart in words alone.
fn tunnel(error: &(dyn Error + 'static), words: &str) -> String {
    if words.ends_with("failed to create underlying connection") {
        let mut next = error.source();
        while let Some(error) = next {
            if let Some(cause) = known(error) {
                return format!("the proxy cannot be reached, check `http.proxy`: {}", cause.text);
            }
            next = error.source();
        }
        let why = deepest(error);
        return format!("the proxy cannot be reached, check `http.proxy`: {}", printable(&why, 200));
    }
    if words.ends_with("proxy authorization required") {
        return "the proxy wants a user name and a password: write them into `http.proxy`".to_owned();
    }
    let why = printable(words, 200);
    format!("the proxy did not open the way ({why}): check the host's name, and what the proxy allows")
}

/// What the last error of the chain says.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn io(error: &io::Error) -> Option<Cause> {
    if let Some(inner) = error.get_ref()
        && let Some(cause) = known(inner)
    {
        return Some(cause);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(broken("connection refused")),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Some(broken("connection reset"))
        }
        ErrorKind::UnexpectedEof => Some(broken("the connection was closed before an answer")),
        ErrorKind::TimedOut => Some(other("the connection timed out".to_owned())),
        _ => None,
    }
}

fn tls(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(problem) = error else {
        return format!("TLS failed: {}", printable(&error.to_string(), 200));
    };
    let problem = match problem {
        CertificateError::UnknownIssuer => {
            "it is signed by nobody trusted here; add the authority to `http.ca_file`".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        other => printable(&other.to_string(), 200).into_owned(),
    };
    format!("TLS failed, the server's certificate is not accepted: {problem}")
}

fn broken(text: &str) -> Cause {
    Cause { is_refused_or_reset: true, text: text.to_owned() }
}

fn other(text: String) -> Cause {
    Cause { is_refused_or_reset: false, text }
}
