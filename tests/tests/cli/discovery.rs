//! What `check` does about repositories that are to be found, and about listings that make no sense.

use forgewatch_tests::build;
use forgewatch_tests::fake::{Answer, Fake, Match, World, contoso};
use forgewatch_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::{HOST, assert_has, assert_nothing_sent};

const LARGE: &str = r#"
[identities.reader]
kind = "pat"
token = { env = "PAT" }

[integrations.large]
provider = "vsts"
domain_name = "https://dev.azure.com/large/"
identity = "reader"

[discovery.all]
integration = "large"
include = ["*"]
"#;

/// Where the service lists everything.
const LIST: &str = "/large/_apis/git/repositories";

fn large(projects: usize, repositories: usize) -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::large(projects, repositories));
    let mut sandbox = Sandbox::with_fake(&fake);
    sandbox.set_variable("PAT", contoso::PAT);
    sandbox.write("forgewatch.toml", LARGE);
    (fake, sandbox)
}

fn names(results: &Value) -> Vec<String> {
    let results = results["results"].as_array().expect("results").iter();
    results.map(|result| result["repository"].as_str().expect("a name").to_owned()).collect()
}

fn listings(fake: &Fake) -> usize {
    fake.requests_to(|request| request.path == LIST).len()
}

#[test]
fn with_nothing_but_discoveries_there_is_something_to_check() {
    let (fake, sandbox) = large(2, 2);
    let tried = sandbox.run(&["check", "--dry-run"]).exits(0).stdout;
    assert_has(&tried, &["checking 0 repositories, and what 1 discovery finds"]);
    assert_nothing_sent(&fake);
    let all = sandbox.run(&["check", "--format=json"]).exits(0).json();
    let expected = ["0/repository-0", "0/repository-1", "1/repository-0", "1/repository-1"];
    assert_eq!(names(&all), expected.map(|name| format!("all:project-{name}")));
    assert_eq!(listings(&fake), 1);

    // The stored ones serve a rehearsal, and one that is known by name takes no listing.
    let tried = sandbox.run(&["check", "--dry-run", "all:project-1/*"]).exits(0).stdout;
    assert_has(&tried, &["checking 2 repositories, and what 1 discovery finds"]);
    let tried = sandbox.run(&["check", "--dry-run", "all:project-1/repository-0"]).exits(0).stdout;
    assert_eq!(tried.trim_end(), "nothing stands in the way of checking 1 repository");
    let tried = sandbox.run(&["run", "--dry-run"]).exits(0).stdout;
    assert_has(&tried, &["watching 4 repositories, and what 1 discovery finds"]);
    let one = sandbox.run(&["check", "--format=json", "all:project-0/repository-1"]).exits(0).json();
    assert_eq!((names(&one), listings(&fake)), (vec!["all:project-0/repository-1".to_owned()], 1));
    let some = sandbox.run(&["check", "--format=json", "*repository-0"]).exits(0).json();
    assert_eq!((names(&some).len(), listings(&fake)), (2, 2));
    let wrong = sandbox.run(&["check", "all:project-0/nothing", "nothing"]).exits(2).stderr;
    assert_has(&wrong, &["`nothing` matches no configured or found repository"]);
    let wrong = sandbox.run(&["check", "all:project-0/nothing"]).exits(2).stderr;
    assert_has(&wrong, &["`all:project-0/nothing` matches no configured or found repository"]);
    let valid = sandbox.run(&["config", "check"]).exits(0).stdout;
    assert_has(&valid, &["0 repositories, and what 1 discovery finds"]);
    let plan = sandbox.run(&["plan", "--format=json"]).json();
    assert_eq!(plan["identities"][0]["repositories"], 4);
}

