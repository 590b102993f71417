//! Repository URLs of every age and edition, and where they lead.
//!
//! The host is judged before the path. A cloud organisation has two base URLs, so each is the other's alias.
//! Whatever comes out can be put into a path again: every segment was decoded once and checked. Nothing is asked
//! of a server here.

pub(crate) mod server;
pub(crate) mod site;

use forgewatch_plugin_api::{RepositoryUrl, UrlContext, UrlError};

use crate::options::Options;
use forgewatch_plugin_support::urls::{self, Parsed, decode, insecure, not_a_repository, unsupported};
use forgewatch_plugin_support::{RawUrl, Scheme, Shown, segment};
use site::Site;

/// Takes a repository URL apart.
pub(crate) fn parse(text: &str, context: &UrlContext) -> Parsed<RepositoryUrl> {
    let url = urls::split(text)?;
    match Site::of(&url.host) {
        Site::Foreign => on_premises(&url, context),
        Site::Service => Err(unsupported(format!(
            "{} is a host of Azure DevOps that serves no repositories: use the repository's clone URL",
            Shown(&url.host)
        ))),
        _ if url.scheme == Scheme::Http => Err(insecure(&url, "write the URL with https")),
        _ if url.port.is_some() => Err(unsupported(format!(
            "{} is no port of Azure DevOps Services: leave the port out",
            Shown(&url.place())
        ))),
        site => cloud(&url, site),
    }
}

fn cloud(url: &RawUrl<'_>, site: Site<'_>) -> Parsed<RepositoryUrl> {
    let segments = url.segments();
    match (site, url.scheme) {
        (Site::DevAzure, Scheme::Https) => {
            let (organisation, rest) = segments.split_first().ok_or_else(no_organisation)?;
            let organisation = decode(organisation)?;
            dev_azure(&organisation, locate(rest, &WEB, 1)?)
        }
        (Site::VisualStudio(organisation), Scheme::Https) => {
            let found = locate(without_collection(&segments), &WEB, 2)?;
            visual_studio(organisation, found)
        }
        (Site::DevAzureSsh | Site::VisualStudioSsh, Scheme::Ssh) => ssh(url, site, &segments),
        _ => Err(not_a_repository(format!(
            "{} serves no repositories over {}: copy the repository's clone URL",
            Shown(&url.host),
            url.scheme.name()
        ))),
    }
}

fn ssh(url: &RawUrl<'_>, site: Site<'_>, segments: &[&str]) -> Parsed<RepositoryUrl> {
    if let ["v3", organisation, project, rest @ ..] = segments {
        let [repository] = without_marker(rest) else {
            return Err(not_a_repository("an SSH URL of version 3 is v3/organisation/project/repository"));
        };
        let found = Located { project: Some(*project), repository };
        let organisation = decode(organisation)?;
        return match site {
            Site::DevAzureSsh => dev_azure(&organisation, found),
            _ => visual_studio(&organisation, found),
        };
    }
    if site == Site::DevAzureSsh {
        return Err(not_a_repository(
            "an SSH URL of Azure DevOps is git@ssh.dev.azure.com:v3/organisation/project/repository",
        ));
    }
    // Before version 3 the user is the organisation.
    let user = url.user.and_then(|user| user.split(':').next());
    let found = locate(without_collection(segments), &["_ssh"], 2)?;
    visual_studio(user.unwrap_or_default(), found)
}

fn on_premises(url: &RawUrl<'_>, context: &UrlContext) -> Parsed<RepositoryUrl> {
    let options = Options::read(context.options());
    let root = server::root_of(url, &options.server_roots, context)
        .or_else(|| {
            let guess = options.server_roots.is_empty().then(|| server::guessed_root(url));
            guess.flatten()
        })
        .ok_or_else(|| {
            let place = if url.scheme == Scheme::Ssh { url.host.clone() } else { url.place() };
            unsupported(format!(
                "{} is no known Azure DevOps server: if it is one, add everything before the collection, for \
                 example \"https://{place}/tfs/\", to server_roots in [providers.vsts.options]",
                Shown(&place)
            ))
        })?;
    urls::refuse_insecure(url, context)?;
    let segments = url.segments();
    let (collection, rest) = segments[root.depth..]
        .split_first()
        .filter(|(collection, _)| !is_marker(collection))
        .ok_or_else(|| not_a_repository("the URL names no project collection after the server"))?;
    let collection = decode(collection)?;
    let markers: &[&str] = if url.scheme == Scheme::Ssh { &["_git", "_ssh"] } else { &WEB };
    let found = locate(rest, markers, 2)?;
    finish(&format!("{}{}/", root.url, segment::encode(&collection)), None, found)
}

