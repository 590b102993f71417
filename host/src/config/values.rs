//! Scalar settings that are text in a file and more than text in the program.
//!
//! Each is parsed once, by `FromStr`, and that same parser is what the schema's `format` checks: a value that
//! passes validation always deserializes. Whatever may hold a user name and password never shows them in
//! `Debug`, `Display` or when serialized.

use std::{borrow::Cow, fmt, net::Ipv6Addr, net::SocketAddr, str::FromStr, time::Duration, time::SystemTime};

use globset::{ErrorKind, Glob, GlobBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::text::mask_user_info;

/// What is wrong with a scalar setting; never holds the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(&'static str);

/// A parsed scalar and what the schema and the messages say about it.
pub(super) struct Format {
    /// Name of the schema's `format`.
    pub(super) name: &'static str,
    /// Tells whether the text is one.
    pub(super) check: fn(&str) -> Result<(), ValueError>,
    /// How to write one.
    pub(super) help: &'static str,
}

/// Implements what all text-shaped settings share: serde through text, and a schema with a `format`.
macro_rules! text_value {
    ($type:ident, $format:literal, $help:literal) => {
        impl TryFrom<String> for $type {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "description": $help })
            }

            fn inline_schema() -> bool {
                true
            }
        }

        impl $type {
            const FORMAT: Format =
                Format { name: $format, check: |text| text.parse::<Self>().map(drop), help: $help };
        }
    };
}

/// Every format that the configuration's schema uses.
pub(super) const FORMATS: [Format; 12] = [
    Period::FORMAT,
    Pattern::FORMAT,
    HostPort::FORMAT,
    ListenAddress::FORMAT,
    ProxyUrl::FORMAT,
    HttpsUrl::FORMAT,
    HttpUrl::FORMAT,
    PublicUrl::FORMAT,
    Timestamp::FORMAT,
    TimeOfDay::FORMAT,
    EmailAddress::FORMAT,
    VARIABLE,
];

/// Name of the format of [`VARIABLE`].
pub(super) const VARIABLE_FORMAT: &str = "variable-name";

/// The name of an environment variable.
const VARIABLE: Format =
    Format { name: VARIABLE_FORMAT, check: variable_name, help: "the name of a variable, like \"ADO_PAT\"" };

/// Characters without a gap and with a digit among them that no sensible name has, and every token.
const LONGEST_PART_OF_NAME: usize = 20;

/// Names are shown in messages, so what could be a secret pasted in place of a name is none.
fn variable_name(text: &str) -> Result<(), ValueError> {
    let has_digit = |part: &str| part.contains(|char: char| char.is_ascii_digit());
    let begins_well = text.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_');
    if !begins_well || text.contains(|char: char| !char.is_ascii_alphanumeric() && char != '_') {
        return Err(ValueError("is not the name of an environment variable"));
    }
    if text.split('_').any(|part| part.len() >= LONGEST_PART_OF_NAME && has_digit(part)) {
        return Err(ValueError(
            "looks like a secret itself, not like the name of the environment variable that holds it",
        ));
    }
    Ok(())
}

/// A length of time above zero, written like `15m` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(Duration);

text_value!(Period, "period", "a number and a unit, like \"10s\", \"15m\" or \"1h 30m\"");

impl Period {
    pub(super) const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length of time; never zero.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err(ValueError("must be longer than zero")),
            Ok(duration) => Ok(Self(duration)),
            Err(_) => Err(ValueError("is not a duration")),
        }
    }
}

/// In days and less: months and years are of no fixed length.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 24 * 60 * 60;
        let (days, rest) = (self.0.as_secs() / DAY, self.0.as_secs() % DAY);
        let rest = Duration::new(rest, self.0.subsec_nanos());
        match (days, rest) {
            (0, rest) => humantime::format_duration(rest).fmt(f),
            (days, Duration::ZERO) => write!(f, "{days}days"),
            (days, rest) => write!(f, "{days}days {}", humantime::format_duration(rest)),
        }
    }
}

/// A pattern over names, in upper or lower case; `*` goes through `/` too.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Glob);

text_value!(Pattern, "glob", "a pattern, like \"Payments/*\" or \"*/{web,shop}-?\"");

impl Pattern {
    /// The pattern, compiled.
    pub const fn get(&self) -> &Glob {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Err(ValueError("must not be empty"));
        }
        let glob = GlobBuilder::new(text).literal_separator(false).case_insensitive(true).build();
        let glob = glob.map_err(|error| {
            ValueError(match error.kind() {
                ErrorKind::UnclosedClass => "is no pattern: `[` has no `]`; `\\[` stands for itself",
                ErrorKind::UnclosedAlternates => "is no pattern: `{` has no `}`; `\\{` stands for itself",
                ErrorKind::UnopenedAlternates => "is no pattern: `}` has no `{`; `\\}` stands for itself",
                ErrorKind::InvalidRange(..) => "is no pattern: a range is the wrong way round",
                _ => "is no pattern",
            })
        })?;
        Ok(Self(glob))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob())
    }
}

/// A moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Timestamp(SystemTime);

text_value!(Timestamp, "utc-date-time", "a moment in UTC, like \"2026-01-05T10:00:00Z\"");

impl Timestamp {
    /// The moment.
    pub const fn get(self) -> SystemTime {
        self.0
    }
}

impl FromStr for Timestamp {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        humantime::parse_rfc3339(text).map(Self).map_err(|_| ValueError("is not a moment in UTC"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339(self.0).fmt(f)
    }
}

/// A time of day in UTC, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

text_value!(TimeOfDay, "time-of-day", "hours and minutes in UTC, like \"22:30\"");

impl TimeOfDay {
    /// How long after midnight it is.
    pub const fn since_midnight(self) -> Duration {
        Duration::from_secs(self.minutes as u64 * 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let number = |text: &str, below: u16| {
            let is_it = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| is_it && *number < below)
        };
        let parsed = text.split_once(':').and_then(|(hours, minutes)| {
            Some(Self { minutes: number(hours, 24)? * 60 + number(minutes, 60)? })
        });
        parsed.ok_or(ValueError("is not a time of day"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

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
    pub(super) const fn new(address: SocketAddr) -> Self {
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
    fn names_of_variables() {
        for good in ["ADO_PAT", "ado_pat_2", "_X1", "CI_REGISTRY_PASSWORD_2026", "ABIGNAMEWITHOUTANYDIGITS"] {
            assert!(variable_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "$ADO_PAT",
            "a b",
            "A=b",
            "1_A",
            "ado-pat",
            "ado.pat",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "x8Q~abc",
        ] {
            assert!(variable_name(bad).is_err(), "{bad}");
        }
        assert!(variable_name(&"q2w3e4r5t6z7".repeat(7)).is_err());
    }

    #[test]
    fn other_scalars() {
        for bad in ["0s", "10", "", "ten minutes"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert_eq!("1h 30m".parse::<Period>().unwrap().get(), Duration::from_secs(5400));
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
        assert!("2026-01-05T10:00:00Z".parse::<Timestamp>().is_ok());
        assert!("2026-01-05".parse::<Timestamp>().is_err());
        for (text, good) in
            [("00:00", true), ("23:59", true), ("24:00", false), ("9:00", false), ("+1:00", false)]
        {
            assert_eq!(text.parse::<TimeOfDay>().is_ok_and(|time| time.to_string() == text), good, "{text}");
        }
        for bad in ["", "a[", "{a", "a}", "[z-a]", "a\\"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
