//! A URL as it is written, cut at its seams.
//!
//! The path is kept raw: a parser that follows the web's rules would fold `..` and `%2e%2e`, turn backslashes into
//! slashes and drop tabs before anybody could judge them. Only the host is normalised.

use url::Host;

/// The schemes that repositories are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https`
    Https,
    /// `http`
    Http,
    /// `ssh`, and the scp-like form.
    Ssh,
}

impl Scheme {
    const ALL: [Self; 3] = [Self::Https, Self::Http, Self::Ssh];

    /// As a URL writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
            Self::Ssh => 22,
        }
    }
}

/// A URL, taken apart.
#[derive(Debug)]
pub struct RawUrl<'a> {
    /// How it is reached.
    pub scheme: Scheme,
    /// Everything before the last `@`; never to be shown.
    pub user: Option<&'a str>,
    /// Normalised: lower case, ASCII.
    pub host: String,
    /// `None` for the scheme's default.
    pub port: Option<u16>,
    /// Without the slash that begins it.
    pub path: &'a str,
    /// Whether a query or a fragment followed.
    pub has_suffix: bool,
}

impl<'a> RawUrl<'a> {
    /// Cuts `https://`, `http://`, `ssh://` and scp-like (`user@host:path`) text; `None` for all else.
    pub fn split(text: &'a str) -> Option<Self> {
        let (scheme, authority, tail) = match text.split_once("://") {
            Some((name, rest)) => {
                let scheme =
                    Scheme::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))?;
                let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                (scheme, authority, tail)
            }
            None => {
                // The colon must follow the user, or `c:\x@y` and `mailto:x@y` would pass.
                let user_end = text.find([':', '/', '@']).filter(|at| text[*at..].starts_with('@'))?;
                let colon = user_end + text[user_end..].find([':', '/'])?;
                (Scheme::Ssh, &text[..colon], text[colon..].strip_prefix(':')?)
            }
        };
        // Some readers end the host at a backslash, others do not.
        if authority.contains('\\') {
            return None;
        }
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place)?;
        let (path, suffix) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
        Some(Self {
            scheme,
            user,
            host: normal_host(host)?,
            port: port.filter(|port| *port != scheme.default_port()),
            path: path.strip_prefix('/').unwrap_or(path),
            has_suffix: !suffix.is_empty(),
        })
    }

    /// The path's segments as written; slashes at its end are dropped.
    pub fn segments(&self) -> Vec<&'a str> {
        match self.path.trim_end_matches('/') {
            "" => Vec::new(),
            path => path.split('/').collect(),
        }
    }

    /// `host` or `host:port`.
    pub fn place(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    // The colons of an IPv6 address stand between brackets.
    let host_end = place.rfind(']').map_or(0, |at| at + 1);
    match place[host_end..].rfind(':').map(|at| host_end + at) {
        None => Some((place, None)),
        Some(colon) => match &place[colon + 1..] {
            "" => Some((&place[..colon], None)),
            port if port.bytes().all(|b| b.is_ascii_digit()) => {
                Some((&place[..colon], Some(port.parse().ok()?)))
            }
            _ => None,
        },
    }
}

fn normal_host(host: &str) -> Option<String> {
    // An escaped host is nobody's habit but an attacker's.
    if host.contains('%') {
        return None;
    }
    Host::parse(host).ok().map(|host| host.to_string())
}