#[test]
fn what_was_found_before_is_checked_when_the_listing_fails() {
    let (fake, sandbox) = large(1, 2);
    fake.fault(Match::any().path_prefix(&format!("{LIST}/")), Answer::from_world());
    fake.fault(Match::any().path_prefix(LIST).times(3), Answer::status(500));
    let unknown = sandbox.run(&["check"]).exits(3);
    assert_has(
        &unknown.stderr,
        &[
            "discovery `all` cannot list: provider_error: ",
            "it has never listed everything, and the 0 repositories",
        ],
    );
    // A 500 is not asked for again.
    let unclear = sandbox.run(&["check", "all:project-0/repository-0"]).exits(3);
    assert_has(
        &unclear.stderr,
        &[
            "`all:project-0/repository-0` is there cannot be told: `all` could not list everything: provider_error: ",
        ],
    );
    sandbox.run(&["check"]).exits(3);
    sandbox.run(&["check"]).exits(0);
    fake.fault(Match::any().path_prefix(LIST), Answer::status(500));
    let known = sandbox.run(&["check", "--format=json"]).exits(0);
    assert_has(
        &known.stderr,
        &["discovery `all` cannot list", "the 2 repositories that are known are checked"],
    );
    assert_eq!(names(&known.json()).len(), 2);
}

#[test]
fn what_was_never_listed_as_a_whole_is_unclear() {
    let cases = [
        vec![("list-b", Answer::status(500)), ("list", page(&["1", "2"], Some("-b"), None))],
        vec![("list", page(&["1", "2"], None, Some("some are behind a sign-in")))],
    ];
    for pages in cases {
        let (fake, sandbox) = odd(&pages, "");
        // The second time the two are known, and still nobody knows whether they are all.
        for _ in 0..2 {
            let run = sandbox.run(&["check", "--format=json"]).exits(3);
            assert_eq!(names(&run.json()).len(), 2);
            assert_has(&run.stderr, &["never listed everything, and the 2 repositories that it has shown"]);
        }
        let named = sandbox.run(&["check", "odd:3/any"]).exits(3);
        assert_has(&named.stderr, &["whether `odd:3/any` is there cannot be told"]);
        tell(&fake, &[("list", page(&["1", "2"], None, None))]);
        sandbox.run(&["check"]).exits(0);
        tell(&fake, &pages);
        sandbox.run(&["check"]).exits(0);
    }
}

#[test]
fn finding_nothing_is_told_and_no_success_where_there_is_nothing_else() {
    let (fake, sandbox) = odd(&[("list", page(&["1", "2"], None, None))], "");
    let wrong = ["check", "--set", "discovery.odd.include=[\"2x/*\"]"];
    let run = sandbox.run(&wrong).exits(3);
    let told = "discovery `odd` finds nothing: 2 repositories are listed, none of which `include` takes in";
    assert_has(&run.stderr, &[told]);
    let beside = [
        "--set",
        "repositories.x.integration=odd",
        "--set",
        "repositories.x.project=\"1\"",
        "--set",
        "repositories.x.name=any",
    ];
    let run = sandbox.run(&[&beside[..], &wrong[..]].concat()).exits(0);
    assert_has(&run.stderr, &[told]);
    tell(&fake, &[("list", page(&[], None, None))]);
    let run = sandbox.run(&["check"]).exits(3);
    assert_has(&run.stderr, &["discovery `odd` finds nothing: its identity sees no repository at all"]);
}

#[test]
fn one_that_disappears_is_denied_and_forgotten_once_it_has_been_gone_for_long() {
    let (fake, sandbox) = large(1, 2);
    sandbox.run(&["check"]).exits(0);
    fake.world(|world| drop(world.project_mut("project-0").repositories.remove(1)));
    let lost = sandbox.run(&["check", "--format=json"]).exits(1).json();
    assert_eq!(lost["results"][1]["reason"], "not_found");
    sandbox.run(&["check"]).exits(1);
    let last = sandbox.run(&["check", "--set", "discovery.all.forget_after=1ms"]).exits(1);
    assert_has(&last.stderr, &["`all:project-0/repository-1` has been missing and denied for long"]);
    assert_eq!(
        names(&sandbox.run(&["check", "--format=json"]).exits(0).json()),
        ["all:project-0/repository-0"]
    );
}

/// A page as the fixture passes it on.
fn page(ids: &[&str], next: Option<&str>, incomplete: Option<&str>) -> Answer {
    let listed = ids.iter().map(|id| json!({ "name": "any", "project": id, "external_id": id }));
    let mut page = json!({ "repositories": listed.collect::<Vec<_>>() });
    if let Some(next) = next {
        page["next"] = next.into();
    }
    if let Some(why) = incomplete {
        page["incomplete"] = why.into();
    }
    Answer::json(200, &page)
}

