//! Everything that a forge, or what stands before it, can answer, and what is made of it.
//!
//! One repository for each answer, all of them in few sweeps, so that no answer spoils the next.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use forgewatch_tests::fake::{Answer, Fake, Match, Presented, Project, Repository, World, contoso};
use forgewatch_tests::nobody::Nobody;

mod rows;

use rows::Expected;

use crate::support::{BASE_URL, Config, Results, line, real_requests};

/// The row's name as a segment that no other row's path contains.
fn slug(name: &str) -> String {
    format!("{}.row", name.to_lowercase().replace(' ', "-"))
}

/// Repositories that the list decides about, after the forge hid them; by id or by name.
fn listed(fake: &Fake, mut config: Config, expected: &mut BTreeMap<String, Expected>) -> Config {
    let id = |last: u8| format!("0a11ed00-5e1f-4b0a-9c3d-0000000000{last:02x}");
    fake.world(|world| {
        let rows = &mut world.project_mut("Web Shop").repositories;
        rows.push(Repository::new(&id(1), "moved on"));
        rows.push(Repository::new(&id(2), "hidden"));
        rows.push(Repository::new(&id(3), "switched off").disabled());
        world.organisations[0].projects.push(
            Project::new("0a11ed00-5e1f-4b0a-9c3d-0000000000aa", "Private")
                .repository(Repository::new(&id(4), "inner")),
        );
    });
    fake.fault(Match::any().path_contains(&id(2)), Answer::e9("hidden"));
    fake.fault(Match::any().path_contains("/private/_apis/git/repositories/inner"), Answer::e9("inner"));
    fake.fault(Match::any().path_contains("/private/_apis/git/repositories"), Answer::e8());
    config = config
        .repository("disabled by name", "contoso", "legacy-shop")
        .repository_with_id("disabled by id", "contoso", "legacy-shop", contoso::LEGACY_ID)
        .repository_with_id("disabled by id elsewhere", "contoso", "other name", &id(3).to_uppercase())
        .repository_with_id("renamed by id", "contoso", "old name", &id(1))
        .repository("renamed by name", "contoso", "old name")
        .repository_with_id("granted by list", "contoso", "was hidden", &id(2))
        .repository_with_id("missing by id", "contoso", "storefront", &id(99))
        .repository("unreadable", "contoso", "vault")
        .toml("[repositories.\"list fails\"]\nintegration = \"contoso\"\nproject = \"Private\"\nname = \"inner\"")
        .toml("[repositories.\"no such project\"]\nintegration = \"contoso\"\nproject = \"Nope\"\nname = \"x\"")
        .toml("[repositories.\"odd names\"]\nintegration = \"contoso\"\nproject = \"web shop\"")
        .toml(&format!("name = {:?}", contoso::ODD_NAME))
        .toml("[repositories.\"dot segment\"]\nintegration = \"contoso\"\nproject = \"..\"\nname = \"x\"");
    for (name, row) in [
        ("disabled by name", ("disabled", Some(404), None)),
        ("disabled by id", ("disabled", Some(404), None)),
        ("disabled by id elsewhere", ("disabled", Some(404), None)),
        ("renamed by id", ("granted", Some(200), None)),
        ("renamed by name", ("not_found", Some(404), None)),
        ("granted by list", ("granted", Some(200), None)),
        ("missing by id", ("not_found", Some(404), None)),
        ("unreadable", ("not_found", Some(404), None)),
        ("list fails", ("not_found", Some(404), None)),
        ("no such project", ("not_found", Some(404), None)),
        ("odd names", ("granted", Some(200), None)),
        ("dot segment", ("not_found", None, None)),
    ] {
        expected.insert(name.to_owned(), row);
    }
    config
}

/// Integrations with a host of their own each, that never get as far as HTTP.
fn never_answered(fake: &Fake, mut config: Config, expected: &mut BTreeMap<String, Expected>) -> Config {
    for (name, presented) in [
        ("unknown-authority", Some(Presented::UnknownAuthority)),
        ("wrong-name", Some(Presented::WrongName("other.visualstudio.com".to_owned()))),
        ("expired", Some(Presented::Expired)),
        ("refused-by-proxy", None),
    ] {
        let host = match presented {
            Some(presented) => {
                let host = format!("{name}.visualstudio.com");
                fake.present(&host, presented);
                host
            }
            None => "ado.nowhere.example".to_owned(),
        };
        config = config.integration(name, &format!("https://{host}/"), "reader").repository(
            name,
            name,
            "storefront",
        );
        expected.insert(name.to_owned(), ("unreachable", None, None));
    }
    config
}

