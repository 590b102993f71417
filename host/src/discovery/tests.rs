//! What becomes of what was found, listing by listing.

use std::time::{Duration, SystemTime};

use forgewatch_plugin_api::{Access, Failure, ListedRepository, Reason as Code, RepositoryPage};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::state::State;
use crate::verdict::{Moment, Outcome, Reason};

const FORGET_AFTER: Duration = Duration::from_secs(7 * 86_400);

fn at(second: u64) -> Moment {
    (SystemTime::UNIX_EPOCH + Duration::from_secs(second)).into()
}

fn discovery(include: &[&str]) -> Discovery {
    let settings = json!({ "integration": "acme", "include": include });
    let settings: config::Discovery = serde_json::from_value(settings).unwrap();
    Discovery::of(&Config::default(), "d", &settings).unwrap()
}

fn repository(id: &str, project: &str, name: &str) -> ListedRepository {
    let listed = ListedRepository::granted(name).with_project(project);
    if id.is_empty() { listed } else { listed.with_external_id(id) }
}

/// A listing of `(id, project, name)` that ended so.
fn listing(discovery: &Discovery, shown: &[(&str, &str, &str)], end: Ended) -> Listing {
    let mut listing = Listing::default();
    listing.end = end;
    let listed = shown.iter().map(|(id, project, name)| repository(id, project, name));
    listing.take(discovery, &RepositoryPage::new(listed.collect()));
    listing
}

/// A catalogue after whole listings, one a second.
fn after(discovery: &Discovery, listings: &[&[(&str, &str, &str)]]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (second, shown) in (0..).zip(listings) {
        catalogue.take(discovery, &listing(discovery, shown, Ended::Whole), at(second));
    }
    catalogue
}

fn names(catalogue: &Catalogue, discovery: &Discovery) -> Vec<String> {
    catalogue.of(discovery).into_iter().map(|(_, found)| found.shown("d")).collect()
}

fn failed() -> Ended {
    Ended::Failed(Outcome::new(Reason::Unreachable, "nobody is there"))
}

const BOTH: &[(&str, &str, &str)] = &[("1", "P", "api"), ("2", "P", "web")];

#[test]
fn a_listing_that_is_not_whole_adds_and_takes_nothing_away() {
    let discovery = discovery(&["*"]);
    for end in [Ended::Incomplete("cut".to_owned()), failed(), Ended::Unsupported] {
        let mut catalogue = after(&discovery, &[BOTH]);
        let news = catalogue.take(&discovery, &listing(&discovery, &[("3", "P", "new")], end.clone()), at(9));
        assert_eq!(
            (news.found, news.missing.len(), news.left.len()),
            (vec!["#3".to_owned()], 0, 0),
            "{end:?}"
        );
        assert_eq!(names(&catalogue, &discovery), ["d:P/api", "d:P/web", "d:P/new"], "{end:?}");
        assert_eq!((catalogue.counts(&discovery), catalogue.listed_at(&discovery)), ((3, 0), Some(at(0))));
    }
}

#[test]
fn what_a_whole_listing_does_not_show_is_missing_and_stays_until_it_is_back() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let one = listing(&discovery, &BOTH[..1], Ended::Whole);
    assert_eq!(catalogue.take(&discovery, &one, at(5)).missing, ["#2"]);
    let again = catalogue.take(&discovery, &one, at(6));
    assert!(again.missing.is_empty() && again.save.found.is_empty() && !again.changes_what_is_watched());
    assert_eq!(catalogue.counts(&discovery), (2, 1));
    assert_eq!(catalogue.of(&discovery)[1].1.missing_since, Some(at(5)));
    let news = catalogue.take(&discovery, &listing(&discovery, BOTH, Ended::Whole), at(7));
    assert_eq!(
        (news.back, news.found.len(), catalogue.counts(&discovery)),
        (vec!["#2".to_owned()], 0, (2, 0))
    );
}

