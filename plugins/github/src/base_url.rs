//! Base URLs of integrations: which ones are fit for use, and where the interface of each is.
//!
//! A fit one is the address of the web or of the interface (`https://github.com/`, `https://api.github.com/`,
//! `https://github.example.org/`, `https://github.example.org/api/v3/`), with an owner behind it or without, and without
//! user information, query or fragment. A request may go to the origin of the base URL alone, so on the cloud, where web
//! and interface have hosts of their own, the interface's address is the one that needs no further permission.

use forgewatch_plugin_api::{Failure, Integration, Reason};
use forgewatch_plugin_support::{RawUrl, Scheme, Shown, segment, without_user_info};

use crate::site::Site;

/// A base URL, taken apart. Addresses end in a slash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// What a person's browser begins with.
    pub(crate) web: String,
    /// What requests begin with.
    pub(crate) api: String,
    /// The account that repositories without one of their own belong to.
    pub(crate) owner: Option<String>,
    /// Whether it is GitHub's own, and no company's server.
    pub(crate) is_cloud: bool,
    /// Whether requests go to another origin than the base URL's.
    pub(crate) is_apart: bool,
}

impl BaseUrl {
    /// The integration's base URL, `None` when it is malformed.
    pub(crate) fn of(integration: &Integration) -> Option<Self> {
        Self::read(integration.domain_name(), integration.allow_insecure_http())
    }

    pub(crate) fn read(text: &str, allow_insecure_http: bool) -> Option<Self> {
        // What a lenient parser would drop or turn around.
        if text.trim() != text || text.contains(|c: char| c == '\\' || c.is_control()) {
            return None;
        }
        let url = RawUrl::split(text).filter(|url| url.user.is_none() && !url.has_suffix)?;
        let site = Site::of(&url.host);
        let is_allowed = match url.scheme {
            Scheme::Https => true,
            Scheme::Http => allow_insecure_http && site == Site::Server,
            Scheme::Ssh => false,
        };
        if !is_allowed || url.path.ends_with("//") {
            return None;
        }
        let base = match site {
            Site::Web(_) | Site::Api(_) if url.port.is_some() => return None,
            Site::Web(web) => Self { is_apart: true, ..Self::cloud(web) },
            Site::Api(web) => Self::cloud(web),
            Site::Server => Self::server(url.scheme, &url.place()),
            Site::Ssh | Site::Service => return None,
        };
        let owner = match &without_interface(site, &url.segments())[..] {
            [] => None,
            [owner] => Some(segment::decode(owner).ok()?.into_owned()),
            _ => return None,
        };
        Some(Self { owner, ..base })
    }

    pub(crate) fn cloud(web: &str) -> Self {
        Self {
            web: format!("https://{web}/"),
            api: format!("https://api.{web}/"),
            owner: None,
            is_cloud: true,
            is_apart: false,
        }
    }

    /// A server; `place` is its host, with a port where it has one of its own.
    pub(crate) fn server(scheme: Scheme, place: &str) -> Self {
        let web = format!("{}://{place}/", scheme.name());
        Self { api: format!("{web}api/v3/"), web, owner: None, is_cloud: false, is_apart: false }
    }

    /// For a process that must not judge it and sends no request by itself.
    pub(crate) fn unjudged(domain_name: &str) -> Self {
        let url = domain_name.to_owned();
        Self { web: url.clone(), api: url, owner: None, is_cloud: false, is_apart: false }
    }
}

/// Drops what leads to the interface of a server.
fn without_interface<'a>(site: Site<'_>, segments: &[&'a str]) -> Vec<&'a str> {
    match segments {
        ["api", "v3", rest @ ..] if site == Site::Server => rest.to_vec(),
        _ => segments.to_vec(),
    }
}

/// Says that the integration's base URL is malformed, and what it should be.
pub(crate) fn unresolved(integration: &Integration) -> Failure {
    let key = integration.key();
    let detail = format!(
        "{} has the malformed base URL {}, and GitHub has nothing to look one up by: set domain_name of \
         [integrations.{key}] to https://api.github.com/, to https://api.NAME.ghe.com/, or to https://HOST/ for an \
         Enterprise Server (allow_insecure_http = true lets http through to a server of your own)",
        Shown(key),
        Shown(without_user_info(integration.domain_name()))
    );
    Failure::new(Reason::BASE_URL_UNRESOLVED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names() {
        const HUB: (&str, &str) = ("https://github.com/", "https://api.github.com/");
        const GHE: (&str, &str) = ("https://acme.ghe.com/", "https://api.acme.ghe.com/");
        const OWN: (&str, &str) = ("https://git.example.org:8443/", "https://git.example.org:8443/api/v3/");
        #[rustfmt::skip]
        let table = [
            ("https://github.com/", HUB, None),
            ("https://github.com", HUB, None),
            ("https://api.github.com/", HUB, None),
            ("HTTPS://GitHub.com:443/Contoso", HUB, Some("Contoso")),
            ("https://api.github.com/contoso/", HUB, Some("contoso")),
            ("https://acme.ghe.com/", GHE, None),
            ("https://api.acme.ghe.com/contoso/", GHE, Some("contoso")),
            ("https://git.example.org:8443", OWN, None),
            ("https://git.example.org:8443/api/v3", OWN, None),
            ("https://git.example.org:8443/api/v3/contoso/", OWN, Some("contoso")),
            ("https://git.example.org:8443/contoso/", OWN, Some("contoso")),
        ];
        for (text, (web, api), owner) in table {
            let base = BaseUrl::read(text, false).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (base.web.as_str(), base.api.as_str(), base.owner.as_deref()),
                (web, api, owner),
                "{text}"
            );
            assert_eq!(base.is_cloud, api != OWN.1);
        }
        assert!(BaseUrl::read("https://github.com/contoso", false).is_some_and(|base| base.is_apart));
        assert!(BaseUrl::read("https://api.github.com/", false).is_some_and(|base| !base.is_apart));
        let plain = BaseUrl::read("http://10.0.0.7:8080/", true);
        assert_eq!(plain.map(|base| base.api).as_deref(), Some("http://10.0.0.7:8080/api/v3/"));
    }

    #[test]
    fn malformed_ones() {
        for text in [
            "",
            "None",
            "github.com",
            "http://github.com/",
            "http://api.github.com/",
            "http://acme.ghe.com/",
            "ssh://git@github.com/",
            "git@github.com:contoso",
            "https://github.com:8443/",
            "https://github.com./",
            "https://gist.github.com/",
            "https://ssh.github.com/",
            "https://raw.githubusercontent.com/",
            "https://ghe.com/",
            "https://api.ghe.com/",
            "https://a.b.ghe.com/",
            "https://me:pw@github.com/",
            "https://github.com/contoso/storefront",
            "https://github.com/contoso//",
            "https://github.com/../",
            "https://github.com/%2e%2e/",
            "https://github.com/?x=/",
            "https://github.com/#/",
            " https://github.com/",
            "https://github.com/\n",
            "https://github.com\\contoso/",
            "https:///",
        ] {
            assert_eq!(BaseUrl::read(text, true), None, "{text:?}");
        }
        assert_eq!(BaseUrl::read("http://git.example.org/", false), None);
    }
}