#[track_caller]
fn assert_lines(results: &Results, expected: &BTreeMap<String, Expected>) {
    let expected: String = expected
        .iter()
        .map(|(name, (reason, status, retry))| line(name, reason, *status, *retry) + "\n")
        .collect();
    assert_eq!(results.lines(), expected);
}

#[test]
fn every_answer_has_its_verdict() {
    let fake = Fake::start_blocking(World::contoso().host("elsewhere.example"));
    // The version that an old server forces on a client is nobody else's business.
    let mut config = Config::with_reader()
        .toml("[http]\nmax_response_bytes = 200000\ntimeout = \"50s\"")
        .integration("contoso", BASE_URL, "reader")
        .integration("old", BASE_URL, "reader");
    let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
    for (name, answer, row) in rows::all() {
        fake.fault(Match::any().path_contains(&format!("/{}", slug(name))), answer);
        let (_, status, retry) = row;
        let integration = match name {
            "E14" => "old".to_owned(),
            // Whoever is told of a limit asks no more for a while, which is nobody else's business either.
            _ if retry.is_some() || matches!(status, Some(403 | 429)) => format!("row-{}", expected.len()),
            _ => "contoso".to_owned(),
        };
        if integration.starts_with("row-") {
            config = config
                .toml(&format!("[identities.{integration}]\nkind = \"pat\"\ntoken = {{ env = \"PAT\" }}"))
                .integration(&integration, BASE_URL, &integration);
        }
        config = config.repository(name, &integration, &slug(name));
        expected.insert(name.to_owned(), row);
    }
    // The one answer of the catalogue that is the world's own.
    let delayed = Repository::new("0a11ed00-5e1f-4b0a-9c3d-0000000000e2", &slug("E23"));
    fake.world(|world| world.project_mut("Web Shop").repositories.push(delayed));
    for (at, (name, answer)) in Answer::unusable_successes().into_iter().enumerate() {
        let id = format!("0a11ed00-5e1f-4b0a-9c3d-0000000001{at:02x}");
        fake.fault(Match::any().path_contains(&id), answer);
        let name = format!("unusable {name}");
        config = config.repository_with_id(&name, "contoso", "storefront", &id);
        let status = if name == "unusable no content" { 204 } else { 200 };
        expected.insert(name, ("invalid_response", Some(status), None));
    }
    config = listed(&fake, config, &mut expected);
    config = never_answered(&fake, config, &mut expected);
    let sandbox = config.sandbox(&fake);
    let run = sandbox.run(&["check", "--format", "json"]).exits(1);
    let results = Results::of(&run);
    assert_lines(&results, &expected);

    let detail = results.detail("list fails");
    assert!(detail.contains("could not be seen"), "{detail}");
    let detail = results.detail("renamed by id");
    assert!(detail.contains("moved on"), "{detail}");
    for (name, cause) in [
        ("unknown-authority", "ca_file"),
        ("wrong-name", "another host"),
        ("expired", "expired"),
        ("refused-by-proxy", "proxy"),
        ("oversized", "limit"),
    ] {
        let detail = results.detail(name);
        assert!(detail.contains(cause), "{name}: {detail}");
    }
    no_redirect_was_followed(&fake);
    repetitions_are_few(&fake);
}

fn no_redirect_was_followed(fake: &Fake) {
    let followed = fake.requests_to(|request| {
        request.host == "elsewhere.example"
            || request.host == "login.microsoftonline.com"
            || request.host == "app.vssps.visualstudio.com"
            || request.path.contains("landing")
            || request.path.contains("_signin")
    });
    assert!(followed.is_empty(), "{followed:#?}");
}

/// Only what may be a passing trouble is asked again, at most twice.
fn repetitions_are_few(fake: &Fake) {
    for (name, times) in [
        ("E1", 1),
        ("E19", 1),
        ("E20", 3),
        ("E20 retry", 1),
        ("E21 500", 1),
        ("E21 502", 3),
        ("E21 504", 3),
        ("E24", 3),
        ("close", 3),
        ("502 retry", 1),
        ("503 limits", 3),
        ("oversized", 1),
        ("reset in body", 1),
    ] {
        let asked = fake.requests_to(|request| request.path.ends_with(&format!("/{}", slug(name))));
        assert_eq!(asked.len(), times, "{name}");
    }
}