#[test]
fn a_listing_that_shows_nothing_at_once_drops_nothing() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let news = catalogue.take(&discovery, &listing(&discovery, &[], Ended::Whole), at(5));
    assert_eq!(
        (news.missing.len(), news.changes_what_is_watched(), catalogue.counts(&discovery)),
        (2, false, (2, 2))
    );
}

#[test]
fn it_is_forgotten_only_when_it_was_missing_and_denied_for_long() {
    let discovery = discovery(&["*"]);
    let long = FORGET_AFTER.as_secs();
    // Since when it is denied, when it is looked, and whether it is forgotten; it is missing since second 1.
    let cases = [
        (None, 10 * long, false),
        (Some(1), long, false),
        (Some(1), long + 1, true),
        (Some(9), long + 1, false),
    ];
    for (denied, now, expected) in cases {
        let mut catalogue = after(&discovery, &[BOTH, &BOTH[..1]]);
        let mut news = News::default();
        catalogue.forget(&discovery, at(now), &mut news, |_| denied.map(at));
        let forgotten: Vec<_> =
            news.forgotten.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        assert_eq!(forgotten, [("#2", "d:P/web")][..usize::from(expected)], "{denied:?} {now}");
        assert_eq!(catalogue.counts(&discovery).0, 2 - usize::from(expected));
    }
}

#[test]
fn a_repository_is_known_by_its_id_under_any_name() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let shown = [("1", "Q", "gateway"), ("2", "P", "web")];
    let news = catalogue.take(&discovery, &listing(&discovery, &shown, Ended::Whole), at(5));
    let renamed = Renamed { identity: "#1".to_owned(), from: "d:P/api".to_owned() };
    assert_eq!((news.renamed, news.found.len(), news.missing.len()), (vec![renamed], 0, 0));
    assert_eq!(names(&catalogue, &discovery), ["d:Q/gateway", "d:P/web"]);
    assert_eq!(catalogue.of(&discovery)[0].1.first_seen, at(0));
}

#[test]
fn one_that_was_replaced_by_another_of_its_name_is_no_loss() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let shown = [("9", "p", "API"), ("2", "P", "web")];
    let news = catalogue.take(&discovery, &listing(&discovery, &shown, Ended::Whole), at(5));
    assert_eq!((news.found, news.missing.len()), (vec!["#9".to_owned()], 0));
    assert_eq!(news.left, [("#1".to_owned(), "d:P/api".to_owned())]);
}

#[test]
fn one_that_moves_to_where_nobody_looks_has_left_and_is_not_missing() {
    let discovery = discovery(&["P/*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let shown = [("1", "Q", "api"), ("2", "P", "web")];
    let news = catalogue.take(&discovery, &listing(&discovery, &shown, Ended::Whole), at(5));
    assert_eq!((news.left.len(), news.missing.len()), (1, 0));
    assert_eq!(names(&catalogue, &discovery), ["d:P/web"]);
}

#[test]
fn what_never_was_granted_is_not_taken_in_and_what_was_is_not_missing() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[BOTH]);
    let denied = || Err::<Access, _>(Failure::new(Code::DISABLED, "it is disabled"));
    let mut shown = Listing::default();
    let page = [repository("1", "P", "api"), repository("2", "P", "web"), repository("3", "P", "old")];
    let page = page.map(|listed| listed.with_access(denied()));
    shown.take(&discovery, &RepositoryPage::new(page.into()));
    let news = catalogue.take(&discovery, &shown, at(5));
    assert_eq!((news.found.len(), news.missing.len(), catalogue.counts(&discovery)), (0, 0, (2, 0)));
}

#[test]
fn repositories_without_an_id_go_by_their_names() {
    let discovery = discovery(&["*"]);
    let mut catalogue = after(&discovery, &[&[("", "P", "api"), ("", "P", "web")]]);
    let shown = [("", "P", "api"), ("", "P", "shop")];
    let news = catalogue.take(&discovery, &listing(&discovery, &shown, Ended::Whole), at(5));
    assert_eq!((news.found, news.missing), (vec!["P/shop".to_owned()], vec!["P/web".to_owned()]));
}

