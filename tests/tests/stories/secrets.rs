//! Secrets stay where they belong, whatever is run, however much is logged and whatever a forge sends back.
//!
//! Recognisable secrets are planted wherever one may be; then everything that was printed and every file that is
//! left is searched for them: as they are, percent-encoded, JSON-escaped, and in base64 wherever it began.

mod wrong;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forgewatch_tests::fake::{Answer, Credential, Fake, Match, World, contoso};
use forgewatch_tests::haystack::{self, Haystack};
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::json;

use crate::support::{ALLOWED, BASE_URL, Config, Results, state_file};

const PROXY_PASSWORD: &str = "planted0proxy/pass+word";
const BASIC_PASSWORD: &str = "planted0basic/päss+word \"quoted\"";
const API_KEY: &str = "planted0apikey/with+signs";
const IN_DOMAIN_NAME: &str = "planted0domain0name";
const IN_REPOSITORY_URL: &str = "planted0repository0url";
const ON_COMMAND_LINE: &str = "planted0command0line";
const STALE_ACCESS: &str = "planted0stale0access0token";

/// Everything that must be found nowhere.
const SECRETS: [&str; 11] = [
    contoso::PAT,
    contoso::BEARER,
    contoso::CLIENT_SECRET,
    contoso::REFRESH_TOKEN,
    PROXY_PASSWORD,
    BASIC_PASSWORD,
    API_KEY,
    IN_DOMAIN_NAME,
    IN_REPOSITORY_URL,
    ON_COMMAND_LINE,
    STALE_ACCESS,
];
/// How tokens begin that the fake gives out: only the state may hold them.
const ISSUED: [&str; 2] = ["fakeaccess0000", "fakerefresh0000"];
const KINDS: [&str; 6] = ["pat", "bearer", "basic", "header", "app", "entra"];

fn config() -> Config {
    let client = contoso::CLIENT_ID;
    let secret = "client_secret = { env = \"CLIENT_SECRET\" }";
    let config = Config::default()
        .toml(ALLOWED)
        .toml("[identities.pat]\nkind = \"pat\"\ntoken = { env = \"PAT\" }")
        .toml("[identities.bearer]\nkind = \"bearer\"\ntoken = { file = \"bearer.txt\" }")
        .toml("[identities.basic]\nkind = \"basic\"\nusername = \"me\"\npassword = { env = \"BASIC\" }")
        .toml("[identities.header]\nkind = \"header\"\nheader = \"Authorization\"\ntoken = { env = \"API_KEY\" }")
        .toml(&format!("[identities.entra]\nkind = \"entra\"\ntenant = \"t\"\nclient_id = \"{client}\"\n{secret}"))
        .toml(&format!("[identities.app]\nkind = \"oauth2\"\nclient_id = \"{client}\"\n{secret}"))
        .toml("token_url = \"https://login.microsoftonline.com/app/oauth2/v2.0/token\"")
        .toml("access_token = { env = \"STALE\" }\nrefresh_token = { env = \"REFRESH\" }")
        .integration("userinfo", &format!("https://me:{IN_DOMAIN_NAME}@dev.azure.com/contoso/"), "pat")
        .repository("userinfo", "userinfo", "storefront")
        .toml("[integrations.lost]\nprovider = \"vsts\"\nidentity = \"pat\"\nexternal_id = \"unknown\"")
        .toml(&format!("domain_name = \"https://me:{IN_DOMAIN_NAME}@dev.azure.com/lost/\""))
        .repository("lost", "lost", "storefront")
        .integration("other", "https://contoso.visualstudio.com/", "pat")
        .toml(&format!(
            "[repositories.url]\nintegration = \"other\"\nurl = \"https://me:{IN_REPOSITORY_URL}@contoso.visualstudio.com/_git/Tools\""
        ));
    let config = quoting(contoso::PAT)
        .iter()
        .fold(config, |config, (name, _)| config.repository_with_id(name, "pat", "renamed", name));
    KINDS.into_iter().fold(config, |config, kind| {
        let config = config.integration(kind, BASE_URL, kind).repository(
            &format!("{kind} storefront"),
            kind,
            "storefront",
        );
        ECHOES.into_iter().fold(config, |config, status| {
            config.repository(&format!("{kind} echo {status}"), kind, &format!("echo.{status}"))
        })
    })
}

