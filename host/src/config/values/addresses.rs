//! Hosts, URLs and mailboxes.

use std::{borrow::Cow, fmt, net::Ipv6Addr, net::SocketAddr, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Format, ValueError};
use crate::text::mask_user_info;

/// A host that a plugin may reach, and its port (443 unless written).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPort {
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
}

impl HostPort {
    /// Where a URL leads; `None` for one without a host or a known port.
    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        Some(Self { host, port: url.port_or_known_default()? })
    }
}

text_value!(HostPort, "host-port", "a host (port 443) or host:port, like \"git.example.org:8443\"");

impl FromStr for HostPort {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const WRONG: ValueError = ValueError("is not a host or host:port");
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, rest))) => (host, rest.strip_prefix(':').or(rest.is_empty().then_some("443"))),
            Some(None) => return Err(WRONG),
            None if text.parse::<Ipv6Addr>().is_ok() => (text, Some("443")),
            None => text.split_once(':').map_or((text, Some("443")), |(host, port)| (host, Some(port))),
        };
        let digits = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit())).ok_or(WRONG)?;
        let port = digits.parse().ok().filter(|port| *port != 0).ok_or(ValueError("has no valid port"))?;
        let parsed = match host.parse::<Ipv6Addr>() {
            Ok(address) => address.to_string(),
            Err(_) if host.contains(['/', '@', '*', '?', '#', '\\']) => return Err(WRONG),
            // The URL parser knows what a host is: case, international names, IPv4.
            Err(_) => match Url::parse(&format!("https://{host}/")).ok() {
                Some(url) if url.port().is_none() => url.host_str().map(str::to_owned).ok_or(WRONG)?,
                _ => return Err(WRONG),
            },
        };
        Ok(Self { host: parsed, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, 443) => write!(f, "[{}]", self.host),
            (true, port) => write!(f, "[{}]:{port}", self.host),
            (false, 443) => f.write_str(&self.host),
            (false, port) => write!(f, "{}:{port}", self.host),
        }
    }
}

/// An IP address and a port to listen on; port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress(SocketAddr);

text_value!(
    ListenAddress,
    "listen-address",
    "an IP address and a port, like \"127.0.0.1:9477\" or \"[::1]:9477\""
);

impl ListenAddress {
    pub(in crate::config) const fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The address.
    pub const fn get(self) -> SocketAddr {
        self.0
    }

    /// Whether only this machine reaches it.
    pub fn is_on_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

impl FromStr for ListenAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| ValueError("is not an IP address and a port"))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Addresses with one of these schemes; a user name and password in them are masked when shown.
macro_rules! url_value {
    ($(#[$about:meta])* $type:ident, $format:literal, $help:literal, $schemes:pat, $wrong:literal) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $type(Url);

        text_value!($type, $format, $help);

        impl $type {
            /// The address as configured, with its user name and password.
            pub fn expose(&self) -> &Url {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                let url = Url::parse(text).map_err(|_| ValueError("is not a URL"))?;
                match url.scheme() {
                    $schemes => Ok(Self(url)),
                    _ => Err(ValueError($wrong)),
                }
            }
        }
    };
}

url_value!(
    /// The `http` or `https` address of a proxy.
    ProxyUrl,
    "proxy-url",
    "a URL that starts with http:// or https://",
    "http" | "https",
    "is not an http or https URL"
);

url_value!(
    /// An `https` address.
    HttpsUrl,
    "https-url",
    "a URL that starts with https://",
    "https",
    "is not an https URL"
);

url_value!(
    /// An `http` or `https` address.
    HttpUrl,
    "http-url",
    "a URL that starts with https:// or http://",
    "http" | "https",
    "is not an http or https URL"
);

/// The `http` or `https` address of a host, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl(Url);

text_value!(
    PublicUrl,
    "public-url",
    "the address of a host alone, like \"https://forgewatch.example.org/\" or with a port"
);

impl PublicUrl {
    /// The address.
    pub const fn get(&self) -> &Url {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let HttpUrl(url) = text.parse()?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ValueError("holds a user name or a password"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ValueError("is not the root of a host: it has a path, a query or a fragment"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address of a mailbox, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailAddress(String);

text_value!(EmailAddress, "email-address", "an address alone, like \"ada@example.org\"");

/// Longer than any that mail is delivered to.
const LONGEST_EMAIL: usize = 254;

impl EmailAddress {
    /// The address as written.
    pub fn get(&self) -> &str {
        &self.0
    }

    /// Whether it is this address.
    pub fn is(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.to_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.contains(|char: char| {
                    char.is_whitespace() || char.is_control() || "@<>,;".contains(char)
                })
        };
        match text.split_once('@') {
            Some((user, host)) if is_part(user) && is_part(host) && text.len() <= LONGEST_EMAIL => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(ValueError("is no e-mail address")),
        }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address kept exactly as written, malformed or not; a user name and password in it are masked when shown.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Address(String);

impl Address {
    /// The address as configured, with its user name and password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Shows an address without its user name and password.
macro_rules! masked_display {
    ($($type:ident => $text:expr),+) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text: fn(&Self) -> &str = $text;
                f.write_str(&mask_user_info(text(self)))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.to_string())
            }
        })+
    };
}

masked_display!(
    ProxyUrl => |it| it.0.as_str(),
    HttpsUrl => |it| it.0.as_str(),
    HttpUrl => |it| it.0.as_str(),
    Address => |it| &it.0
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports() {
        for (text, want) in [
            ("git.example.org", Some(("git.example.org", 443))),
            ("Git.Example.org:8443", Some(("git.example.org", 8443))),
            ("10.0.0.1:80", Some(("10.0.0.1", 80))),
            ("[::1]:8080", Some(("::1", 8080))),
            ("::1", Some(("::1", 443))),
            ("", None),
            ("host:", None),
            ("host:0", None),
            ("host:70000", None),
            ("host:+1", None),
            ("https://host/", None),
            ("user@host", None),
            ("*.example.org", None),
            ("[::1", None),
            ("host/x", None),
            ("a b", None),
        ] {
            let got = text.parse::<HostPort>().ok();
            let got = got.as_ref().map(|it| (it.host.as_str(), it.port));
            assert_eq!(got, want, "{text}");
        }
        for text in ["git.example.org", "git.example.org:8443", "10.0.0.1:80", "[::1]", "[::1]:8080"] {
            let parsed: HostPort = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(HostPort::of(&Url::parse(&format!("https://{text}/x")).unwrap()), Some(parsed));
        }
    }

    #[test]
    fn urls() {
        assert!("socks5://p:1".parse::<ProxyUrl>().is_err());
        let proxy: ProxyUrl = "http://u:hunter2@p:3128".parse().unwrap();
        assert_eq!(proxy.expose().password(), Some("hunter2"));
        assert!(!format!("{proxy} {proxy:?}").contains("hunter2"));
        assert!("http://login/".parse::<HttpsUrl>().is_err());
        for (text, good) in [
            ("https://watch.example.org", true),
            ("https://watch.example.org/", true),
            ("http://[::1]:9477/", true),
            ("https://watch.example.org/page", false),
            ("https://watch.example.org//", false),
            ("https://watch.example.org/?a=b", false),
            ("https://watch.example.org/?", false),
            ("https://watch.example.org/#a", false),
            ("https://user@watch.example.org/", false),
            ("https://:hunter2@watch.example.org/", false),
            ("ftp://watch.example.org/", false),
            ("watch.example.org", false),
        ] {
            assert_eq!(text.parse::<PublicUrl>().is_ok(), good, "{text}");
        }
    }
}
