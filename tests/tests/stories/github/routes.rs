//! Where URLs of GitHub lead. Nobody is asked anything.

use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{config, integration};

const HUB: &str = "https://github.com/";
const SERVER: &str = "https://github.example.org/";
const PASSWORD: &str = "planted0password";

#[rustfmt::skip]
const FOUND: &[(&str, &str, &str, &str)] = &[
    ("https://github.com/contoso/storefront", HUB, "contoso", "storefront"),
    ("https://me:planted0password@github.com/contoso/storefront.git", HUB, "contoso", "storefront"),
    ("https://GITHUB.com/contoso/storefront/tree/main/docs?x=1#top", HUB, "contoso", "storefront"),
    ("https://github.com/contoso/storefront/pull/7/files", HUB, "contoso", "storefront"),
    ("https://github.com/contoso/storefront/issues", HUB, "contoso", "storefront"),
    ("git@github.com:contoso/storefront.git", HUB, "contoso", "storefront"),
    ("ssh://git@github.com/contoso/storefront.git", HUB, "contoso", "storefront"),
    ("ssh://git@ssh.github.com:443/contoso/storefront.git", HUB, "contoso", "storefront"),
    ("https://api.github.com/repos/contoso/storefront", HUB, "contoso", "storefront"),
    ("https://github.com/fabrikam/.github", HUB, "fabrikam", ".github"),
    ("https://acme.ghe.com/contoso/storefront", "https://acme.ghe.com/", "contoso", "storefront"),
    ("git@acme.ghe.com:contoso/storefront.git", "https://acme.ghe.com/", "contoso", "storefront"),
    ("https://github.example.org/contoso/storefront.git", SERVER, "contoso", "storefront"),
    ("ssh://git@github.example.org:122/contoso/storefront.git", SERVER, "contoso", "storefront"),
    ("https://github.example.org/api/v3/repos/contoso/storefront", SERVER, "contoso", "storefront"),
];

#[rustfmt::skip]
const NOWHERE: &[(&str, &str)] = &[
    ("unsupported_host", "https://github.com.evil.example/contoso/x"),
    ("unsupported_host", "https://github.com@evil.example/contoso/x"),
    ("unsupported_host", "https://gist.github.com/contoso/x"),
    ("unsupported_host", "https://github.com:8443/contoso/x"),
    ("not_a_repository_url", "https://github.com/contoso"),
    ("not_a_repository_url", "https://github.com/orgs/contoso/repositories"),
    ("not_a_repository_url", "git@github.com:contoso/x/y"),
    ("insecure_scheme", "http://me:planted0password@github.com/contoso/x"),
    ("invalid_segment", "https://github.com/contoso/x/../y"),
    ("invalid_segment", "https://github.com/contoso/a%2Fb"),
    ("invalid_percent_encoding", "https://github.com/contoso/%zz"),
];

fn routed(sandbox: &Sandbox) -> Vec<Value> {
    let urls = FOUND.iter().map(|route| route.0).chain(NOWHERE.iter().map(|(_, url)| *url));
    let arguments: Vec<&str> = ["route", "--format", "json", "--"].into_iter().chain(urls).collect();
    let run = sandbox.run(&arguments).exits(1);
    assert!(!format!("{run:?}").contains(PASSWORD), "{run:#?}");
    run.json().as_array().expect("an array").clone()
}

fn assert_all(answers: &[Value], integration_of: impl Fn(&str, &str) -> Value) {
    let (found, errors) = answers.split_at(FOUND.len());
    for ((url, base_url, owner, name), answer) in FOUND.iter().zip(found) {
        let expected = json!({
            "url": answer["url"], "provider": "github", "integration": integration_of(base_url, owner),
            "base_url": base_url, "project": owner, "name": name,
        });
        assert_eq!(*answer, expected, "{url}");
    }
    for ((kind, url), answer) in NOWHERE.iter().zip(errors) {
        assert_eq!(answer["error"], *kind, "{url}: {answer}");
    }
}

#[test]
fn without_integrations_urls_still_lead_somewhere() {
    let sandbox = Sandbox::new();
    let roots = "[providers.github.options]\nserver_roots = [\"https://github.example.org/\"]\n";
    sandbox.write("forgewatch.toml", roots);
    assert_all(&routed(&sandbox), |_, _| Value::Null);
}

#[test]
fn base_urls_lead_to_their_integration() {
    for domain_name in [HUB, "https://API.github.com"] {
        let config = integration(config(), "hub", domain_name, "classic");
        let sandbox = Sandbox::new();
        integration(config, "server", "https://github.example.org/api/v3/", "classic").write(&sandbox);
        assert_all(&routed(&sandbox), |base_url, _| match base_url {
            HUB => "hub".into(),
            SERVER => "server".into(),
            _ => Value::Null,
        });
    }
    let by_owner = integration(config(), "contoso", "https://api.github.com/contoso/", "classic");
    let sandbox = Sandbox::new();
    integration(by_owner, "server", SERVER, "classic").write(&sandbox);
    assert_all(&routed(&sandbox), |base_url, owner| match (base_url, owner) {
        (HUB, "contoso") => "contoso".into(),
        (SERVER, _) => "server".into(),
        _ => Value::Null,
    });
}

#[test]
fn an_integration_of_the_owner_goes_before_one_of_all() {
    let config = integration(config(), "all", "https://api.github.com/", "classic");
    let sandbox = Sandbox::new();
    integration(config, "contoso", "https://api.github.com/contoso/", "classic").write(&sandbox);
    let urls = ["git@github.com:Contoso/x.git", "https://github.com/fabrikam/x"];
    let answers = sandbox.run(&[&["route", "--format", "json"][..], &urls].concat()).exits(0).json();
    assert_eq!((&answers[0]["integration"], &answers[1]["integration"]), (&json!("contoso"), &json!("all")));
    assert_eq!(answers[0]["base_url"], "https://github.com/Contoso/");
}
