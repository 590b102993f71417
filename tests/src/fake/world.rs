//! What exists behind the fake: organisations with projects and repositories, credentials, applications.
//!
//! Plain data with small builders. Names are compared without regard to case, like the service does. Nothing
//! here knows about requests; which names lead where is worked out once per change, in the index.

use super::github::Github;
use super::tokens::App;

/// Everything that the fake serves.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Organisations (in the cloud) and project collections (on-premises).
    pub organisations: Vec<Organisation>,
    /// Who may come in. Access tokens issued by an [`App`] join them at run time.
    pub credentials: Vec<Credential>,
    /// Clients of the token endpoints.
    pub apps: Vec<App>,
    /// What is on GitHub.
    pub github: Github,
    /// Further hosts that the proxy opens tunnels to, in lower case. Nothing lives there but faults.
    pub hosts: Vec<String>,
    /// How a look-up of an unknown account ends.
    pub unknown_account: UnknownAccount,
    /// GitLab servers.
    pub gitlabs: Vec<super::gitlab::Server>,
}

/// How a look-up of an unknown account ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownAccount {
    /// 404.
    #[default]
    NotFound,
    /// 200 with `null`.
    Null,
    /// 200 with an all-zero id and no location.
    EmptyId,
}

/// An organisation or a project collection.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// GUID, the account id.
    pub id: String,
    /// Name as it is shown.
    pub name: String,
    /// The addresses it answers at; the first is the primary one.
    pub reach: Vec<Reach>,
    /// What the account look-up says, if it is not the primary address.
    pub location_url: Option<String>,
    /// Highest final version the server speaks. One minor version more exists as a preview.
    pub newest_version: (u16, u16),
    /// Its projects.
    pub projects: Vec<Project>,
}

/// An address form of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// `https://dev.azure.com/{organisation}/`
    DevAzure,
    /// `https://{organisation}.visualstudio.com/`, with or without `DefaultCollection`.
    VisualStudio,
    /// `https://{host}/{directory}/{collection}/`
    OnPremises {
        /// In lower case, without port; `None` is this machine, under any of its loopback names.
        host: Option<String>,
        /// Virtual directory without slashes at its ends; may be empty or have several segments.
        directory: String,
    },
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// GUID.
    pub id: String,
    /// Name as it is shown.
    pub name: String,
    /// Names of the credentials that may see it; `None` is every member.
    pub readers: Option<Vec<String>>,
    /// Its repositories.
    pub repositories: Vec<Repository>,
}

/// A Git repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// GUID, unique in the organisation.
    pub id: String,
    /// Name as it is shown. Change it to rename the repository: the old name is then unknown.
    pub name: String,
    /// Disabled: shown in lists, not found by name or id.
    pub disabled: bool,
    /// In maintenance: readable, and says so.
    pub in_maintenance: bool,
    /// Without commits, and so without a default branch.
    pub empty: bool,
    /// Names of the credentials that may read it; `None` is everyone who sees the project.
    pub readers: Option<Vec<String>>,
}

/// How a credential is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Personal access token: the password of `Basic`, with any user name.
    Pat,
    /// Access token: `Bearer`.
    Bearer,
}

/// What the service thinks of a credential it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    #[default]
    Valid,
    /// Ran out: E3 for a personal access token, E4 for an access token.
    Expired,
    /// Lacks the scope for code: E8, but may ask who it is.
    MissingScope,
    /// Kept out by a policy of the tenant: E6.
    RefusedByPolicy,
}

/// Somebody's way in.
#[derive(Clone, Debug)]
pub struct Credential {
    /// What `readers` call it; never sent.
    pub name: String,
    /// What is sent.
    pub secret: String,
    /// How it is sent.
    pub scheme: Scheme,
    /// Names of the organisations it is a member of; elsewhere it gets E2.
    pub organisations: Vec<String>,
    /// What the service thinks of it.
    pub standing: Standing,
    /// Scopes that it lacks: `vso.work` for work items, `vso.work_write` for changing them.
    pub lacks: Vec<String>,
}

impl World {
    /// Adds an organisation.
    #[must_use]
    pub fn organisation(mut self, organisation: Organisation) -> Self {
        self.organisations.push(organisation);
        self
    }

