//! A client through the real host and library: its lists, held against a check of each repository by itself, and what it
//! does not ask twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forgewatch::config::{Environment, Request, load};
use forgewatch::prepare;
use forgewatch::state::State;
use forgewatch::sweep::{ListingEnd, Pager};
use forgewatch_plugin_api::{Access, Failure, Repository as Wanted};
use forgewatch_tests::fake::github::{Block, Github, Permission, Repository, Visibility, contoso};
use forgewatch_tests::fake::{Answer, Fake, Match, World};
use forgewatch_tests::sandbox::Sandbox;

use super::{API, config, integration};

const LIMIT: Duration = Duration::from_secs(20);

/// The usual ones, and a few hundred of every kind beside them.
fn github() -> Github {
    let mut github = Github::contoso();
    for n in 0..330_u32 {
        let at = |steps: u32| n / steps;
        let mut repository = Repository::new(u64::from(20_000 + n), "contoso", &format!("r{n}"));
        repository.visibility =
            [Visibility::Private, Visibility::Internal, Visibility::Public][at(4) as usize % 3];
        repository.archived = n % 5 == 0;
        repository.disabled = n % 7 == 0;
        repository.blocked = match n % 13 {
            0 => Some(Block::Terms),
            1 => Some(Block::Takedown),
            _ => None,
        };
        if n % 3 != 0 {
            let permission = if n % 2 == 0 { Permission::Pull } else { Permission::Push };
            repository = repository.grant("deploy-bot", permission);
        }
        github = github.repository(repository);
    }
    github
}

async fn prepared(sandbox: &Sandbox) -> prepare::World {
    let root = sandbox.path("");
    let environment = Environment { variables: Vec::new(), system_dir: root.clone(), working_dir: root };
    let config = ["base.toml", "forgewatch.toml"].map(|name| sandbox.path(name)).to_vec();
    let loaded = load(&Request { config, profile: None, set: Vec::new(), environment });
    let state = Arc::new(State::open(&sandbox.path("state.db")).expect("a state"));
    prepare::World::prepare(&loaded, state, None).await.unwrap_or_else(|problems| panic!("{:?}", problems.0))
}

/// A prepared world with the integration `contoso`.
async fn listing(fake: &Fake) -> (Sandbox, prepare::World) {
    let sandbox = Sandbox::with_fake(fake);
    let config = config().toml("[plugins]\nisolation = \"in_process\"\ndirs = [\"plugins\"]");
    integration(config, "contoso", API, "classic").write(&sandbox);
    let world = prepared(&sandbox).await;
    (sandbox, world)
}

/// What a verdict is made of.
fn said(answer: &Result<Access, Failure>) -> (u32, &str) {
    match answer {
        Ok(access) => (0, access.detail()),
        Err(failure) => (failure.reason().code(), failure.detail()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_of_each_repository_what_a_check_would() {
    let fake = Fake::start(World::default().github(github())).await;
    let (_sandbox, world) = listing(&fake).await;
    let integration = &world.integrations["contoso"];
    let client = integration.connect(LIMIT).await.expect("a client");
    let mut shown: BTreeMap<String, Result<Access, Failure>> = BTreeMap::new();
    let listed = Pager::default()
        .list(integration, &client, LIMIT, |page, _| {
            for listed in page.repositories() {
                let id = listed.external_id().expect("an id").to_owned();
                assert_eq!(shown.insert(id, listed.access().clone()).map(|_| ()), None);
            }
            true
        })
        .await;
    assert!(matches!(listed.end, ListingEnd::Whole), "{:?}", listed.end);
    assert_eq!(listed.requests as usize, shown.len().div_ceil(100));
    assert!(shown.len() > 150, "{}", shown.len());

    let mut granted = 0;
    for repository in &fake.world(|world| world.github.repositories.clone()) {
        let id = repository.id.to_string();
        let wanted = Wanted::new(&repository.name).with_project(&repository.owner);
        for wanted in [wanted.clone().with_external_id(&id), wanted] {
            let alone = client.has_repo_access(&wanted).await;
            granted += usize::from(alone.is_ok());
            match shown.get(&id) {
                Some(listed) => assert_eq!(said(listed), said(&alone), "{repository:?}"),
                // Of what may be read it lacks only what everybody in the house may read.
                None => assert!(
                    alone.is_err() || repository.visibility == Visibility::Internal,
                    "{repository:?}: {alone:?}"
                ),
            }
        }
    }
    assert!(granted > shown.len(), "{granted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_wrong_is_not_whole() {
    let fake = Fake::start(World::default().github(github())).await;
    let (_sandbox, world) = listing(&fake).await;
    let integration = &world.integrations["contoso"];
    let client = integration.connect(LIMIT).await.expect("a client");
    let foreign = "<https://elsewhere.example/user/repos?page=2>; rel=\"next\"";
    let endless = format!("<{API}user/repos?page=1>; rel=\"next\"");
    for (answer, whole, why) in [
        (Answer::from_world().header("link", foreign), false, "leads elsewhere"),
        (Answer::from_world().header("link", &endless), false, "comes back to a page"),
        (
            Answer::from_world().header("x-github-sso", "partial-results; organizations=7"),
            false,
            "single sign-on",
        ),
        (Answer::github(403, "secondary rate limit"), false, "limit of requests"),
        (Answer::github(500, "no"), false, "fault of the service"),
        (Answer::cut_off("[", 100), false, "cut off"),
        (Answer::from_world(), true, ""),
    ] {
        fake.fault(Match::any().path_contains("/user/repos"), answer);
        let listed = Pager::default().list(integration, &client, LIMIT, |_, _| true).await;
        fake.clear_faults();
        let told = format!("{:?}", listed.end);
        assert_eq!(matches!(listed.end, ListingEnd::Whole), whole, "{told}");
        assert!(told.contains(why), "{why}: {told}");
    }
    assert!(fake.requests_to(|request| request.host == "elsewhere.example").is_empty());
    assert!(!fake.requests().iter().any(|request| request.contains(contoso::FINE_GRAINED)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_costs_nothing_of_the_limit() {
    let fake = Fake::start(World::default().github(Github::contoso().limited(2, LIMIT * 60))).await;
    let (_sandbox, world) = listing(&fake).await;
    let client = world.integrations["contoso"].connect(LIMIT).await.expect("a client");
    let wanted = Wanted::new("storefront").with_project("contoso");
    for _ in 0..10 {
        assert!(client.has_repo_access(&wanted).await.is_ok());
    }
    fake.world(|world| world.github.repository_mut("storefront").archived = true);
    let changed = client.has_repo_access(&wanted).await.expect("access");
    assert!(changed.detail().contains("archived"), "{changed:?}");
}
