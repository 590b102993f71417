//! From host and path to what is asked of the fake GitHub.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Github;
use crate::fake::recording::Kind;
use crate::fake::routes::Ask;
use crate::fake::tls::is_loopback;

/// What is asked, and the address that it was asked at.
pub(crate) struct Request {
    /// `https://api.github.com/`, or what stands before a route elsewhere.
    pub(super) base: String,
    /// What a person's browser would begin with.
    pub(super) web: String,
    pub(super) route: Route,
}

pub(super) enum Route {
    Repository { owner: String, name: String },
    RepositoryById { id: String },
    InstallationRepositories,
    UserRepositories,
    User,
    AccessTokens { installation: String },
    RateLimit,
    Nothing,
}

impl Request {
    pub(crate) fn kind(&self) -> Kind {
        match self.route {
            Route::Repository { .. } | Route::RepositoryById { .. } => Kind::Repository,
            Route::InstallationRepositories | Route::UserRepositories => Kind::RepositoryList,
            Route::User | Route::RateLimit => Kind::ConnectionData,
            Route::AccessTokens { .. } => Kind::Token,
            Route::Nothing => Kind::Other,
        }
    }
}

/// The request, if its host and path are those of a GitHub.
pub(crate) fn locate(github: &Github, ask: &Ask<'_>) -> Option<Request> {
    let (below, web) = match cloud(ask.host) {
        Some(web) => ("", web),
        None if is_loopback(ask.host) || github.enterprise_hosts.iter().any(|host| host == ask.host) => {
            ("api/v3/", ask.authority)
        }
        None => return None,
    };
    let path = ask.path.strip_prefix('/')?.strip_prefix(below)?;
    let scheme = if ask.tls { "https" } else { "http" };
    Some(Request {
        base: format!("{scheme}://{}/{below}", ask.authority),
        web: format!("{scheme}://{web}/"),
        route: route(path),
    })
}

/// Whether a GitHub has something at this host.
pub(crate) fn serves(github: &Github, host: &str) -> bool {
    cloud(host).is_some() || github.enterprise_hosts.iter().any(|known| known == host)
}

/// The web's host that belongs to a host of the cloud's interface.
fn cloud(host: &str) -> Option<&str> {
    let web = host.strip_prefix("api.")?;
    (web == "github.com" || web.ends_with(".ghe.com")).then_some(web)
}

fn route(path: &str) -> Route {
    let decoded: Option<Vec<Cow<'_, str>>> =
        path.split('/').map(|segment| percent_decode_str(segment).decode_utf8().ok()).collect();
    let Some(decoded) = decoded else {
        return Route::Nothing;
    };
    // A final slash makes an empty segment, and so another path, as it does there.
    match decoded.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        ["repos", owner, name] => Route::Repository { owner: owner.to_owned(), name: name.to_owned() },
        ["repositories", id] => Route::RepositoryById { id: id.to_owned() },
        ["installation", "repositories"] => Route::InstallationRepositories,
        ["user", "repos"] => Route::UserRepositories,
        ["user"] => Route::User,
        ["rate_limit"] => Route::RateLimit,
        ["app", "installations", id, "access_tokens"] => Route::AccessTokens { installation: id.to_owned() },
        _ => Route::Nothing,
    }
}
