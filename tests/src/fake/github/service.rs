//! What each route of the fake GitHub answers.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use hyper::Method;
use hyper::header::{AUTHORIZATION, IF_NONE_MATCH, USER_AGENT};
use serde::Serialize;
use serde_json::json;
use url::form_urlencoded;

use super::jwt;
use super::routes::{Request, Route};
use super::sessions::{Budget, Sessions};
use super::views::{RepositoryView, json_answer};
use super::world::{Block, Github, Installation, Permission, Repository, Standing, Token, Visibility};
use crate::fake::answers::Answer;
use crate::fake::routes::Ask;

/// Entries of a page that asks for no other number.
const PAGE: usize = 30;
const LARGEST_PAGE: usize = 100;

/// Answers a request.
pub(crate) fn answer(github: &Github, sessions: &Sessions, ask: &Ask<'_>, request: &Request) -> Answer {
    let service = Service { github, sessions, ask, request };
    service.answer().unwrap_or_else(|refusal| refusal).header("x-github-request-id", "FAKE:1:2:3:4")
}

struct Service<'a> {
    github: &'a Github,
    sessions: &'a Sessions,
    ask: &'a Ask<'a>,
    request: &'a Request,
}

/// Who is asking.
#[derive(Clone, Copy)]
enum Caller<'a> {
    User(&'a Token),
    Installation(&'a Installation),
}

/// An answer, its fingerprint included where it has one.
struct Found {
    answer: Answer,
    etag: Option<String>,
}

impl<'a> Service<'a> {
    fn answer(&self) -> Result<Answer, Answer> {
        if !self.ask.headers.contains_key(USER_AGENT) {
            return Err(Answer::github(403, "Request forbidden: it has no User-Agent header"));
        }
        match (&self.request.route, self.ask.method) {
            (Route::AccessTokens { installation }, &Method::POST) => self.access_tokens(installation),
            (Route::Nothing, _) => Err(Answer::github(404, "Not Found")),
            (route, &Method::GET) => self.get(route),
            _ => Err(Answer::github(404, "Not Found")),
        }
    }

    fn get(&self, route: &Route) -> Result<Answer, Answer> {
        let caller = self.caller()?;
        let found = self.found(route, caller);
        let known = self.ask.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_unchanged =
            found.as_ref().is_ok_and(|found| found.etag.is_some() && found.etag.as_deref() == known);
        let counts = !is_unchanged && !matches!(route, Route::RateLimit);
        let budget = self.github.limit.map(|limit| self.sessions.budget(&caller.name(), limit, counts));
        let answer = match (found, budget) {
            (_, Some(budget)) if budget.is_exceeded && counts => {
                Answer::github(403, "API rate limit exceeded: the limit of this hour is used up")
            }
            (Ok(found), _) => {
                let answer = if is_unchanged { Answer::status(304) } else { found.answer };
                match &found.etag {
                    Some(etag) => answer.header("etag", etag),
                    None => answer,
                }
            }
            (Err(refusal), _) => refusal,
        };
        let answer = match budget {
            Some(budget) => with_budget(answer, budget),
            None => answer,
        };
        Ok(caller.introduce(answer))
    }

    fn found(&self, route: &Route, caller: Caller<'_>) -> Result<Found, Answer> {
        let plain = |answer| Ok(Found { answer, etag: None });
        match route {
            Route::Repository { owner, name } => self.by_name(caller, owner, name),
            Route::RepositoryById { id } => {
                let id: Option<u64> = id.parse().ok();
                let found = self.github.repositories.iter().find(|repository| Some(repository.id) == id);
                self.repository(caller, found)
            }
            Route::InstallationRepositories | Route::UserRepositories => {
                self.list(route, caller).and_then(plain)
            }
            Route::User => match caller {
                Caller::User(token) => plain(json_answer(200, &json!({"login": token.login, "id": 7}))),
                Caller::Installation(_) => Err(Answer::github(403, NOT_FOR_APPS)),
            },
            Route::RateLimit => plain(json_answer(200, &json!({"resources": {}}))),
            Route::AccessTokens { .. } | Route::Nothing => Err(Answer::github(404, "Not Found")),
        }
    }

    fn by_name(&self, caller: Caller<'_>, owner: &str, name: &str) -> Result<Found, Answer> {
        let full_name = format!("{owner}/{name}");
        let is_it = |other: &str| other.eq_ignore_ascii_case(&full_name);
        let repositories = &self.github.repositories;
        let now = repositories.iter().find(|repository| is_it(&repository.full_name()));
        let once = repositories.iter().find(|repository| repository.former.iter().any(|name| is_it(name)));
        match (now, once.filter(|repository| caller.permission(repository).is_some())) {
            (None, Some(moved)) => {
                let location = format!("{}repositories/{}", self.request.base, moved.id);
                Err(Answer::github_moved(301, &location))
            }
            _ => self.repository(caller, now),
        }
    }

    fn repository(&self, caller: Caller<'_>, found: Option<&Repository>) -> Result<Found, Answer> {
        let not_found = || Answer::github(404, "Not Found");
        let repository = found.ok_or_else(not_found)?;
        if let Some(refusal) = caller.lacks_sign_on(repository) {
            return Err(refusal);
        }
        let permission = caller.permission(repository).ok_or_else(not_found)?;
        match repository.blocked {
            Some(Block::Terms) => return Err(Answer::github_block(403, "tos")),
            Some(Block::Takedown) => return Err(Answer::github_block(451, "dmca")),
            None => {}
        }
        let view = RepositoryView::new(self.request, repository, permission);
        let etag = etag(&view);
        Ok(Found { answer: json_answer(200, &view), etag: Some(etag) })
    }

    fn list(&self, route: &Route, caller: Caller<'_>) -> Result<Answer, Answer> {
        let is_installation = matches!(caller, Caller::Installation(_));
        if is_installation != matches!(route, Route::InstallationRepositories) {
            return Err(Answer::github(403, if is_installation { NOT_FOR_APPS } else { FOR_APPS }));
        }
        let mut listed: Vec<_> = self.github.repositories.iter().filter(|it| caller.is_granted(it)).collect();
        listed.sort_by_key(|repository| repository.full_name().to_lowercase());
        let number = |name| self.query(name).and_then(|text| text.parse::<usize>().ok());
        let size = number("per_page").unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
        let page = number("page").unwrap_or(1).max(1);
        let views: Vec<_> = listed
            .iter()
            .skip((page - 1).saturating_mul(size))
            .take(size)
            .filter_map(|it| Some(RepositoryView::new(self.request, it, caller.permission(it)?)))
            .collect();
        let answer = match caller {
            Caller::User(_) => json_answer(200, &views),
            Caller::Installation(installation) => json_answer(
                200,
                &json!({
                    "total_count": listed.len(),
                    "repository_selection": installation.selected.as_ref().map_or("all", |_| "selected"),
                    "repositories": views,
                }),
            ),
        };
        let last = listed.len().div_ceil(size).max(1);
        let answer = if page < last {
            answer.header("link", &format!("{}, {}", self.link(page + 1, "next"), self.link(last, "last")))
        } else {
            answer
        };
        Ok(match caller {
            Caller::User(token) if !token.without_sign_on.is_empty() => {
                answer.header("x-github-sso", "partial-results; organizations=21955855")
            }
            _ => answer,
        })
    }

    fn link(&self, page: usize, relation: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in
            form_urlencoded::parse(self.ask.query.as_bytes()).filter(|(name, _)| name != "page")
        {
            query.append_pair(&name, &value);
        }
        query.append_pair("page", &page.to_string());
        let route = match self.request.route {
            Route::InstallationRepositories => "installation/repositories",
            _ => "user/repos",
        };
        format!("<{}{route}?{}>; rel=\"{relation}\"", self.request.base, query.finish())
    }

    fn access_tokens(&self, installation: &str) -> Result<Answer, Answer> {
        let app = jwt::signer(&self.github.apps, self.bearer().unwrap_or_default())
            .map_err(|message| Answer::github(401, message))?;
        let installation = self
            .github
            .installations
            .iter()
            .find(|known| known.app == app.id && known.id.to_string() == installation)
            .ok_or_else(|| Answer::github(404, "Not Found"))?;
        if installation.suspended {
            return Err(Answer::github(403, "This installation has been suspended"));
        }
        let ends = SystemTime::now() + installation.token_lifetime;
        let body = json!({
            "token": self.sessions.issue(installation.id, installation.token_lifetime),
            "expires_at": humantime::format_rfc3339_seconds(ends).to_string(),
            "permissions": installation.permissions,
            "repository_selection": installation.selected.as_ref().map_or("all", |_| "selected"),
        });
        Ok(json_answer(201, &body))
    }

    fn caller(&self) -> Result<Caller<'a>, Answer> {
        let secret = self.bearer().unwrap_or_default();
        let bad = || Answer::github(401, "Bad credentials");
        if let Some(id) = self.sessions.installation(secret) {
            let mut installations = self.github.installations.iter();
            let installation = installations.find(|installation| installation.id == id).ok_or_else(bad)?;
            if installation.suspended {
                return Err(Answer::github(403, "This installation has been suspended"));
            }
            return Ok(Caller::Installation(installation));
        }
        let token = self.github.tokens.iter().find(|token| token.secret == secret);
        token.filter(|token| token.standing == Standing::Valid).map(Caller::User).ok_or_else(bad)
    }

    /// The token, which may be sent in two ways.
    fn bearer(&self) -> Option<&'a str> {
        let (scheme, token) = self.ask.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        ["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(token)
    }

    fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.ask.query.as_bytes())
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }
}

