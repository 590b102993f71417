//! Every form of repository URL, and those that are made to mislead.

use forgewatch_plugin_api::UrlErrorKind;
use proptest::prelude::*;

use super::*;

const HUB: &str = "https://github.com/";
const GHE: &str = "https://acme.ghe.com/";
const OWN: &str = "https://github.example.org/";
const PORT: &str = "https://git.example.org:8443/";
const PLAIN: &str = "http://plain.example.org:8080/";

fn context() -> UrlContext {
    UrlContext::new(
        r#"{"server_roots": ["https://github.example.org/"]}"#,
        [
            Configured::new("https://git.example.org:8443/api/v3/", false),
            Configured::new(PLAIN, true),
            Configured::new("git@known.example.org:contoso", false),
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
        ("https://github.com/contoso/storefront", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront.git", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront/", HUB, "contoso", "storefront"),
        ("https://me:secret@github.com:443/Contoso/Storefront.git", HUB, "Contoso", "Storefront"),
        ("HTTPS://GITHUB.COM/contoso/storefront?tab=readme#top", HUB, "contoso", "storefront"),
        ("  git@github.com:contoso/storefront.git\n", HUB, "contoso", "storefront"),
        ("git@github.com:/contoso/storefront", HUB, "contoso", "storefront"),
        ("org-1234@github.com:contoso/storefront.git", HUB, "contoso", "storefront"),
        ("ssh://git@github.com/contoso/storefront.git", HUB, "contoso", "storefront"),
        ("ssh://git@github.com:22/contoso/storefront.git", HUB, "contoso", "storefront"),
        ("ssh://git@ssh.github.com:443/contoso/storefront.git", HUB, "contoso", "storefront"),
        ("git@ssh.github.com:contoso/storefront.git", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront/tree/main/a%2Fb", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront/pull/7", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront/issues", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/storefront.git/info/refs", HUB, "contoso", "storefront"),
        ("https://github.com/contoso/.github", HUB, "contoso", ".github"),
        ("https://github.com/contoso/x.git.git", HUB, "contoso", "x.git"),
        ("https://github.com/contoso/contoso.github.io", HUB, "contoso", "contoso.github.io"),
        ("https://api.github.com/repos/contoso/storefront", HUB, "contoso", "storefront"),
        ("https://api.github.com/repos/contoso/storefront/pulls", HUB, "contoso", "storefront"),
        ("https://acme.ghe.com/contoso/storefront", GHE, "contoso", "storefront"),
        ("acme@acme.ghe.com:contoso/storefront.git", GHE, "contoso", "storefront"),
        ("https://api.acme.ghe.com/repos/contoso/storefront", GHE, "contoso", "storefront"),
        ("https://GitHub.example.org/contoso/storefront.git", OWN, "contoso", "storefront"),
        ("https://github.example.org/api/v3/repos/contoso/storefront", OWN, "contoso", "storefront"),
        ("git@github.example.org:contoso/storefront.git", OWN, "contoso", "storefront"),
        ("ssh://git@github.example.org:122/contoso/storefront.git", OWN, "contoso", "storefront"),
        ("https://git.example.org:8443/contoso/storefront", PORT, "contoso", "storefront"),
        ("ssh://git@git.example.org/contoso/storefront.git", PORT, "contoso", "storefront"),
        ("http://plain.example.org:8080/contoso/storefront", PLAIN, "contoso", "storefront"),
        ("git@plain.example.org:contoso/storefront", PLAIN, "contoso", "storefront"),
    ];
    for (text, base_url, owner, name) in table {
        let parsed = parse_here(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (parsed.base_url(), parsed.project(), parsed.name()),
            (base_url, Some(owner), name),
            "{text}"
        );
    }
}

#[test]
fn integrations_are_found_by_four_addresses() {
    let addresses = |configured: &[&str]| {
        let base_urls = configured.iter().map(|url| Configured::new(url, false));
        let parsed = parse("git@github.com:Contoso/x.git", &UrlContext::new("{}", base_urls)).unwrap();
        let aliases: Vec<_> = parsed.aliases().map(ToOwned::to_owned).collect();
        (parsed.base_url().to_owned(), aliases.join(" "))
    };
    let all = (
        HUB.to_owned(),
        "https://api.github.com/ https://github.com/Contoso/ https://api.github.com/Contoso/".to_owned(),
    );
    for configured in
        [&[][..], &[HUB], &["https://github.com/contoso"], &[HUB, "https://github.com/fabrikam/"]]
    {
        assert_eq!(addresses(configured), all, "{configured:?}");
    }
    // The narrower one is meant.
    for configured in
        [[HUB, "https://github.com/contoso"], ["https://api.github.com", "https://api.github.com/contoso/"]]
    {
        let owners = ("https://github.com/Contoso/".to_owned(), "https://api.github.com/Contoso/".to_owned());
        assert_eq!(addresses(&configured), owners, "{configured:?}");
    }
    let own = parse_here("https://github.example.org/contoso/x").unwrap();
    assert_eq!(own.aliases().next(), Some("https://github.example.org/api/v3/"));
}

#[test]
fn what_leads_nowhere_says_why() {
    for (kind, texts) in [
        (
            UrlErrorKind::UNSUPPORTED_HOST,
            &[
                "https://gitlab.com/a/b",
                "git@gitlab.com:a/b.git",
                "https://github.com.evil.example/contoso/x",
                "https://github.com@evil.example/contoso/x",
                "https://evilgithub.com/contoso/x",
                "https://github.com./contoso/x",
                "https://gist.github.com/contoso/x",
                "https://raw.githubusercontent.com/contoso/x/main/y",
                "https://github.com:8443/contoso/x",
                "ssh://git@github.com:443/contoso/x",
                "ssh://git@ssh.github.com:8443/contoso/x",
                "https://ghe.com/contoso/x",
                "https://a.b.ghe.com/contoso/x",
                "https://other.example.org/contoso/x",
                "https://github.example.org:8443/contoso/x",
                "ssh://git@known.example.org/contoso/x",
                "https://other.example.org/%zz/..",
            ][..],
        ),
        (
            UrlErrorKind::NOT_A_REPOSITORY_URL,
            &[
                "",
                "contoso/storefront",
                "github.com/contoso/storefront",
                "git://github.com/contoso/storefront",
                "https:///contoso/storefront",
                "https://github.com\\@evil.example/contoso/x",
                "https://github.com",
                "https://github.com/contoso",
                "https://github.com/contoso/",
                "https://github.com//contoso/x",
                "https://github.com/contoso//x",
                "https://github.com/contoso/.git",
                "https://github.com/orgs/contoso/repositories",
                "https://github.com/Settings/tokens",
                "https://github.com/users/contoso/packages",
                "https://github.com/api/v3/repos/contoso/x",
                "https://api.github.com/users/contoso",
                "https://api.github.com/repos/contoso",
                "https://github.example.org/api/v3/users/contoso",
                "https://ssh.github.com/contoso/x",
                "ssh://git@api.github.com/repos/contoso/x",
                "git@github.com:contoso",
                "git@github.com:contoso/x/y",
            ],
        ),
        (
            UrlErrorKind::INSECURE_SCHEME,
            &[
                "http://github.com/contoso/x",
                "http://acme.ghe.com/contoso/x",
                "http://github.example.org/contoso/x",
            ],
        ),
        (
            UrlErrorKind::INVALID_SEGMENT,
            &[
                "https://github.com/../x",
                "https://github.com/contoso/..",
                "https://github.com/contoso/%2e%2E",
                "https://github.com/contoso/...git",
                "https://github.com/contoso/..git",
                "https://github.com/contoso/a%2Fb",
                "https://github.com/contoso/a%5cb",
                "https://github.com/contoso/a\\b",
                "https://github.com/contoso/a%00",
                "https://github.com/contoso/storefront/../other",
                "https://github.com/contoso/storefront/%2E%2e/other",
                "git@github.com:../x.git",
            ],
        ),
        (
            UrlErrorKind::INVALID_PERCENT_ENCODING,
            &[
                "https://github.com/contoso/%zz",
                "https://github.com/100%/x",
                "https://github.com/contoso/%C3%28",
            ],
        ),
    ] {
        for text in texts {
            let error = parse_here(text).expect_err(text);
            assert_eq!(error.kind(), kind, "{text:?}: {error}");
        }
    }
}

#[test]
fn details_say_what_to_do_and_keep_secrets() {
    let error = parse_here("https://me:s3cret@git.example.net:8443/contoso/x").unwrap_err();
    let way_out = "add \"https://git.example.net:8443/\" to server_roots in [providers.github.options]";
    assert!(error.detail().contains(way_out), "{error}");
    for rest in [
        "git.example.net/x",
        "github.com/contoso/%zz",
        "github.com/contoso/..",
        "gist.github.com/",
        "github.com:99/a/b",
    ] {
        for scheme in ["https", "http", "ssh", "git"] {
            let error = parse_here(&format!("{scheme}://s3cret:s3cret@{rest}")).unwrap_err();
            assert!(!error.detail().contains("s3cret"), "{error}");
        }
    }
}

fn web_url(parsed: &RepositoryUrl) -> String {
    let project = segment::encode(parsed.project().unwrap_or_default()).to_string();
    format!("{}{project}/{}", parsed.base_url(), segment::encode(parsed.name()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_parsed_can_be_written_and_parsed_again(
        base in prop::sample::select(vec![HUB, GHE, OWN, PORT, PLAIN]),
        owner in r"[^/\\\pC]{1,12}",
        name in r"[^/\\\pC]{1,12}",
    ) {
        prop_assume!(segment::is_valid(&owner) && segment::is_valid(&name) && !name.ends_with(".git"));
        prop_assume!(!RESERVED.iter().any(|word| owner.eq_ignore_ascii_case(word)));
        let parsed = parse_here(&web_url(&RepositoryUrl::new(base, &name).with_project(&owner))).unwrap();
        prop_assert_eq!((parsed.base_url(), parsed.project(), parsed.name()), (base, Some(&*owner), &*name));
    }

    #[test]
    fn no_text_panics_and_no_success_escapes_its_base(text in r"(https://(github\.com|api\.github\.com/repos|acme\.ghe\.com|github\.example\.org(/api/v3/repos)?)|git@github\.com:)(/?(\PC{0,4}|[.%2eE]{1,6}|\.git|%[0-9a-f]{2}|[\\?#@:/]))*") {
        if let Ok(parsed) = parse_here(&text) {
            prop_assert!(segment::is_valid(parsed.name()));
            prop_assert!(parsed.project().is_some_and(segment::is_valid));
            let url = url::Url::parse(&web_url(&parsed)).unwrap();
            prop_assert!(url.as_str().starts_with(parsed.base_url()), "{} {}", url, parsed.base_url());
            prop_assert_eq!(url.path_segments().map(Iterator::count), Some(2));
        }
    }

    #[test]
    fn nothing_panics(text in r"\PC{0,40}|(?s).{0,40}|(https|ssh)://.{0,30}|.{0,8}@.{0,20}:.{0,8}") {
        let _ = parse_here(&text);
    }
}
