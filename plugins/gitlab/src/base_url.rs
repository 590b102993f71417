//! Base URLs of integrations: which are fit for use.
//!
//! A fit one is `https://gitlab.com/`, or `https://…/` of another server with its relative root (`http://…/` where the
//! operator vouches for it), without user information, query or fragment. The address of the API is taken for its
//! server's.

use forgewatch_plugin_api::{Failure, Integration, Reason};
use forgewatch_plugin_support::configured::{LACKS_TLS, plain_base_url};
use forgewatch_plugin_support::{Scheme, Shown, without_user_info};

/// The base URL of gitlab.com.
pub(crate) const CLOUD: &str = "https://gitlab.com/";
/// Its host.
pub(crate) const CLOUD_HOST: &str = "gitlab.com";
/// Where the API is below a base URL.
pub(crate) const API: &str = "api/v4/";

/// The base URL to use for an integration.
pub(crate) fn of(integration: &Integration) -> Result<String, Failure> {
    let configured = integration.domain_name();
    fit(configured, integration.allow_insecure_http()).map_err(|why| {
        let key = integration.key();
        let detail = format!(
            "{} has the base URL {}, {why}, and GitLab has none to look up: set domain_name of [integrations.{key}] to \
             https://gitlab.com/, or to https://server/ of your own with its relative root",
            Shown(key),
            Shown(without_user_info(configured))
        );
        Failure::new(Reason::BASE_URL_UNRESOLVED, detail)
    })
}

/// The base URL with a slash at its end, or what is wrong with it.
fn fit(domain_name: &str, allow_insecure_http: bool) -> Result<String, &'static str> {
    let (raw, mut base_url) = plain_base_url(domain_name)?;
    let is_cloud = raw.host == CLOUD_HOST;
    if raw.scheme == Scheme::Http && is_cloud {
        return Err("which lacks TLS");
    }
    if raw.scheme == Scheme::Http && !allow_insecure_http {
        return Err(LACKS_TLS);
    }
    if let Some(root) = base_url.strip_suffix(API).filter(|root| root.ends_with('/')) {
        base_url.truncate(root.len());
    }
    if is_cloud && base_url != CLOUD {
        return Err("which is more than the server: a group belongs into `project` of its repositories");
    }
    Ok(base_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_names() {
        #[rustfmt::skip]
        let table = [
            ("https://gitlab.com/", Some(CLOUD)),
            ("https://gitlab.com", Some(CLOUD)),
            ("HTTPS://GitLab.com:443/api/v4", Some(CLOUD)),
            ("https://gitlab.com/api/v4/", Some(CLOUD)),
            ("https://git.example.org", Some("https://git.example.org/")),
            ("https://git.example.org:8443/gitlab", Some("https://git.example.org:8443/gitlab/")),
            ("https://git.example.org/a/b/api/v4/", Some("https://git.example.org/a/b/")),
            ("https://git.example.org/myapi/v4/", Some("https://git.example.org/myapi/v4/")),
            ("https://gitlab.com/contoso/", None),
            ("https://gitlab.com:8443/", None),
            ("http://gitlab.com/", None),
            ("http://git.example.org/", None),
            ("gitlab.com", None),
            ("git@gitlab.com:contoso/web", None),
            ("ssh://git@gitlab.com/", None),
            (" https://gitlab.com/", None),
            ("https://gitlab.com\\/", None),
            ("https://gitlab.com/\n", None),
            ("https://me@gitlab.com/", None),
            ("https://gitlab.com/?x", None),
            ("https://gitlab.com/#x", None),
            ("https://git.example.org//", None),
            ("https://git.example.org/../x/", None),
            ("https://git.example.org/%2e%2e/", None),
            ("https:///", None),
            ("", None),
            ("None", None),
        ];
        for (domain_name, expected) in table {
            assert_eq!(fit(domain_name, false).ok().as_deref(), expected, "{domain_name:?}");
        }
        assert_eq!(fit("http://git:8080/gitlab", true).as_deref(), Ok("http://git:8080/gitlab/"));
        assert!(fit("http://gitlab.com/", true).is_err());
    }

    #[test]
    fn what_is_unfit_is_told_with_the_way_out_and_without_a_password() {
        for (domain_name, told) in [
            ("https://me:s3cret@gitlab.com/", "a user name or password"),
            ("http://git.example.org/", "allow_insecure_http = true"),
            ("https://gitlab.com/contoso/", "a group belongs into `project`"),
        ] {
            let failure = of(&Integration::new("acme", domain_name)).unwrap_err();
            assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
            for part in [told, "domain_name of [integrations.acme]", CLOUD] {
                assert!(failure.detail().contains(part), "{failure}");
            }
            assert!(!failure.detail().contains("s3cret"), "{failure}");
        }
    }
}
