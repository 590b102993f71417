//! Identities of every kind: how they are sent, where their secrets come from, and how tokens stay fresh.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forgewatch_tests::fake::{Answer, Fake, Kind, Match, Recorded, TokenError, World, contoso};
use forgewatch_tests::sandbox::{Run, Sandbox};

use crate::support::{BASE_URL, Config, Results, column, state};

const PAST: &str = "2020-01-05T10:00:00Z";
const NEWEST_REFRESH_TOKEN: &str = "SELECT refresh_token FROM identities";

/// An OAuth 2 client whose token end point has the identity's name in its path.
fn client(name: &str, more: &str) -> String {
    format!(
        "[identities.{name}]\nkind = \"oauth2\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\n\
         token_url = \"https://login.microsoftonline.com/{name}/oauth2/v2.0/token\"\n{more}",
        contoso::CLIENT_ID
    )
}

/// Refreshes an access token that has ended.
fn expired_client(name: &str) -> String {
    let more = format!(
        "access_token = {{ env = \"ACCESS\" }}\nexpires_at = \"{PAST}\"\nrefresh_token = {{ env = \"REFRESH\" }}"
    );
    client(name, &more)
}

/// An identity's integration and repository, all three of one name.
fn using(config: Config, identity: &str, text: &str) -> Config {
    config
        .toml(text)
        .integration(identity, BASE_URL, identity)
        .repository(identity, identity, "storefront")
}

fn sandbox(config: &Config, fake: &Fake) -> Sandbox {
    let mut sandbox = config.sandbox(fake);
    for (name, value) in [
        ("BEARER", contoso::BEARER),
        ("ACCESS", contoso::EXPIRED_BEARER),
        ("REFRESH", contoso::REFRESH_TOKEN),
        ("CLIENT_SECRET", contoso::CLIENT_SECRET),
    ] {
        sandbox.set_variable(name, value);
    }
    sandbox
}

fn token_requests(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| request.path.ends_with("/oauth2/v2.0/token") && request.method == "POST")
}

fn repository_requests(fake: &Fake) -> Vec<Recorded> {
    fake.requests_to(|request| request.path.ends_with("/storefront"))
}

/// Makes what is saved look old and ended.
fn age(sandbox: &Sandbox) {
    let changed = state(sandbox).execute("UPDATE identities SET expires_at = 1000, saved_at = 0", []);
    assert_eq!(changed.ok(), Some(1));
}

