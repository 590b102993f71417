//! Scalar settings that are text in a file and more than text in the program.
//!
//! Each is parsed once, by `FromStr`, and that same parser is what the schema's `format` checks: a value that
//! passes validation always deserializes. Whatever may hold a user name and password never shows them in
//! `Debug`, `Display` or when serialized.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration, time::SystemTime};

use globset::{ErrorKind, Glob, GlobBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use addresses::{Address, EmailAddress, HostPort, HttpUrl, HttpsUrl, ListenAddress, ProxyUrl, PublicUrl};

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
            pub(super) const FORMAT: Format =
                Format { name: $format, check: |text| text.parse::<Self>().map(drop), help: $help };
        }
    };
}

mod addresses;

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

#[cfg(test)]
mod tests {
    use super::*;

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
