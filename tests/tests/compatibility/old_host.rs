//! Today's plugins in a host of version 1.

use std::path::Path;
use std::process::Command;

use forgewatch_tests::build;

/// What the old host prints while it does what the arguments say. It has to come to its end.
#[track_caller]
fn told(library: &Path, arguments: &[&[&str]]) -> Vec<String> {
    let run =
        Command::new(&build::baseline().loader).arg(library).args(arguments.concat()).env_clear().output();
    let run = run.expect("the loader can be started");
    let text = String::from_utf8(run.stdout).expect("standard output is text");
    assert!(run.status.success(), "{}: {text}{}", run.status, String::from_utf8_lossy(&run.stderr));
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.last().map(String::as_str), Some("done"));
    lines
}

#[test]
fn the_vsts_plugin_works_in_an_old_host() {
    let repository = r#"{"id": "5e1f", "name": "storefront", "project": {"id": "5e1e", "name": "Web Shop"}}"#;
    let moved = r#"{"locationUrl": "https://dev.azure.com/contoso/"}"#;
    let lines = told(
        build::workspace().plugin("vsts"),
        &[
            &["parse", "https://dev.azure.com/contoso/Web%20Shop/_git/storefront"],
            &["parse", "https://example.net/a/b"],
            &["answer", "resourceareas", "200", moved],
            &["answer", "repositories/storefront", "200", repository],
            &["base-url"],
            &["client", "contoso"],
            &["check", "Web Shop", "storefront"],
            &["check", "Web Shop", ".."],
            &["query", "nobody.has-it"],
            &["call", "nobody.has-it", "x"],
        ],
    );
    for expected in [
        r#"parse: "https://dev.azure.com/contoso/" Some("Web Shop") "storefront" ["https://contoso.visualstudio.com/"]"#,
        r#"base-url: ok "https://dev.azure.com/contoso/""#,
        r#"saved domain_name "https://dev.azure.com/contoso/""#,
        r#"check storefront: ok """#,
        "query nobody.has-it: client RNone",
    ] {
        assert!(lines.iter().any(|line| line == expected), "no {expected} in {lines:#?}");
    }
    for begin in [
        "parse: error 1 ",
        r#"request GET "https://dev.azure.com/contoso/Web%20Shop/_apis/git/repositories/storefront?"#,
        "check ..: failure 3 None None unsupported=false ",
        "call nobody.has-it: provider: failure 12 None None unsupported=true ",
        "call nobody.has-it: client: failure 12 None None unsupported=true ",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(begin)), "no {begin} in {lines:#?}");
    }
}

#[test]
fn what_an_old_host_does_not_offer_is_missing_and_no_crash() {
    let lines = told(
        build::misbehaving(),
        &[
            &["client", "https://forge.example/"],
            &["check", "p", "sleep"],
            &["check", "p", "sleep-malformed"],
        ],
    );
    for name in ["sleep", "sleep-malformed"] {
        let expected = format!(
            "check {name}: failure 12 None None unsupported=true \"the extension `sleep` is not offered\""
        );
        assert!(lines.contains(&expected), "no {expected} in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| *line == r#"asked for "sleep""#).count(), 2);
}

/// The host asks nothing of providers yet; what an old one would answer is seen in the old host.
#[test]
fn what_an_old_plugin_does_not_offer_is_missing_and_no_crash() {
    let lines = told(
        &build::baseline().provider,
        &[
            &["client", "https://abi-1.example/"],
            &["query", "abi-1.echo"],
            &["query", "later"],
            &["call", "abi-1.echo", "x"],
            &["call", "later", "x"],
        ],
    );
    for expected in [
        "query abi-1.echo: provider RSome(1)",
        "query later: provider RNone",
        "query later: client RNone",
        r#"call abi-1.echo: client: ok "x""#,
        r#"call later: provider: failure 12 None None unsupported=true "the extension `later` is not offered""#,
        r#"call later: client: failure 12 None None unsupported=true "the extension `later` is not offered""#,
    ] {
        assert!(lines.iter().any(|line| line == expected), "no {expected} in {lines:#?}");
    }
}

#[test]
fn what_a_plugin_of_today_does_wrong_stays_its_own_in_an_old_host() {
    let lines = told(
        build::misbehaving(),
        &[
            &["answer", "ok", "200", ""],
            &["client", "https://forge.example/"],
            &["check", "p", "panic-sync"],
            &["check", "p", "panic-drop"],
            &["check", "p", "unknown-reason"],
            &["check", "p", "fine"],
            &["query", "echo"],
            &["query", "panic"],
            &["call", "echo", "hello"],
            &["call", "panic", "x"],
        ],
    );
    for expected in [
        r#"log 1 "plugin panicked: panic before the first await""#,
        r#"check unknown-reason: failure 4711 None None unsupported=false "from the future""#,
        r#"check fine: ok """#,
        "query echo: provider RSome(3)",
        "query panic: client RNone",
        r#"call echo: client: ok "hello\u{1}""#,
    ] {
        assert!(lines.iter().any(|line| line == expected), "no {expected} in {lines:#?}");
    }
    for (begin, part) in [
        ("check panic-sync: failure 12 ", "panic before the first await"),
        ("check panic-drop: failure 12 ", "panic in drop"),
        ("call panic: provider: failure 12 ", "panic in call_extension"),
    ] {
        let line = lines.iter().find(|line| line.starts_with(begin));
        assert!(line.is_some_and(|line| line.contains(part)), "no {begin} with {part} in {lines:#?}");
    }
}
