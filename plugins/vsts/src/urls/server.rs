//! On-premises servers: which ones are known, and where a URL's collection begins.

use forgewatch_plugin_api::UrlContext;

use forgewatch_plugin_support::roots::{self, Root};
use forgewatch_plugin_support::{RawUrl, Scheme};

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
        .then(|| Root::at(url.scheme, &url.place(), &[first]))
}

fn matching(url: &RawUrl<'_>, segments: &[&str], known: &str, collections: usize) -> Option<Root> {
    let known = roots::known_at(url, known)?;
    let directory = known.segments();
    let directory = &directory[..directory.len().checked_sub(collections)?];
    roots::begins(segments, directory).then(|| Root::of(url, &known, directory))
}