#[test]
fn every_kind_is_sent_in_its_own_way() {
    let fake = Fake::start_blocking(World::contoso());
    let token = "token = { env = \"BEARER\" }";
    let mut config = Config::default();
    for (name, text) in [
        ("pat", "kind = \"pat\"\ntoken = { env = \"PAT\" }".to_owned()),
        ("bearer", format!("kind = \"bearer\"\n{token}")),
        (
            "basic",
            "kind = \"basic\"\nusername = \"me\"\npassword = { env = \"PAT\" }".to_owned(),
        ),
        (
            "header",
            format!("kind = \"header\"\nheader = \"X-Api-Key\"\n{token}"),
        ),
        (
            "entra",
            format!(
                "kind = \"entra\"\ntenant = \"contoso\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}",
                contoso::CLIENT_ID
            ),
        ),
    ] {
        config = using(config, name, &format!("[identities.{name}]\n{text}"));
    }
    config = using(
        config,
        "known",
        &client("known", "access_token = { env = \"BEARER\" }"),
    );
    let sandbox = sandbox(&config, &fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    for (name, result) in results.all() {
        let expected = if name == "header" {
            "unauthorized"
        } else {
            "granted"
        };
        assert_eq!(result["reason"], expected, "{name}: {result}");
    }
    let mut sent: Vec<String> = repository_requests(&fake)
        .iter()
        .map(|request| {
            request
                .header("authorization")
                .map_or("none".to_owned(), str::to_owned)
        })
        .collect();
    sent.sort();
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let mut expected = vec![
        basic(&format!(":{}", contoso::PAT)),
        basic(&format!("me:{}", contoso::PAT)),
        format!("Bearer {}", contoso::BEARER),
        format!("Bearer {}", contoso::BEARER),
        format!("Bearer fakeaccess00000010{}", "m".repeat(22)),
        "none".to_owned(),
    ];
    expected.sort();
    assert_eq!(sent, expected);
    let keyed = repository_requests(&fake)
        .into_iter()
        .filter(|request| request.header("x-api-key") == Some(contoso::BEARER));
    assert_eq!(keyed.count(), 1);

    let asked = token_requests(&fake);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/contoso/oauth2/v2.0/token");
    let form = String::from_utf8_lossy(&asked[0].body);
    assert!(
        form.contains("grant_type=client_credentials") && form.contains("%2F.default"),
        "{form}"
    );
    // The next run still has it.
    assert_eq!(Results::check(&sandbox).reason("entra"), "granted");
    assert_eq!(token_requests(&fake).len(), 1);
}

#[test]
fn an_ended_token_is_refreshed_and_the_rotated_one_is_found_by_the_next_run() {
    let fake = Fake::start_blocking(World::contoso());
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let mut used = contoso::REFRESH_TOKEN.to_owned();
    for round in 1..=3 {
        assert_eq!(Results::check(&sandbox).reason("app"), "granted");
        assert_eq!(
            Results::check(&sandbox).reason("app"),
            "granted",
            "without another refresh"
        );
        let asked = token_requests(&fake);
        assert_eq!(asked.len(), round);
        let form = String::from_utf8_lossy(&asked[round - 1].body).into_owned();
        assert!(
            form.contains("grant_type=refresh_token") && form.contains(&used),
            "{form}"
        );
        let stored = column(&sandbox, NEWEST_REFRESH_TOKEN).remove(0);
        assert_ne!(stored, used);
        used = stored;
        age(&sandbox);
    }
    let sent = fake.requests_to(|request| request.contains(contoso::EXPIRED_BEARER));
    assert!(sent.is_empty(), "the token that had ended was sent");

    // Another refresh token in the configuration is an operator's fix: what is saved came from the old one.
    let mut sandbox = sandbox;
    sandbox.set_variable("REFRESH", "not-known-to-anybody");
    assert_eq!(Results::check(&sandbox).reason("app"), "identity_invalid");
    let last = token_requests(&fake).pop().expect("a request");
    assert!(last.contains("not-known-to-anybody"));
}

#[test]
fn a_rotated_token_is_stored_before_the_new_access_token_is_used() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("/storefront"), Answer::hang());
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let mut child = sandbox
        .command(&["check"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be started");
    let deadline = Instant::now() + Duration::from_secs(20);
    while repository_requests(&fake).is_empty() {
        assert!(Instant::now() < deadline, "the repository was never asked for");
        std::thread::yield_now();
    }
    // As hard as a power failure, as far as the process is concerned.
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let stored = column(&sandbox, NEWEST_REFRESH_TOKEN);
    assert!(stored[0].starts_with("fakerefresh0000001"), "{stored:?}");
    fake.clear_faults();
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
}

#[test]
fn a_refused_token_is_refreshed_once() {
    let fake = Fake::start_blocking(World::contoso());
    let more = "access_token = { env = \"BEARER\" }\nrefresh_token = { env = \"REFRESH\" }";
    let sandbox = sandbox(&using(Config::default(), "app", &client("app", more)), &fake);
    let refusal = Match::any().path_contains("/storefront");
    fake.fault(refusal.clone().once(), Answer::e1());
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("app"), "granted", "{}", results.detail("app"));
    assert_eq!(
        (token_requests(&fake).len(), repository_requests(&fake).len()),
        (1, 2)
    );

    // A second refusal is believed.
    age(&sandbox);
    state(&sandbox)
        .execute("UPDATE identities SET expires_at = 9999999999999", [])
        .expect("a write");
    fake.take_requests();
    fake.fault(refusal, Answer::e2());
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("app"), "unauthorized");
    assert_eq!(
        (token_requests(&fake).len(), repository_requests(&fake).len()),
        (1, 2)
    );

    // When the refresh fails, its reason wins.
    age(&sandbox);
    state(&sandbox)
        .execute("UPDATE identities SET expires_at = 9999999999999", [])
        .expect("a write");
    fake.fault(Match::token_endpoint(), TokenError::Revoked.answer());
    assert_eq!(Results::check(&sandbox).reason("app"), "identity_invalid");
}

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
        .map(|error| {
            (
                format!("{error:?}").to_lowercase(),
                error.answer(),
                reason_of(error),
                None,
            )
        })
        .collect();
    for (name, answer, reason, retry) in [
        (
            "limited",
            Answer::status(429).retry_after(37),
            "rate_limited",
            Some(37),
        ),
        ("limited-bare", Answer::status(429), "rate_limited", None),
        ("bare-401", Answer::status(401), "identity_invalid", None),
        ("bare-400", Answer::html(400, "<p>no</p>"), "provider_error", None),
        ("bare-403", Answer::status(403), "provider_error", None),
        ("down", Answer::e21(500), "provider_error", None),
        ("busy", Answer::e20().retry_after(9), "provider_error", Some(9)),
        (
            "redirect",
            Answer::redirect("https://evil.example/"),
            "provider_error",
            None,
        ),
        ("page", Answer::html(200, "<p>hello</p>"), "provider_error", None),
        (
            "no-token",
            token("{\"expires_in\": 3600}"),
            "provider_error",
            None,
        ),
        (
            "token-no-text",
            token("{\"access_token\": 5, \"expires_in\": 3600}"),
            "provider_error",
            None,
        ),
        (
            "empty-token",
            token("{\"access_token\": \"\", \"expires_in\": 3600}"),
            "provider_error",
            None,
        ),
        (
            "no-lifetime",
            token("{\"access_token\": \"abcdef\"}"),
            "provider_error",
            None,
        ),
        (
            "odd-lifetime",
            token("{\"access_token\": \"abcdef\", \"expires_in\": \"soon\"}"),
            "provider_error",
            None,
        ),
        ("null", token("null"), "provider_error", None),
        (
            "cut-off",
            Answer::cut_off("{\"access_token\": \"abc", 900),
            "provider_error",
            None,
        ),
        ("reset", Answer::reset(), "unreachable", None),
        ("close", Answer::close(), "unreachable", None),
    ] {
        rows.push((name.to_owned(), answer, reason, retry));
    }
    let mut config = Config::default();
    for (name, answer, ..) in &rows {
        config = using(config, name, &expired_client(name));
        fake.fault(
            Match::token_endpoint().path_contains(&format!("/{name}/")),
            answer.clone(),
        );
    }
    let sandbox = sandbox(&config, &fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    results.lines();
    for (name, _, reason, retry) in &rows {
        let result = results.get(name);
        assert_eq!(result["reason"], *reason, "{name}: {result}");
        assert_eq!(result["retry_after_s"].as_u64(), *retry, "{name}: {result}");
        assert_eq!(
            result["http_status"].as_u64(),
            None,
            "{name}: the forge said nothing"
        );
        assert!(results.detail(name).contains(name), "{}", results.detail(name));
    }
    assert_eq!(token_requests(&fake).len(), rows.len(), "each was asked once");
    assert!(repository_requests(&fake).is_empty());
    assert!(column(&sandbox, NEWEST_REFRESH_TOKEN).is_empty());
}

