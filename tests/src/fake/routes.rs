//! From host and path to what is asked for. Reads nothing but names; decides nothing about access.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::github;
use super::gitlab;
use super::index::{Snapshot, same};
use super::recording::Kind;
use super::tls::is_loopback;
use super::tokens::Flavour;
use super::tracker;
use super::world::Reach;

/// A request, read completely.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// Lower case, without port.
    pub(crate) host: &'a str,
    /// As the client wrote it, with port.
    pub(crate) authority: &'a str,
    pub(crate) tls: bool,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

/// Where a request leads.
pub(crate) enum Target {
    Token(Flavour),
    /// The core resource area of an account named in the query.
    AccountLookup,
    Within(Place, Route),
    /// What belongs to a GitHub.
    Github(github::Request),
    /// A GitLab server, by its position.
    GitLab(usize, gitlab::Route),
    Nothing,
}

/// An organisation and the base URL it was addressed by.
pub(crate) struct Place {
    pub(crate) organisation: usize,
    pub(crate) base: String,
    pub(crate) on_premises: bool,
}

/// What is asked of an organisation.
pub(crate) enum Route {
    Repository { project: Option<String>, name: String },
    Repositories { project: Option<String> },
    Project { name: String },
    Projects,
    ConnectionData,
    ResourceAreas,
    ResourceArea { id: String },
    RemoteInfo { project: String, name: String },
    Tracker(tracker::Route),
}

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Token(_) => Kind::Token,
            Self::AccountLookup => Kind::ResourceAreas,
            Self::Github(request) => request.kind(),
            Self::GitLab(_, route) => route.kind(),
            Self::Nothing => Kind::Other,
            Self::Within(_, route) => match route {
                Route::Repository { .. } => Kind::Repository,
                Route::Repositories { .. } => Kind::RepositoryList,
                Route::Project { .. } | Route::Projects => Kind::Projects,
                Route::ConnectionData => Kind::ConnectionData,
                Route::ResourceAreas | Route::ResourceArea { .. } => Kind::ResourceAreas,
                Route::RemoteInfo { .. } => Kind::RemoteInfo,
                Route::Tracker(route) => route.kind(),
            },
        }
    }
}

/// Finds out where a request leads.
pub(crate) fn locate(snapshot: &Snapshot, ask: &Ask<'_>) -> Target {
    if let Some(request) = github::locate(&snapshot.world.github, ask) {
        return Target::Github(request);
    }
    if let Some((server, route)) = gitlab::locate(&snapshot.world, ask) {
        return Target::GitLab(server, route);
    }
    let decoded: Option<Vec<Cow<'_, str>>> = ask
        .path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8().ok())
        .collect();
    let Some(decoded) = decoded else {
        return Target::Nothing;
    };
    let segments: Vec<&str> = decoded.iter().map(AsRef::as_ref).collect();
    if let Some(flavour) = token_endpoint(&segments) {
        return Target::Token(flavour);
    }
    if let Some((place, rest)) = search_place(snapshot, ask, &segments) {
        let route =
            route(rest).filter(|route| matches!(route, Route::Tracker(tracker::Route::Search { .. })));
        return route.map_or(Target::Nothing, |route| Target::Within(place, route));
    }
    if let Some((place, rest)) = place(snapshot, ask, &segments) {
        return route(rest).map_or(Target::Nothing, |route| Target::Within(place, route));
    }
    match segments[..] {
        [api, areas, id] if is(api, "_apis") && is(areas, "resourceAreas") && is(id, CORE_AREA) => {
            Target::AccountLookup
        }
        _ => Target::Nothing,
    }
}

/// Where organisations are searched.
pub(crate) const SEARCH_HOST: &str = "almsearch.dev.azure.com";
const OLD_SEARCH_HOSTS: &str = ".almsearch.visualstudio.com";

/// Id of the resource area that an organisation's own address belongs to.
pub(crate) const CORE_AREA: &str = "79134c72-4a58-4b42-976c-04e7115f32bf";

/// Whether the service itself has something at this host.
pub(crate) fn serves(snapshot: &Snapshot, host: &str) -> bool {
    const SERVICES: [&str; 5] = [
        "dev.azure.com",
        SEARCH_HOST,
        "vssps.dev.azure.com",
        "app.vssps.visualstudio.com",
        "login.microsoftonline.com",
    ];
    let on_premises =
        |reach: &Reach| matches!(reach, Reach::OnPremises { host: Some(name), .. } if name == host);
    SERVICES.contains(&host)
        || organisation_label(host).is_some()
        || host.ends_with(OLD_SEARCH_HOSTS)
        || is_loopback(host)
        || github::serves(&snapshot.world.github, host)
        || snapshot.world.gitlabs.iter().any(|server| server.host == host)
        || snapshot.world.hosts.iter().any(|name| name == host)
        || snapshot.world.organisations.iter().any(|organisation| organisation.reach.iter().any(on_premises))
}

fn is(segment: &str, word: &str) -> bool {
    segment.eq_ignore_ascii_case(word)
}

fn organisation_label(host: &str) -> Option<&str> {
    host.strip_suffix(".visualstudio.com").filter(|label| !label.is_empty() && !label.contains('.'))
}

