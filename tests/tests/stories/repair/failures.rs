//! Look-ups that give no base URL: each has its reason, the configured value stays, and nothing is saved.

use forgewatch_tests::fake::{Answer, Fake, Match, TokenError, UnknownAccount, World, contoso};
use serde_json::json;

use super::{MALFORMED, lookup, lookups};
use crate::support::{ALLOWED, BASE_URL, Config, Results, saved_base_urls};

fn location(url: &str) -> Answer {
    Answer::json(
        200,
        &json!({"id": "79134c72-4a58-4b42-976c-04e7115f32bf", "name": "core", "locationUrl": url}),
    )
}

/// A name, the answer of the look-up, and the reason, the status and the seconds to wait that it leads to.
type Row = (&'static str, Answer, (&'static str, Option<u64>, Option<u64>));

/// What a look-up can end in besides a base URL.
#[rustfmt::skip]
fn failures() -> Vec<Row> {
    let none = ("base_url_unresolved", Some(200), None);
    let foreign = [
        "https://evil.example/contoso/",
        "https://dev.azure.com.evil.example/contoso/",
        "https://dev.azure.com@evil.example/contoso/",
        "https://localhost/contoso/",
        "https://127.0.0.1/contoso/",
        "https://169.254.169.254/contoso/",
        "https://[::1]/contoso/",
        "https://10.0.0.1/tfs/contoso/",
        "http://dev.azure.com/contoso/",
        "https://dev.azure.com/",
        "https://dev.azure.com:8443/contoso/",
        "https://dev.azure.com/contoso/extra/",
        "/contoso/",
        "",
    ];
    let mut rows = vec![
        ("401", Answer::e1(), ("unauthorized", Some(401), None)),
        ("sign-in page", Answer::e4(), ("unauthorized", Some(203), None)),
        ("redirect", Answer::e5(), ("unauthorized", Some(302), None)),
        (
            "elsewhere",
            Answer::redirect("https://evil.example/"),
            ("base_url_unresolved", Some(302), None),
        ),
        ("403", Answer::e8(), ("base_url_unresolved", Some(403), None)),
        ("404", Answer::e12(), ("base_url_unresolved", Some(404), None)),
        (
            "429",
            Answer::e19().retry_after(21),
            ("rate_limited", Some(429), Some(21)),
        ),
        ("500", Answer::e21(500), ("provider_error", Some(500), None)),
        (
            "503",
            Answer::e20().retry_after(9),
            ("rate_limited", Some(503), Some(9)),
        ),
        ("400", Answer::e16("no"), ("provider_error", Some(400), None)),
        ("reset", Answer::e24(), ("unreachable", None, None)),
        ("null", Answer::claimed_json(200, "null"), none),
        ("not JSON", Answer::claimed_json(200, "<"), none),
        (
            "no location",
            Answer::json(200, &json!({"id": "5", "name": "core"})),
            none,
        ),
        ("number", Answer::json(200, &json!({"locationUrl": 5})), none),
    ];
    rows.extend(foreign.map(|url| (url, location(url), none)));
    rows
}

#[test]
fn failed_lookups_say_why_and_save_nothing() {
    let rows = failures();
    // Being allowed as a host makes nothing of it an organisation of the forge.
    let fake = Fake::start_blocking(World::contoso().host("evil.example"));
    let mut config = Config::with_reader()
        .toml("[providers.vsts]\nallow_hosts = [\"app.vssps.visualstudio.com\", \"dev.azure.com\", \"evil.example\"]")
        .toml("options = { account_lookup_url = \"https://app.vssps.visualstudio.com/of/{account_id}/x\" }");
    for (at, (_, answer, (_, _, retry))) in rows.iter().enumerate() {
        let name = format!("row{at:02}");
        fake.fault(lookup().path_contains(&format!("/of/{name}/")), answer.clone());
        // Whoever is told of a limit asks no more for a while, which is nobody else's business.
        let mut identity = "reader";
        if retry.is_some() {
            identity = &name;
            config =
                config.toml(&format!("[identities.{name}]\nkind = \"pat\"\ntoken = {{ env = \"PAT\" }}"));
        }
        config = config
            .toml(&format!("[integrations.{name}]\nprovider = \"vsts\"\nidentity = \"{identity}\""))
            .toml(&format!("external_id = \"{name}\"\ndomain_name = \"{MALFORMED}\""))
            .repository(&name, &name, "storefront");
    }
    let sandbox = config.sandbox(&fake);
    let results = Results::check(&sandbox);
    for ((what, _, (reason, status, retry)), (name, result)) in rows.iter().zip(results.all()) {
        assert_eq!(result["reason"], *reason, "{what}: {result}");
        assert_eq!(result["http_status"].as_u64(), *status, "{what}: {result}");
        assert_eq!(result["retry_after_s"].as_u64(), *retry, "{what}: {result}");
        assert_eq!(result["base_url"], MALFORMED, "{what}: {result}");
        let detail = results.detail(name);
        assert!(detail.contains(MALFORMED) && detail.contains("domain_name"), "{what}: {detail}");
    }
    assert!(saved_base_urls(&sandbox).is_empty());
    let strayed = fake.requests_to(|request| !request.host.ends_with("vssps.visualstudio.com"));
    assert!(strayed.is_empty(), "{strayed:#?}");
    fake.clear_faults();
    fake.fault(lookup(), location(BASE_URL));
    assert!(Results::check(&sandbox).all().all(|(_, result)| result["has_access"] == true));
}

#[test]
fn unknown_accounts_and_missing_ids_are_told() {
    for unknown in [UnknownAccount::NotFound, UnknownAccount::Null, UnknownAccount::EmptyId] {
        let fake = Fake::start_blocking(World::contoso());
        fake.world(|world| world.unknown_account = unknown);
        let sandbox = Config::with_reader()
            .toml(ALLOWED)
            .toml("[integrations.gone]\nprovider = \"vsts\"\nidentity = \"reader\"\ndomain_name = \"gone\"")
            .toml("external_id = \"00000000-0000-4000-8000-000000000000\"")
            .toml(
                "[integrations.unnamed]\nprovider = \"vsts\"\nidentity = \"reader\"\ndomain_name = \"gone\"",
            )
            .repository("gone", "gone", "storefront")
            .repository("unnamed", "unnamed", "storefront")
            .sandbox(&fake);
        let results = Results::check(&sandbox);
        for name in ["gone", "unnamed"] {
            assert_eq!(results.reason(name), "base_url_unresolved", "{unknown:?}");
            assert!(results.detail(name).contains("external_id"), "{}", results.detail(name));
        }
        assert_eq!(lookups(&fake), 1, "without an id there is nothing to look up");
    }
}

#[test]
fn an_identity_that_is_dead_is_the_reason() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::token_endpoint(), TokenError::RefreshExpired.answer());
    let mut sandbox = Config::default()
        .toml(ALLOWED)
        .toml("[identities.app]\nkind = \"oauth2\"\nclient_id = \"x\"\nrefresh_token = { env = \"REFRESH\" }")
        .toml("token_url = \"https://login.microsoftonline.com/common/oauth2/v2.0/token\"")
        .integration("contoso", MALFORMED, "app")
        .repository("storefront", "contoso", "storefront")
        .sandbox(&fake);
    sandbox.set_variable("REFRESH", contoso::REFRESH_TOKEN);
    assert_eq!(Results::check(&sandbox).reason("storefront"), "identity_invalid");
    assert_eq!(lookups(&fake), 0);
}
