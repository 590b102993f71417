//! Targets, ready to be told something, and what to tell them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use forgewatch::alerts::{Handling, Happening, Message, Refusal, Target, Told};
use forgewatch::config::{Environment, Request, Severity, load};
use forgewatch::journal::Cause;
use forgewatch::verdict::{Moment, Reason};
use forgewatch_tests::haystack::Haystack;
use forgewatch_tests::sandbox::{Run, Sandbox};
use url::Url;

/// In addresses of webhooks.
pub(crate) const HOOK: &str = "planted0hook0key";
/// In headers.
pub(crate) const AUTHORIZATION: &str = "Bearer planted0authorization";
/// What signs.
pub(crate) const SIGNING: &str = "whsec_cGxhbnRlZDBzaWduaW5nMHNlY3JldDAwMDA=";
/// Of a mailbox.
pub(crate) const PASSWORD: &str = "planted0mail0password";

/// The configuration of one target, by itself, that has its secrets in variables.
pub(crate) fn sandbox(top: &str, targets: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.write("forgewatch.toml", format!("{top}\n[alerts.targets]\n{targets}\n"));
    for (name, value) in [("AUTHORIZATION", AUTHORIZATION), ("SIGNING", SIGNING), ("PASSWORD", PASSWORD)] {
        sandbox.set_variable(name, value);
    }
    sandbox
}

/// Checks that a run told no secret.
#[track_caller]
pub(crate) fn keeps_secrets(run: &Run) {
    let signing = SIGNING.trim_start_matches("whsec_");
    for secret in [HOOK, AUTHORIZATION, "planted0authorization", SIGNING, signing, PASSWORD] {
        let haystack = Haystack::new(secret);
        haystack.assert_absent_from(run.stdout.as_bytes(), "standard output");
        haystack.assert_absent_from(run.stderr.as_bytes(), "standard error");
    }
}

/// The target `x` of a configuration, prepared in this process. Its secrets are in files of the folder.
pub(crate) async fn target(dir: &Path, top: &str, target: &str) -> Target {
    for (name, value) in [("authorization", AUTHORIZATION), ("signing", SIGNING), ("password", PASSWORD)] {
        std::fs::write(dir.join(name), value).expect("a file can be written");
    }
    let file = dir.join("forgewatch.toml");
    std::fs::write(&file, format!("{top}\n[alerts.targets.x]\n{target}\n")).expect("a file can be written");
    let environment =
        Environment { variables: Vec::new(), system_dir: dir.join("none"), working_dir: dir.to_owned() };
    let request = Request { config: vec![file], profile: None, set: Vec::new(), environment };
    let loaded = load(&request).into_valid().expect("it is valid");
    let mut problems = Vec::new();
    let mut targets = Target::prepare_all(&loaded, &mut problems).await;
    assert_eq!(problems, []);
    targets.remove("x").expect("it is prepared")
}

/// A webhook's settings whose address is in a file.
pub(crate) fn addressed(dir: &Path, url: &str) -> String {
    std::fs::write(dir.join("url"), url).expect("a file can be written");
    "url = { file = \"url\" }\nallow_insecure_http = true\n".to_owned()
}

/// A message about these incidents.
pub(crate) fn message(event: Happening, incidents: Vec<Told>) -> Message {
    Message {
        schema: Message::SCHEMA,
        delivery: "msg_0123456789abcdef".to_owned(),
        event,
        at: Moment::now().into(),
        test: false,
        group: BTreeMap::from([("integration".to_owned(), "acme".to_owned())]),
        url: Url::parse("https://watch.example.org/").ok(),
        incidents,
    }
}

/// An incident that costs one repository.
pub(crate) fn told(number: usize, event: Happening) -> Told {
    let (reason, cause) = (Reason::NotFound, Cause::Repository);
    let repository = format!("acme/app-{number}");
    let now = Moment::now();
    let labels = [
        ("integration", "acme"),
        ("reason", reason.as_str()),
        ("cause", cause.as_str()),
        ("severity", "critical"),
        ("repository", &repository),
        ("on-call", "payments"),
    ];
    Told {
        id: format!("{number:016x}-18f"),
        fingerprint: format!("{number:016x}"),
        integration: "acme".to_owned(),
        repository: Some(repository.clone()),
        reason,
        cause,
        severity: Severity::Critical,
        detail: "the forge answered 404".to_owned(),
        way_out: cause.way_out(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        first_seen: now.shifted(-60_000).into(),
        last_seen: now.into(),
        resolved_at: (event == Happening::Resolved).then(|| now.into()),
        affected: u32::from(event != Happening::Resolved),
        most_affected: 1,
        url: Url::parse(&format!("https://watch.example.org/incidents/{number}")).ok(),
        handling: Handling::default(),
    }
}

/// The words of a target that may take the message later, and when it wants to be asked.
#[track_caller]
pub(crate) fn unavailable(outcome: Result<(), Refusal>) -> (String, Option<Duration>) {
    match outcome {
        Err(Refusal::Unavailable { detail, retry_after }) => (detail, retry_after),
        other => panic!("{other:?}"),
    }
}

/// The words of a target that never takes the message.
#[track_caller]
pub(crate) fn refused(outcome: Result<(), Refusal>) -> String {
    match outcome {
        Err(Refusal::Refused { detail }) => detail,
        other => panic!("{other:?}"),
    }
}
