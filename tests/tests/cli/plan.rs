//! `forgewatch plan`: what checks will ask of forges, with nobody asked and no secret read.

use std::fmt::Write;

use forgewatch_tests::build;
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::json;

use crate::support::{assert_has, assert_nothing_sent};

/// A sandbox with so many repositories on a plugin whose forge allows 60 requests an hour. Its secret is nowhere.
fn limited(fake: &Fake, repositories: usize, interval: &str) -> Sandbox {
    let sandbox = Sandbox::with_fake(fake);
    sandbox.install(build::misbehaving());
    let mut toml = format!(
        "[identities.bot]\nkind = \"bearer\"\ntoken = {{ env = \"NOWHERE\" }}\n\
         [integrations.limited]\nprovider = \"misbehaving\"\ndomain_name = \"https://forge.example/\"\n\
         identity = \"bot\"\ninterval = \"{interval}\"\n"
    );
    for nth in 0..repositories {
        let _ = writeln!(
            toml,
            "[repositories.r{nth}]\nintegration = \"limited\"\nproject = \"p\"\nname = \"r{nth}\""
        );
    }
    sandbox.write("forgewatch.toml", toml);
    sandbox
}

#[test]
fn what_fits_is_told_with_the_time_until_a_loss_is_found() {
    let fake = Fake::start_blocking(World::default());
    let sandbox = limited(&fake, 4, "10m");
    let plan = sandbox.run(&["plan", "--format", "json"]).exits(0).json();
    let need = json!({
        "identity": "bot", "forge": "https://forge.example", "repositories": 4,
        "needed_per_hour": 24.0, "unknown_until": [], "allowed_per_hour": 60.0, "reserved_per_hour": 6.0, "fits": true,
        // An interval, a confirmation, and two checks that take as long as they may.
        "detection_s": 600.0 + 30.0 + 120.0, "advice": null,
        "integrations": [{
            "integration": "limited", "provider": "misbehaving", "repositories": 4, "needed_per_hour": 24.0,
            "rounds": [{
                "interval_s": 600.0, "repositories": 4, "how": "single", "requests": 4, "at_best": null, "at_worst": null
            }],
            "listings": []
        }]
    });
    assert_eq!(plan, json!({ "schema": 1, "identities": [need] }));
    insta::assert_snapshot!("plan_fits", sandbox.run(&["plan"]).exits(0).stdout);
    assert_nothing_sent(&fake);
}

#[test]
fn what_does_not_fit_is_told_with_a_way_out() {
    let fake = Fake::start_blocking(World::default());
    let sandbox = limited(&fake, 27, "10m");
    insta::assert_snapshot!("plan_too_much", sandbox.run(&["plan"]).exits(1).stdout);
    // Three times as many as may be made, so a check comes after half an hour.
    let plan = sandbox.run(&["plan", "--format", "json"]).exits(1).json();
    assert_eq!(plan["identities"][0]["fits"], false);
    assert_eq!(plan["identities"][0]["detection_s"], 1800.0 + 30.0 + 1200.0 + 120.0 + 180.0);
    assert_nothing_sent(&fake);
}

#[test]
fn what_a_listing_saves_is_told_and_not_reckoned_with_before_it_is_known() {
    let fake = Fake::start_blocking(World::default());
    let sandbox = limited(&fake, 27, "10m");
    sandbox.install(build::listing());
    let listing = ["plan", "--set", "integrations.limited.provider=listing"];
    let plan = sandbox.run(&[&listing[..], &["--format=json"]].concat()).exits(0).json();
    let round = &plan["identities"][0]["integrations"][0]["rounds"][0];
    let told = ["how", "requests", "at_best", "at_worst"].map(|key| &round[key]);
    assert_eq!(told, [&json!("single"), &json!(27), &json!(1), &json!(54)], "{plan:#}");
    let plan = sandbox.run(&listing).exits(0).stdout;
    assert_has(
        &plan,
        &["27 requests; a listing may make it 1, or 54 at worst\n", "nobody knows whether this fits"],
    );
    assert!(!plan.contains("in brackets"), "{plan}");
}

#[test]
fn discoveries_are_reckoned_with_before_they_have_listed() {
    let fake = Fake::start_blocking(World::default());
    let sandbox = limited(&fake, 0, "10m");
    let discovery = ["--set", "discovery.d.integration=limited", "--set", "discovery.d.include=[\"*\"]"];
    let plan = [&["plan"][..], &discovery].concat();
    let table = sandbox.run(&plan).exits(0).stdout;
    assert_has(
        &table,
        &["discovery `d` lists every 1h: 1 request\n", "unknown until `d` has listed everything", "1+"],
    );
    let plan = sandbox.run(&[&plan[..], &["--format=json"]].concat()).exits(0).json();
    let need = &plan["identities"][0];
    assert_eq!((&need["needed_per_hour"], &need["fits"]), (&json!(1.0), &json!(null)), "{plan:#}");
    assert_nothing_sent(&fake);
}

#[test]
fn a_wrong_configuration_has_no_plan() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["plan", "--set", "defaults.interval=never"]).exits(2);
    assert_has(&run.stderr, &["defaults.interval"]);
    sandbox.write(
        "forgewatch.toml",
        "[integrations.x]\nprovider = \"unheard-of\"\ndomain_name = \"https://x.example/\"\n",
    );
    let run = sandbox.run(&["plan"]).exits(2);
    assert_has(&run.stderr, &["unheard-of"]);
}

#[test]
fn nothing_to_check_takes_no_request() {
    let run = Sandbox::new().run(&["plan"]).exits(0);
    assert_has(&run.stdout, &["there are no repositories to check"]);
}
