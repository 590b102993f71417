//! What exists behind the fake GitHub. Plain data with small builders.

use std::time::Duration;

use serde_json::{Value, json};

/// Everything that the fake GitHub serves.
#[derive(Clone, Debug, Default)]
pub struct Github {
    /// Hosts of Enterprise Servers, in lower case, beside this machine.
    pub enterprise_hosts: Vec<String>,
    /// Repositories of all owners.
    pub repositories: Vec<Repository>,
    /// Tokens of users.
    pub tokens: Vec<Token>,
    /// Applications.
    pub apps: Vec<App>,
    /// Where applications are installed. One that is taken out was removed by its owner.
    pub installations: Vec<Installation>,
    /// What every user and every installation may ask; `None` sends no such headers, like an Enterprise Server.
    pub limit: Option<RateLimit>,
}

/// Requests in a window of time that begins with the first of them.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// How many.
    pub requests: u64,
    /// In which time; whole seconds.
    pub window: Duration,
}

/// Who sees a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Every user that has a token here.
    Internal,
    /// Whom it is granted to.
    Private,
}

/// What somebody may do with a repository. Each holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Reading.
    Pull,
    /// Sorting issues.
    Triage,
    /// Writing.
    Push,
    /// Settings.
    Maintain,
    /// Everything.
    Admin,
}

/// Why nobody gets at a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Terms of service: 403.
    Terms,
    /// Takedown: 451.
    Takedown,
}

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The number that stays.
    pub id: u64,
    /// The account that it belongs to.
    pub owner: String,
    /// Its name. Use [`renamed`](Self::rename) to change it.
    pub name: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Read-only.
    pub archived: bool,
    /// Switched off by the service.
    pub disabled: bool,
    /// Kept from everybody.
    pub blocked: Option<Block>,
    /// `owner/name` as it was called before; these lead to it.
    pub former: Vec<String>,
    /// Logins that it is granted to.
    pub grants: Vec<(String, Permission)>,
}

/// What the service thinks of a token that it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    #[default]
    Valid,
    /// Ran out or was revoked.
    Ended,
}

/// A user's token.
#[derive(Clone, Debug)]
pub struct Token {
    /// What is sent.
    pub secret: String,
    /// Whose it is.
    pub login: String,
    /// Scopes of a classic token; `None` is a fine-grained one, which says nothing of them.
    pub scopes: Option<Vec<String>>,
    /// `owner/name` of the repositories that a fine-grained token was made for; `None` is all of the user's.
    pub selected: Option<Vec<String>>,
    /// Owners for whose sign-on the token was not authorised.
    pub without_sign_on: Vec<String>,
    /// As the answers' header says it.
    pub expires: Option<String>,
    /// What the service thinks of it.
    pub standing: Standing,
}

/// An application.
#[derive(Clone, Debug)]
pub struct App {
    /// Its number.
    pub id: u64,
    /// The other name it goes by.
    pub client_id: String,
    /// The public half of its key, see [`public_key`](super::public_key).
    pub public_key: Vec<u8>,
}

/// An application on an account.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// The application's number.
    pub app: u64,
    /// The account.
    pub account: String,
    /// Names of the repositories that were chosen; `None` is all of the account's.
    pub selected: Option<Vec<String>>,
    /// What it may do, as the token answer says it.
    pub permissions: Value,
    /// Suspended by the account.
    pub suspended: bool,
    /// How long its tokens live.
    pub token_lifetime: Duration,
}

impl Github {
    /// Also answers as an Enterprise Server at this host.
    #[must_use]
    pub fn enterprise(mut self, host: &str) -> Self {
        self.enterprise_hosts.push(host.to_ascii_lowercase());
        self
    }

    /// Adds a repository.
    #[must_use]
    pub fn repository(mut self, repository: Repository) -> Self {
        self.repositories.push(repository);
        self
    }

    /// Adds a token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.tokens.push(token);
        self
    }

    /// Adds an application.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Adds an installation.
    #[must_use]
    pub fn installation(mut self, installation: Installation) -> Self {
        self.installations.push(installation);
        self
    }

    /// Limits what everybody may ask.
    #[must_use]
    pub fn limited(mut self, requests: u64, window: Duration) -> Self {
        self.limit = Some(RateLimit { requests, window });
        self
    }

    /// The repository of that name, whoever owns it.
    ///
    /// # Panics
    /// If there is none.
    pub fn repository_mut(&mut self, name: &str) -> &mut Repository {
        let found = self.repositories.iter_mut().find(|repository| repository.name == name);
        found.unwrap_or_else(|| panic!("no repository `{name}` on this GitHub"))
    }

    /// The installation of that number.
    ///
    /// # Panics
    /// If there is none.
    pub fn installation_mut(&mut self, id: u64) -> &mut Installation {
        let found = self.installations.iter_mut().find(|installation| installation.id == id);
        found.unwrap_or_else(|| panic!("no installation {id} on this GitHub"))
    }
}

