//! A daemon's state, journal and log hold no secret, whatever a forge and a plugin send back.

use forgewatch_tests::build;
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::haystack::Haystack;
use forgewatch_tests::records::Records;
use forgewatch_tests::watchlist::Watchlist;

const BEARER: &str = "planted0bearer/with+signs";
const PROXY_PASSWORD: &str = "planted0proxy0password";
const FORGE: &str = "forge.example";
/// Answers that hand the credential back, whichever it is.
const ECHOES: [u16; 6] = [200, 302, 401, 403, 404, 500];

#[test]
fn no_secret_is_in_the_state_the_journal_or_the_log() {
    let fake = Fake::start_blocking(World::contoso());
    let mut list = Watchlist::new()
        .set("defaults.stale_after", r#""100ms""#)
        .set(
            "http.proxy",
            &format!("{:?}", fake.proxy_url().replace("//", &format!("//me:{PROXY_PASSWORD}@"))),
        )
        .table("identities.bearer", "kind = \"bearer\"\ntoken = { file = \"bearer.token\" }")
        .table(
            "identities.app",
            &format!(
                "kind = \"oauth2\"\nclient_id = \"{}\"\nclient_secret = {{ env = \"CLIENT\" }}\n\
                 refresh_token = {{ env = \"REFRESH\" }}\n\
                 token_url = \"https://login.microsoftonline.com/app/oauth2/v2.0/token\"",
                contoso::CLIENT_ID
            ),
        )
        .table(
            "integrations.echo",
            &format!("provider = \"misbehaving\"\ndomain_name = \"https://{FORGE}/\"\nidentity = \"bearer\""),
        )
        .repository("plugin-echo", "echo", "any", "echo", "")
        .integration("pat", "https://dev.azure.com/contoso/", "")
        .table(
            "integrations.app",
            "provider = \"vsts\"\ndomain_name = \"https://contoso.visualstudio.com/\"\nidentity = \"app\"",
        );
    fake.fault(Match::any().host(FORGE), Answer::echo_authorization(200));
    for status in ECHOES {
        fake.fault(Match::any().path_contains(&format!("echo.{status}")), Answer::echo_authorization(status));
        for integration in ["pat", "app"] {
            let name = format!("{integration}-{status}");
            list = list.repository(&name, integration, "Web Shop", &format!("echo.{status}"), "");
        }
    }
    list = list.repository("fine", "app", "Web Shop", "storefront", "");
    let mut sandbox = list.sandbox(&fake);
    sandbox.install(build::misbehaving());
    sandbox.write("bearer.token", BEARER);
    sandbox.set_variable("CLIENT", contoso::CLIENT_SECRET);
    sandbox.set_variable("REFRESH", contoso::REFRESH_TOKEN);
    let daemon = Daemon::start(&sandbox);
    daemon.until("an answer about everything", |records| {
        let confirmed = records.confirmed();
        let is_lost = |name: &str| confirmed.contains_key(name);
        (confirmed.get("fine").is_some_and(|it| it == "granted")
            && is_lost("plugin-echo")
            && is_lost("pat-403"))
        .then_some(())
    });
    daemon.until("all seen", |records| {
        (records.standings().values().filter(|it| it["seen"].is_object()).count() == 2 + 2 * ECHOES.len())
            .then_some(())
    });
    daemon.reload();
    let records = daemon.records().clone();
    let run = daemon.stop();
    let written = everything(&records);
    assert!(written.contains("plugin-echo") && written.contains("the forge said"), "{written}");
    let issued = ["fakeaccess0000", "fakerefresh0000"];
    let configured = [contoso::PAT, BEARER, contoso::CLIENT_SECRET, contoso::REFRESH_TOKEN, PROXY_PASSWORD];
    for secret in configured.into_iter().chain(issued) {
        let haystack = Haystack::new(secret);
        haystack.assert_absent_from(written.as_bytes(), "the state");
        haystack.assert_absent_from(run.stderr.as_bytes(), "the log");
        haystack.assert_absent_from(run.stdout.as_bytes(), "standard output");
    }
}

/// All that the state holds, but for the tokens of identities, which it is there for.
fn everything(records: &Records) -> String {
    let state = records.open();
    let column = |query: &str| -> Vec<String> {
        let mut statement = state.prepare(query).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.map(|row| row.expect("text")).collect()
    };
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut all = String::new();
    for table in column(tables).iter().filter(|table| *table != "identities") {
        let columns = column(&format!("SELECT name FROM pragma_table_info('{table}')"));
        for name in columns {
            let texts = column(&format!("SELECT CAST(coalesce({name}, '') AS TEXT) FROM {table}"));
            all.extend(texts.into_iter().map(|text| text + "\n"));
        }
    }
    all
}
