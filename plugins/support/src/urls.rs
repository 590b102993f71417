//! Repository URLs: taken apart, and refused in the same words by every plugin.

use std::borrow::Cow;

use forgewatch_plugin_api::{UrlContext, UrlError, UrlErrorKind};

use crate::{RawUrl, Scheme, Shown, roots, segment};

/// What became of a repository URL, or of a part of it.
pub type Parsed<T> = Result<T, UrlError>;

/// Cuts a repository URL; blanks around it do not count.
pub fn split(text: &str) -> Parsed<RawUrl<'_>> {
    RawUrl::split(text.trim()).ok_or_else(|| {
        not_a_repository("this is no https, ssh or user@host:path address: copy the repository's clone URL")
    })
}

/// Takes a segment's percent escapes away, once.
pub fn decode(raw: &str) -> Parsed<Cow<'_, str>> {
    segment::decode(raw).map_err(|fault| match fault {
        _ if raw.is_empty() => not_a_repository("the URL has an empty segment before the repository"),
        segment::Fault::Encoding => UrlError::new(
            UrlErrorKind::INVALID_PERCENT_ENCODING,
            format!("{} has an escape that is broken or not UTF-8: write `%` as `%25`", Shown(raw)),
        ),
        segment::Fault::Content => invalid(raw),
    })
}

/// Refuses plain HTTP to a server for which no integration accepts it.
pub fn refuse_insecure(url: &RawUrl<'_>, context: &UrlContext) -> Parsed<()> {
    if url.scheme != Scheme::Http || roots::accepts_insecure_http(url, context) {
        return Ok(());
    }
    Err(insecure(
        url,
        "write the URL with https, or set allow_insecure_http = true on an integration for this server",
    ))
}

/// A segment that can be no name.
pub fn invalid(raw: &str) -> UrlError {
    let detail = format!(
        "{} can be no name: it is a dot segment, or holds a slash or a control character",
        Shown(raw)
    );
    UrlError::new(UrlErrorKind::INVALID_SEGMENT, detail)
}

/// A URL that is no repository's.
pub fn not_a_repository(detail: impl Into<String>) -> UrlError {
    UrlError::new(UrlErrorKind::NOT_A_REPOSITORY_URL, detail.into())
}

/// A host or port that a provider does not serve.
pub fn unsupported(detail: String) -> UrlError {
    UrlError::new(UrlErrorKind::UNSUPPORTED_HOST, detail)
}

/// A URL that leaves TLS out where it must not.
pub fn insecure(url: &RawUrl<'_>, remedy: &str) -> UrlError {
    let detail = format!("{} would be asked without TLS: {remedy}", Shown(&url.place()));
    UrlError::new(UrlErrorKind::INSECURE_SCHEME, detail)
}