impl Repository {
    /// A private repository that is granted to nobody but its owner.
    pub fn new(id: u64, owner: &str, name: &str) -> Self {
        Self {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            visibility: Visibility::Private,
            archived: false,
            disabled: false,
            blocked: None,
            former: Vec::new(),
            grants: Vec::new(),
        }
    }

    /// Who sees it.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Grants it to a login.
    #[must_use]
    pub fn grant(mut self, login: &str, permission: Permission) -> Self {
        self.grants.push((login.to_owned(), permission));
        self
    }

    /// Read-only.
    #[must_use]
    pub fn archived(mut self) -> Self {
        self.archived = true;
        self
    }

    /// Switched off.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    /// Kept from everybody.
    #[must_use]
    pub fn blocked(mut self, block: Block) -> Self {
        self.blocked = Some(block);
        self
    }

    /// Renames or moves it; the old name leads to it.
    pub fn rename(&mut self, owner: &str, name: &str) {
        self.former.push(self.full_name());
        owner.clone_into(&mut self.owner);
        name.clone_into(&mut self.name);
    }

    /// `owner/name`
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// What is granted to a login, whoever else may read it.
    pub(super) fn granted_to(&self, login: &str) -> Option<Permission> {
        if self.owner.eq_ignore_ascii_case(login) {
            return Some(Permission::Admin);
        }
        self.grants.iter().filter(|(granted, _)| granted == login).map(|(_, permission)| *permission).max()
    }
}

impl Token {
    /// A classic token with scopes.
    pub fn classic(login: &str, secret: &str, scopes: &[&str]) -> Self {
        let scopes = Some(scopes.iter().map(|&scope| scope.to_owned()).collect());
        Self { scopes, ..Self::fine_grained(login, secret) }
    }

    /// A fine-grained token for all that the user has.
    pub fn fine_grained(login: &str, secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            login: login.to_owned(),
            scopes: None,
            selected: None,
            without_sign_on: Vec::new(),
            expires: None,
            standing: Standing::Valid,
        }
    }

    /// Only for these, as `owner/name`.
    #[must_use]
    pub fn only(mut self, repositories: &[&str]) -> Self {
        self.selected = Some(repositories.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Not authorised for the sign-on of this owner.
    #[must_use]
    pub fn without_sign_on(mut self, owner: &str) -> Self {
        self.without_sign_on.push(owner.to_owned());
        self
    }

    /// When it ends, as the header says it.
    #[must_use]
    pub fn expires(mut self, at: &str) -> Self {
        self.expires = Some(at.to_owned());
        self
    }

    /// What the service thinks of it.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }
}

impl App {
    /// An application with the public half of its key.
    pub fn new(id: u64, client_id: &str, public_key: Vec<u8>) -> Self {
        Self { id, client_id: client_id.to_owned(), public_key }
    }
}

impl Installation {
    /// An installation of an application on all repositories of an account, which reads; its tokens live an hour.
    pub fn new(id: u64, app: u64, account: &str) -> Self {
        Self {
            id,
            app,
            account: account.to_owned(),
            selected: None,
            permissions: json!({"contents": "read", "metadata": "read"}),
            suspended: false,
            token_lifetime: Duration::from_secs(3600),
        }
    }

    /// Only on these repositories of the account, by name.
    #[must_use]
    pub fn only(mut self, repositories: &[&str]) -> Self {
        self.selected = Some(repositories.iter().map(|&name| name.to_owned()).collect());
        self
    }

    /// Suspended.
    #[must_use]
    pub fn suspended(mut self) -> Self {
        self.suspended = true;
        self
    }

    /// How long its tokens live.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Whether it covers a repository.
    pub(super) fn covers(&self, repository: &Repository) -> bool {
        self.account.eq_ignore_ascii_case(&repository.owner)
            && self.selected.as_ref().is_none_or(|names| names.contains(&repository.name))
    }
}
