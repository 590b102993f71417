//! Every page, with the names that somebody would choose who means harm.

use super::support::{get, open, page, with, world};
use crate::alerts::TargetReport;
use crate::api::tests::fixture::{Fixture, at};
use crate::state::EventKind;
use crate::verdict::Reason;
use crate::web::render::{environment, path};

const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "../../login",
    "50%2F..%2Fx?y#z",
    "שלום \u{202e}gnp.exe",
    "line\nbreak\u{7}\u{0}",
    "<b>`code`</b> & &amp;",
    "javascript:alert(1)//",
];

/// Pages on which something is to be seen everywhere.
fn troubled() -> (Fixture, Vec<String>) {
    let long = "x".repeat(500);
    let names: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let web = with(&[], world(&names), false);
    for (index, name) in names.iter().enumerate() {
        let reason = if index % 2 == 0 { Reason::NotFound } else { Reason::Unauthorized };
        web.confirm(name, reason, 1_000_000 + index as u64);
        web.open_incident(reason, &[name], 1_000_000);
        web.daemon.change(|ledger| {
            let index = ledger.index(name).unwrap();
            ledger.entries[index].stale = true;
            ledger.entries[index].seen.as_mut().unwrap().detail = (*name).into();
        });
        web.journal.append(EventKind::Generic, name);
        web.journal.append(EventKind::Error, name);
    }
    (web, names.into_iter().map(str::to_owned).collect())
}

async fn all_pages(web: &Fixture, names: &[String]) -> Vec<(String, String)> {
    let mut paths: Vec<String> = [
        "/",
        "/repositories",
        "/incidents",
        "/incidents?state=resolved",
        "/integrations",
        "/alerts",
        "/plugins",
    ]
    .map(str::to_owned)
    .into();
    paths.extend(names.iter().map(|name| format!("/repositories/{}", path(name))));
    let parts = names.iter().map(|name| path(&name.chars().take(200).collect::<String>()));
    paths.extend(parts.map(|part| format!("/repositories?q={part}&integration={part}")));
    let ids = web
        .daemon
        .handle
        .read(|ledger| ledger.incidents.open().map(|incident| incident.id.clone()).collect::<Vec<_>>());
    paths.extend(ids.iter().map(|id| format!("/incidents/{id}")));
    let mut pages = Vec::new();
    for path in paths {
        let shown = page(web, &path).await;
        pages.push((path, shown));
    }
    pages
}