#[test]
fn names_that_no_forge_has_are_left_out_and_the_listing_is_not_taken_for_whole() {
    let discovery = discovery(&["*"]);
    let mut listing = Listing::default();
    let page = ["", &"x".repeat(1_001), "fine"].map(|name| repository("", "P", name));
    assert!(listing.take(&discovery, &RepositoryPage::new(page.into())));
    assert_eq!((listing.unusable, listing.shown.len()), (2, 1));
}

#[test]
fn no_discovery_takes_in_more_than_it_may() {
    let discovery = discovery(&["*"]);
    let page = |numbers: std::ops::Range<usize>| {
        RepositoryPage::new(numbers.map(|n| repository(&n.to_string(), "P", "r")).collect())
    };
    let mut listing = Listing::default();
    assert!(listing.take(&discovery, &page(0..MOST_FOUND)));
    assert!(!listing.take(&discovery, &page(MOST_FOUND..MOST_FOUND + 5)));
    let mut catalogue = Catalogue::default();
    let news = catalogue.take(&discovery, &listing, at(5));
    assert_eq!((news.too_many, catalogue.counts(&discovery).0), (5, MOST_FOUND));
}

#[test]
fn another_integration_is_searched_anew_and_other_patterns_at_once() {
    let first = discovery(&["*"]);
    let mut catalogue = after(&first, &[BOTH]);
    let narrower = discovery(&["P/web"]);
    assert_eq!((catalogue.listed_at(&narrower), names(&catalogue, &narrower).len()), (None, 1));
    let mut elsewhere = discovery(&["*"]);
    elsewhere.settings.integration = "globex".to_owned();
    assert_eq!((catalogue.listed_at(&elsewhere), catalogue.counts(&elsewhere)), (None, (0, 0)));
    let news = catalogue.take(&elsewhere, &listing(&elsewhere, &[("7", "P", "x")], Ended::Whole), at(5));
    assert_eq!((news.found.len(), news.missing.len(), catalogue.counts(&elsewhere)), (1, 0, (1, 0)));
}

#[test]
fn everything_is_in_the_state_as_it_is_in_memory() {
    let folder = TempDir::new().unwrap();
    let state = State::open(&folder.path().join("state.db")).unwrap();
    let discovery = discovery(&["*"]);
    let mut catalogue = Catalogue::default();
    let listings: [&[(&str, &str, &str)]; 4] =
        [BOTH, &[("1", "Q", "api"), ("3", "", "x")], &[("", "P", "no id")], &[("3", "", "y")]];
    for (second, shown) in (0..).zip(listings) {
        let news = catalogue.take(&discovery, &listing(&discovery, shown, Ended::Whole), at(second));
        state.save(news.save).unwrap();
        let stored = Catalogue::stored(&state).unwrap();
        assert_eq!(format!("{stored:?}"), format!("{catalogue:?}"));
    }
    let other = TempDir::new().unwrap();
    let copy = State::open(&other.path().join("state.db")).unwrap();
    copy.save(catalogue.save_all()).unwrap();
    assert_eq!(format!("{:?}", Catalogue::stored(&copy).unwrap()), format!("{catalogue:?}"));
    state.save(catalogue.forget_unused(|_| true, at(1_000), Duration::ZERO)).unwrap();
    assert_eq!(catalogue.counts(&discovery).0, 4);
    state.save(catalogue.forget_unused(|_| false, at(1_000), Duration::from_secs(10))).unwrap();
    let stored = Catalogue::stored(&state).unwrap();
    assert_eq!((stored.counts(&discovery), catalogue.counts(&discovery)), ((0, 0), (0, 0)));
}