fn token_endpoint(segments: &[&str]) -> Option<Flavour> {
    match segments {
        [_, "oauth2", "v2.0", "token"] => Some(Flavour::Entra),
        ["oauth2", "token"] => Some(Flavour::Classic),
        _ => None,
    }
}

/// The organisation of a search host, with the base URL that its answers have.
fn search_place<'s, 'a>(
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    segments: &'s [&'a str],
) -> Option<(Place, &'s [&'a str])> {
    let (name, rest) = match ask.host.strip_suffix(OLD_SEARCH_HOSTS) {
        Some(label) => (label, segments),
        None if ask.host == SEARCH_HOST => segments.split_first().map(|(name, rest)| (*name, rest))?,
        None => return None,
    };
    let organisation = snapshot.organisation(name, |reach| !matches!(reach, Reach::OnPremises { .. }))?;
    let name = super::views::encode(&snapshot.world.organisations[organisation].name);
    Some((Place { organisation, base: format!("https://dev.azure.com/{name}/"), on_premises: false }, rest))
}

fn place<'s, 'a>(
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    segments: &'s [&'a str],
) -> Option<(Place, &'s [&'a str])> {
    let cloud = |organisation, base| Place { organisation, base, on_premises: false };
    let name = |organisation: usize| snapshot.world.organisations[organisation].name.as_str();
    if ask.host == "dev.azure.com" {
        let (first, rest) = segments.split_first()?;
        let organisation = snapshot.organisation(first, |reach| *reach == Reach::DevAzure)?;
        let base = format!("https://dev.azure.com/{}/", super::views::encode(name(organisation)));
        return Some((cloud(organisation, base), rest));
    }
    if let Some(label) = organisation_label(ask.host) {
        let organisation = snapshot.organisation(label, |reach| *reach == Reach::VisualStudio)?;
        let base = format!("https://{}/", ask.host);
        let rest = match segments {
            [first, rest @ ..] if is(first, "DefaultCollection") => rest,
            all => all,
        };
        return Some((cloud(organisation, base), rest));
    }
    collection(snapshot, ask, segments)
}

fn collection<'s, 'a>(
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    segments: &'s [&'a str],
) -> Option<(Place, &'s [&'a str])> {
    for (at, organisation) in snapshot.world.organisations.iter().enumerate() {
        for reach in &organisation.reach {
            let Reach::OnPremises { host, directory } = reach else {
                continue;
            };
            if !host.as_ref().map_or_else(|| is_loopback(ask.host), |host| host == ask.host) {
                continue;
            }
            let wanted: Vec<&str> = directory
                .split('/')
                .filter(|part| !part.is_empty())
                .chain([organisation.name.as_str()])
                .collect();
            let Some((given, rest)) = segments.split_at_checked(wanted.len()) else {
                continue;
            };
            if !wanted.iter().zip(given).all(|(one, other)| same(one, other)) {
                continue;
            }
            let scheme = if ask.tls { "https" } else { "http" };
            let mut base = format!("{scheme}://{}/", ask.authority);
            for segment in given {
                base.push_str(&super::views::encode(segment).to_string());
                base.push('/');
            }
            return Some((Place { organisation: at, base, on_premises: true }, rest));
        }
    }
    None
}

fn route(segments: &[&str]) -> Option<Route> {
    let (project, api) = match segments {
        [api, rest @ ..] if is(api, "_apis") => (None, rest),
        [project, api, rest @ ..] if is(api, "_apis") => (Some((*project).to_owned()), rest),
        _ => return remote_info(segments),
    };
    match (project, api) {
        (project, [git, repositories, rest @ ..]) if is(git, "git") && is(repositories, "repositories") => {
            match rest {
                [] => Some(Route::Repositories { project }),
                [name] => Some(Route::Repository { project, name: (*name).to_owned() }),
                _ => None,
            }
        }
        (None, [word]) if is(word, "projects") => Some(Route::Projects),
        (None, [word, name]) if is(word, "projects") => Some(Route::Project { name: (*name).to_owned() }),
        (None, [word]) if is(word, "connectionData") => Some(Route::ConnectionData),
        (None, [word]) if is(word, "resourceAreas") => Some(Route::ResourceAreas),
        (None, [word, id]) if is(word, "resourceAreas") => Some(Route::ResourceArea { id: (*id).to_owned() }),
        (project, api) => tracker::route(project.as_deref(), api).map(Route::Tracker),
    }
}

/// A clone URL with `/vsts/info` behind it. Between the organisation and `_git` there may be a project, or a
/// project and a team.
fn remote_info(segments: &[&str]) -> Option<Route> {
    let at = segments.iter().position(|segment| is(segment, "_git"))?;
    let name = match segments[at + 1..] {
        [name, vsts, info] if is(vsts, "vsts") && is(info, "info") => name,
        _ => return None,
    };
    let project = match segments[..at] {
        [] => name,
        [project] | [project, _] => project,
        _ => return None,
    };
    Some(Route::RemoteInfo { project: project.to_owned(), name: name.to_owned() })
}
