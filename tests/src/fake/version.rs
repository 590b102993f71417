//! The version that every call has to name.

use hyper::header::ACCEPT;
use url::form_urlencoded;

use super::answers::Answer;
use super::catalogue::exception;
use super::routes::Ask;

/// The version a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApiVersion {
    number: (u16, u16),
    preview: bool,
}

impl ApiVersion {
    /// Takes the version from the query or the `Accept` header and holds it against what the server speaks.
    pub(crate) fn of(ask: &Ask<'_>, newest: (u16, u16)) -> Result<Self, Answer> {
        let Some(text) = named(ask) else {
            return Err(missing());
        };
        let version = Self::parse(&text).ok_or_else(|| Answer::e16("the version is malformed"))?;
        let next = (newest.0, newest.1 + 1);
        if version.number > next {
            return Err(Answer::e14());
        }
        if version.number == next && !version.preview {
            return Err(Answer::e13());
        }
        Ok(version)
    }

    /// Insists on `-preview`.
    pub(crate) fn preview_only(self) -> Result<(), Answer> {
        if self.preview { Ok(()) } else { Err(Answer::e13()) }
    }

    /// Whether answers of this version say that a repository is disabled or in maintenance.
    pub(crate) fn tells_disabled(self) -> bool {
        self.number >= (6, 0)
    }

    /// Whether people are objects in answers of this version, and not text.
    pub(crate) fn has_identities(self) -> bool {
        self.number >= (5, 0)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, preview) = text.split_once('-').map_or((text, None), |(n, p)| (n, Some(p)));
        if preview.is_some_and(|preview| !preview.starts_with("preview")) {
            return None;
        }
        let (major, minor) = number.split_once('.')?;
        Some(Self { number: (major.parse().ok()?, minor.parse().ok()?), preview: preview.is_some() })
    }
}

fn named(ask: &Ask<'_>) -> Option<String> {
    let in_query = form_urlencoded::parse(ask.query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, value)| value.into_owned());
    in_query.or_else(|| {
        let accepts = ask.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accepts
            .flat_map(|accept| accept.split([';', ',']))
            .find_map(|part| part.trim().strip_prefix("api-version=").map(str::to_owned))
    })
}

fn missing() -> Answer {
    let home = "Microsoft.VisualStudio.Services.WebApi";
    Answer::json(400, &exception(home, home, "VssVersionNotSpecifiedException", "name a version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse() {
        let parse = |text| ApiVersion::parse(text).map(|v| (v.number, v.preview));
        assert_eq!(parse("7.1"), Some(((7, 1), false)));
        assert_eq!(parse("5.0-preview.1"), Some(((5, 0), true)));
        assert_eq!(parse("7.1-preview"), Some(((7, 1), true)));
        for malformed in ["", "7", "7.1-beta", "seven.one"] {
            assert_eq!(parse(malformed), None, "{malformed}");
        }
    }
}
