//! What is valid and can hardly be meant.

use super::World;

#[test]
fn what_of_alerts_can_hardly_be_meant_is_pointed_out() {
    let text = r#"
        [integrations.acme]
        provider = "vsts"
        domain_name = "https://dev.azure.com/acme/"
        labels = { team = "platform" }
        [repositories.shop]
        integration = "acme"
        name = "shop"
        labels = { tier = "1", severity = "Critical" }
        [alerts]
        group_by = ["team", "teem"]
        [alerts.targets.a]
        kind = "slack"
        url = { env = "X" }
        [alerts.targets.c]
        kind = "slack"
        url = { env = "X" }
        [alerts.routes.good]
        match = { team = "*", tier = "2", repository = "x", cause = "id*", integration = "acme" }
        targets = ["a"]
        [alerts.routes.odd]
        match = { severity = "fatal", integration = "acme-*", Integration = "acme" }
        targets = ["a"]
        [alerts.maintenance.odd]
        match = { provider = "github" }
        from = "2026-01-01T00:00:00Z"
        until = "2026-01-02T00:00:00Z"
    "#;
    let loaded = World::of(text).loaded();
    let told: Vec<_> = loaded.warnings.iter().map(|warning| warning.key.as_str()).collect();
    let expected = [
        "alerts.targets.c",
        "alerts.default",
        "alerts.routes.odd.match.Integration",
        "alerts.routes.odd.match.integration",
        "alerts.routes.odd.match.severity",
        "alerts.maintenance.odd.match.provider",
        "alerts.group_by",
        "repositories.shop.labels.severity",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_of_trackers_and_people_can_hardly_be_meant_is_pointed_out() {
    let text = r#"
        [providers.other]
        allow_write = true
        [integrations.acme]
        provider = "vsts"
        domain_name = "https://dev.azure.com/acme/"
        labels = { team = "platform" }
        [integrations.globex]
        provider = "other"
        domain_name = "https://other.example/"
        [repositories.shop]
        integration = "acme"
        name = "shop"
        labels = { team = "shop", tier = "1" }
        [people.ada]
        emails = ["ada@example.org"]
        teams = ["platform", "shop"]
        [people.ben]
        emails = ["ben@example.org"]
        teams = ["shop", "shopp"]
        [people.nobodys]
        emails = ["no@example.org", "Ada@Example.org"]
        [trackers.first]
        integration = "acme"
        project = "Ops"
        match = { tier = "1", team = "any*" }
        [trackers.odd]
        integration = "acme"
        project = "Ops"
        match = { teem = "shop", severity = "fatal" }
        [trackers.writes]
        integration = "globex"
        project = "Ops"
    "#;
    let loaded = World::of(text).loaded();
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    let keys: Vec<_> = loaded.warnings.iter().map(|warning| warning.key.as_str()).collect();
    let expected = [
        "trackers.odd.match.severity",
        "trackers.odd.match.teem",
        "people.ben.teams",
        "people.nobodys.emails",
        "providers.vsts.allow_write",
    ];
    assert_eq!(keys, expected, "{told:#?}");
    assert!(told[2].contains("nothing has the label `team` with the value `shopp`"), "{}", told[2]);
    assert!(told[3].contains("`people.ada` has the address Ada@Example.org, too"), "{}", told[3]);
    assert!(told[4].contains("add `allow_write = true` under `[providers.vsts]`"), "{}", told[4]);
}
