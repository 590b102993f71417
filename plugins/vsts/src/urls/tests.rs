use forgewatch_plugin_api::{BaseUrl, RepositoryUrl, UrlContext, UrlErrorKind};
use proptest::prelude::*;

use super::*;

const DA: &str = "https://dev.azure.com/contoso/";
const VS: &str = "https://contoso.visualstudio.com/";
const TFS: &str = "https://ado.example.org/tfs/Coll/";

/// A server in `server_roots`, a second known from an integration alone, a third that accepts plain HTTP.
fn context() -> UrlContext {
    let options = r#"{"server_roots": ["https://ado.example.org/tfs/", "https://ado.example.org/tfs/deep/er",
        "https://bare.example.org:8443/", "https://bücher.example/tfs/"]}"#;
    UrlContext::new(
        options,
        [
            BaseUrl::new("https://dev.azure.com/contoso/", true),
            BaseUrl::new("https://known.example.org/a/b/Coll/", false),
            BaseUrl::new("http://plain.example.org:8080/tfs/Coll/", true),
            BaseUrl::new("not a url", true),
        ],
    )
}

fn parse_here(text: &str) -> Result<RepositoryUrl, UrlError> {
    parse(text, &context())
}

#[track_caller]
fn leads_to(text: &str, base_url: &str, project: Option<&str>, name: &str) {
    let parsed = parse_here(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!((parsed.base_url(), parsed.project(), parsed.name()), (base_url, project, name), "{text:?}");
}

#[test]
fn every_form_leads_to_its_repository() {
    let shop = Some("Web Shop");
    #[rustfmt::skip]
    let table = [
        // U1 to U3
        ("https://dev.azure.com/contoso/Web%20Shop/_git/storefront", DA, shop, "storefront"),
        ("https://contoso@dev.azure.com/contoso/Web%20Shop/_git/storefront", DA, shop, "storefront"),
        ("https://me:secret@dev.azure.com/contoso/Web%20Shop/_git/storefront", DA, shop, "storefront"),
        ("https://dev.azure.com/contoso/_git/Tools", DA, Some("Tools"), "Tools"),
        // U4 to U7
        ("https://Contoso.VisualStudio.com/Web Shop/_git/storefront", VS, shop, "storefront"),
        ("https://contoso.visualstudio.com/defaultcollection/Web%20Shop/_git/storefront", VS, shop, "storefront"),
        ("https://contoso.visualstudio.com/_git/Tools", VS, Some("Tools"), "Tools"),
        ("https://contoso.visualstudio.com/DefaultCollection/_git/Tools", VS, Some("Tools"), "Tools"),
        ("https://contoso.visualstudio.com/Web%20Shop/My%20Team/_git/storefront", VS, shop, "storefront"),
        // U8
        ("https://dev.azure.com/contoso/Web%20Shop/_git/_full/storefront", DA, shop, "storefront"),
        ("https://dev.azure.com/contoso/_git/_optimized/Tools", DA, Some("Tools"), "Tools"),
        ("https://dev.azure.com/contoso/Web%20Shop/_git/_full/", DA, shop, "_full"),
        ("https://dev.azure.com/contoso/Web%20Shop/_git/_full/_optimized", DA, shop, "_optimized"),
        // U9 to U11
        ("git@ssh.dev.azure.com:v3/contoso/Web%20Shop/storefront", DA, shop, "storefront"),
        ("ssh://git@ssh.dev.azure.com/v3/contoso/Web%20Shop/storefront", DA, shop, "storefront"),
        ("ssh://git@ssh.dev.azure.com:22/v3/contoso/Web%20Shop/_full/storefront/", DA, shop, "storefront"),
        ("contoso@vs-ssh.visualstudio.com:v3/Contoso/Web%20Shop/storefront", VS, shop, "storefront"),
        ("git@vs-ssh.visualstudio.com:v3/contoso/Web%20Shop/storefront", VS, shop, "storefront"),
        ("ssh://contoso@vs-ssh.visualstudio.com:22/v3/contoso/Web%20Shop/storefront", VS, shop, "storefront"),
        // U12, U13
        ("ssh://Contoso@vs-ssh.visualstudio.com:22/DefaultCollection/Web%20Shop/_ssh/storefront", VS, shop, "storefront"),
        ("ssh://contoso:secret@vs-ssh.visualstudio.com/Web%20Shop/_ssh/storefront", VS, shop, "storefront"),
        ("ssh://contoso@vs-ssh.visualstudio.com/_ssh/Tools", VS, Some("Tools"), "Tools"),
        // U14 to U16
        ("https://ado.example.org/tfs/Coll/Web%20Shop/_git/storefront", TFS, shop, "storefront"),
        ("https://ADO.example.org:443/TFS/Coll/Web%20Shop/Team/_git/storefront", TFS, shop, "storefront"),
        ("https://ado.example.org/tfs/Coll/_git/Tools", TFS, Some("Tools"), "Tools"),
        ("https://ado.example.org/tfs/deep/er/C/P/_git/r", "https://ado.example.org/tfs/deep/er/C/", Some("P"), "r"),
        ("https://bare.example.org:8443/My%20Coll/P/_git/r", "https://bare.example.org:8443/My%20Coll/", Some("P"), "r"),
        ("https://bücher.example/tfs/C/P/_git/r", "https://xn--bcher-kva.example/tfs/C/", Some("P"), "r"),
        ("https://known.example.org/a/b/Other/P/_git/r", "https://known.example.org/a/b/Other/", Some("P"), "r"),
        ("http://plain.example.org:8080/tfs/Coll/P/_git/r", "http://plain.example.org:8080/tfs/Coll/", Some("P"), "r"),
        // U17
        ("https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories/storefront?api-version=7.1", DA, shop, "storefront"),
        ("https://dev.azure.com/contoso/_apis/git/repositories/5f2c7a1e/pullrequests/7", DA, None, "5f2c7a1e"),
        ("https://contoso.visualstudio.com/DefaultCollection/_apis/git/repositories/5f2c7a1e", VS, None, "5f2c7a1e"),
        ("https://ado.example.org/tfs/Coll/_apis/git/repositories/5f2c7a1e", TFS, None, "5f2c7a1e"),
        // U18
        ("ssh://ado.example.org:22/tfs/Coll/Web%20Shop/_git/storefront", TFS, shop, "storefront"),
        ("ssh://me@ado.example.org:2222/tfs/Coll/_ssh/Tools", TFS, Some("Tools"), "Tools"),
        ("ssh://bare.example.org/C/P/_git/r", "https://bare.example.org:8443/C/", Some("P"), "r"),
        // the rules about the rest
        ("  https://dev.azure.com:443/contoso/Web%20Shop/_git/storefront/?path=/x#L1\n", DA, shop, "storefront"),
        ("HTTPS://DEV.AZURE.COM/contoso/Web%20Shop/_git/storefront/pullrequest/7", DA, shop, "storefront"),
        ("https://dev.azure.com/Contoso/P/_git/r.git", "https://dev.azure.com/Contoso/", Some("P"), "r.git"),
        ("https://dev.azure.com/contoso/a%23b/_git/c%3Fd%2Be+%26%25", DA, Some("a#b"), "c?d+e+&%"),
        ("https://dev.azure.com/contoso/%E2%9C%93/_git/%252e%252e", DA, Some("✓"), "%2e%2e"),
        ("https://dev.azure.com/contoso/P/_git/_git", DA, Some("P"), "_git"),
        ("https://evil.example@dev.azure.com/contoso/P/_git/r", DA, Some("P"), "r"),
    ];
    for (text, base_url, project, name) in table {
        leads_to(text, base_url, project, name);
    }
}

#[test]
fn the_two_cloud_forms_are_aliases() {
    #[rustfmt::skip]
    let table = [
        ("https://dev.azure.com/Contoso/P/_git/r", "https://dev.azure.com/Contoso/", Some(VS)),
        ("https://contoso.visualstudio.com/P/_git/r", VS, Some(DA)),
        ("git@ssh.dev.azure.com:v3/contoso/P/r", DA, Some(VS)),
        ("git@vs-ssh.visualstudio.com:v3/contoso/P/r", VS, Some(DA)),
        ("https://dev.azure.com/con.toso/P/_git/r", "https://dev.azure.com/con.toso/", None),
        ("https://ado.example.org/tfs/Coll/P/_git/r", TFS, None),
    ];
    for (text, base_url, alias) in table {
        let parsed = parse_here(text).unwrap();
        assert_eq!((parsed.base_url(), parsed.aliases().next()), (base_url, alias), "{text}");
    }
}

#[test]
fn what_leads_nowhere_says_why() {
    let unsupported = UrlErrorKind::UNSUPPORTED_HOST;
    let nothing = UrlErrorKind::NOT_A_REPOSITORY_URL;
    let insecure = UrlErrorKind::INSECURE_SCHEME;
    let segment = UrlErrorKind::INVALID_SEGMENT;
    let encoding = UrlErrorKind::INVALID_PERCENT_ENCODING;
    for (kind, texts) in [
        (
            unsupported,
            &[
                "https://github.com/a/b",
                "git@github.com:a/b.git",
                "http://github.com/a/b",
                "https://dev.azure.com.evil.example/contoso/P/_git/r",
                "https://dev.azure.com@evil.example/contoso/P/_git/r",
                "https://dev.azure.com:443@evil.example/contoso/P/_git/r",
                "https://evilvisualstudio.com/P/_git/r",
                "https://evil-dev.azure.com/contoso/P/_git/r",
                "https://xn--bcher-kva.com/contoso/P/_git/r",
                "https://app.vssps.visualstudio.com/P/_git/r",
                "https://a.b.visualstudio.com/P/_git/r",
                "https://visualstudio.com/P/_git/r",
                "https://dev.azure.com./tfs/C/P/_git/r",
                "https://vssps.dev.azure.com/tfs/C/P/_git/r",
                "https://dev.azure.com:8443/contoso/P/_git/r",
                "ssh://git@ssh.dev.azure.com:443/v3/contoso/P/r",
                "https://[::1]/contoso/P/_git/r",
                "https://10.0.0.1/contoso/P/_git/r",
                "https://other.example.org/tfs/C/P/_git/r",
                "https://ado.example.org:8443/tfs/C/P/_git/r",
                "https://ado.example.org/other/C/P/_git/r",
                "https://ado.example.org/x/../tfs/C/P/_git/r",
                "ssh://known.example.org/a/b/Coll/P/_git/r",
            ][..],
        ),
        (
            nothing,
            &[
                "",
                "contoso",
                "dev.azure.com/contoso/P/_git/r",
                "dev.azure.com:v3/contoso/P/r",
                "git://dev.azure.com/contoso/P/_git/r",
                "file:///srv/git/_git/r",
                "https:/dev.azure.com/contoso/P/_git/r",
                "https:///contoso/P/_git/r",
                "https://dev.azure.com\\@evil.example/contoso/P/_git/r",
                "https://dev%2Eazure.com/contoso/P/_git/r",
                "https://dev.azure\t.com/contoso/P/_git/r",
                "https://dev.azure.com\0.evil.example/contoso/P/_git/r",
                "https://dev.azure.com:99999/contoso/P/_git/r",
                "https://dev.azure.com:+443/contoso/P/_git/r",
                "https://[::1/contoso/P/_git/r",
                "https://me@/contoso/P/_git/r",
                "c:\\work\\me@host",
                "https://dev.azure.com",
                "https://dev.azure.com/",
                "https://dev.azure.com/contoso",
                "https://dev.azure.com/contoso/P",
                "https://dev.azure.com/e/contoso/_git/r",
                "https://dev.azure.com/_git/r",
                "https://dev.azure.com/_apis/git/repositories/r",
                "https://dev.azure.com//contoso/P/_git/r",
                "https://dev.azure.com/contoso//_git/r",
                "https://dev.azure.com/contoso/P/_git",
                "https://dev.azure.com/contoso/P/_git/",
                "https://dev.azure.com/contoso/P/_git//r",
                "https://dev.azure.com/contoso/P/Team/_git/r",
                "https://dev.azure.com/contoso/P\\_git\\r",
                "https://dev.azure.com/contoso/P/_wiki/wikis/w",
                "https://dev.azure.com/contoso/P/_build",
                "https://dev.azure.com/contoso/_apis/projects",
                "https://dev.azure.com/contoso/_apis/git/repositories",
                "https://contoso.visualstudio.com/a/b/c/_git/r",
                "https://contoso.visualstudio.com/P/Team/_apis/git/repositories/r",
                "https://ado.example.org/tfs/_git/r",
                "https://ado.example.org/tfs/",
                "https://ado.example.org/tfs/C/a/b/c/_git/r",
                "https://ssh.dev.azure.com/v3/contoso/P/r",
                "ssh://git@dev.azure.com/contoso/P/_git/r",
                "git@ssh.dev.azure.com:contoso/P/r",
                "git@ssh.dev.azure.com:v3/contoso/P",
                "git@ssh.dev.azure.com:v3/contoso/P/r/x",
                "git@ssh.dev.azure.com:v3/contoso/_git/r",
                "https://dev.azure.com/contoso/%5Fgit/_git/r",
                "ssh://vs-ssh.visualstudio.com/P/_ssh/r",
                "ssh://evil.example%2f@vs-ssh.visualstudio.com/P/_ssh/r",
                "git@vs-ssh.visualstudio.com:v3/evil.example%23/P/r",
            ],
        ),
        (
            insecure,
            &[
                "http://dev.azure.com/contoso/P/_git/r",
                "http://dev.azure.com:443/contoso",
                "http://contoso.visualstudio.com/P/_git/r",
                "http://ado.example.org/tfs/C/P/_git/r",
                "http://known.example.org/a/b/Coll/P/_git/r",
            ],
        ),
        (
            segment,
            &[
                "https://dev.azure.com/../P/_git/r",
                "https://dev.azure.com/%2e%2E/P/_git/r",
                "https://dev.azure.com/contoso/../_git/r",
                "https://dev.azure.com/contoso/./_git/r",
                "https://dev.azure.com/contoso/P/_git/..",
                "https://dev.azure.com/contoso/P/_git/%2e%2e",
                "https://dev.azure.com/contoso/P/_git/a%2Fb",
                "https://dev.azure.com/contoso/P/_git/a%5cb",
                "https://dev.azure.com/contoso/P/_git/a\\b",
                "https://dev.azure.com/contoso/P/_git/a%00",
                "https://dev.azure.com/contoso/P/_git/a\u{7f}",
                "https://dev.azure.com/contoso/P\n/_git/a",
                "https://contoso.visualstudio.com/P/../_git/r",
                "https://ado.example.org/tfs/../P/_git/r",
                "git@ssh.dev.azure.com:v3/contoso/../r",
            ],
        ),
        (
            encoding,
            &[
                "https://dev.azure.com/contoso/100%/_git/r",
                "https://dev.azure.com/contoso/P/_git/%zz",
                "https://dev.azure.com/contoso/P/_git/%C3%28",
                "https://dev.azure.com/%ff/P/_git/r",
                "https://contoso.visualstudio.com/P/%f/_git/r",
                "ssh://contoso@vs-ssh.visualstudio.com/P/_ssh/%e2%9c",
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
fn without_server_roots_the_segment_tfs_gives_a_server_away() {
    let context = UrlContext::default();
    let parsed = parse("https://ado.local:8080/TFS/Coll/P/_git/r", &context).unwrap();
    assert_eq!(parsed.base_url(), "https://ado.local:8080/TFS/Coll/");
    let ipv6 = parse("https://[FD00::1]:8080/tfs/Coll/P/_git/r", &context).unwrap();
    assert_eq!(ipv6.base_url(), "https://[fd00::1]:8080/tfs/Coll/");
    for (text, kind) in [
        ("https://dev.azure.com./tfs/C/P/_git/r", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://contoso.visualstudio.com./tfs/C/P/_git/r", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://ssh.dev.azure.com.evil.example/P/_git/r", UrlErrorKind::UNSUPPORTED_HOST),
        ("https://ado.local/Coll/P/_git/r", UrlErrorKind::UNSUPPORTED_HOST),
        ("ssh://ado.local/tfs/Coll/P/_git/r", UrlErrorKind::UNSUPPORTED_HOST),
        ("http://ado.local/tfs/Coll/P/_git/r", UrlErrorKind::INSECURE_SCHEME),
        ("https://ado.local/tfs", UrlErrorKind::NOT_A_REPOSITORY_URL),
    ] {
        assert_eq!(parse(text, &context).expect_err(text).kind(), kind, "{text}");
    }
}

#[test]
fn details_say_what_to_do_and_keep_secrets() {
    let error = parse_here("https://me:s3cret@ado.example.net:8443/Coll/P/_git/r").unwrap_err();
    assert!(
        error
            .detail()
            .contains("\"https://ado.example.net:8443/tfs/\", to server_roots in [providers.vsts.options]")
    );
    for rest in [
        "ado.example.net/x",
        "dev.azure.com/contoso/P/_git/%zz",
        "dev.azure.com/contoso/P/_git/..",
        "dev.azure.com:99/contoso/P/_git/r",
        "app.vssps.visualstudio.com/",
        "dev.azure.com/",
        "dev.azure.com\\x/",
    ] {
        for scheme in ["https", "http", "ssh", "git"] {
            let error = parse_here(&format!("{scheme}://s3cret:s3cret@{rest}")).unwrap_err();
            assert!(!error.detail().contains("s3cret"), "{error}");
        }
    }
    let long = format!("https://dev.azure.com/contoso/{}%/_git/r", "é".repeat(1_000_000));
    assert!(parse_here(&long).unwrap_err().detail().len() < 1000);
}

fn web_url(parsed: &RepositoryUrl) -> String {
    let name = segment::encode(parsed.name());
    match parsed.project() {
        Some(project) if project == parsed.name() => format!("{}_git/{name}", parsed.base_url()),
        Some(project) => format!("{}{}/_git/{name}", parsed.base_url(), segment::encode(project)),
        None => format!("{}_apis/git/repositories/{name}", parsed.base_url()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_parsed_can_be_written_and_parsed_again(
        base in prop::sample::select(vec![DA, VS, TFS, "https://known.example.org/a/b/C%C3%A9/"]),
        project in prop::option::of(r"[^/\\\pC]{1,12}"),
        name in r"[^/\\\pC]{1,12}",
    ) {
        prop_assume!([Some(&name), project.as_ref()].into_iter().flatten().all(|text| segment::is_valid(text)));
        // These mean something else where they would stand.
        let is_word = |text: &str| text.starts_with('_') || text.eq_ignore_ascii_case("DefaultCollection");
        prop_assume!(!project.as_deref().is_some_and(is_word));
        let mut meant = RepositoryUrl::new(base, &name);
        if let Some(project) = &project {
            meant = meant.with_project(project);
        }
        let parsed = parse_here(&web_url(&meant)).unwrap();
        prop_assert_eq!((parsed.base_url(), parsed.project(), parsed.name()), (base, project.as_deref(), &*name));
        prop_assert_eq!(&parse_here(&web_url(&parsed)).unwrap(), &parsed);
    }

    #[test]
    fn no_text_panics_and_no_success_escapes_its_base(text in r"(https://(dev\.azure\.com|contoso\.visualstudio\.com|ado\.example\.org/tfs)|git@ssh\.dev\.azure\.com:v3)(/(\PC{0,4}|_git|_apis|[.%2eE]{1,6}|%[0-9a-f]{2}|[\\?#@:]))*") {
        if let Ok(parsed) = parse_here(&text) {
            prop_assert!(segment::is_valid(parsed.name()));
            prop_assert!(parsed.project().is_none_or(segment::is_valid));
            let url = url::Url::parse(&web_url(&parsed)).unwrap();
            prop_assert!(url.as_str().starts_with(parsed.base_url()), "{} {}", url, parsed.base_url());
            prop_assert_eq!(&parse_here(url.as_str()).unwrap(), &parsed);
        }
    }

    #[test]
    fn nothing_panics(text in r"\PC{0,40}|(?s).{0,40}|(https|ssh)://.{0,30}|.{0,8}@.{0,20}:.{0,8}") {
        let _ = parse_here(&text);
    }
}
