//! A batch never gives another verdict than checks one by one would: held over random worlds of each forge.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

use forgewatch::config::{Environment, Request, load};
use forgewatch::prepare::Prepared;
use forgewatch_tests::fake::{Credential, Fake, Organisation, Project, Repository, Standing, World};
use forgewatch_tests::sandbox::Sandbox;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "fakepat0batches0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A forge, and what is watched of it.
#[derive(Clone, Debug)]
struct Case {
    projects: Vec<Vec<Fate>>,
    hidden_projects: Vec<bool>,
    standing: u8,
    watched: Vec<(usize, usize, Form)>,
}

/// What has become of a repository.
#[derive(Clone, Copy, Debug)]
enum Fate {
    There,
    Disabled,
    Hidden,
    Gone,
}

/// How the configuration names a repository.
#[derive(Clone, Copy, Debug)]
enum Form {
    Name,
    OtherCase,
    IdAsName,
    Id,
    IdInNoProject,
    IdInAnotherProject,
    FormerName,
    WrongId,
}

fn id(project: usize, repository: usize) -> String {
    format!("c0470500-5e1f-4b0a-9c3d-0000{project:04}{repository:04}")
}

fn cases() -> impl Strategy<Value = Case> {
    let fate = prop_oneof![
        4 => Just(Fate::There), 1 => Just(Fate::Disabled), 1 => Just(Fate::Hidden), 1 => Just(Fate::Gone)
    ];
    let form = prop_oneof![
        4 => Just(Form::Name),
        2 => Just(Form::Id),
        1 => Just(Form::OtherCase),
        1 => Just(Form::IdAsName),
        1 => Just(Form::IdInNoProject),
        1 => Just(Form::IdInAnotherProject),
        1 => Just(Form::FormerName),
        1 => Just(Form::WrongId),
    ];
    let standing = prop_oneof![6 => Just(0_u8), 1 => 1..4_u8];
    let hidden = prop_oneof![4 => Just(false), 1 => Just(true)];
    (vec(vec(fate, 0..8), 1..3), vec(hidden, 3), standing, vec((0..3_usize, 0..8_usize, form), 1..30))
        .prop_map(|(projects, hidden_projects, standing, watched)| Case {
            projects,
            hidden_projects,
            standing,
            watched,
        })
}

impl Case {
    fn world(&self) -> World {
        let mut organisation = Organisation::cloud("c0470500-5e1f-4b0a-9c3d-00000000c00f", "random");
        for (p, fates) in self.projects.iter().enumerate() {
            let mut project = Project::new(&id(p, 9_999), &format!("Project {p}"));
            if self.hidden_projects[p] {
                project = project.only_for(&[]);
            }
            for (r, fate) in fates.iter().enumerate() {
                let repository = Repository::new(&id(p, r), &format!("Repo-{r}"));
                project = match fate {
                    Fate::There => project.repository(repository),
                    Fate::Disabled => project.repository(repository.disabled()),
                    Fate::Hidden => project.repository(repository.only_for(&[])),
                    Fate::Gone => project,
                };
            }
            organisation = organisation.project(project);
        }
        let standing = match self.standing {
            0 => Standing::Valid,
            1 => Standing::Expired,
            2 => Standing::MissingScope,
            _ => Standing::RefusedByPolicy,
        };
        let reader = Credential::pat("reader", TOKEN).member_of("random").standing(standing);
        World::default().organisation(organisation).credential(reader)
    }

    fn config(&self) -> String {
        let mut toml = String::from(
            "[integrations.random]\nprovider = \"vsts\"\ndomain_name = \"https://dev.azure.com/random/\"\n\
             identity = \"reader\"\n",
        );
        for (n, (p, r, form)) in self.watched.iter().enumerate() {
            let (name, own) = (format!("Repo-{r}"), id(*p, *r));
            let (project, name, external_id) = match form {
                Form::Name => (Some(*p), name, None),
                Form::OtherCase => (Some(*p), name.to_uppercase(), None),
                Form::IdAsName => (Some(*p), own, None),
                Form::Id => (Some(*p), name, Some(own)),
                Form::IdInNoProject => (None, name, Some(own)),
                Form::IdInAnotherProject => (Some(p + 1), name, Some(own)),
                Form::FormerName => (Some(*p), "before".to_owned(), Some(own)),
                Form::WrongId => (Some(*p), name, Some(id(77, 77))),
            };
            let _ = writeln!(toml, "[repositories.r{n}]\nintegration = \"random\"\nname = {name:?}");
            if let Some(project) = project {
                let _ = writeln!(toml, "project = \"Project {project}\"");
            }
            if let Some(id) = external_id {
                let _ = writeln!(toml, "external_id = {id:?}");
            }
        }
        toml
    }
}

/// Where sweeps are made.
struct Place {
    sandbox: Sandbox,
    runtime: Runtime,
}

impl Place {
    fn new(fake: &Fake) -> Self {
        let sandbox = Sandbox::with_fake(fake);
        sandbox.write("token", TOKEN);
        Self { sandbox, runtime: Runtime::new().expect("a runtime") }
    }

    /// The reason that a sweep finds for each repository.
    fn reasons(&self, config: &str, batch: bool) -> BTreeMap<String, &'static str> {
        let place = &self.sandbox;
        let base = "plugins.isolation = \"in_process\"\nplugins.dirs = [\"plugins\"]\nstate.path = \"state.db\"\n\
                    [identities.reader]\nkind = \"pat\"\ntoken = { file = \"token\" }\n";
        let keys = ["vsts", "github", "gitlab"];
        let batches: String =
            keys.iter().map(|key| format!("[providers.{key}]\nbatch = {batch}\n")).collect();
        let file = place.write("forgewatch.toml", format!("{base}{batches}{config}"));
        let root = place.path("");
        let environment = Environment { variables: Vec::new(), system_dir: root.clone(), working_dir: root };
        let request = Request {
            config: vec![place.path("base.toml"), file],
            profile: None,
            set: Vec::new(),
            environment,
        };
        let loaded = load(&request);
        self.runtime.block_on(async {
            let prepared = Prepared::for_check(&loaded, &[], false).await.expect("a valid configuration");
            let results = prepared.sweep.run(CancellationToken::new(), |_| {}).await;
            let reason =
                |result: forgewatch::sweep::CheckResult| (result.repository, result.outcome.reason.as_str());
            results.into_iter().map(reason).collect()
        })
    }
}

#[test]
fn projects_of_azure_devops_give_the_verdicts_that_their_repositories_do() {
    let fake = Fake::start_blocking(World::default());
    let place = Place::new(&fake);
    let asked = [0, 1].map(|_| Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases(), |case| {
        fake.world(|world| *world = case.world());
        let config = case.config();
        let found = [true, false].map(|batch| {
            fake.take_requests();
            let reasons = place.reasons(&config, batch);
            let asked = &asked[usize::from(!batch)];
            asked.set(asked.get() + fake.take_requests().len());
            reasons
        });
        prop_assert_eq!(found[0].len(), case.watched.len());
        prop_assert_eq!(&found[0], &found[1]);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    // The two ways are two.
    assert_ne!(asked[0], asked[1]);
}
