//! What token end points answer, and the reason that each answer is.

use forgewatch_tests::fake::{Answer, ExpiresIn, Fake, Match, TokenError, World};

use super::{NEWEST_REFRESH_TOKEN, expired_client, repository_requests, sandbox, token_requests, using};
use crate::support::{Config, Results, column};

/// What a token end point's refusal is called, by the words of the verdict table.
fn reason_of(error: TokenError) -> &'static str {
    use TokenError::*;
    match error {
        RefreshExpired
        | RefreshInactive
        | Revoked
        | SecondFactor
        | SecondFactorSetup
        | SinglePageOver
        | ConditionalAccess
        | WrongSecret
        | SecretExpired
        | SecretMissing
        | ClassicInvalidGrant
        | ClassicInvalidGrantLower
        | ClassicWrongSecret
        | ClassicAccessTokenInvalid => "identity_invalid",
        InteractionRequired
        | UnknownApplication
        | TemporarilyUnavailable
        | InvalidScope
        | UnsupportedGrantType
        | NotAForm
        | ClassicInvalidRequest => "provider_error",
    }
}

#[test]
fn every_answer_of_a_token_end_point_has_its_reason() {
    let fake = Fake::start_blocking(World::contoso());
    let token = |text: &str| Answer::claimed_json(200, text.to_owned());
    let mut rows: Vec<(String, Answer, &str, Option<u64>)> = TokenError::ALL
        .into_iter()
        .map(|error| (format!("{error:?}").to_lowercase(), error.answer(), reason_of(error), None))
        .collect();
    for (name, answer, reason, retry) in [
        ("limited", Answer::status(429).retry_after(37), "rate_limited", Some(37)),
        ("limited-bare", Answer::status(429), "rate_limited", None),
        ("bare-401", Answer::status(401), "identity_invalid", None),
        ("bare-400", Answer::html(400, "<p>no</p>"), "provider_error", None),
        ("bare-403", Answer::status(403), "provider_error", None),
        ("down", Answer::e21(500), "provider_error", None),
        ("busy", Answer::e20().retry_after(9), "provider_error", Some(9)),
        ("redirect", Answer::redirect("https://evil.example/"), "provider_error", None),
        ("page", Answer::html(200, "<p>hello</p>"), "provider_error", None),
        ("no-token", token("{\"expires_in\": 3600}"), "provider_error", None),
        ("token-no-text", token("{\"access_token\": 5, \"expires_in\": 3600}"), "provider_error", None),
        ("empty-token", token("{\"access_token\": \"\", \"expires_in\": 3600}"), "provider_error", None),
        ("no-lifetime", token("{\"access_token\": \"abcdef\"}"), "provider_error", None),
        (
            "odd-lifetime",
            token("{\"access_token\": \"abcdef\", \"expires_in\": \"soon\"}"),
            "provider_error",
            None,
        ),
        ("null", token("null"), "provider_error", None),
        ("cut-off", Answer::cut_off("{\"access_token\": \"abc", 900), "provider_error", None),
        ("reset", Answer::reset(), "unreachable", None),
        ("close", Answer::close(), "unreachable", None),
    ] {
        rows.push((name.to_owned(), answer, reason, retry));
    }
    let mut config = Config::default();
    for (name, answer, ..) in &rows {
        config = using(config, name, &expired_client(name));
        fake.fault(Match::token_endpoint().path_contains(&format!("/{name}/")), answer.clone());
    }
    let sandbox = sandbox(&config, &fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    results.lines();
    for (name, _, reason, retry) in &rows {
        let result = results.get(name);
        assert_eq!(result["reason"], *reason, "{name}: {result}");
        assert_eq!(result["retry_after_s"].as_u64(), *retry, "{name}: {result}");
        assert_eq!(result["http_status"].as_u64(), None, "{name}: the forge said nothing");
        assert!(results.detail(name).contains(name), "{}", results.detail(name));
    }
    assert_eq!(token_requests(&fake).len(), rows.len(), "each was asked once");
    assert!(repository_requests(&fake).is_empty());
    assert!(column(&sandbox, NEWEST_REFRESH_TOKEN).is_empty());
}

#[test]
fn a_lifetime_may_be_text() {
    let fake = Fake::start_blocking(World::contoso());
    fake.world(|world| world.apps[0].expires_in = ExpiresIn::Text("3599".to_owned()));
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
}