#[test]
fn a_lifetime_may_be_text() {
    let fake = Fake::start_blocking(World::contoso());
    fake.world(|world| world.apps[0].expires_in = forgewatch_tests::fake::ExpiresIn::Text("3599".to_owned()));
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    assert_eq!(Results::check(&sandbox).reason("app"), "granted");
}

#[test]
fn without_a_refresh_token_an_ended_token_is_the_end() {
    let fake = Fake::start_blocking(World::contoso());
    let ended = client(
        "ended",
        &format!("access_token = {{ env = \"ACCESS\" }}\nexpires_at = \"{PAST}\""),
    );
    let refused = client("refused", "access_token = { env = \"PAT\" }");
    let config = using(using(Config::default(), "ended", &ended), "refused", &refused);
    let results = Results::check(&sandbox(&config, &fake));
    assert_eq!(results.reason("ended"), "identity_invalid");
    assert!(
        results.detail("ended").contains("refresh token"),
        "{}",
        results.detail("ended")
    );
    assert_eq!(results.reason("refused"), "unauthorized");
    assert!(token_requests(&fake).is_empty());
    assert_eq!(repository_requests(&fake).len(), 1);
}

#[test]
fn two_processes_refresh_one_identity_once() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(
        Match::token_endpoint(),
        Answer::from_world().after(Duration::from_millis(300)),
    );
    let sandbox = sandbox(&using(Config::default(), "app", &expired_client("app")), &fake);
    let start = || {
        let mut command = sandbox.command(&["check", "--format", "json"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started")
    };
    for child in [start(), start(), start()] {
        let output = child.wait_with_output().expect("it ends");
        let run = Run {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert_eq!(Results::of(&run.exits(0)).reason("app"), "granted");
    }
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[test]
fn many_repositories_refresh_one_identity_once() {
    let fake = Fake::start_blocking(World::contoso());
    let mut config =
        using(Config::default(), "app", &expired_client("app")).integration("second", BASE_URL, "app");
    for at in 0..20 {
        config = config
            .repository(&format!("a{at}"), "app", "storefront")
            .repository(&format!("b{at}"), "second", "storefront");
    }
    sandbox(&config, &fake).run(&["check"]).exits(0);
    assert_eq!(fake.counters().of(Kind::Token), 1);
}

#[test]
fn a_state_that_cannot_be_written_keeps_rotating_identities_from_refreshing() {
    let fake = Fake::start_blocking(World::contoso());
    let entra = format!(
        "[identities.entra]\nkind = \"entra\"\ntenant = \"t\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}",
        contoso::CLIENT_ID
    );
    // Below a file there is no folder, not even for root.
    let config = Config::default().toml("[state]\npath = \"file/state.db\"");
    let config = using(using(config, "app", &expired_client("app")), "entra", &entra);
    let sandbox = sandbox(&config, &fake);
    sandbox.write("file", "in the way");
    let run = sandbox.run(&["check", "--format", "json"]).exits(3);
    let results = Results::of(&run);
    assert_eq!(results.reason("app"), "provider_error");
    let detail = results.detail("app");
    assert!(
        detail.contains("not refreshed") && detail.contains("cannot be written"),
        "{detail}"
    );
    // Client credentials rotate nothing.
    assert_eq!(results.reason("entra"), "granted");
    let asked = token_requests(&fake);
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].contains(contoso::REFRESH_TOKEN));
    assert!(run.stderr.contains("cannot be written"), "{}", run.stderr);
}

#[test]
fn secrets_come_from_variables_files_and_commands() {
    let fake = Fake::start_blocking(World::contoso());
    let mut config = Config::default();
    for (name, source) in [
        ("variable", "{ env = \"PAT\" }".to_owned()),
        ("file", "{ file = \"pat.txt\" }".to_owned()),
        ("file-without-line-end", "{ file = \"bare.txt\" }".to_owned()),
        ("file-of-windows", "{ file = \"crlf.txt\" }".to_owned()),
        (
            "command",
            format!("{{ command = [\"/bin/echo\", \"{}\"] }}", contoso::PAT),
        ),
    ] {
        config = using(
            config,
            name,
            &format!("[identities.{name}]\nkind = \"pat\"\ntoken = {source}"),
        );
    }
    let sandbox = sandbox(&config, &fake);
    for (file, end) in [("pat.txt", "\n"), ("bare.txt", ""), ("crlf.txt", "\r\n")] {
        let path = sandbox.write(file, format!("{}{end}", contoso::PAT));
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
    }
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(0));
    assert_eq!(results.all().count(), 5);

    // What is missing is told all at once, and only for what is asked for.
    let mut broken = Config::with_reader()
        .integration("good", BASE_URL, "reader")
        .repository("good", "good", "storefront");
    let wrong = [
        ("unset", "{ env = \"NOT_SET\" }", "NOT_SET"),
        ("absent", "{ file = \"absent.txt\" }", "absent.txt"),
        ("empty", "{ file = \"empty.txt\" }", "empty"),
        ("lines", "{ file = \"lines.txt\" }", "line break"),
        ("failing", "{ command = [\"/bin/false\"] }", "/bin/false"),
        (
            "no-command",
            "{ command = [\"/no/such/program\"] }",
            "/no/such/program",
        ),
    ];
    for (name, source, _) in wrong {
        broken = using(
            broken,
            name,
            &format!("[identities.{name}]\nkind = \"pat\"\ntoken = {source}"),
        );
    }
    sandbox.write("empty.txt", "\n");
    sandbox.write("lines.txt", "first0planted\nsecond0planted\n");
    broken.write(&sandbox);
    let run = sandbox.run(&["check", "--format", "json"]).exits(2);
    for (name, _, hint) in wrong {
        assert!(
            run.stderr.contains(&format!("identities.{name}.token")),
            "{name}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(hint), "{name}: {}", run.stderr);
    }
    assert!(
        !run.stderr.contains("0planted") && run.stdout.is_empty(),
        "{run:#?}"
    );
    sandbox.run(&["check", "good"]).exits(0);
}
