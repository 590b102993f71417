//! What the stories share: sandboxes with something to check in them, and ways to look at what came out.

use std::process::Command;

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Kind, Match, World, contoso};
use forgewatch_tests::sandbox::{Run, Sandbox};

/// A host that the fake plays for the plugin that misbehaves.
pub(crate) const HOST: &str = "forge.example";

/// A sandbox with the plugin that misbehaves beside that of `vsts`, and a fake that plays [`HOST`].
pub(crate) fn misbehaving(world: World) -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(world);
    fake.fault(Match::any().host(HOST), Answer::status(200));
    let sandbox = contoso_sandbox(&fake);
    sandbox.install(build::misbehaving());
    (fake, sandbox)
}

/// A sandbox with the plugin of `vsts` alone, whose requests reach `fake`, with contoso's tokens in its environment.
pub(crate) fn contoso_sandbox(fake: &Fake) -> Sandbox {
    let mut sandbox = Sandbox::with_fake(fake);
    sandbox.keep_only("vsts");
    sandbox.ask_one_by_one();
    sandbox.set_variable("READER", contoso::PAT);
    sandbox
}

/// The integration `contoso` and its identity.
pub(crate) const CONTOSO: &str = r#"
[identities.reader]
kind = "pat"
token = { env = "READER" }

[integrations.contoso]
provider = "vsts"
domain_name = "https://dev.azure.com/contoso/"
identity = "reader"
"#;

/// The integration `odd` on the plugin that misbehaves.
pub(crate) const ODD: &str = r#"
[integrations.odd]
provider = "misbehaving"
domain_name = "https://forge.example/"
"#;

/// Runs a prepared command to its end.
pub(crate) fn finish(mut command: Command) -> Run {
    command.output().expect("the binary can be started").into()
}

/// The text with the sandbox's own path taken out, so that it is the same in every run.
pub(crate) fn redacted(sandbox: &Sandbox, text: &str) -> String {
    text.replace(&*sandbox.path("").to_string_lossy(), "[dir]/")
}

/// Fails when something was sent.
#[track_caller]
pub(crate) fn assert_nothing_sent(fake: &Fake) {
    assert_eq!((fake.counters().connections(), fake.counters().of(Kind::Connect)), (0, 0));
}

/// Fails when a terminal would act on the text, or show it in another order than it has.
#[track_caller]
pub(crate) fn assert_harmless(text: &str) {
    let odd = |char: char| {
        char.is_control() && char != '\n' || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(odd), "{text:?}");
}

/// Each part must occur in the text.
#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}
