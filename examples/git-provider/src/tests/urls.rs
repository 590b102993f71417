//! `parse_repository_url`: what belongs to an integration of this provider, and what does not.

use forgewatch_plugin_api::BaseUrl;

use super::*;

fn context(options: &str) -> UrlContext {
    let base_urls = [
        ("https://git.example.org/", false),
        ("https://git.example.org/scm", false),
        ("https://deep.example.org/git/", false),
        ("https://lab.example.org:8080/", false),
        ("http://lab.example.org:8080/", true),
        ("http://old.example.org/", false),
        ("no URL at all", false),
    ];
    UrlContext::new(options, base_urls.map(|(url, insecure)| BaseUrl::new(url, insecure)))
}

#[test]
fn a_url_leads_to_the_innermost_base_url_above_it() {
    for (url, base_url, project, name) in [
        ("https://git.example.org/shop.git", "https://git.example.org/", None, "shop"),
        ("https://git.example.org/shop", "https://git.example.org/", None, "shop"),
        ("HTTPS://me:pw@GIT.example.org:443/shop.git/", "https://git.example.org/", None, "shop"),
        ("https://git.example.org/team/shop.git", "https://git.example.org/", Some("team"), "shop"),
        ("https://git.example.org/scm/a/b/shop.git", "https://git.example.org/scm", Some("a/b"), "shop"),
        ("https://git.example.org/scmx/shop.git", "https://git.example.org/", Some("scmx"), "shop"),
        ("https://deep.example.org/git/K%C3%BCche%20x.git", "https://deep.example.org/git/", None, "Küche x"),
        ("http://lab.example.org:8080/~me/shop", "http://lab.example.org:8080/", Some("~me"), "shop"),
    ] {
        let found = Git.parse_repository_url(url, &context("{}")).expect(url);
        assert_eq!((found.base_url(), found.project(), found.name()), (base_url, project, name), "{url}");
    }
}

#[test]
fn without_a_suffix_the_name_is_as_it_is_written() {
    let found = Git.parse_repository_url("https://git.example.org/a/shop.git", &context(r#"{"suffix":""}"#));
    assert_eq!(found.unwrap().name(), "shop.git");
}

#[test]
fn everything_else_has_an_error_and_hosts_of_others_are_left_to_them() {
    for (url, kind) in [
        ("https://github.example/team/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://git.example.org:8443/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://deep.example.org/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://deep.example.org/gitx/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://old.example.org/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("ssh://git@git.example.org/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("git@git.example.org:shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://git.example.org\\@other.example/shop.git", UrlErrorKind::UNSUPPORTED_HOST),
        ("no URL at all", UrlErrorKind::UNSUPPORTED_HOST),
        ("http://git.example.org/shop.git", UrlErrorKind::INSECURE_SCHEME),
        ("http://old.example.org/shop.git", UrlErrorKind::INSECURE_SCHEME),
        ("https://git.example.org", UrlErrorKind::NOT_A_REPOSITORY_URL),
        ("https://git.example.org/scm/", UrlErrorKind::NOT_A_REPOSITORY_URL),
        ("https://git.example.org/gitweb?p=shop.git", UrlErrorKind::NOT_A_REPOSITORY_URL),
        ("https://git.example.org/scm/../shop.git", UrlErrorKind::INVALID_SEGMENT),
        ("https://git.example.org/%2e%2e/shop.git", UrlErrorKind::INVALID_SEGMENT),
        ("https://git.example.org/a%2Fb/shop.git", UrlErrorKind::INVALID_SEGMENT),
        ("https://git.example.org/a//shop.git", UrlErrorKind::INVALID_SEGMENT),
        ("https://git.example.org/a/.git", UrlErrorKind::INVALID_SEGMENT),
        ("https://git.example.org/100%.git", UrlErrorKind::INVALID_PERCENT_ENCODING),
        ("https://git.example.org/%ff.git", UrlErrorKind::INVALID_PERCENT_ENCODING),
    ] {
        let error = Git.parse_repository_url(url, &context("{}")).expect_err(url);
        assert_eq!(error.kind(), kind, "{url}: {error}");
    }
}
