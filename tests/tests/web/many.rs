//! Ten thousand incidents at once.

use forgewatch_tests::browser::{Browser, Look};
use forgewatch_tests::daemon::Daemon;
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::watchlist::Watchlist;
use serde_json::json;

const PROJECTS: usize = 10;
const EACH: usize = 1_000;
/// What a browser shows at once without getting slow, and a reader without getting lost.
const MOST_ELEMENTS: u64 = 5_000;

/// All repositories are disabled, each of them an incident of its own, and nobody is asked for a token.
fn start() -> (Fake, Daemon, forgewatch_tests::sandbox::Sandbox) {
    let mut world = World::large(PROJECTS, EACH);
    for project in &mut world.organisations[0].projects {
        project.repositories.iter_mut().for_each(|repository| repository.disabled = true);
    }
    let fake = Fake::start_blocking(world);
    fake.record(false);
    let list = Watchlist::large(PROJECTS, EACH).batches();
    let list = list.set("defaults.interval", r#""1000h""#).set("defaults.failure_threshold", "1");
    let sandbox = list.sandbox(&fake);
    let daemon = Daemon::start(&sandbox);
    // By themselves they would take their time.
    for project in 0..PROJECTS {
        let names: Vec<_> = (0..EACH).map(|repository| format!("p{project}-r{repository}")).collect();
        let reply = daemon.post("/api/v1/check", &json!({ "repositories": names }).to_string());
        assert_eq!(reply.status, 202, "{reply:?}");
    }
    daemon.until_confirmed(PROJECTS * EACH, "disabled");
    (fake, daemon, sandbox)
}

#[test]
fn ten_thousand_open_incidents_can_still_be_read() {
    let (_fake, daemon, _sandbox) = start();
    let browser = Browser::start();
    let address = daemon.address();
    for path in ["/", "/incidents", "/repositories?verdict=denied", "/integrations"] {
        browser.open(&format!("http://{address}{path}"));
        for look in [Look::ALL[0], Look::ALL[2]] {
            browser.look(look);
            assert!(browser.is("document.documentElement.scrollWidth <= innerWidth"), "{path}: {look:?}");
        }
        let elements = browser.ask("return document.querySelectorAll('*').length", Vec::new());
        assert!(elements.as_u64() < Some(MOST_ELEMENTS), "{path}: {elements} elements");
        assert!(browser.text("main").contains("10,000"), "{path} tells how many there are");
        assert_eq!(browser.judge().violations, [""; 0], "{path}");
    }

    browser.open(&format!("http://{address}/incidents"));
    let first = browser.text("main tbody tr");
    browser.click("main a[rel=next]");
    browser.until("location.search.includes('cursor=')");
    assert_ne!(browser.text("main tbody tr"), first);
    browser.click("main tbody tr a");
    browser.until("location.pathname.startsWith('/incidents/')");
    assert!(browser.text("main").contains("What to do"));
}
