//! A fake GitLab: gitlab.com and servers with a relative root, at hosts of their own behind the same port.
//!
//! What exists is plain data with small builders. People and bots are names; a token speaks for one of them, a role
//! is a number as GitLab has it. Absent: writing, nested members of shared groups, any notion of time.

mod contoso;
mod oauth;
mod routes;
mod service;

use std::collections::BTreeMap;

pub use contoso::*;
pub(crate) use oauth::Grants;
pub(crate) use routes::{Route, locate};
pub(crate) use service::answer;
pub use service::{error, message};

use super::World;

/// One server.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// In lower case, without port.
    pub host: String,
    /// Relative root without slashes at its ends; may be empty.
    pub root: String,
    /// Groups with members; a group that nobody is a member of need not be here.
    pub groups: Vec<Group>,
    /// Projects by id.
    pub projects: BTreeMap<u64, Project>,
    /// Personal, project and group access tokens: of the last two the bot is the user.
    pub tokens: Vec<Token>,
    /// Clients of the token end point.
    pub apps: Vec<App>,
    /// Who sees everything without being a member.
    pub administrators: Vec<String>,
    /// Whether a proxy in front decodes `%2F` in paths.
    pub decodes_slashes: bool,
    /// Whether it is older than redirects from the former paths of projects.
    pub forgets_moves: bool,
    /// What it says of its limits, if it has any.
    pub throttle: Option<Throttle>,
}

/// Limits as they are said; at 0 remaining everything is refused.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    /// Requests in a window.
    pub limit: u32,
    /// Requests that are left.
    pub remaining: u32,
    /// When the window ends.
    pub reset_unix: u64,
}

/// A group's members; groups below it have them too.
#[derive(Clone, Debug)]
pub struct Group {
    /// The whole path.
    pub path: String,
    /// Names and roles.
    pub members: Vec<(String, u32)>,
}

/// Who sees a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Members.
    #[default]
    Private,
    /// Everybody who is signed in.
    Internal,
    /// Everybody.
    Public,
}

/// A project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The whole path.
    pub path: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Read-only.
    pub archived: bool,
    /// Without commits.
    pub empty: bool,
    /// Whether its repository is switched off.
    pub without_repository: bool,
    /// Where it was before.
    pub former_paths: Vec<String>,
    /// Its own members.
    pub members: Vec<(String, u32)>,
    /// Members of groups that it is shared with, who are not shown with a role.
    pub shared_with: Vec<(String, u32)>,
}

/// What the server thinks of a token that it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// Good.
    #[default]
    Good,
    /// Ran out.
    Ended,
    /// Revoked, or rotated away.
    Revoked,
}

/// An access token.
#[derive(Clone, Debug, Default)]
pub struct Token {
    /// What is sent.
    pub secret: String,
    /// For whom it speaks.
    pub user: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// The date at which it ends.
    pub expires_at: Option<String>,
    /// What the server thinks of it.
    pub life: Life,
}

/// A client of the token end point and the one authorisation that it has.
#[derive(Clone, Debug, Default)]
pub struct App {
    /// Its id.
    pub client_id: String,
    /// Proof of the client.
    pub secret: String,
    /// For whom its tokens speak.
    pub user: String,
    /// The refresh token that is good at first.
    pub refresh_token: String,
    /// The access token that is good at first, until the first refresh.
    pub access_token: Option<String>,
    /// The address used at authorisation; if there is one, every refresh has to name it.
    pub redirect_uri: Option<String>,
}

impl World {
    /// Adds a GitLab server.
    #[must_use]
    pub fn gitlab(mut self, server: Server) -> Self {
        self.gitlabs.push(server);
        self
    }
}

impl Server {
    /// A server without anything.
    pub fn new(host: &str, root: &str) -> Self {
        Self { host: host.to_owned(), root: root.to_owned(), ..Self::default() }
    }

    /// Adds a group with members.
    #[must_use]
    pub fn group(mut self, path: &str, members: &[(&str, u32)]) -> Self {
        self.groups.push(Group { path: path.to_owned(), members: owned(members) });
        self
    }

    /// Adds a project.
    #[must_use]
    pub fn project(mut self, id: u64, project: Project) -> Self {
        self.projects.insert(id, project);
        self
    }

    /// Adds a token of a user, with one scope.
    #[must_use]
    pub fn token(self, secret: &str, user: &str, scope: &str, life: Life) -> Self {
        let expires_at = Some("2030-02-12".to_owned());
        let (secret, user, scopes) = (secret.to_owned(), user.to_owned(), vec![scope.to_owned()]);
        self.access_token(Token { secret, user, scopes, expires_at, life })
    }

    /// Adds a token.
    #[must_use]
    pub fn access_token(mut self, token: Token) -> Self {
        self.tokens.push(token);
        self
    }

    /// Adds a client of the token end point.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// The project of an id.
    ///
    /// # Panics
    /// If there is none.
    pub fn project_mut(&mut self, id: u64) -> &mut Project {
        self.projects.get_mut(&id).unwrap_or_else(|| panic!("no project {id} on {}", self.host))
    }

    /// Roles of a user in a project: its own, and that of its groups.
    pub(crate) fn roles(&self, project: &Project, user: &str) -> [Option<u32>; 2] {
        let above = self.groups.iter().filter(|group| is_below(&project.path, &group.path));
        [role(&project.members, user), above.filter_map(|group| role(&group.members, user)).max()]
    }

    /// The largest role of a user in a project, whatever way it came.
    pub(crate) fn level(&self, project: &Project, user: &str) -> u32 {
        let shared = role(&project.shared_with, user);
        self.roles(project, user).into_iter().chain([shared]).flatten().max().unwrap_or(0)
    }
}

impl Project {
    /// A private project with a repository.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Who sees it.
    #[must_use]
    pub fn visibility(self, visibility: Visibility) -> Self {
        Self { visibility, ..self }
    }

    /// Archived.
    #[must_use]
    pub fn archived(self) -> Self {
        Self { archived: true, ..self }
    }

    /// Without commits.
    #[must_use]
    pub fn empty(self) -> Self {
        Self { empty: true, ..self }
    }

    /// With its repository switched off.
    #[must_use]
    pub fn without_repository(self) -> Self {
        Self { without_repository: true, ..self }
    }

    /// Was somewhere else before.
    #[must_use]
    pub fn moved_from(mut self, path: &str) -> Self {
        self.former_paths.push(path.to_owned());
        self
    }

    /// With a member of its own.
    #[must_use]
    pub fn member(mut self, user: &str, level: u32) -> Self {
        self.members.push((user.to_owned(), level));
        self
    }

    /// Shared with a group that a user is a member of.
    #[must_use]
    pub fn shared_with(mut self, user: &str, level: u32) -> Self {
        self.shared_with.push((user.to_owned(), level));
        self
    }
}

fn owned(members: &[(&str, u32)]) -> Vec<(String, u32)> {
    members.iter().map(|(user, level)| ((*user).to_owned(), *level)).collect()
}

fn role(members: &[(String, u32)], user: &str) -> Option<u32> {
    members.iter().find(|(name, _)| name == user).map(|(_, level)| *level)
}

fn is_below(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
}