/// A fake with these answers at these paths behind `list`, and a sandbox whose discovery lists them.
fn odd(pages: &[(&str, Answer)], more: &str) -> (Fake, Sandbox) {
    let fake = Fake::start_blocking(World::default());
    let sandbox = Sandbox::with_fake(&fake);
    sandbox.install(build::listing());
    tell(&fake, pages);
    sandbox.write(
        "forgewatch.toml",
        format!(
            "[integrations.odd]\nprovider = \"listing\"\ndomain_name = \"https://{HOST}/\"\n{more}\n\
             [discovery.odd]\nintegration = \"odd\"\ninclude = [\"*\"]\n"
        ),
    );
    (fake, sandbox)
}

fn tell(fake: &Fake, pages: &[(&str, Answer)]) {
    fake.clear_faults();
    for (path, answer) in pages {
        fake.fault(Match::any().host(HOST).path_prefix(&format!("/{path}")), answer.clone());
    }
    fake.fault(Match::any().host(HOST), Answer::status(200));
}

#[test]
fn a_listing_that_makes_no_sense_is_told_and_takes_nothing_away() {
    let good = [("list", page(&["1", "2"], None, None))];
    // What the listing does, its pages, what is told, and how many repositories are checked then.
    type Case<'a> = (&'a str, Vec<(&'a str, Answer)>, &'a str, usize);
    let cases: [Case<'_>; 6] = [
        (
            "repeats a page",
            vec![("list-b", page(&["3"], Some("-b"), None)), ("list", page(&["1"], Some("-b"), None))],
            "cannot list: invalid_response: the listing comes back to a page that was there before",
            3,
        ),
        (
            "is cut",
            vec![("list", page(&["1"], None, Some("only the first 1,000 are shown")))],
            "may miss something: only the first 1,000 are shown",
            2,
        ),
        (
            "fails on its second page",
            vec![("list-b", Answer::status(500)), ("list", page(&["1", "4"], Some("-b"), None))],
            "cannot list: provider_error: the forge answered 500",
            3,
        ),
        ("is no listing", vec![("list", Answer::status(200))], "cannot list: plugin_failed: ", 2),
        (
            "has names that no forge has",
            vec![("list", page(&["1", &"x".repeat(2_000)], None, None))],
            "may miss something: 1 repositories have no name, or one of more than 1000 bytes",
            2,
        ),
        ("is one of a plugin without", vec![], "cannot list: the plugin `listing` has no listing", 2),
    ];
    for (what, pages, told, count) in cases {
        let (fake, sandbox) = odd(&good, "");
        sandbox.run(&["check"]).exits(0);
        tell(&fake, &pages);
        let set = ["--set", "integrations.odd.external_id=\"none\"", "check", "--format=json"];
        let arguments = if pages.is_empty() { &set[..] } else { &set[2..] };
        let run = sandbox.run(arguments).exits(0);
        assert_has(&run.stderr, &[told]);
        assert_eq!(names(&run.json()).len(), count, "{what}: {run:#?}");
    }
}

#[test]
fn a_listing_that_shrinks_half_way_costs_nothing_since_each_one_is_asked_for_itself() {
    let (fake, sandbox) = odd(&[("list", page(&["1", "2", "3", "4"], None, None))], "");
    sandbox.run(&["check"]).exits(0);
    // One is really gone, and so the next page begins one later.
    tell(
        &fake,
        &[
            ("list-b", page(&["4"], None, None)),
            ("list", page(&["1"], Some("-b"), None)),
            ("repositories/2", Answer::status(404)),
        ],
    );
    let run = sandbox.run(&["check", "--format=ndjson"]).exits(1);
    let denied: Vec<_> = run.stdout.lines().filter(|line| line.contains("not_found")).collect();
    assert_eq!((run.stdout.lines().count(), denied.len()), (4, 1), "{run:#?}");
    assert_has(denied[0], &["odd:2/any"]);
}

#[test]
fn a_listing_without_an_end_is_ended() {
    let (_fake, sandbox) = odd(&[], "external_id = \"endless\"");
    let run = sandbox.run(&["check", "--format=json"]).exits(3);
    assert_has(&run.stderr, &["discovery `odd` cannot list: invalid_response: the listing does not end"]);
    assert_eq!(names(&run.json()).len(), 20_000);
}
