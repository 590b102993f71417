//! Sweeps whose requests are held, so that something can happen to the worker meanwhile.

use std::fmt::Write;
use std::fs;

use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::process::wait_for;
use forgewatch_tests::running::Running;
use forgewatch_tests::sandbox::{Run, Sandbox};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A host that the fake plays for the plugin that attacks.
pub(crate) const FORGE: &str = "forge.example";
/// The file that most tests install and replace.
pub(crate) const LIBRARY: &str = "plugins/libforgewatch_hostile.so";

/// An integration on the plugin that attacks, one of Azure DevOps, and time for a second try.
pub(crate) const INTEGRATIONS: &str = r#"
check_timeout = "60s"
http.timeout = "50s"

[identities.reader]
kind = "pat"
token = { env = "READER" }

[integrations.contoso]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "reader"

[integrations.forge]
provider = "hostile"
domain_name = "https://forge.example/"

[integrations.forge-too]
provider = "hostile"
domain_name = "https://forge.example/"
"#;

/// A fake that knows the usual organisation. What is not said otherwise before [`sandbox`] gets an ordinary answer.
pub(crate) fn fake() -> Fake {
    let fake = Fake::start_blocking(World::contoso());
    fake.serve_unknown_hosts(true);
    fake
}

/// The next so many requests to the forge of the plugin that attacks.
pub(crate) fn next(times: u32) -> Match {
    Match::any().host(FORGE).times(times)
}

/// Answers that wait for the token.
pub(crate) fn held() -> (CancellationToken, Answer) {
    let released = CancellationToken::new();
    (released.clone(), Answer::status(200).held_until(released))
}

/// A sandbox with a build of the plugin that attacks, and repositories as key, integration and name.
pub(crate) fn sandbox(fake: &Fake, library: &[u8], repositories: &[(&str, &str, &str)]) -> Sandbox {
    fake.fault(Match::any().host(FORGE), Answer::status(200));
    let mut sandbox = Sandbox::with_fake(fake);
    sandbox.set_variable("READER", contoso::PAT);
    sandbox.write(LIBRARY, library);
    let mut config = format!("{INTEGRATIONS}[repositories]\n");
    for (key, integration, name) in repositories {
        let project = if *integration == "contoso" { "project = \"Web Shop\", " } else { "" };
        let _ = writeln!(config, "{key} = {{ integration = \"{integration}\", {project}name = \"{name}\" }}");
    }
    sandbox.write("forgewatch.toml", config);
    sandbox
}

/// Adds the integrations `crash-a`, `crash-b` and `crash-c`, whose clients crash while they are made: twice for each
/// integration of which a repository is checked.
pub(crate) fn add_crashing(sandbox: &Sandbox) {
    let mut config = fs::read_to_string(sandbox.path("forgewatch.toml")).expect("it was written");
    for letter in ["a", "b", "c"] {
        let _ = writeln!(
            config,
            "[integrations.crash-{letter}]\nprovider = \"hostile\"\nexternal_id = \"client-segfault\"\n\
             domain_name = \"https://forge.example/\""
        );
    }
    sandbox.write("forgewatch.toml", config);
}

/// Starts a sweep that prints each result as it comes.
pub(crate) fn sweep(sandbox: &Sandbox, concurrency: usize) -> Running {
    let concurrency = format!("http.concurrency={concurrency}");
    let arguments = ["check", "--format=ndjson", "--log-level=info", "--set", &concurrency];
    Running::start(sandbox.command(&arguments))
}

/// Waits until the forge of the plugin that attacks was asked so many times.
#[track_caller]
pub(crate) fn wait_for_requests(fake: &Fake, count: usize) {
    wait_for("so many requests", || (asked(fake) >= count).then_some(()));
}

fn asked(fake: &Fake) -> usize {
    fake.requests_to(|request| request.host == FORGE && request.method == "GET").len()
}

/// Waits until a result for the repository was printed.
#[track_caller]
pub(crate) fn wait_for_result(host: &Running, repository: &str) {
    let part = format!("\"repository\":\"{repository}\"");
    wait_for("the result", || host.output().contains(&part).then_some(()));
}

/// Reason and detail of a repository's result.
#[track_caller]
pub(crate) fn result(run: &Run, repository: &str) -> (String, String) {
    let lines = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a result"));
    let found = lines.into_iter().find(|line| line["repository"] == repository);
    let result = found.unwrap_or_else(|| panic!("no result for `{repository}`: {run:#?}"));
    let text = |key: &str| result[key].as_str().expect("text").to_owned();
    (text("reason"), text("detail"))
}

/// Lines of the log at a level.
pub(crate) fn lines<'a>(run: &'a Run, level: &str) -> Vec<&'a str> {
    run.stderr.lines().filter(|line| line.contains(&format!(" {level} "))).collect()
}

/// Each part must occur in the text.
#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}
