//! On-premises servers: which ones are known, and where a URL's collection begins.

use forgewatch_plugin_api::UrlContext;

use forgewatch_plugin_support::{RawUrl, Scheme};

/// Everything of an on-premises URL before its collection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// With a slash at its end.
    pub(crate) url: String,
    /// How many segments of the URL's path belong to it.
    pub(crate) depth: usize,
}

/// The longest known root that `url` is under.
///
/// Web URLs match by host, port and virtual directory; SSH has a port of its own and takes its root from
/// `server_roots` alone.
pub(crate) fn root_of(url: &RawUrl<'_>, server_roots: &[String], context: &UrlContext) -> Option<Root> {
    let segments = url.segments();
    let roots = server_roots.iter().map(|root| (root.as_str(), 0));
    let base_urls = context.base_urls().iter().map(|base| (base.url(), 1));
    let known = roots.chain(base_urls.filter(|_| url.scheme != Scheme::Ssh));
    known
        .filter_map(|(known, collections)| matching(url, &segments, known, collections))
        .reduce(|best, root| if root.depth > best.depth { root } else { best })
}

/// The root that a first segment `tfs` gives away, for a host that nobody configured.
pub(crate) fn guessed_root(url: &RawUrl<'_>) -> Option<Root> {
    let first = url.path.split('/').next()?;
    (url.scheme != Scheme::Ssh && first.eq_ignore_ascii_case("tfs"))
        .then(|| Root { url: root_url(url.scheme, &url.place(), &[first]), depth: 1 })
}

/// Whether an integration on the same host and port accepts plain HTTP.
pub(crate) fn accepts_insecure_http(url: &RawUrl<'_>, context: &UrlContext) -> bool {
    let insecure = context.base_urls().iter().filter(|base| base.allow_insecure_http());
    insecure
        .filter_map(|base| RawUrl::split(base.url()))
        .any(|base| base.host == url.host && base.port == url.port)
}

fn matching(url: &RawUrl<'_>, segments: &[&str], known: &str, collections: usize) -> Option<Root> {
    // Cheap before dear: there may be many integrations and very many URLs.
    if known.is_ascii() && !contains_ignoring_case(known, &url.host) {
        return None;
    }
    let known = RawUrl::split(known)?;
    let is_ssh = url.scheme == Scheme::Ssh;
    if known.scheme == Scheme::Ssh || known.host != url.host || (!is_ssh && known.port != url.port) {
        return None;
    }
    let directory = known.segments();
    let directory = &directory[..directory.len().checked_sub(collections)?];
    let begins = segments.len() >= directory.len()
        && segments.iter().zip(directory).all(|(segment, known)| segment.eq_ignore_ascii_case(known));
    begins.then(|| Root {
        url: match is_ssh {
            true => root_url(known.scheme, &known.place(), directory),
            false => root_url(url.scheme, &url.place(), directory),
        },
        depth: directory.len(),
    })
}

fn root_url(scheme: Scheme, place: &str, directory: &[&str]) -> String {
    let mut url = format!("{}://{place}/", scheme.name());
    for segment in directory {
        url.push_str(segment);
        url.push('/');
    }
    url
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
