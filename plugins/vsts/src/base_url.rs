//! Base URLs of integrations: which are fit for use.
//!
//! A fit one is `https://…/` (or `http://…/` for a server that the operator vouches for), without user information,
//! query or fragment, and no segment of its path means anything but itself.

use forgewatch_plugin_api::UrlContext;

use crate::options::Options;
use crate::urls;
use crate::urls::server;
use crate::urls::site::Site;
use forgewatch_plugin_support::configured::plain_base_url;
use forgewatch_plugin_support::{RawUrl, Scheme};

/// The base URL to use for a configured one, `None` when it is malformed. A slash missing at its end is added.
pub(crate) fn fit(domain_name: &str, allow_insecure_http: bool) -> Option<String> {
    let (raw, url) = plain_base_url(domain_name).ok()?;
    let site = Site::of(&raw.host);
    let has_organisation = site != Site::DevAzure || !raw.path.is_empty();
    let is_allowed = raw.scheme == Scheme::Https || (allow_insecure_http && site == Site::Foreign);
    (has_organisation && is_allowed).then_some(url)
}

/// The base URL in the answer to a look-up, `None` unless it is one of a cloud organisation or of a configured server.
pub(crate) fn usable_location(location: &str, options: &Options) -> Option<String> {
    let (raw, url) = plain_base_url(location).ok()?;
    let segments = raw.segments();
    let is_known = match Site::of(&raw.host) {
        Site::DevAzure => raw.port.is_none() && segments.len() == 1 && !segments[0].eq_ignore_ascii_case("e"),
        Site::VisualStudio(_) => raw.port.is_none() && urls::without_collection(&segments).is_empty(),
        Site::Foreign => server::root_of(&raw, &options.server_roots, &UrlContext::default()).is_some(),
        _ => false,
    };
    (raw.scheme == Scheme::Https && is_known).then_some(url)
}

/// Whether a base URL, malformed as it may be, is meant for one of the configured servers.
pub(crate) fn is_on_premises(domain_name: &str, options: &Options) -> bool {
    let text = domain_name.trim();
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host_of = |text: &str| RawUrl::split(text).map(|url| url.host);
    let host = host_of(&format!("https://{}", bare.trim_start_matches('/')));
    host.is_some()
        && options.server_roots.iter().any(|root| host_of(root).is_some_and(|known| Some(known) == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names() {
        #[rustfmt::skip]
        let table = [
            ("https://contoso.visualstudio.com/", Some("https://contoso.visualstudio.com/")),
            ("https://dev.azure.com/contoso/", Some("https://dev.azure.com/contoso/")),
            ("https://dev.azure.com/Contoso", Some("https://dev.azure.com/Contoso/")),
            ("https://contoso.visualstudio.com", Some("https://contoso.visualstudio.com/")),
            ("https://ado.example.org:8443/tfs/My Coll", Some("https://ado.example.org:8443/tfs/My%20Coll/")),
            ("https://10.0.0.7/tfs/C/", Some("https://10.0.0.7/tfs/C/")),
            ("contoso.visualstudio.com", None),
            ("http://contoso.visualstudio.com/", None),
            ("http://ado.example.org/tfs/C/", None),
            ("xhttps://contoso/", None),
            (" https://dev.azure.com/contoso/", None),
            ("https:///", None),
            ("https:///dev.azure.com/contoso/", None),
            ("https://contoso.visualstudio.com/\n", None),
            ("https://dev.azure.com/con\ttoso/", None),
            ("https://dev.azure.com\\contoso/", None),
            ("https://dev.azure.com/", None),
            ("https://dev.azure.com/contoso//", None),
            ("https://dev.azure.com/contoso/../other/", None),
            ("https://dev.azure.com/contoso/%2e%2e/", None),
            ("https://me@dev.azure.com/contoso/", None),
            ("https://dev.azure.com/contoso/?x=/", None),
            ("https://dev.azure.com/contoso/#/", None),
            ("git@ssh.dev.azure.com:v3/contoso/", None),
            ("", None),
            ("None", None),
        ];
        for (domain_name, expected) in table {
            assert_eq!(fit(domain_name, false).as_deref(), expected, "{domain_name:?}");
        }
        assert_eq!(fit("http://ado:8080/tfs/C", true).as_deref(), Some("http://ado:8080/tfs/C/"));
        assert_eq!(fit("http://contoso.visualstudio.com/", true), None);
        assert_eq!(fit("http://dev.azure.com/contoso/", true), None);
    }

    #[test]
    fn locations() {
        let options =
            Options { server_roots: vec!["https://ado.example.org/tfs/".to_owned()], ..Options::default() };
        #[rustfmt::skip]
        let table = [
            ("https://dev.azure.com/contoso/", Some("https://dev.azure.com/contoso/")),
            ("https://dev.azure.com/contoso", Some("https://dev.azure.com/contoso/")),
            ("https://contoso.visualstudio.com", Some("https://contoso.visualstudio.com/")),
            ("https://ado.example.org/tfs/C", Some("https://ado.example.org/tfs/C/")),
            ("http://dev.azure.com/contoso/", None),
            ("https://dev.azure.com/", None),
            ("https://dev.azure.com/e/", None),
            ("https://dev.azure.com:444/contoso/", None),
            ("https://dev.azure.com/contoso/Web/", None),
            ("https://dev.azure.com.evil.example/contoso/", None),
            ("https://dev.azure.com@evil.example/contoso/", None),
            ("https://evil.example/contoso/", None),
            ("https://app.vssps.visualstudio.com/", None),
            ("https://a.b.visualstudio.com/", None),
            ("https://contoso.visualstudio.com/Web/", None),
            ("https://ado.example.org/other/C/", None),
            ("", None),
        ];
        for (location, expected) in table {
            assert_eq!(usable_location(location, &options).as_deref(), expected, "{location:?}");
        }
    }

    #[test]
    fn malformed_names_of_configured_servers() {
        let options =
            Options { server_roots: vec!["https://ado.example.org/tfs/".to_owned()], ..Options::default() };
        for domain_name in [
            "ado.example.org/tfs/C",
            "http://ADO.example.org:8080/tfs/C/",
            "https://me@ado.example.org/",
            "https:///ado.example.org",
            "ado.example.org",
        ] {
            assert!(is_on_premises(domain_name, &options), "{domain_name}");
        }
        for domain_name in ["contoso", "", "https://", "ado.example.org.evil.example", "dev.azure.com"] {
            assert!(!is_on_premises(domain_name, &options), "{domain_name}");
        }
    }
}
