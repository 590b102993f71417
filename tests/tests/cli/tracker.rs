//! `tracker`: what it says before it asks anybody, and what it makes of those who cannot be asked.

use forgewatch_tests::fake::{Fake, World, contoso};
use forgewatch_tests::sandbox::Sandbox;

use crate::support::{ODD, assert_has, assert_nothing_sent, contoso_sandbox, misbehaving};

/// An integration that may write and has everything that a subscription takes.
fn whole() -> String {
    format!(
        "public_url = \"https://watch.example.org/\"\n\
         [identities.reader]\nkind = \"pat\"\ntoken = {{ env = \"READER\" }}\n\
         [providers.vsts]\nallow_write = true\n\
         [integrations.contoso]\nprovider = \"vsts\"\nexternal_id = \"{}\"\n\
         domain_name = \"https://dev.azure.com/contoso/\"\nidentity = \"reader\"\n",
        contoso::ACCOUNT_ID
    )
}

fn sandbox(fake: &Fake, config: &str) -> Sandbox {
    let sandbox = contoso_sandbox(fake);
    sandbox.write("forgewatch.toml", config);
    sandbox
}

#[test]
fn the_address_is_that_of_the_public_url_and_nothing_of_the_secret_is_shown() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = sandbox(&fake, &whole());
    assert_eq!(sandbox.run(&["tracker", "list"]).exits(0).stdout, "no issues are subscribed to\n");
    let all = sandbox.run(&["tracker", "subscribe", "contoso"]).exits(0);
    let one = sandbox.run(&["tracker", "subscribe", "contoso", "--project", "Web Shop"]).exits(0);
    let hooks = fake.tracker("contoso", |tracker| tracker.subscriptions.clone());
    let url = "https://watch.example.org/api/v1/webhooks/vsts";
    assert_eq!(
        (all.stdout.as_str(), one.stdout.as_str()),
        (
            &*format!("the issues of `contoso` are subscribed to: {} delivers to {url}\n", hooks[0].id),
            &*format!(
                "the issues of `contoso` in `Web Shop` are subscribed to: {} delivers to {url}\n",
                hooks[1].id
            )
        )
    );
    assert_eq!(hooks[1].project.as_deref(), Some(contoso::WEB_SHOP_ID));
    let list = sandbox.run(&["tracker", "list"]).exits(0).stdout;
    let made = list.lines().nth(3).unwrap_or_default().split(", since ").nth(1).expect("a time").to_owned();
    let shown = list.lines().map(|line| line.split(", since ").next().unwrap_or_default().to_owned());
    insta::assert_snapshot!("tracker_list", shown.collect::<Vec<_>>().join("\n"));
    humantime::parse_rfc3339(&made).expect("a time");
    let json = sandbox.run(&["tracker", "list", "--format", "json"]).exits(0);
    let first = &json.json()["subscriptions"][0];
    assert_eq!((&first["integration"], &first["url"]), (&"contoso".into(), &url.into()));
    let keys: Vec<_> = first.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["integration", "project", "url", "id", "finished", "made_at"]);
    for hook in &hooks {
        let (_, secret) = &hook.headers[0];
        for run in [&all, &one, &json] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
        }
        assert!(!list.contains(secret), "{list}");
    }
}

#[test]
fn what_stands_in_the_way_is_told_before_anybody_is_asked() {
    let fake = Fake::start_blocking(World::contoso());
    let without = |part: &str| {
        let all = whole();
        assert!(all.contains(part), "{part}");
        all.replace(part, "")
    };
    let external_id = format!("external_id = \"{}\"\n", contoso::ACCOUNT_ID);
    let insecure = whole().replace("https://watch", "http://watch");
    let subscribe = &["subscribe", "contoso"][..];
    let to = |url: &'static str| vec!["subscribe", "contoso", "--url", url];
    type Case<'a> = (String, &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 13] = [
        (whole(), &["subscribe", "contosso"], &["`contosso` is not among the integrations", "`contoso`?"]),
        (
            whole(),
            &["unsubscribe", "contoso"],
            &["the issues of `contoso` are not subscribed to", "none at all"],
        ),
        (
            without("allow_write = true\n"),
            subscribe,
            &["providers.vsts.allow_write: ", "add `allow_write = true`"],
        ),
        (without(&external_id), subscribe, &["integrations.contoso.external_id: "]),
        (
            without("public_url = \"https://watch.example.org/\"\n"),
            subscribe,
            &["public_url: nobody has said where", "--url"],
        ),
        (insecure, subscribe, &["public_url: ", "in the clear", "integrations.contoso.allow_insecure_http"]),
        (whole(), &to("http://watch.example.org/x"), &["--url: ", "in the clear"]),
        (whole(), &to("https://me:hidden@watch.example.org/x"), &["--url: ", "without user name"]),
        (whole(), &to("https://watch.example.org/x?code=hidden"), &["--url: ", "query"]),
        (whole(), &to("ftp://watch.example.org/x"), &["--url: "]),
        (
            whole(),
            &to("https://watch.example.org"),
            &["host alone", "https://watch.example.org/api/v1/webhooks/vsts"],
        ),
        (whole(), &["subscribe", "contoso", "--project", ""], &["a value is required for '--project"]),
        (format!("{}[api]\nlisten = 1\n", whole()), subscribe, &["api.listen: "]),
    ];
    for (config, arguments, parts) in cases {
        let sandbox = sandbox(&fake, &config);
        let run = sandbox.run(&[&["tracker"], arguments].concat()).exits(2);
        assert_has(&run.stderr, parts);
        assert!(run.stdout.is_empty() && !run.stderr.contains("hidden"), "{run:?}");
    }
    assert_nothing_sent(&fake);
}

#[test]
fn http_is_good_enough_on_this_machine_and_where_it_is_allowed() {
    let fake = Fake::start_blocking(World::contoso());
    let allowed = format!("{}allow_insecure_http = true\n", whole());
    for (config, url) in [(whole(), "http://127.0.0.1:1/hook"), (allowed, "http://watch.example.org/hook")] {
        let sandbox = sandbox(&fake, &config);
        sandbox.run(&["tracker", "subscribe", "contoso", "--url", url]).exits(0);
    }
}

#[test]
fn a_plugin_that_has_no_trackers_says_so() {
    let (_fake, sandbox) = misbehaving(World::contoso());
    let more = "external_id = \"odd\"\n[providers.misbehaving]\nallow_write = true\n";
    sandbox.write("forgewatch.toml", format!("public_url = \"https://watch.example.org/\"\n{ODD}{more}"));
    let told = sandbox.run(&["tracker", "subscribe", "odd"]).exits(2).stderr;
    assert_has(&told, &["the issues of `odd` are not subscribed to", "its plugin does not offer this"]);
    assert_eq!(sandbox.run(&["tracker", "list"]).exits(0).stdout, "no issues are subscribed to\n");
}
