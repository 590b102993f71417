//! Addresses, taken apart as they are written: a parser that follows the web's rules would fold `..` before anybody
//! could judge it.

use std::fmt;

use forgewatch_plugin_api::prelude::*;

/// An http(s) URL without what may hold a secret: user, query and fragment.
pub(crate) struct Address<'a> {
    /// `https` or `http`.
    pub(crate) scheme: &'static str,
    /// In lower case, with its port where that is not the scheme's own.
    host: String,
    /// As written, without the slash that begins it.
    path: &'a str,
}

impl<'a> Address<'a> {
    /// Takes a URL apart; `None` for all that is no http(s) URL.
    pub(crate) fn read(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (scheme, own_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => ("https", ":443"),
            "http" => ("http", ":80"),
            _ => return None,
        };
        let (rest, _) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = place.rsplit('@').next()?.to_ascii_lowercase();
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        // The colons of an IPv6 address stand between brackets.
        let has_port_or_none =
            host.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']') || port.parse::<u16>().is_ok());
        let is_host = |c: char| c.is_alphanumeric() || "-._:[]".contains(c);
        let is_valid = !host.is_empty() && host.chars().all(is_host) && has_port_or_none;
        is_valid.then(|| Self { scheme, host: host.to_owned(), path })
    }

    /// The rest of the path below a base URL, whatever the schemes are.
    fn below(&self, base: &Address<'_>) -> Option<&'a str> {
        let folder = base.path.trim_end_matches('/');
        let rest = self.path.strip_prefix(folder).filter(|_| self.host == base.host)?;
        if folder.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme, self.host, self.path)
    }
}

/// Takes a repository URL apart: `BASE_URL[PROJECT/]NAME[SUFFIX]`, below the base URL of an integration of this
/// provider. A project may have several levels.
pub(crate) fn parse(url: &str, context: &UrlContext, suffix: &str) -> Result<RepositoryUrl, UrlError> {
    let foreign =
        || UrlError::new(UrlErrorKind::UNSUPPORTED_HOST, "this is below no base URL of a `git` integration");
    let address = Address::read(url).ok_or_else(foreign)?;
    let bases = context.base_urls().iter().filter_map(|base| {
        let read = Address::read(base.url())?;
        Some((base, read.scheme, address.below(&read)?))
    });
    // Only plain HTTP may lead to a base URL of the other scheme: to be told that it is not accepted.
    let bases = bases.filter(|(_, scheme, _)| *scheme == address.scheme || address.scheme == "http");
    // Of base URLs that lie one in the other, the innermost.
    let order = |(_, scheme, path): &(_, &str, &str)| (*scheme != address.scheme, path.len());
    let (base, scheme, path) = bases.min_by_key(order).ok_or_else(foreign)?;
    if address.scheme == "http" && !(scheme == "http" && base.allow_insecure_http()) {
        let detail =
            "plain HTTP is not accepted here: use https, or set `allow_insecure_http` of the integration";
        return Err(UrlError::new(UrlErrorKind::INSECURE_SCHEME, detail));
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() || url.contains(['?', '#']) {
        let detail =
            "this names no repository: expected what `git clone` takes, like BASE_URL/project/name.git";
        return Err(UrlError::new(UrlErrorKind::NOT_A_REPOSITORY_URL, detail));
    }
    let path = path.strip_suffix(suffix).unwrap_or(path);
    let mut segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
    let name = segments.pop().unwrap_or_default();
    let found = RepositoryUrl::new(base.url(), &name);
    Ok(if segments.is_empty() { found } else { found.with_project(&segments.join("/")) })
}

/// A segment of a path, decoded; an error for one that would lead elsewhere, like `..`.
fn segment(text: &str) -> Result<String, UrlError> {
    let decoded = decode(text).ok_or_else(|| {
        UrlError::new(
            UrlErrorKind::INVALID_PERCENT_ENCODING,
            "a percent sign in this URL begins no character",
        )
    })?;
    match path_segment(&decoded) {
        Ok(_) => Ok(decoded),
        Err(failure) => Err(UrlError::new(UrlErrorKind::INVALID_SEGMENT, failure.detail())),
    }
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
