//! Lists and batches: what they ask for, what they say, and what they leave to single requests.

use forgewatch_plugin_api::{BodyState, ListRequest, ListedRepository, Reason, RepositoryPage};

use super::*;

const LIST_ALL: &str = "https://dev.azure.com/contoso/_apis/git/repositories?api-version=7.1";
const LIST_SHOP: &str = "https://dev.azure.com/contoso/Shop/_apis/git/repositories?api-version=7.1";
const CONNECTION: &str = "https://dev.azure.com/contoso/_apis/connectionData?api-version=7.1-preview.1";

fn client(fake: &FakeHost) -> Client {
    get_client(fake, integration(BASE)).unwrap()
}

fn entry(id: &str, project: &str, name: &str, is_disabled: bool) -> String {
    format!(r#"{{"id":"{id}","name":"{name}","project":{{"name":"{project}"}},"isDisabled":{is_disabled}}}"#)
}

fn list(entries: &[String]) -> Response {
    json(200, &format!(r#"{{"count":{},"value":[{}]}}"#, entries.len(), entries.join(",")))
}

fn too_large() -> Response {
    json(200, "").with_body_state(BodyState::TOO_LARGE)
}

fn pages(client: &Client) -> Vec<RepositoryPage> {
    let mut request = ListRequest::first();
    let mut pages = Vec::new();
    loop {
        let page = block_on(Vsts.list_repositories(client, &request)).unwrap();
        let next = page.next().map(ListRequest::after);
        pages.push(page);
        match next {
            Some(next) => request = next,
            None => return pages,
        }
    }
}

fn names(pages: &[RepositoryPage]) -> Vec<&str> {
    pages.iter().flat_map(RepositoryPage::repositories).map(ListedRepository::name).collect()
}

#[test]
fn an_organisation_is_one_page() {
    let entries = [entry("1", "Shop", "web", false), entry("2", "Shop", "old", true)];
    let fake = fake([(LIST_ALL, list(&entries))]);
    let pages = pages(&client(&fake));
    assert_eq!(names(&pages), ["web", "old"]);
    let [web, old] = pages[0].repositories() else { panic!("{pages:?}") };
    assert_eq!((web.project(), web.external_id()), (Some("Shop"), Some("1")));
    assert!(web.access().is_ok());
    assert_eq!(old.access().as_ref().unwrap_err().reason(), Reason::DISABLED);
}

#[test]
fn a_large_organisation_is_listed_by_project() {
    let projects = |range: std::ops::Range<usize>| {
        let projects: Vec<String> = range.map(|n| format!(r#"{{"id":"p{n}","name":"P{n}"}}"#)).collect();
        list(&projects)
    };
    let url = |rest: String| format!("{BASE}{rest}api-version=7.1");
    let fake = fake([(LIST_ALL, too_large())]);
    fake.answer(Method::GET, &url("_apis/projects?$top=100&$skip=0&".to_owned()), projects(0..100));
    fake.answer(Method::GET, &url("_apis/projects?$top=100&$skip=100&".to_owned()), projects(100..102));
    for n in 0..102 {
        let entries = [entry(&n.to_string(), &format!("P{n}"), &format!("r{n}"), false)];
        let answer = if n == 50 {
            exception(404, "VS800075: gone", "ProjectDoesNotExistException")
        } else {
            list(&entries)
        };
        fake.answer(Method::GET, &url(format!("p{n}/_apis/git/repositories?")), answer);
    }
    let client = client(&fake);
    let first = pages(&client);
    let expected: Vec<String> = (0..102).filter(|n| *n != 50).map(|n| format!("r{n}")).collect();
    assert_eq!(names(&first), expected);
    assert_eq!(first.iter().filter(|page| page.incomplete().is_some()).count(), 1);
    assert_eq!(first[0].requests_left(), Some(99));
    assert_eq!(fake.requests().len(), 1 + 2 + 102);
    // The size is remembered for as long as the client lives.
    pages(&client);
    assert_eq!(urls(&fake).iter().filter(|url| *url == LIST_ALL).count(), 1);
}

#[test]
fn no_project_leads_out_of_the_organisation() {
    let projects = list(&[r#"{"id":"..","name":"P"}"#.to_owned(), r#"{"id":"a/b","name":"Q"}"#.to_owned()]);
    let fake = fake([(LIST_ALL, too_large())]);
    let url = format!("{BASE}_apis/projects?$top=100&$skip=0&api-version=7.1");
    fake.answer(Method::GET, &url, projects);
    assert!(names(&pages(&client(&fake))).is_empty());
    assert_eq!(urls(&fake), [LIST_ALL, &url]);
}

#[test]
fn a_batch_takes_one_request_for_a_project() {
    let entries = [
        entry("1", "Shop", "Web", false),
        entry("2", "Shop", "old", true),
        entry("3", "Shop", "renamed", false),
        entry("", "Shop", "nameless", false),
    ];
    let fake = fake([(LIST_SHOP, list(&entries))]);
    let shop = |name: &str| Repository::new(name).with_project("Shop");
    let asked = [
        shop("web"),
        shop("old"),
        shop("before").with_external_id("3"),
        shop("3"),
        shop("gone"),
        shop("nameless"),
        shop("web").with_external_id("9"),
        shop("a/b"),
    ];
    let answers = block_on(Vsts.check_repositories(&client(&fake), &asked)).unwrap();
    let reasons: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map(|answer| answer.as_ref().err().map(Failure::reason)))
        .collect();
    let (granted, single) = (Some(None), None);
    assert_eq!(
        reasons,
        [
            granted,
            Some(Some(Reason::DISABLED)),
            granted,
            granted,
            single,
            single,
            single,
            Some(Some(Reason::NOT_FOUND))
        ]
    );
    let renamed = answers[2].as_ref().unwrap().as_ref().unwrap().detail();
    assert!(renamed.contains("is called `renamed` now"), "{renamed}");
    assert_eq!(urls(&fake), [LIST_SHOP]);
}

#[test]
fn a_batch_without_a_project_goes_by_ids_and_a_list_that_is_too_large_says_nothing() {
    let fake = fake([(LIST_ALL, list(&[entry("1", "Shop", "web", false)])), (LIST_SHOP, too_large())]);
    let client = client(&fake);
    let asked = [Repository::new("x").with_external_id("1"), Repository::new("web")];
    let answers = block_on(Vsts.check_repositories(&client, &asked)).unwrap();
    assert!(answers[0].as_ref().unwrap().is_ok() && answers[1].is_none());
    let asked = [Repository::new("a").with_project("Shop"), Repository::new("b").with_project("shop")];
    assert_eq!(block_on(Vsts.check_repositories(&client, &asked)).unwrap(), [None, None]);
}

#[test]
fn a_list_that_fails_is_one_failure() {
    for (answer, reason) in [
        (exception(401, "TF400813", "UnauthorizedRequestException"), Reason::UNAUTHORIZED),
        (json(429, "{}"), Reason::RATE_LIMITED),
        (json(500, "{}"), Reason::PROVIDER_ERROR),
        (json(200, "[]"), Reason::INVALID_RESPONSE),
        (html(203, "Sign In"), Reason::UNAUTHORIZED),
    ] {
        let fake = fake([(LIST_ALL, answer.clone()), (LIST_SHOP, answer)]);
        let client = client(&fake);
        let failure = block_on(Vsts.list_repositories(&client, &ListRequest::first())).unwrap_err();
        assert_eq!(failure.reason(), reason, "{failure}");
        assert!(failure.detail().starts_with("the list of `acme`: "), "{failure}");
        let asked = ["a", "b"].map(|name| Repository::new(name).with_project("Shop"));
        let failure = block_on(Vsts.check_repositories(&client, &asked)).unwrap_err();
        assert_eq!(failure.reason(), reason, "{failure}");
    }
}

#[test]
fn a_cursor_of_somebody_else_is_a_failure() {
    let failure = block_on(Vsts.list_repositories(&client(&FakeHost::new()), &ListRequest::after("x")));
    assert_eq!(failure.unwrap_err().reason(), Reason::PLUGIN_FAILED);
}

#[test]
fn the_identity_is_whom_the_service_names() {
    let user =
        |id: &str| format!(r#"{{"authenticatedUser":{{"id":"{id}","providerDisplayName":"Ada Quill"}}}}"#);
    let probe = |answer: Response| block_on(Vsts.probe_identity(&client(&fake([(CONNECTION, answer)]))));
    assert_eq!(probe(json(200, &user("6a5f"))).unwrap().subject(), "Ada Quill");
    let nobody = user("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
    assert_eq!(probe(json(200, &nobody)).unwrap_err().reason(), Reason::UNAUTHORIZED);
    assert_eq!(probe(json(200, "{}")).unwrap_err().reason(), Reason::INVALID_RESPONSE);
    assert_eq!(probe(html(203, "Sign In")).unwrap_err().reason(), Reason::UNAUTHORIZED);
}
