use forgewatch_plugin_api::UrlErrorKind;
use proptest::prelude::*;

use super::*;

const OWN: &str = "https://git.example.org/gitlab/";

/// A server in `server_roots`, one known from an integration alone, a third that accepts plain HTTP, two on one host.
fn context() -> UrlContext {
    let options = r#"{"server_roots": ["https://git.example.org/gitlab", "https://two.example.org/a/",
        "https://two.example.org/a/b/", "https://bücher.example/"]}"#;
    UrlContext::new(
        options,
        [
            BaseUrl::new("https://gitlab.com/", true),
            BaseUrl::new("https://known.example.org:8443/api/v4/", false),
            BaseUrl::new("http://plain.example.org:8080/gitlab/", true),
            BaseUrl::new("not a url", true),
        ],
    )
}

fn parse_here(text: &str) -> Parsed<RepositoryUrl> {
    parse(text, &context())
}

#[test]
fn every_form_leads_to_its_repository() {
    #[rustfmt::skip]
    let table = [
        ("https://gitlab.com/contoso/storefront.git", CLOUD, "contoso", "storefront"),
        ("https://gitlab.com/contoso/storefront", CLOUD, "contoso", "storefront"),
        ("https://gitlab.com/contoso/web/shop/deep/storefront.git/", CLOUD, "contoso/web/shop/deep", "storefront"),
        ("https://oauth2:secret@gitlab.com/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
        ("  HTTPS://GitLab.com:443/Contoso/web/storefront?x=1#L1\n", CLOUD, "Contoso/web", "storefront"),
        ("https://gitlab.com/contoso/web/storefront/-/tree/main/a/b", CLOUD, "contoso/web", "storefront"),
        ("https://gitlab.com/contoso/web/storefront/-/merge_requests/7", CLOUD, "contoso/web", "storefront"),
        ("https://gitlab.com/contoso/web/storefront/-/blob/100%/..", CLOUD, "contoso/web", "storefront"),
        // Nobody can tell this from a project in groups.
        ("https://gitlab.com/contoso/web/merge_requests/7", CLOUD, "contoso/web/merge_requests", "7"),
        ("git@gitlab.com:contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
        ("git@gitlab.com:/contoso/storefront", CLOUD, "contoso", "storefront"),
        ("ssh://git@gitlab.com/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
        ("ssh://git@gitlab.com:22/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
        ("ssh://git@altssh.gitlab.com:443/contoso/web/storefront.git", CLOUD, "contoso/web", "storefront"),
        ("https://gitlab.com/contoso/a.git.git", CLOUD, "contoso", "a.git"),
        ("https://gitlab.com/con%2Dtoso/%252e%252e", CLOUD, "con-toso", "%2e%2e"),
        // A server of one's own
        ("https://git.example.org/gitlab/contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
        ("https://GIT.example.org/gitlab/contoso/storefront/-/issues", OWN, "contoso", "storefront"),
        ("git@git.example.org:contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
        ("ssh://git@git.example.org:2222/contoso/web/storefront.git", OWN, "contoso/web", "storefront"),
        ("https://known.example.org:8443/contoso/storefront", "https://known.example.org:8443/", "contoso", "storefront"),
        ("git@known.example.org:contoso/storefront", "https://known.example.org:8443/", "contoso", "storefront"),
        ("http://plain.example.org:8080/gitlab/contoso/storefront", "http://plain.example.org:8080/gitlab/", "contoso", "storefront"),
        ("ssh://plain.example.org/contoso/storefront", "http://plain.example.org:8080/gitlab/", "contoso", "storefront"),
        ("https://two.example.org/a/b/contoso/storefront", "https://two.example.org/a/b/", "contoso", "storefront"),
        ("https://two.example.org/a/contoso/storefront", "https://two.example.org/a/", "contoso", "storefront"),
        ("https://xn--bcher-kva.example/contoso/storefront", "https://xn--bcher-kva.example/", "contoso", "storefront"),
    ];
    for (text, base_url, groups, name) in table {
        let parsed = parse_here(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(
            (parsed.base_url(), parsed.project(), parsed.name()),
            (base_url, Some(groups), name),
            "{text:?}"
        );
        assert_eq!(parsed.aliases().next(), Some(&*format!("{base_url}api/v4/")));
    }
}

#[test]
fn what_leads_nowhere_says_why() {
    for (kind, texts) in [
        (
            UrlErrorKind::UNSUPPORTED_HOST,
            &[
                "https://github.com/a/b",
                "git@github.com:a/b.git",
                "https://gitlab.com.evil.example/a/b",
                "https://gitlab.com@evil.example/a/b",
                "https://gitlab.com./a/b",
                "https://evil-gitlab.com/a/b",
                "https://gitlab.com:8443/a/b",
                "ssh://git@gitlab.com:443/a/b",
                "ssh://git@altssh.gitlab.com/a/b",
                "https://altssh.gitlab.com/a/b",
                "https://gitlab.example.org/a/b",
                "https://git.example.org/other/a/b",
                "https://git.example.org:8443/gitlab/a/b",
                "https://known.example.org/a/b",
                "http://unknown.example.org/a/b",
                // The host is judged before the path.
                "https://evil.example/%zz/..",
            ][..],
        ),
        (
            UrlErrorKind::NOT_A_REPOSITORY_URL,
            &[
                "",
                "contoso/web",
                "gitlab.com:contoso/web",
                "git://gitlab.com/a/b",
                "https:///a/b",
                "https://gitlab.com\\@evil.example/a/b",
                "https://gitlab.com",
                "https://gitlab.com/contoso",
                "https://gitlab.com/contoso/",
                "https://gitlab.com/contoso/.git",
                "https://gitlab.com/contoso/-/x",
                "https://gitlab.com/-/profile",
                "https://gitlab.com//contoso/web",
                "https://gitlab.com/contoso//web",
                "https://gitlab.com/groups/contoso/-/issues",
                "https://gitlab.com/api/v4/projects/4711",
                "https://gitlab.com/contoso/web/tree/main",
                "https://gitlab.com/contoso/web/blob/main/README.md",
                "git@two.example.org:contoso/web.git",
                "https://git.example.org/gitlab/contoso",
                "https://git.example.org/gitlab/",
            ],
        ),
        (
            UrlErrorKind::INSECURE_SCHEME,
            &["http://gitlab.com/a/b", "http://gitlab.com:443/a", "http://git.example.org/gitlab/a/b"],
        ),
        (
            UrlErrorKind::INVALID_SEGMENT,
            &[
                "https://gitlab.com/../b",
                "https://gitlab.com/a/%2e%2E",
                "https://gitlab.com/a/./b",
                "https://gitlab.com/a/b%2Fc",
                "https://gitlab.com/a/b%5Cc",
                "https://gitlab.com/a/b%00",
                "git@gitlab.com:../b",
            ],
        ),
        (
            UrlErrorKind::INVALID_PERCENT_ENCODING,
            &["https://gitlab.com/100%/b", "https://gitlab.com/a/%zz", "https://gitlab.com/a/%C3%28"],
        ),
    ] {
        for text in texts {
            let error = parse_here(text).expect_err(text);
            assert_eq!(error.kind(), kind, "{text:?}: {error}");
        }
    }
    // Taking `.git` away must not leave a dot segment behind.
    for name in ["..git", "...git"] {
        let error = parse_here(&format!("https://gitlab.com/a/{name}")).unwrap_err();
        assert_eq!(error.kind(), UrlErrorKind::NOT_A_REPOSITORY_URL);
    }
}

#[test]
fn details_say_what_to_do_and_keep_secrets() {
    let error = parse_here("https://me:s3cret@gitlab.example.net:8443/a/b").unwrap_err();
    let way_out = "\"https://gitlab.example.net:8443/\", with its relative root, to server_roots in \
                   [providers.gitlab.options]";
    assert!(error.detail().contains(way_out), "{error}");
    for rest in ["x.example/a/b", "gitlab.com/a/%zz", "gitlab.com/a/..", "gitlab.com:99/a/b", "gitlab.com/a"]
    {
        for scheme in ["https", "http", "ssh", "git"] {
            let error = parse_here(&format!("{scheme}://s3cret:s3cret@{rest}")).unwrap_err();
            assert!(!error.detail().contains("s3cret"), "{error}");
        }
    }
    let long = format!("https://gitlab.com/a/{}%", "é".repeat(1_000_000));
    assert!(parse_here(&long).unwrap_err().detail().len() < 1000);
}

fn web_url(parsed: &RepositoryUrl) -> String {
    let groups =
        parsed.project().unwrap_or_default().split('/').map(|group| format!("{}/", segment::encode(group)));
    format!("{}{}{}.git", parsed.base_url(), groups.collect::<String>(), segment::encode(parsed.name()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_parsed_can_be_written_and_parsed_again(
        base in prop::sample::select(vec![CLOUD, OWN, "https://two.example.org/a/b/"]),
        groups in prop::collection::vec(r"[^/\\\pC]{1,8}", 1..6),
        name in r"[^/\\\pC]{1,12}",
    ) {
        prop_assume!(groups.iter().chain([&name]).all(|text| segment::is_valid(text) && text != "-"));
        prop_assume!(!PAGES.contains(&groups[0].as_str()));
        prop_assume!(!groups.iter().chain([&name]).any(|text| OLD_PAGES.contains(&text.as_str())));
        let meant = RepositoryUrl::new(base, &name).with_project(&groups.join("/"));
        let parsed = parse_here(&web_url(&meant)).unwrap();
        prop_assert_eq!((parsed.base_url(), parsed.project(), parsed.name()), (base, meant.project(), &*name));
        prop_assert_eq!(&parse_here(&web_url(&parsed)).unwrap(), &parsed);
    }

    #[test]
    fn no_text_panics_and_no_success_escapes_its_base(text in r"(https://(gitlab\.com|git\.example\.org/gitlab)|git@gitlab\.com:)(/(\PC{0,4}|-|[.%2eE]{1,6}|%[0-9a-f]{2}|\.git|[\\?#@:]))*") {
        if let Ok(parsed) = parse_here(&text) {
            prop_assert!(segment::is_valid(parsed.name()));
            prop_assert!(parsed.project().is_some_and(|groups| groups.split('/').all(segment::is_valid)));
            let url = url::Url::parse(&web_url(&parsed)).unwrap();
            prop_assert!(url.as_str().starts_with(parsed.base_url()), "{} {}", url, parsed.base_url());
        }
    }

    #[test]
    fn nothing_panics(text in r"\PC{0,40}|(?s).{0,40}|(https|ssh)://.{0,30}|.{0,8}@.{0,20}:.{0,8}") {
        let _ = parse_here(&text);
    }
}
