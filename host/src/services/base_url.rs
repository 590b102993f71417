//! Which base URLs are trusted: the one place that decides before one is saved or used.
//!
//! A base URL that was looked up is trusted on the host that the integration was configured with, on one of the
//! provider's `allow_hosts` or approved hosts, or under one of its `server_roots`. Each of these is an exact name
//! that the operator wrote or approved, so loopback, link-local, private and other special addresses, and `localhost`, pass only where the
//! configuration names that very one. What a plugin's manifest wishes for counts for nothing here.

use std::borrow::Cow;

use forgewatch_plugin_api::{Failure, REFUSED, Reason};
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::egress::{ProviderPolicy, plain_url};
use crate::text::{mask_url, printable};

/// The base URL of an integration: the saved one, checked again, if there is one, else the configured one.
///
/// The configured one is given back as it is, malformed or not: repairing it is the plugin's.
pub fn effective_base_url(policy: &ProviderPolicy, configured: &str, saved: Option<&str>) -> String {
    let Some(saved) = saved else {
        return configured.to_owned();
    };
    validate(policy, configured, saved).unwrap_or_else(|failure| {
        tracing::warn!(
            provider = policy.key,
            "the saved base URL is not used any more: {}",
            failure.detail()
        );
        configured.to_owned()
    })
}

/// What stands for a configured value in the store: itself, or a digest where it may hold a password.
pub fn origin_of(configured: &str) -> Cow<'_, str> {
    if !configured.contains('@') {
        return Cow::Borrowed(configured);
    }
    Cow::Owned(format!("sha256:{}", crate::text::hex(&Sha256::digest(configured))))
}

/// Checks a base URL that was looked up and normalises it (small letters, a final slash).
pub(crate) fn validate(policy: &ProviderPolicy, configured: &str, value: &str) -> Result<String, Failure> {
    let masked = mask_url(value);
    let shown = printable(&masked, 200);
    let mut url = plain_url(value).ok_or_else(|| {
        refused(format!(
            "`{shown}` is no base URL: it must be https:// with a host and a path and nothing else"
        ))
    })?;
    if url.scheme() != "https" {
        return Err(refused(format!("the base URL `{shown}` is not https")));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    let trusted = policy.allows_host(&url)
        || is_configured_host(configured, &url)
        || policy.server_roots.iter().any(|root| is_under(root, &url));
    if trusted {
        return Ok(url.into());
    }
    Err(refused(format!(
        "the base URL `{shown}` is on a host that is not allowed: {}",
        policy.allowing(&url)
    )))
}

fn refused(detail: String) -> Failure {
    Failure::new(Reason::BASE_URL_UNRESOLVED, detail).with_attribute(REFUSED, "true")
}

/// The host of the configured value, which may lack its scheme, on its own port or on that of HTTPS.
fn is_configured_host(configured: &str, url: &Url) -> bool {
    let configured = configured.trim();
    let parsed = match configured.contains("://") {
        true => Url::parse(configured),
        false => Url::parse(&format!("https://{configured}")),
    };
    let Ok(parsed) = parsed else { return false };
    let host: Option<Host<&str>> = parsed.host();
    host.is_some() && host == url.host() && (url.port().is_none() || url.port() == parsed.port())
}

fn is_under(root: &Url, url: &Url) -> bool {
    let rest = url.path().strip_prefix(root.path().trim_end_matches('/'));
    root.origin() == url.origin() && rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ProviderPolicy {
        let hosts = ["forge.example", "localhost:8443", "10.1.2.3"].map(|host| host.parse().unwrap());
        let roots = ["https://ado.example.org/tfs/".to_owned()];
        ProviderPolicy::new("vsts", hosts.into(), false, &roots).unwrap()
    }

    #[test]
    fn base_urls_are_trusted_by_name_alone() {
        let cases = [
            ("acme.example", "https://acme.example", "https://acme.example/"),
            ("http://acme.example/", "https://ACME.example:443/x", "https://acme.example/x/"),
            ("https://acme.example:8443", "https://acme.example:8443/", "https://acme.example:8443/"),
            ("", "https://forge.example/acme/", "https://forge.example/acme/"),
            ("", "https://localhost:8443/", "https://localhost:8443/"),
            ("", "https://0xa.1.2.3/", "https://10.1.2.3/"),
            ("", "https://ado.example.org/tfs/Main", "https://ado.example.org/tfs/Main/"),
            ("", "https://ado.example.org/tfs", "https://ado.example.org/tfs/"),
            ("https://127.0.0.1:9/", "https://127.0.0.1:9/acme/", "https://127.0.0.1:9/acme/"),
        ];
        for (configured, value, expected) in cases {
            let answer = validate(&policy(), configured, value);
            assert_eq!(answer.as_deref(), Ok(expected), "{configured} {value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = [
            "http://acme.example/",
            "https://other.example/",
            "https://acme.example:8443/",
            "https://sub.forge.example/",
            "https://forge.example.evil.example/",
            "https://forge.example:444/",
            "https://me:pw@forge.example/",
            "https://forge.example/?x=1",
            "https://forge.example/#x",
            "https://forge.example/\n",
            "https://ado.example.org/other/",
            "https://ado.example.org/tfs/../other/",
            "https://ado.example.org/tfsx/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://10.1.2.4/",
            "https://169.254.169.254/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:10.1.2.3]/",
            "ftp://acme.example/",
            "acme.example",
            "https:///",
            "",
        ];
        for value in refused {
            let failure = validate(&policy(), "acme.example", value).unwrap_err();
            assert!(failure.is_refused() && !failure.detail().contains("pw"), "{value}");
            assert_eq!(failure.reason(), Reason::BASE_URL_UNRESOLVED);
        }
        let failure = validate(&policy(), "acme.example", "https://other.example:444/").unwrap_err();
        let line = "write `allow_hosts = [\"forge.example\", \"localhost:8443\", \"10.1.2.3\", \"other.example:444\"]` \
                    under `[providers.vsts]`";
        assert!(failure.detail().ends_with(line), "{}", failure.detail());
    }

    #[test]
    fn passwords_are_not_stored() {
        assert_eq!(origin_of("acme.example"), "acme.example");
        let stored = origin_of("https://me:pw@acme.example/");
        assert!(stored.starts_with("sha256:") && !stored.contains("pw"), "{stored}");
        assert_ne!(stored, origin_of("https://me:px@acme.example/"));
    }

    #[test]
    fn a_saved_base_url_that_no_longer_passes_is_not_used() {
        let effective = |saved| effective_base_url(&policy(), "acme.example", saved);
        assert_eq!(effective(None), "acme.example");
        assert_eq!(effective(Some("https://forge.example/a")), "https://forge.example/a/");
        assert_eq!(effective(Some("https://other.example/")), "acme.example");
    }
}
