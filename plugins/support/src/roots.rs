//! Servers of one's own: whether a known address is at a URL's server, and what of the URL belongs to that server.
//!
//! It decides where a token may be sent, so host and port have to be the same; SSH alone has a port of its own.

use forgewatch_plugin_api::UrlContext;

use crate::{RawUrl, Scheme};

/// Everything of a URL before what repositories are named by.
#[derive(Debug, PartialEq, Eq)]
pub struct Root {
    /// With a slash at its end.
    pub url: String,
    /// How many segments of the URL's path belong to it.
    pub depth: usize,
}

impl Root {
    /// The root at `directory` of a place.
    pub fn at(scheme: Scheme, place: &str, directory: &[&str]) -> Self {
        let mut url = format!("{}://{place}/", scheme.name());
        for segment in directory {
            url.push_str(segment);
            url.push('/');
        }
        Self { url, depth: directory.len() }
    }

    /// The root at `directory` of the server that `url` is on. What SSH leaves open is as it is known.
    pub fn of(url: &RawUrl<'_>, known: &RawUrl<'_>, directory: &[&str]) -> Self {
        let web = if url.scheme == Scheme::Ssh { known } else { url };
        Self::at(web.scheme, &web.place(), directory)
    }
}

/// A known web address, if it is of the server that `url` is on.
pub fn known_at<'a>(url: &RawUrl<'_>, known: &'a str) -> Option<RawUrl<'a>> {
    // Cheap before dear: there may be many integrations and very many URLs.
    if known.is_ascii() && !contains_ignoring_case(known, &url.host) {
        return None;
    }
    let is_ssh = url.scheme == Scheme::Ssh;
    RawUrl::split(known).filter(|known| {
        known.scheme != Scheme::Ssh && known.host == url.host && (is_ssh || known.port == url.port)
    })
}

/// Whether a path begins with a directory, whose case does not count.
pub fn begins(segments: &[&str], directory: &[&str]) -> bool {
    segments.len() >= directory.len()
        && segments.iter().zip(directory).all(|(segment, known)| segment.eq_ignore_ascii_case(known))
}

/// Whether an integration on the same host and port accepts plain HTTP.
pub(crate) fn accepts_insecure_http(url: &RawUrl<'_>, context: &UrlContext) -> bool {
    let insecure = context.base_urls().iter().filter(|base| base.allow_insecure_http());
    insecure
        .filter_map(|base| RawUrl::split(base.url()))
        .any(|base| base.host == url.host && base.port == url.port)
}

fn contains_ignoring_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_address_is_of_a_server_by_host_and_port() {
        for (url, known, expected) in [
            ("https://git.example.org/a/b", "https://GIT.example.org/x/", true),
            ("http://git.example.org/a/b", "https://git.example.org/", true),
            ("https://git.example.org:8443/a/b", "https://git.example.org:8443/", true),
            ("https://bücher.example/a/b", "https://xn--bcher-kva.example/", true),
            ("https://xn--bcher-kva.example/a/b", "https://bücher.example/", true),
            ("ssh://git@git.example.org:2222/a/b", "https://git.example.org:8443/", true),
            ("https://git.example.org:8443/a/b", "https://git.example.org/", false),
            ("https://git.example.org/a/b", "https://git.example.org.evil.example/", false),
            ("https://git.example.org/a/b", "https://evil.example/git.example.org/", false),
            ("https://git.example.org/a/b", "https://git.example.org@evil.example/", false),
            ("https://git.example.org/a/b", "ssh://git.example.org/", false),
        ] {
            let found = known_at(&RawUrl::split(url).unwrap(), known);
            assert_eq!(found.is_some(), expected, "{url} {known}");
        }
    }

    #[test]
    fn roots_are_of_the_url_and_over_ssh_of_what_is_known() {
        let known = RawUrl::split("https://git.example.org:8443/tfs/").unwrap();
        let root = |url| Root::of(&RawUrl::split(url).unwrap(), &known, &known.segments());
        assert_eq!(root("ssh://git@git.example.org:22/tfs/a").url, "https://git.example.org:8443/tfs/");
        let http = root("http://git.example.org:8443/tfs/a");
        assert_eq!((http.url.as_str(), http.depth), ("http://git.example.org:8443/tfs/", 1));
        assert!(begins(&["TFS", "a"], &["tfs"]) && begins(&["a"], &[]));
        assert!(!begins(&["tfs2"], &["tfs"]) && !begins(&[], &["tfs"]));
    }
}