#[test]
fn without_a_proxy_there_are_further_ways_to_get_no_answer() {
    let fake = Fake::start_blocking(World::contoso());
    let nobody = Nobody::start();
    let local = format!("{}tfs/Contoso/", fake.https_base());
    let mut config = Config::with_reader().toml("[http]\nca_file = \"ca.pem\"\ntimeout = \"5s\"");
    for (name, domain_name) in [
        ("fine", local.as_str()),
        ("refused", &format!("https://{}/tfs/C/", nobody.address())),
        ("unresolved", "https://something.invalid/tfs/C/"),
        ("not-tls", &format!("https://{}/tfs/C/", plain_listener())),
    ] {
        config = config.integration(name, domain_name, "reader").repository(name, name, "storefront");
    }
    let sandbox = config.sandbox(&fake);
    std::fs::remove_file(sandbox.path("base.toml")).expect("no proxy");
    let run = sandbox.run(&["check", "--format", "json"]).exits(3);
    let results = Results::of(&run);
    let none = ("unreachable", None, None);
    let expected =
        [("fine", ("granted", Some(200), None)), ("refused", none), ("unresolved", none), ("not-tls", none)];
    assert_lines(&results, &expected.map(|(name, row)| (name.to_owned(), row)).into());
    assert!(results.detail("refused").contains("connection refused"));

    // Without the authority's certificate not even the good one is trusted.
    let without_ca = ["check", "fine", "--format", "json", "--set", "http.ca_file=\"empty.pem\""];
    sandbox.write("empty.pem", other_authority());
    let asked = fake.take_requests().len();
    assert_ne!(asked, 0);
    let results = Results::of(&sandbox.run(&without_ca).exits(3));
    assert_eq!(results.reason("fine"), "unreachable");
    assert!(real_requests(&fake).is_empty());
}

/// A port where somebody speaks, but not TLS.
fn plain_listener() -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut &stream, b"220 mail.example ready\r\n");
        }
    });
    address
}

/// The certificate of an authority that has nothing to do with the fake.
fn other_authority() -> String {
    Fake::start_blocking(World::default()).ca_pem().to_owned()
}

#[test]
fn whatever_takes_too_long_ends() {
    let fake = Fake::start_blocking(World::contoso());
    fake.fault(Match::any().path_contains("/hang.row"), Answer::hang());
    fake.fault(Match::any().path_contains("/stall.row"), Answer::stalled_body("{\"id\":\"5\""));
    let late = Answer::e21(502).after(Duration::from_millis(300));
    fake.fault(Match::any().path_contains("/late.row"), late);
    fake.fault(
        Match::any().method("CONNECT".parse().expect("a method")).host("mute.visualstudio.com"),
        Answer::hang(),
    );
    let config = Config::with_reader()
        .toml("[http]\ntimeout = \"1s\"")
        .integration("contoso", BASE_URL, "reader")
        .integration("mute", "https://mute.visualstudio.com/", "reader")
        .repository("hang", "contoso", "hang.row")
        .repository("stall", "contoso", "stall.row")
        .repository("late", "contoso", "late.row")
        .repository("mute", "mute", "storefront");
    let sandbox = config.sandbox(&fake);
    let results = Results::of(&sandbox.run(&["check", "--format", "json"]).exits(3));
    for name in ["hang", "stall", "late", "mute"] {
        assert_eq!(results.reason(name), "unreachable", "{name}");
        let detail = results.detail(name);
        assert!(detail.contains("timed out after 1 s"), "{name}: {detail}");
    }
    let hung = fake.requests_to(|request| request.path.ends_with("/hang.row"));
    assert_eq!(hung.len(), 1, "a request's own time-out is no cause to repeat it");

    // The check as a whole is bounded as well: a list may take longer than one repository.
    fake.fault(Match::any().path_contains("/slow.row"), Answer::e9("slow.row"));
    fake.fault(Match::any().path_contains("/slow/_apis/git/repositories"), Answer::hang());
    Config::default()
        .toml("check_timeout = \"1s\"")
        .toml("[http]\ntimeout = \"900ms\"")
        .reader()
        .integration("contoso", BASE_URL, "reader")
        .toml("[repositories.slow]\nintegration = \"contoso\"\nproject = \"Slow\"\nname = \"slow.row\"")
        .write(&sandbox);
    let results = Results::check(&sandbox);
    assert_eq!(results.reason("slow"), "timed_out");
    assert!(results.detail("slow").contains("check_timeout"));
}
