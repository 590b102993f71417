//! Identities of every kind: how they are sent, where their secrets come from, and how tokens stay fresh.

mod end_points;
mod installations;
mod refresh;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forgewatch_tests::fake::{Fake, Recorded, World, contoso};
use forgewatch_tests::sandbox::Sandbox;

use crate::support::{BASE_URL, Config, Results};

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
    config.toml(text).integration(identity, BASE_URL, identity).repository(identity, identity, "storefront")
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

#[test]
fn every_kind_is_sent_in_its_own_way() {
    let fake = Fake::start_blocking(World::contoso());
    let token = "token = { env = \"BEARER\" }";
    let mut config = Config::default();
    for (name, text) in [
        ("pat", "kind = \"pat\"\ntoken = { env = \"PAT\" }".to_owned()),
        ("bearer", format!("kind = \"bearer\"\n{token}")),
        ("basic", "kind = \"basic\"\nusername = \"me\"\npassword = { env = \"PAT\" }".to_owned()),
        ("header", format!("kind = \"header\"\nheader = \"X-Api-Key\"\n{token}")),
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
    config = using(config, "known", &client("known", "access_token = { env = \"BEARER\" }"));
    let sandbox = sandbox(&config, &fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(1));
    for (name, result) in results.all() {
        let expected = if name == "header" { "unauthorized" } else { "granted" };
        assert_eq!(result["reason"], expected, "{name}: {result}");
    }
    let mut sent: Vec<String> = repository_requests(&fake)
        .iter()
        .map(|request| request.header("authorization").map_or("none".to_owned(), str::to_owned))
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
    assert!(form.contains("grant_type=client_credentials") && form.contains("%2F.default"), "{form}");
    // The next run still has it.
    assert_eq!(Results::check(&sandbox).reason("entra"), "granted");
    assert_eq!(token_requests(&fake).len(), 1);
}

#[test]
fn without_a_refresh_token_an_ended_token_is_the_end() {
    let fake = Fake::start_blocking(World::contoso());
    let ended = client("ended", &format!("access_token = {{ env = \"ACCESS\" }}\nexpires_at = \"{PAST}\""));
    let refused = client("refused", "access_token = { env = \"PAT\" }");
    let config = using(using(Config::default(), "ended", &ended), "refused", &refused);
    let results = Results::check(&sandbox(&config, &fake));
    assert_eq!(results.reason("ended"), "identity_invalid");
    assert!(results.detail("ended").contains("refresh token"), "{}", results.detail("ended"));
    assert_eq!(results.reason("refused"), "unauthorized");
    assert!(token_requests(&fake).is_empty());
    assert_eq!(repository_requests(&fake).len(), 1);
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
    assert!(detail.contains("not refreshed") && detail.contains("cannot be written"), "{detail}");
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
        ("command", format!("{{ command = [\"/bin/echo\", \"{}\"] }}", contoso::PAT)),
    ] {
        config = using(config, name, &format!("[identities.{name}]\nkind = \"pat\"\ntoken = {source}"));
    }
    let sandbox = sandbox(&config, &fake);
    for (file, end) in [("pat.txt", "\n"), ("bare.txt", ""), ("crlf.txt", "\r\n")] {
        let path = sandbox.write(file, format!("{}{end}", contoso::PAT));
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a mode");
    }
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(0));
    assert_eq!(results.all().count(), 5);

    // What is missing is told all at once, and only for what is asked for.
    let mut broken = Config::with_reader().integration("good", BASE_URL, "reader").repository(
        "good",
        "good",
        "storefront",
    );
    let wrong = [
        ("unset", "{ env = \"NOT_SET\" }", "NOT_SET"),
        ("absent", "{ file = \"absent.txt\" }", "absent.txt"),
        ("empty", "{ file = \"empty.txt\" }", "empty"),
        ("lines", "{ file = \"lines.txt\" }", "line break"),
        ("failing", "{ command = [\"/bin/false\"] }", "/bin/false"),
        ("no-command", "{ command = [\"/no/such/program\"] }", "/no/such/program"),
    ];
    for (name, source, _) in wrong {
        broken = using(broken, name, &format!("[identities.{name}]\nkind = \"pat\"\ntoken = {source}"));
    }
    sandbox.write("empty.txt", "\n");
    sandbox.write("lines.txt", "first0planted\nsecond0planted\n");
    broken.write(&sandbox);
    let run = sandbox.run(&["check", "--format", "json"]).exits(2);
    for (name, _, hint) in wrong {
        assert!(run.stderr.contains(&format!("identities.{name}.token")), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(hint), "{name}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("0planted") && run.stdout.is_empty(), "{run:#?}");
    sandbox.run(&["check", "good"]).exits(0);
}
