//! Where GitLab's URLs lead. Nobody is asked anything.

use forgewatch_tests::fake::gitlab::OWN_BASE_URL as OWN;
use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{CLOUD, integration};
use crate::support::Config;

const PASSWORD: &str = "planted0password";

/// A URL, its base URL, its groups, its name.
#[rustfmt::skip]
const ROUTES: &[(&str, &str, &str, &str)] = &[
    ("https://gitlab.com/contoso/storefront.git", CLOUD, "contoso", "storefront"),
    ("https://gitlab.com/contoso/web/shop/deep/storefront", CLOUD, "contoso/web/shop/deep", "storefront"),
    ("https://oauth2:planted0password@gitlab.com/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
    ("https://gitlab.com/contoso/web/storefront/-/tree/main/src?ref_type=heads", CLOUD, "contoso/web", "storefront"),
    ("https://gitlab.com/contoso/web/storefront/-/merge_requests/7#note_1", CLOUD, "contoso/web", "storefront"),
    ("git@gitlab.com:contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
    ("ssh://git@gitlab.com/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
    ("ssh://git@gitlab.com:22/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
    ("ssh://git@altssh.gitlab.com:443/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
    ("https://git.example.org/gitlab/contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
    ("https://git.example.org/gitlab/contoso/web/storefront/-/issues", OWN, "contoso/web", "storefront"),
    ("git@git.example.org:contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
    ("ssh://git:planted0password@git.example.org:2222/contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
];

const NOWHERE: &[(&str, &[&str])] = &[
    (
        "unsupported_host",
        &[
            "https://gitlab.example.net/contoso/storefront",
            "git@gitlab.example.net:contoso/storefront",
            "https://gitlab.com.evil.example/contoso/storefront",
            "https://me:planted0password@gitlab.evil.example/contoso/storefront",
            "https://gitlab.com:8443/contoso/storefront",
            "https://git.example.org/other/contoso/storefront",
        ],
    ),
    (
        "not_a_repository_url",
        &[
            "https://gitlab.com/contoso",
            "https://gitlab.com/groups/contoso/-/issues",
            "https://gitlab.com/contoso/web/storefront/tree/main",
            "https://gitlab.com/contoso//storefront",
            "ftp://gitlab.com/contoso/storefront",
        ],
    ),
    ("insecure_scheme", &["http://gitlab.com/contoso/storefront", "http://git.example.org/gitlab/a/b"]),
    ("invalid_segment", &["https://gitlab.com/contoso/..", "https://gitlab.com/contoso/a%2Fb"]),
    ("invalid_percent_encoding", &["https://gitlab.com/contoso/%zz"]),
];

#[track_caller]
fn assert_all(config: &Config, integration_of: impl Fn(&str) -> Value) {
    let sandbox = Sandbox::new();
    config.write(&sandbox);
    let bad = NOWHERE.iter().flat_map(|(kind, urls)| urls.iter().map(move |url| (kind, *url)));
    let urls = ROUTES.iter().map(|route| route.0).chain(bad.clone().map(|(_, url)| url));
    let arguments: Vec<&str> = ["route", "--format", "json", "--"].into_iter().chain(urls).collect();
    let run = sandbox.run(&arguments).exits(1);
    assert!(!format!("{run:?}").contains(PASSWORD), "{run:#?}");
    let answers = run.json().as_array().expect("an array").clone();
    assert_eq!(answers.len(), arguments.len() - 4);
    for ((url, base_url, groups, name), answer) in ROUTES.iter().zip(&answers) {
        let expected = json!({
            "url": answer["url"], "provider": "gitlab", "integration": integration_of(base_url),
            "base_url": base_url, "project": groups, "name": name,
        });
        assert_eq!(*answer, expected, "{url}");
    }
    for ((kind, url), answer) in bad.zip(&answers[ROUTES.len()..]) {
        assert_eq!(answer["error"], *kind, "{url}: {answer}");
    }
}

#[test]
fn a_server_is_known_by_its_root() {
    let roots = format!("[providers.gitlab.options]\nserver_roots = [\"{OWN}\"]");
    assert_all(&Config::default().toml(&roots), |_| Value::Null);
}

#[test]
fn base_urls_lead_to_their_integration_in_whatever_form() {
    for (cloud, own) in [
        (CLOUD, OWN),
        ("https://GitLab.com", "https://git.example.org/gitlab"),
        ("https://gitlab.com/api/v4/", "https://git.example.org/gitlab/api/v4"),
    ] {
        let config = integration(Config::with_reader(), "cloud", cloud, "reader");
        let config = integration(config, "own", own, "reader");
        assert_all(&config, |base_url| if base_url == CLOUD { "cloud".into() } else { "own".into() });
    }
}
