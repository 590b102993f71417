//! Base URLs of integrations: which ones are fit for use, and where the interface of each is.
//!
//! A fit one is the address of the web or of the interface (`https://github.com/`, `https://api.github.com/`,
//! `https://github.example.org/`, `https://github.example.org/api/v3/`), with an owner behind it or without, and without
//! user information, query or fragment. A request may go to the origin of the base URL alone, so on the cloud, where web
//! and interface have hosts of their own, the interface's address is the one that needs no further permission.

use std::borrow::Cow;

use forgewatch_plugin_api::{Failure, Integration, Reason};
use forgewatch_plugin_support::configured::{LACKS_TLS, plain_base_url};
use forgewatch_plugin_support::{Scheme, Shown, segment, without_user_info};

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
    /// The integration's base URL, or the failure that says what is wrong with it.
    pub(crate) fn of(integration: &Integration) -> Result<Self, Failure> {
        let configured = integration.domain_name();
        Self::read(configured, integration.allow_insecure_http()).map_err(|why| {
            let key = integration.key();
            let detail = format!(
                "{} has the base URL {}, {why}, and GitHub has nothing to look one up by: set domain_name of \
                 [integrations.{key}] to https://api.github.com/, to https://api.NAME.ghe.com/, or to https://HOST/ for \
                 an Enterprise Server",
                Shown(key),
                Shown(without_user_info(configured))
            );
            Failure::new(Reason::BASE_URL_UNRESOLVED, detail)
        })
    }

    /// The base URL, or what is wrong with it.
    fn read(text: &str, allow_insecure_http: bool) -> Result<Self, &'static str> {
        let (url, _) = plain_base_url(text)?;
        let site = Site::of(&url.host);
        let base = match site {
            Site::Ssh | Site::Service => return Err("which is a host of GitHub that has no interface"),
            Site::Web(_) | Site::Api(_) if url.scheme == Scheme::Http => return Err("which lacks TLS"),
            Site::Web(_) | Site::Api(_) if url.port.is_some() => {
                return Err("which has a port that is none of GitHub's");
            }
            Site::Server if url.scheme == Scheme::Http && !allow_insecure_http => return Err(LACKS_TLS),
            Site::Web(web) => Self { is_apart: true, ..Self::cloud(web) },
            Site::Api(web) => Self::cloud(web),
            Site::Server => Self::server(url.scheme, &url.place()),
        };
        let owner = match &without_interface(site, &url.segments())[..] {
            [] => None,
            [owner] => segment::decode(owner).ok().map(Cow::into_owned),
            _ => return Err("which goes on behind the owner, as a repository's address does"),
        };
        Ok(Self { owner, ..base })
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
            let base = BaseUrl::read(text, false).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(
                (base.web.as_str(), base.api.as_str(), base.owner.as_deref()),
                (web, api, owner),
                "{text}"
            );
            assert_eq!(base.is_cloud, api != OWN.1);
        }
        assert!(BaseUrl::read("https://github.com/contoso", false).is_ok_and(|base| base.is_apart));
        assert!(BaseUrl::read("https://api.github.com/", false).is_ok_and(|base| !base.is_apart));
        let plain = BaseUrl::read("http://10.0.0.7:8080/", true);
        assert_eq!(plain.map(|base| base.api).as_deref(), Ok("http://10.0.0.7:8080/api/v3/"));
    }

    #[test]
    fn unfit_ones_and_what_is_wrong_with_them() {
        const NO_ADDRESS: &str = "no https address";
        const NO_INTERFACE: &str = "has no interface";
        const ODD: &str = "a backslash or a control character";
        #[rustfmt::skip]
        let table = [
            ("", NO_ADDRESS),
            ("None", NO_ADDRESS),
            ("github.com", NO_ADDRESS),
            ("https:///", NO_ADDRESS),
            ("ssh://git@github.com/", NO_ADDRESS),
            ("git@github.com:contoso/", NO_ADDRESS),
            ("http://github.com/", "lacks TLS"),
            ("http://api.github.com/", "lacks TLS"),
            ("http://acme.ghe.com/", "lacks TLS"),
            ("https://github.com:8443/", "a port"),
            ("https://github.com./", NO_INTERFACE),
            ("https://gist.github.com/", NO_INTERFACE),
            ("https://ssh.github.com/", NO_INTERFACE),
            ("https://raw.githubusercontent.com/", NO_INTERFACE),
            ("https://ghe.com/", NO_INTERFACE),
            ("https://api.ghe.com/", NO_INTERFACE),
            ("https://a.b.ghe.com/", NO_INTERFACE),
            ("https://me:pw@github.com/", "a user name or password"),
            ("https://github.com/contoso/storefront", "a repository's address"),
            ("https://git.example.org/api/v3/contoso/storefront", "a repository's address"),
            ("https://github.com/contoso//", "can be no name"),
            ("https://github.com//", "can be no name"),
            ("https://github.com/../", "can be no name"),
            ("https://github.com/%2e%2e/", "can be no name"),
            ("https://github.com/?x=/", "a query or a fragment"),
            ("https://github.com/#/", "a query or a fragment"),
            (" https://github.com/", ODD),
            ("https://github.com/\n", ODD),
            ("https://github.com\\contoso/", ODD),
        ];
        for (text, expected) in table {
            let why = BaseUrl::read(text, true).expect_err(text);
            assert!(why.contains(expected), "{text:?}: {why}");
        }
        let why = BaseUrl::read("http://git.example.org/", false).unwrap_err();
        assert!(why.contains("allow_insecure_http = true"), "{why}");
    }
}
