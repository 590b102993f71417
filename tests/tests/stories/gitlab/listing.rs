//! The listing through the real host and library, held against a check of each project by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forgewatch::config::{Environment, Request, load};
use forgewatch::prepare;
use forgewatch::state::State;
use forgewatch::sweep::{ListingEnd, Pager};
use forgewatch_plugin_api::{Access, Failure, Repository};
use forgewatch_tests::fake::gitlab::{self, Project, Visibility};
use forgewatch_tests::fake::{Fake, World};
use forgewatch_tests::sandbox::Sandbox;

use crate::support::Config;

const LIMIT: Duration = Duration::from_secs(20);

/// The stock of both servers, and on their own one a few hundred projects of every kind beside it.
fn world() -> World {
    let mut world = World::contoso_gitlab();
    for at in 0..300_u32 {
        let group = ["contoso/web", "fabrikam/guests", "fabrikam", "contoso/a/b/c"][at as usize % 4];
        let mut project = Project::new(&format!("{group}/p{at}"));
        project.visibility =
            [Visibility::Private, Visibility::Internal, Visibility::Public][at as usize / 4 % 3];
        project.archived = at % 5 == 0;
        project.without_repository = at % 7 == 0;
        project.members =
            if at % 11 == 0 { vec![("group_7_bot_contoso".to_owned(), 10 * (at % 5 + 1))] } else { vec![] };
        world.gitlabs[1].projects.insert(u64::from(10_000 + at * 3), project);
    }
    world
}

async fn prepared(sandbox: &Sandbox) -> prepare::World {
    let root = sandbox.path("");
    let environment = Environment { variables: Vec::new(), system_dir: root.clone(), working_dir: root };
    let config = ["base.toml", "forgewatch.toml"].map(|name| sandbox.path(name)).to_vec();
    let loaded = load(&Request { config, profile: None, set: Vec::new(), environment });
    let state = Arc::new(State::open(&sandbox.path("state.db")).expect("a state"));
    prepare::World::prepare(&loaded, state, None).await.unwrap_or_else(|problems| panic!("{:?}", problems.0))
}

/// What a verdict is made of.
fn said(answer: &Result<Access, Failure>) -> (u32, &str) {
    match answer {
        Ok(access) => (0, access.detail()),
        Err(failure) => (failure.reason().code(), failure.detail()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_of_each_project_what_a_check_would() {
    let fake = Fake::start(world()).await;
    let sandbox = Sandbox::with_fake(&fake);
    sandbox.write("bot.txt", gitlab::TOKEN);
    Config::default()
        .toml("plugins.isolation = \"in_process\"\nplugins.dirs = [\"plugins\"]")
        .toml("[identities.bot]\nkind = \"pat\"\ntoken = { file = \"bot.txt\" }")
        .toml("[integrations.own]\nprovider = \"gitlab\"\nidentity = \"bot\"")
        .toml(&format!("domain_name = \"{}\"", gitlab::OWN_BASE_URL))
        .write(&sandbox);
    let world = prepared(&sandbox).await;
    let integration = &world.integrations["own"];
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
    let pages = fake.requests_to(|request| request.path == "/gitlab/api/v4/projects");
    assert_eq!((listed.requests as usize, pages.len()), (2, 2));

    let projects = fake.world(|world| world.gitlabs[1].projects.clone());
    let mut granted = 0;
    for (id, project) in &projects {
        let (groups, name) = project.path.rsplit_once('/').expect("a group");
        for repository in [
            Repository::new(name).with_project(groups),
            Repository::new(name).with_project(groups).with_external_id(&id.to_string()),
        ] {
            let alone = client.has_repo_access(&repository).await;
            granted += u32::from(alone.is_ok());
            match shown.get(&id.to_string()) {
                Some(listed) => assert_eq!(said(listed), said(&alone), "{project:?}"),
                // Of what is granted it lacks only what takes a second look.
                None => assert!(alone.is_err() || !project.shared_with.is_empty(), "{project:?}"),
            }
        }
    }
    assert!(shown.len() > 100 && granted as usize > shown.len(), "{} {granted}", shown.len());
}