    /// Adds a credential.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// Adds a client of the token endpoints.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Sets what is on GitHub.
    #[must_use]
    pub fn github(mut self, github: Github) -> Self {
        self.github = github;
        self
    }

    /// Lets the proxy open tunnels to a further host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_ascii_lowercase());
        self
    }

    /// The first repository of that name, wherever it is.
    ///
    /// # Panics
    /// If there is none.
    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        self.projects_mut()
            .flat_map(|project| &mut project.repositories)
            .find(|repository| repository.name == name)
            .unwrap_or_else(|| panic!("no repository `{name}` in this world"))
    }

    /// The first project of that name, wherever it is.
    ///
    /// # Panics
    /// If there is none.
    pub fn project_mut(&mut self, name: &str) -> &mut Project {
        self.projects_mut()
            .find(|project| project.name == name)
            .unwrap_or_else(|| panic!("no project `{name}` in this world"))
    }

    fn projects_mut(&mut self) -> impl Iterator<Item = &mut Project> {
        self.organisations.iter_mut().flat_map(|organisation| &mut organisation.projects)
    }
}

impl Organisation {
    /// A cloud organisation, reached by both of its forms.
    pub fn cloud(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            reach: vec![Reach::DevAzure, Reach::VisualStudio],
            location_url: None,
            newest_version: (7, 1),
            projects: Vec::new(),
        }
    }

    /// Also reached as an on-premises collection below `directory` on this machine, in plain or over TLS.
    #[must_use]
    pub fn also_local(mut self, directory: &str) -> Self {
        self.reach.push(Reach::OnPremises { host: None, directory: directory.to_owned() });
        self
    }

    /// Reached only like this.
    #[must_use]
    pub fn only(mut self, reach: Reach) -> Self {
        self.reach = vec![reach];
        self
    }

    /// Adds a project.
    #[must_use]
    pub fn project(mut self, project: Project) -> Self {
        self.projects.push(project);
        self
    }
}

impl Project {
    /// A project that every member sees.
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: id.to_owned(), name: name.to_owned(), readers: None, repositories: Vec::new() }
    }

    /// Seen only by the credentials of these names.
    #[must_use]
    pub fn only_for(mut self, readers: &[&str]) -> Self {
        self.readers = Some(readers.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Adds a repository.
    #[must_use]
    pub fn repository(mut self, repository: Repository) -> Self {
        self.repositories.push(repository);
        self
    }
}

impl Repository {
    /// A readable repository with a default branch.
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            disabled: false,
            in_maintenance: false,
            empty: false,
            readers: None,
        }
    }

    /// Disabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// In maintenance.
    #[must_use]
    pub fn in_maintenance(mut self) -> Self {
        self.in_maintenance = true;
        self
    }

    /// Without commits.
    #[must_use]
    pub fn empty(mut self) -> Self {
        self.empty = true;
        self
    }

    /// Readable only by the credentials of these names.
    #[must_use]
    pub fn only_for(mut self, readers: &[&str]) -> Self {
        self.readers = Some(readers.iter().map(|&name| name.to_owned()).collect());
        self
    }
}

impl Credential {
    /// A personal access token.
    pub fn pat(name: &str, secret: &str) -> Self {
        Self::new(name, secret, Scheme::Pat)
    }

    /// An access token.
    pub fn bearer(name: &str, secret: &str) -> Self {
        Self::new(name, secret, Scheme::Bearer)
    }

    fn new(name: &str, secret: &str, scheme: Scheme) -> Self {
        Self {
            name: name.to_owned(),
            secret: secret.to_owned(),
            scheme,
            organisations: Vec::new(),
            standing: Standing::Valid,
            lacks: Vec::new(),
        }
    }

    /// Without one more scope.
    #[must_use]
    pub fn without_scope(mut self, scope: &str) -> Self {
        self.lacks.push(scope.to_owned());
        self
    }

    /// A member of one more organisation.
    #[must_use]
    pub fn member_of(mut self, organisation: &str) -> Self {
        self.organisations.push(organisation.to_owned());
        self
    }

    /// What the service thinks of it.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }

    /// Whether this credential is among `readers`.
    pub(crate) fn may_read(&self, readers: Option<&[String]>) -> bool {
        readers.is_none_or(|readers| readers.contains(&self.name))
    }
}