const NOT_FOR_APPS: &str = "Resource not accessible by integration";
const FOR_APPS: &str =
    "You must authenticate with an installation access token in order to list repositories";

impl Caller<'_> {
    fn name(self) -> String {
        match self {
            Self::User(token) => format!("user {}", token.login),
            Self::Installation(installation) => format!("installation {}", installation.id),
        }
    }

    /// What is granted, whatever anybody may read.
    fn grant(self, repository: &Repository) -> Option<Permission> {
        match self {
            Self::User(token) => {
                let is_chosen = |names: &Vec<String>| names.contains(&repository.full_name());
                repository.granted_to(&token.login).filter(|_| token.selected.as_ref().is_none_or(is_chosen))
            }
            Self::Installation(installation) => {
                installation.covers(repository).then(|| match installation.permissions["contents"].as_str() {
                    Some("write") => Permission::Push,
                    _ => Permission::Pull,
                })
            }
        }
    }

    /// Whether it is in the caller's list.
    fn is_granted(self, repository: &Repository) -> bool {
        self.grant(repository).is_some()
            && repository.blocked.is_none()
            && self.lacks_sign_on(repository).is_none()
    }

    /// What the caller may do, which for some is what anybody may.
    fn permission(self, repository: &Repository) -> Option<Permission> {
        let anybody = match (repository.visibility, self) {
            (Visibility::Public, _) => true,
            (Visibility::Internal, Self::User(token)) => token.selected.is_none(),
            _ => false,
        };
        self.grant(repository).or(anybody.then_some(Permission::Pull))
    }

    fn lacks_sign_on(self, repository: &Repository) -> Option<Answer> {
        let Self::User(token) = self else { return None };
        let owner = &repository.owner;
        let is_lacking = repository.visibility != Visibility::Public
            && token.without_sign_on.iter().any(|lacking| lacking.eq_ignore_ascii_case(owner));
        is_lacking.then(|| {
            let url =
                format!("https://github.com/orgs/{owner}/sso?authorization_request=fakerequest0ssssssss");
            Answer::github(403, "Resource protected by organization SAML enforcement")
                .header("x-github-sso", &format!("required; url={url}"))
        })
    }

    /// Adds what the service says of a token.
    fn introduce(self, answer: Answer) -> Answer {
        let Self::User(token) = self else { return answer };
        let answer = match &token.scopes {
            Some(scopes) => answer.header("x-oauth-scopes", &scopes.join(", ")),
            None => answer,
        };
        match &token.expires {
            Some(at) => answer.header("github-authentication-token-expiration", at),
            None => answer,
        }
    }
}

fn with_budget(answer: Answer, budget: Budget) -> Answer {
    answer
        .header("x-ratelimit-limit", &budget.limit.to_string())
        .header("x-ratelimit-remaining", &budget.limit.saturating_sub(budget.used).to_string())
        .header("x-ratelimit-used", &budget.used.to_string())
        .header("x-ratelimit-reset", &budget.reset_unix_s.to_string())
        .header("x-ratelimit-resource", "core")
}

fn etag(view: &impl Serialize) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(view).expect("text and numbers serialise").hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}