/// Answers that hand the credential back, whichever it is.
const ECHOES: [u16; 9] = [200, 203, 302, 400, 401, 403, 404, 429, 500];

/// Answers that hold a secret in whatever a detail may be made of.
fn quoting(secret: &str) -> [(&'static str, Answer); 4] {
    let encoded = STANDARD.encode(format!("me:{secret}"));
    let named = json!({"id": "quoted.name", "name": secret, "project": {"name": encoded}});
    let other = json!({"id": secret, "name": encoded});
    [
        ("quoted.activity", Answer::status(400).header("activityid", secret)),
        ("quoted.location", Answer::redirect(&format!("https://{secret}.example/{secret}"))),
        ("quoted.name", Answer::json(200, &named)),
        ("quoted.other", Answer::json(200, &other)),
    ]
}

fn planted(fake: &Fake) -> Sandbox {
    let mut sandbox = Sandbox::new();
    fake.write_ca(sandbox.path("ca.pem")).expect("the CA can be written");
    let escaped = PROXY_PASSWORD.replace('/', "%2F").replace('+', "%2B");
    let proxy = fake.proxy_url().replace("http://", &format!("http://me:{escaped}@"));
    sandbox.write("base.toml", format!("[http]\nproxy = \"{proxy}\"\nca_file = \"ca.pem\"\n"));
    sandbox.write("bearer.txt", contoso::BEARER);
    for (name, value) in [
        ("PAT", contoso::PAT),
        ("BASIC", BASIC_PASSWORD),
        ("API_KEY", API_KEY),
        ("CLIENT_SECRET", contoso::CLIENT_SECRET),
        ("REFRESH", contoso::REFRESH_TOKEN),
        ("STALE", STALE_ACCESS),
    ] {
        sandbox.set_variable(name, value);
    }
    config().write(&sandbox);
    sandbox
}

fn echoing() -> Fake {
    let fake = Fake::start_blocking(
        World::contoso().credential(Credential::pat("basic", BASIC_PASSWORD).member_of("contoso")),
    );
    for status in ECHOES {
        let path = format!("/echo.{status}");
        fake.fault(Match::any().path_contains(&path), Answer::echo_authorization(status));
    }
    for (name, answer) in quoting(contoso::PAT) {
        fake.fault(Match::any().path_contains(name), answer);
    }
    fake
}

/// Searches what was printed and what is left, the files that the test itself wrote aside.
#[track_caller]
fn assert_kept(sandbox: &Sandbox, runs: &[Run]) {
    for secret in SECRETS.into_iter().chain(ISSUED) {
        let haystack = Haystack::new(secret);
        for run in runs {
            haystack.assert_absent_from(run.stdout.as_bytes(), "standard output");
            haystack.assert_absent_from(run.stderr.as_bytes(), "standard error");
        }
        let own = ["base.toml", "forgewatch.toml", "wrong.toml", "wrong.yaml", "bearer.txt", "plugins"];
        for file in haystack::files(&sandbox.path("."), &own) {
            let is_state = file.starts_with(sandbox.path("./state"));
            if !(is_state && ISSUED.contains(&secret)) {
                let content = fs::read(&file).expect("a file can be read");
                haystack.assert_absent_from(&content, &file.display().to_string());
            }
        }
    }
}

#[test]
fn nothing_that_is_printed_or_left_holds_a_secret() {
    let fake = echoing();
    let sandbox = planted(&fake);
    let routed = format!("https://me:{ON_COMMAND_LINE}@dev.azure.com/contoso/_git/Tools");
    let foreign = format!("https://me:{ON_COMMAND_LINE}@evil.example/x");
    let odd = format!("me:{ON_COMMAND_LINE}@evil.example:x");
    let broken = format!("https://me:{ON_COMMAND_LINE}/@dev.azure.com/contoso/%zz/_git/Tools");
    let all = ["*", "lost"];
    let mut runs = Vec::new();
    for format in ["table", "json", "ndjson", "junit"] {
        let arguments = [&["--log-level", "trace", "check", "--format", format][..], &all].concat();
        runs.push(sandbox.run(&arguments).exits(1));
    }
    let results = Results::of(&runs[1]);
    for granted in
        ["userinfo", "url", "pat storefront", "bearer storefront", "basic storefront", "app storefront"]
    {
        assert_eq!(results.reason(granted), "granted", "{granted}: {}", results.detail(granted));
    }
    for quoted in ["quoted.activity", "quoted.name", "quoted.other"] {
        assert!(results.detail(quoted).contains("***"), "{}", results.detail(quoted));
    }
    for command in [
        &["check", "--format", "json", &routed.replace("dev.azure.com/contoso", "contoso.visualstudio.com")]
            [..],
        &["check", &foreign],
        &["check", &odd],
        &["check", &broken],
        &["route", &routed, &foreign, &odd, &broken],
        &["route", "--format", "json", &routed, &foreign, &odd, &broken],
        &["check", "--format", "json", "--set", "silo_mode=\"region\""],
        &["config", "check"],
        &["config", "show"],
        &["config", "show", "--format", "json"],
        &["config", "explain", "http"],
        &["config", "explain", "identities"],
        &["config", "explain", "integrations"],
        &["config", "explain", "repositories"],
        &["plugin", "list"],
        &["plugin", "list", "--format", "json"],
    ] {
        runs.push(sandbox.run(&[&["--log-level", "trace"][..], command].concat()));
    }
    assert!(runs.iter().all(|run| !(run.stdout.is_empty() && run.stderr.is_empty())));
    assert_kept(&sandbox, &runs);
}

#[test]
fn credentials_go_nowhere_but_to_whom_they_are_for() {
    let fake = echoing();
    let sandbox = planted(&fake);
    sandbox.run(&["check"]).exits(1);
    for request in fake.requests() {
        let is_issuer = request.host == "login.microsoftonline.com";
        let is_connect = request.method == "CONNECT";
        for (secret, allowed) in [
            (contoso::CLIENT_SECRET, is_issuer),
            (contoso::REFRESH_TOKEN, is_issuer),
            (contoso::BEARER, !is_issuer && !is_connect),
            (API_KEY, !is_issuer && !is_connect),
            (IN_DOMAIN_NAME, false),
            (IN_REPOSITORY_URL, false),
        ] {
            assert!(allowed || !request.contains(secret), "{request:#?}");
        }
        assert!(!is_connect || request.header("authorization").is_none(), "{request:#?}");
        assert!(is_connect || request.header("proxy-authorization").is_none(), "{request:#?}");
        assert!(request.tls || is_connect);
    }
}

#[test]
fn token_end_points_that_hand_secrets_back_are_not_quoted() {
    let escaped = contoso::REFRESH_TOKEN.replace('0', "%30");
    let told = format!(
        "{} {} {} {escaped}",
        contoso::REFRESH_TOKEN,
        contoso::CLIENT_SECRET,
        STANDARD.encode(format!("{}:{}", contoso::CLIENT_ID, contoso::CLIENT_SECRET)),
    );
    let fake = echoing();
    let error = json!({"error": told, "error_description": format!("you sent {told}\u{1b}[31m")});
    fake.fault(
        Match::token_endpoint().path_contains("/app/"),
        Answer::json(400, &error).header("x-echo", &told),
    );
    let sandbox = planted(&fake);
    let run = sandbox.run(&["--log-level", "trace", "check", "--format", "json"]).exits(1);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains("\\u001b"));
    assert_kept(&sandbox, &[run]);
}

/// Also while it is open, and after a process that had no time to tidy up.
#[test]
fn the_state_is_its_owners_alone() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("/storefront"), Answer::hang());
    let sandbox = planted(&fake);
    let mut child = sandbox
        .command(&["check", "app storefront"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be started");
    fake.wait_for(|request| request.path.ends_with("/storefront"));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let files = haystack::files(&sandbox.path("state"), &[]);
    assert!(files.len() >= 3, "the store, its log and its index: {files:?}");
    for file in files {
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
    // A state that was everybody's is taken back.
    let mode_of = |mode| fs::set_permissions(state_file(&sandbox), fs::Permissions::from_mode(mode));
    mode_of(0o666).expect("a mode");
    fake.clear_faults();
    sandbox.run(&["check", "pat storefront"]).exits(0);
    let mode = fs::metadata(state_file(&sandbox)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
