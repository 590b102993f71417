//! What is wrong with an integration as it is configured, in the words of all plugins here.

use forgewatch_plugin_api::{Failure, Integration, Reason};
use url::Url;

use crate::{RawUrl, Scheme, Shown, segment};

/// A base URL of the web that reads the same for everybody, with a slash at its end; or what is wrong with it, to follow
/// its name.
pub fn plain_base_url(text: &str) -> Result<(RawUrl<'_>, String), &'static str> {
    // What a lenient parser would drop or turn around.
    if text.trim() != text || text.contains(|c: char| c == '\\' || c.is_control()) {
        return Err("which has a blank around it, a backslash or a control character in it");
    }
    let raw = RawUrl::split(text).filter(|raw| raw.scheme != Scheme::Ssh);
    let (Some(raw), Ok(url)) = (raw, Url::parse(text)) else {
        return Err("which is no https address");
    };
    if raw.user.is_some() {
        return Err("which has a user name or password in it, left out here");
    }
    if raw.has_suffix {
        return Err("which has a query or a fragment in it");
    }
    let path = raw.path.strip_suffix('/').unwrap_or(raw.path);
    if !raw.path.is_empty() && path.split('/').any(|raw| segment::decode(raw).is_err()) {
        return Err("whose path has a part that can be no name");
    }
    let mut url = String::from(url);
    if !url.ends_with('/') {
        url.push('/');
    }
    Ok((raw, url))
}

/// What to say of plain HTTP to a server of one's own for which nobody vouches, to follow its name.
pub const LACKS_TLS: &str =
    "which lacks TLS (allow_insecure_http = true lets http through to a server of your own)";

/// The failure of an integration without an identity.
pub fn without_identity(integration: &Integration) -> Failure {
    let key = integration.key();
    let detail = format!(
        "the integration {} has no identity: set identity of [integrations.{key}] to a name under [identities]",
        Shown(key)
    );
    Failure::new(Reason::IDENTITY_INVALID, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_that_are_plain_and_what_is_wrong_with_others() {
        const NO_ADDRESS: Result<&str, &str> = Err("no https address");
        const ODD: Result<&str, &str> = Err("a backslash or a control character");
        const NO_NAME: Result<&str, &str> = Err("can be no name");
        for (text, expected) in [
            ("https://git.example.org", Ok("https://git.example.org/")),
            ("HTTPS://Git.example.org:443/a b/", Ok("https://git.example.org/a%20b/")),
            ("http://git:8080/a", Ok("http://git:8080/a/")),
            ("", NO_ADDRESS),
            ("git.example.org", NO_ADDRESS),
            ("https:///", NO_ADDRESS),
            ("ssh://git.example.org/", NO_ADDRESS),
            ("git@git.example.org:a/", NO_ADDRESS),
            (" https://git.example.org/", ODD),
            ("https://git.example.org/\n", ODD),
            ("https://git.example.org\\a", ODD),
            ("https://me:pw@git.example.org/", Err("a user name or password")),
            ("https://git.example.org/?x", Err("a query or a fragment")),
            ("https://git.example.org/#x", Err("a query or a fragment")),
            ("https://git.example.org//", NO_NAME),
            ("https://git.example.org/a//", NO_NAME),
            ("https://git.example.org/../", NO_NAME),
            ("https://git.example.org/%2e%2e/", NO_NAME),
        ] {
            let found = plain_base_url(text).map(|(_, url)| url);
            match expected {
                Ok(expected) => assert_eq!(found.as_deref(), Ok(expected)),
                Err(why) => {
                    assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{text:?}: {found:?}");
                }
            }
        }
    }
}
