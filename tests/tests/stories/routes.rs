//! Where repository URLs lead: every form in use, and those that are made to mislead. Nobody is asked anything.

use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::Config;

/// What must not be shown again.
const PASSWORD: &str = "planted0password";
const ON_DEV_AZURE: &str = "https://dev.azure.com/contoso/";
const ON_VISUAL_STUDIO: &str = "https://contoso.visualstudio.com/";
const COLLECTION: &str = "https://ado.example.org/tfs/Coll/";
const SHOP: Option<&str> = Some("Web Shop");
const TOOLS: Option<&str> = Some("Tools");

/// A URL, its base URL, its project, its name.
type Route = (&'static str, &'static str, Option<&'static str>, &'static str);

/// U1 to U13: the cloud's forms.
#[rustfmt::skip]
const CLOUD: &[Route] = &[
    ("https://dev.azure.com/contoso/Web%20Shop/_git/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://contoso@dev.azure.com/contoso/Web%20Shop/_git/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://me:planted0password@dev.azure.com/contoso/Web Shop/_git/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://dev.azure.com/contoso/_git/Tools", ON_DEV_AZURE, TOOLS, "Tools"),
    ("https://contoso.visualstudio.com/Web%20Shop/_git/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("https://contoso.visualstudio.com/DefaultCollection/Web%20Shop/_git/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("https://contoso.visualstudio.com/_git/Tools", ON_VISUAL_STUDIO, TOOLS, "Tools"),
    ("https://Contoso.VisualStudio.com/defaultcollection/_git/Tools", ON_VISUAL_STUDIO, TOOLS, "Tools"),
    ("https://contoso.visualstudio.com/Web%20Shop/The%20Team/_git/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("https://dev.azure.com/contoso/Web%20Shop/_git/_full/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://dev.azure.com/contoso/_git/_optimized/Tools", ON_DEV_AZURE, TOOLS, "Tools"),
    ("https://dev.azure.com/contoso/Web%20Shop/_git/_full", ON_DEV_AZURE, SHOP, "_full"),
    ("git@ssh.dev.azure.com:v3/contoso/Web%20Shop/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("ssh://git@ssh.dev.azure.com/v3/contoso/Web%20Shop/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("ssh://git@ssh.dev.azure.com:22/v3/contoso/Web%20Shop/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("contoso@vs-ssh.visualstudio.com:v3/contoso/Web%20Shop/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("git@vs-ssh.visualstudio.com:v3/contoso/Web%20Shop/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("ssh://contoso@vs-ssh.visualstudio.com:22/v3/contoso/Web%20Shop/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("ssh://contoso@vs-ssh.visualstudio.com:22/DefaultCollection/Web%20Shop/_ssh/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("ssh://contoso@vs-ssh.visualstudio.com/Web%20Shop/_ssh/storefront", ON_VISUAL_STUDIO, SHOP, "storefront"),
    ("ssh://contoso:planted0password@vs-ssh.visualstudio.com/_ssh/Tools", ON_VISUAL_STUDIO, TOOLS, "Tools"),
    // Decoded once, and what people paste.
    ("  https://dev.azure.com:443/contoso/Web%20Shop/_git/storefront/?path=/x#L1\n", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://dev.azure.com/contoso/Web%20Shop/_git/storefront/pullrequest/7", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://dev.azure.com/contoso/a%23b/_git/50%25+off%26%3F", ON_DEV_AZURE, Some("a#b"), "50%+off&?"),
    ("https://dev.azure.com/contoso/K%C3%BCche/_git/%252e%252e", ON_DEV_AZURE, Some("Küche"), "%2e%2e"),
    ("https://dev.azure.com/contoso/Küche/_git/x.git", ON_DEV_AZURE, Some("Küche"), "x.git"),
];

/// U14 to U18: a company's own server, and the REST form.
#[rustfmt::skip]
const ON_PREMISES: &[Route] = &[
    ("https://ado.example.org/tfs/Coll/Web%20Shop/_git/storefront", COLLECTION, SHOP, "storefront"),
    ("https://ado.example.org/tfs/Coll/_git/Tools", COLLECTION, TOOLS, "Tools"),
    ("https://ADO.example.org:443/tfs/Coll/Web%20Shop/Team/_git/storefront", COLLECTION, SHOP, "storefront"),
    ("https://ado.example.org/deep/er/C/P/_git/r", "https://ado.example.org/deep/er/C/", Some("P"), "r"),
    ("https://bare.example.org:8443/C/P/_git/r", "https://bare.example.org:8443/C/", Some("P"), "r"),
    ("https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories/storefront", ON_DEV_AZURE, SHOP, "storefront"),
    ("https://ado.example.org/tfs/Coll/_apis/git/repositories/5f2c7a1e?api-version=7.1", COLLECTION, None, "5f2c7a1e"),
    ("ssh://git@ado.example.org:22/tfs/Coll/Web%20Shop/_git/storefront", COLLECTION, SHOP, "storefront"),
    ("ssh://ado.example.org:2222/tfs/Coll/_git/Tools", COLLECTION, TOOLS, "Tools"),
];

/// What leads nowhere, by the kind of its error.
#[rustfmt::skip]
const NOWHERE: &[(&str, &[&str])] = &[
    ("unsupported_host", &[
        "https://example.net/a/b",
        "git@example.net:a/b.git",
        "https://dev.azure.com.evil.example/contoso/P/_git/r",
        "https://dev.azure.com@evil.example/contoso/P/_git/r",
        "https://me:planted0password@evil.example/contoso/P/_git/r",
        "https://evilvisualstudio.com/P/_git/r",
        "https://a.b.visualstudio.com/P/_git/r",
        "https://app.vssps.visualstudio.com/P/_git/r",
        "https://dev.azure.com:8443/contoso/P/_git/r",
        "https://other.example.org/tfs/C/P/_git/r",
        "https://ado.example.org:8443/tfs/C/P/_git/r",
        "https://ado.example.org/other/C/P/_git/r",
        // The host is judged before the path.
        "https://evil.example/contoso/%zz/_git/..",
        "ssh://unknown.example.org/tfs/C/P/_git/r",
    ]),
    ("not_a_repository_url", &[
        "",
        "contoso",
        "git://dev.azure.com/contoso/P/_git/r",
        "ftp://me:planted0password@dev.azure.com/contoso/P/_git/r",
        "https:///contoso/P/_git/r",
        "https://dev.azure.com\\@evil.example/contoso/P/_git/r",
        "https://dev.azure.com",
        "https://dev.azure.com/contoso",
        "https://dev.azure.com/contoso/P",
        "https://dev.azure.com/e/contoso/_git/r",
        "https://dev.azure.com/contoso/P/_git/",
        "https://dev.azure.com/contoso/P/Team/_git/r",
        "https://dev.azure.com/contoso/P/_versionControl",
        "https://dev.azure.com/contoso/P/_wiki/wikis/w",
        "https://dev.azure.com/contoso/P/_build",
        "https://dev.azure.com/contoso/P/_boards/board",
        "https://contoso.visualstudio.com/a/b/c/_git/r",
        "https://ado.example.org/tfs/_git/r",
        "git@ssh.dev.azure.com:v3/contoso/P",
    ]),
    ("insecure_scheme", &[
        "http://dev.azure.com/contoso/P/_git/r",
        "http://contoso.visualstudio.com/P/_git/r",
        "http://me:planted0password@ado.example.org/tfs/Coll/P/_git/r",
    ]),
    ("invalid_segment", &[
        "https://dev.azure.com/contoso/../_git/r",
        "https://dev.azure.com/contoso/%2e%2E/_git/r",
        "https://dev.azure.com/contoso/P/_git/.",
        "https://dev.azure.com/contoso/P/_git/a%2Fb",
        "https://dev.azure.com/contoso/P/_git/a%5Cb",
        "https://dev.azure.com/contoso/P/_git/a%00",
        "https://dev.azure.com/contoso/P/_git/a%1Bb",
    ]),
    ("invalid_percent_encoding", &[
        "https://dev.azure.com/contoso/100%/_git/r",
        "https://dev.azure.com/contoso/P/_git/%zz",
        "https://dev.azure.com/contoso/P/_git/%C3%28",
        "https://me:planted0password@dev.azure.com/contoso/P/_git/%ff",
    ]),
];

const SERVERS: &str = "[providers.vsts.options]\nserver_roots = [\"https://ado.example.org/tfs/\", \
    \"https://ado.example.org/deep/er/\", \"https://bare.example.org:8443/\"]\n";

fn routes() -> impl Iterator<Item = &'static Route> {
    CLOUD.iter().chain(ON_PREMISES)
}

fn sandbox(config: Config) -> Sandbox {
    let sandbox = Sandbox::new();
    config.toml(SERVERS).write(&sandbox);
    sandbox
}

/// The answers to all routes, then to everything that leads nowhere, in one run.
#[track_caller]
fn routed(sandbox: &Sandbox) -> Vec<Value> {
    let urls: Vec<&str> = routes()
        .map(|route| route.0)
        .chain(NOWHERE.iter().flat_map(|(_, urls)| urls.iter().copied()))
        .collect();
    let arguments: Vec<&str> =
        ["route", "--format", "json", "--"].into_iter().chain(urls.iter().copied()).collect();
    let run = sandbox.run(&arguments).exits(1);
    assert!(!format!("{run:?}").contains(PASSWORD), "{run:#?}");
    let answers = run.json().as_array().expect("an array").clone();
    assert_eq!(answers.len(), urls.len());
    answers
}

#[track_caller]
fn assert_all(answers: &[Value], integration_of: impl Fn(&str) -> Value) {
    let (found, errors) = answers.split_at(routes().count());
    for ((url, base_url, project, name), answer) in routes().zip(found) {
        let expected = json!({
            "url": answer["url"], "provider": "vsts", "integration": integration_of(base_url),
            "base_url": base_url, "project": project, "name": name,
        });
        assert_eq!(*answer, expected, "{url}");
        assert!(!answer["url"].as_str().is_none_or(|url| url.contains('@')), "{answer}");
    }
    let wanted = NOWHERE.iter().flat_map(|(kind, urls)| urls.iter().map(move |url| (kind, url)));
    for ((kind, url), answer) in wanted.zip(errors) {
        assert_eq!(answer["error"], *kind, "{url:?}: {answer}");
        let keys: Vec<&String> = answer.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["url", "error", "detail"], "{url:?}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{answer}");
    }
}

#[test]
fn without_integrations_urls_still_lead_somewhere() {
    let sandbox = sandbox(Config::default());
    assert_all(&routed(&sandbox), |_| Value::Null);
    assert!(!sandbox.path("state").exists(), "a route makes no state");
}

#[test]
fn base_urls_lead_to_their_integration() {
    // A cloud organisation has two base URLs, and either form is configured here.
    let config = Config::with_reader()
        .integration("cloud", "https://CONTOSO.visualstudio.com", "reader")
        .integration("own", "https://ado.example.org/tfs/coll", "reader");
    let sandbox = sandbox(config);
    assert_all(&routed(&sandbox), |base_url| match base_url {
        ON_DEV_AZURE | ON_VISUAL_STUDIO => "cloud".into(),
        COLLECTION => "own".into(),
        _ => Value::Null,
    });
    let good = ["route", "--format", "json", CLOUD[0].0, ON_PREMISES[0].0];
    assert_eq!(sandbox.run(&good).exits(0).json()[1]["integration"], "own");
}

#[test]
fn one_base_url_in_two_integrations_is_ambiguous() {
    let config = Config::with_reader()
        .integration("one", "https://dev.azure.com/contoso/", "reader")
        .integration("two", "https://contoso.visualstudio.com/", "reader");
    let run = sandbox(config).run(&["route", "--format", "json", CLOUD[0].0, ON_PREMISES[0].0]).exits(1);
    let answers = run.json();
    assert_eq!(answers[0]["error"], "ambiguous", "{answers}");
    let detail = answers[0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("one") && detail.contains("two"), "{detail}");
    assert_eq!(answers[1]["integration"], Value::Null);
}

#[test]
fn without_server_roots_a_first_segment_tfs_is_enough() {
    let sandbox = Sandbox::new();
    Config::with_reader()
        .integration("plain", "http://plain.example.org:8080/tfs/Coll/", "reader")
        .toml("allow_insecure_http = true")
        .write(&sandbox);
    let urls = [
        "https://anything.example.org/TFS/Coll/P/_git/r",
        "https://anything.example.org/other/Coll/P/_git/r",
        "http://plain.example.org:8080/tfs/Coll/P/_git/r",
        "http://anything.example.org/tfs/Coll/P/_git/r",
    ];
    let run = sandbox.run(&[&["route", "--format", "json"][..], &urls].concat()).exits(1);
    let answers = run.json();
    assert_eq!(answers[0]["base_url"], "https://anything.example.org/TFS/Coll/");
    assert_eq!(answers[1]["error"], "unsupported_host");
    assert_eq!(answers[2]["integration"], "plain", "{answers}");
    assert_eq!(answers[3]["error"], "insecure_scheme");
}