/// What begins the repository's part of a web URL.
const WEB: [&str; 2] = ["_git", "_apis"];

fn is_marker(segment: &str) -> bool {
    matches!(segment, "_git" | "_ssh" | "_apis")
}

/// Project and repository, raw.
struct Located<'a> {
    project: Option<&'a str>,
    repository: &'a str,
}

/// Finds the repository behind the first of `markers`, and its project among the at most `most` segments before it.
fn locate<'a>(segments: &[&'a str], markers: &[&str], most: usize) -> Parsed<Located<'a>> {
    let at = segments
        .iter()
        .position(|segment| markers.contains(segment))
        .ok_or_else(|| not_a_repository("the URL names no Git repository: it has no `_git` segment"))?;
    let (before, after) = segments.split_at(at);
    let is_rest = after[0] == "_apis";
    let repository = match after {
        ["_apis", "git", "repositories", repository, ..] => Some(*repository),
        ["_apis", ..] => None,
        [_, after @ ..] => without_marker(after).first().copied(),
        [] => None,
    };
    let repository = repository
        .filter(|repository| !repository.is_empty())
        .ok_or_else(|| not_a_repository("the URL ends before the repository's name"))?;
    // A team may stand between project and repository, in web URLs of old.
    let most = if is_rest { 1 } else { most };
    if before.len() > most || before.contains(&"") {
        return Err(not_a_repository(
            "the URL has empty segments or too many before the repository: expected one project",
        ));
    }
    if let Some(team) = before.get(1) {
        decode(team)?;
    }
    let project = before.first().copied();
    Ok(Located { project: if is_rest { project } else { project.or(Some(repository)) }, repository })
}

/// Drops the only collection that a cloud organisation has.
pub(crate) fn without_collection<'s, 'a>(segments: &'s [&'a str]) -> &'s [&'a str] {
    match segments {
        [first, rest @ ..] if first.eq_ignore_ascii_case("DefaultCollection") => rest,
        _ => segments,
    }
}

/// Drops the request for all or fewer refs.
fn without_marker<'s, 'a>(segments: &'s [&'a str]) -> &'s [&'a str] {
    match segments {
        ["_full" | "_optimized", rest @ ..] if !rest.is_empty() => rest,
        _ => segments,
    }
}

fn dev_azure(organisation: &str, found: Located<'_>) -> Parsed<RepositoryUrl> {
    // Below `e` are pages about whole companies.
    if is_marker(organisation) || organisation.eq_ignore_ascii_case("e") {
        return Err(no_organisation());
    }
    let base = site::dev_azure(&segment::encode(organisation).to_string());
    let alias = site::is_label(organisation).then(|| site::visual_studio(organisation));
    finish(&base, alias, found)
}

fn visual_studio(organisation: &str, found: Located<'_>) -> Parsed<RepositoryUrl> {
    if !site::is_label(organisation) {
        return Err(no_organisation());
    }
    finish(&site::visual_studio(organisation), Some(site::dev_azure(organisation)), found)
}

fn finish(base_url: &str, alias: Option<String>, found: Located<'_>) -> Parsed<RepositoryUrl> {
    let mut parsed = RepositoryUrl::new(base_url, &decode(found.repository)?);
    if let Some(project) = found.project {
        let project = decode(project)?;
        if is_marker(&project) {
            return Err(not_a_repository("the URL has a reserved word where the project's name belongs"));
        }
        parsed = parsed.with_project(&project);
    }
    Ok(match alias {
        Some(alias) => parsed.with_alias(&alias),
        None => parsed,
    })
}

fn no_organisation() -> UrlError {
    not_a_repository(
        "the URL names no organisation: expected https://dev.azure.com/organisation/project/_git/repository",
    )
}

#[cfg(test)]
mod tests;