#[tokio::test]
async fn text_of_others_stays_text_on_every_page() {
    let (web, names) = troubled();
    for (path, page) in all_pages(&web, &names).await {
        for raw in
            ["<script>alert", "<img", "' onmouseover='", "\"><img", "<b>`", "\u{202e}", "\u{7}", "\u{0}"]
        {
            // But in the fields of those who have typed it.
            let is_typed = path.contains("?q=") && !raw.contains(|char: char| char.is_ascii_punctuation());
            assert!(is_typed || !page.contains(raw), "{raw:?} is on {path}");
        }
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        for attribute in [" style=", " onload=", " onclick=", " onerror=\"", "href=\"javascript:"] {
            assert!(!page.contains(attribute), "{attribute} is on {path}");
        }
    }
    let list = page(&web, "/repositories").await;
    assert!(list.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{list}");
    assert!(list.contains("{{ 7 * 7 }}"), "templates are not made of names");
    assert!(list.contains("\\u{202e}gnp.exe") && list.contains("line\\nbreak\\u{7}"), "{list}");
}

#[tokio::test]
async fn every_page_is_one_for_people_who_do_not_see_it() {
    let (web, names) = troubled();
    for (path, page) in all_pages(&web, &names).await {
        for once in [
            "<h1",
            "<main ",
            "· Forgewatch</title>",
            "class=\"skip\"",
            "aria-live=\"polite\"",
            "<html lang=\"en\"",
        ] {
            assert_eq!(page.matches(once).count(), 1, "{once} on {path}");
        }
        assert_eq!(page.matches("<th ").count(), page.matches(" scope=\"").count(), "{path}");
        let mut ids: Vec<_> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there twice on {path}");
        for label in page.split(" for=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.binary_search(&label).is_ok(), "nothing on {path} has the label {label}");
        }
    }
}

#[tokio::test]
async fn links_of_the_list_lead_to_the_repositories_of_those_names() {
    let (web, names) = troubled();
    let list = page(&web, "/repositories").await;
    for name in names.iter().filter(|name| !name.contains('\0')) {
        let link = format!("/repositories/{}", path(name));
        assert!(list.contains(&format!("href=\"{link}\"")), "{link} in {list}");
        let title = page(&web, &link).await;
        assert!(title.contains("Check now"), "{title}");
    }
}

#[tokio::test]
async fn the_overview_says_what_is_wrong_and_what_to_do() {
    let web = open(&["alpha", "beta", "delta", "gone"]);
    web.confirm("alpha", Reason::Granted, 1);
    web.confirm("beta", Reason::Unauthorized, 2);
    web.confirm("gone", Reason::NotFound, 3);
    web.open_incident(Reason::Unauthorized, &["beta"], 2);
    web.open_incident(Reason::NotFound, &["gone"], 3);
    let page = page(&web, "/").await;
    for expected in [
        "Access is missing",
        "Of 4 repositories that are watched, 1 can be reached and 2 cannot; 2 incidents are open.",
        "Credential refused",
        "renew the credential of its identity, then reload",
        "Not found",
        "look whether it was moved, deleted or locked",
        "href=\"/repositories/gone\"",
        "href=\"/repositories?verdict=denied\"",
        "It is well.",
    ] {
        assert!(page.contains(expected), "{expected} is not on {page}");
    }
}

#[tokio::test]
async fn the_overview_says_when_the_daemon_is_not_well() {
    let web = open(&["alpha"]);
    web.daemon.health.send_modify(|health| {
        health.persisting = false;
        health.problem = Some("the disk is full".to_owned());
    });
    web.daemon.reloads.send_modify(|reloads| {
        reloads.successful = false;
        reloads.problems = vec!["`<script>` is no key".to_owned()];
    });
    let page = page(&web, "/").await;
    assert!(page.contains("The daemon is not well") && page.contains("the disk is full"), "{page}");
    assert!(page.contains("<code>&lt;script&gt;</code> is no key"), "{page}");
    assert!(page.contains("<code>forgewatch run --dry-run</code>"), "{page}");
}

#[tokio::test]
async fn targets_of_alerts_are_shown_with_what_keeps_them() {
    let web = open(&["alpha"]);
    assert!(page(&web, "/alerts").await.contains("<code>[alerts.targets.NAME]</code>"));
    let target = |name: &str, failing: bool| TargetReport {
        name: name.to_owned(),
        kind: "slack".to_owned(),
        quiet: 0,
        pending: 3,
        delivered_at: Some(at(1_000_000).into()),
        failing_since: failing.then(|| at(2_000_000).into()),
        problem: failing.then(|| "the chat says `<b>no_team</b>`".to_owned()),
        next_attempt_at: failing.then(|| at(3_000_000).into()),
    };
    *web.alerts.lock().unwrap() = vec![target("calls", true), target("chat", false)];
    let page = page(&web, "/alerts").await;
    for expected in [
        "Does not take what it is told <span class=\"since\">",
        "the chat says <code>&lt;b&gt;no_team&lt;/b&gt;</code>",
        "<code>forgewatch alerts test calls</code>",
        "Takes what it is told",
        "<dd>3</dd>",
        "1970-02-04 17:20:00 UTC",
    ] {
        assert!(page.contains(expected), "{expected} is not on {page}");
    }
    assert!(page.contains("data-headline=\"1 of 2 targets"), "{page}");
}

#[tokio::test]
async fn a_daemon_without_repositories_has_pages_too() {
    let web = open(&[]);
    let pages = all_pages(&web, &[]).await;
    assert!(pages[0].1.contains("All is well"), "{}", pages[0].1);
    assert!(pages[1].1.contains("No repository is watched"), "{}", pages[1].1);
    assert!(pages[2].1.contains("No incident is open"), "{}", pages[2].1);
}

#[tokio::test]
async fn a_repository_is_shown_over_time() {
    let web = open(&["alpha"]);
    web.confirm("alpha", Reason::NotFound, 2_000_000);
    web.journal.change("alpha", 1_000_000, None, "granted");
    web.journal.change("alpha", 2_000_000, Some("granted"), "not_found");
    let page = page(&web, "/repositories/alpha").await;
    for expected in [
        "<rect class=\"granted\"",
        "<rect class=\"denied\"",
        "<time datetime=\"1970-01-12T13:46:40.000Z\">1970-01-12 13:46:40 UTC</time>",
        "<time datetime=\"1970-01-24T03:33:20.000Z\">1970-01-24 03:33:20 UTC</time>",
        "The forge shows no such repository to the identity.",
        "Believed after",
    ] {
        assert!(page.contains(expected), "{expected} is not on {page}");
    }
}

#[tokio::test]
async fn a_forge_in_trouble_and_a_held_lane_are_shown() {
    let web = open(&["alpha"]);
    web.daemon.change(|ledger| {
        let standby = ledger.integrations.get_mut("acme").unwrap();
        standby.trouble_since = Some(at(1_000_000));
        standby.held_until = Some(at(2_000_000));
        standby.investigating = true;
    });
    let integrations = page(&web, "/integrations").await;
    assert!(
        integrations.contains("Its forge has been in trouble <span class=\"since\"><span>since</span>"),
        "{integrations}"
    );
    assert!(integrations.contains("the cause is being looked for"), "{integrations}");
    assert!(!integrations.contains("hunter2") && !integrations.contains("the-token"), "{integrations}");
    assert!(page(&web, "/").await.contains("The forge of <code>acme</code> has been in trouble for"));
}

#[tokio::test]
async fn what_matters_most_has_the_colour_of_its_verdict() {
    for reason in [Reason::Unreachable, Reason::PluginFailed] {
        let web = open(&["alpha"]);
        web.open_incident(reason, &["alpha"], 1_000_000);
        assert!(page(&web, "/").await.contains("<div class=\"hero indeterminate\">"), "{reason:?}");
    }
    let web = open(&["alpha", "beta"]);
    web.open_incident(Reason::Unreachable, &["alpha"], 1_000_000);
    web.open_incident(Reason::Unauthorized, &["beta"], 1_000_000);
    assert!(page(&web, "/").await.contains("<div class=\"hero denied\">"));
}

#[test]
fn every_template_is_compiled() {
    assert_eq!(environment().templates().count(), 13);
}

#[tokio::test]
async fn assets_may_be_kept_for_ever_and_take_no_token() {
    let web = super::support::guarded();
    let door = page(&web, "/login").await;
    let assets: Vec<_> = door.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{door}");
    for asset in assets {
        let answer = get(&web, asset).await;
        assert_eq!(answer.status, 200, "{asset}");
        assert_eq!(answer.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let media = answer.headers["content-type"].to_str().unwrap();
        let expected = match asset.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(media, expected, "{asset}");
    }
    assert_eq!(get(&web, "/assets/style.0000000000000000.css").await.status, 404);
}
