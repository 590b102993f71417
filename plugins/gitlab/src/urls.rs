//! Repository URLs of GitLab, and where they lead.
//!
//! The host is judged before the path. A path is groups, as deep as they are nested, and a name; behind a segment `-`
//! come pages. Web URLs of old without it cannot be told from groups and are not guessed. Whatever comes out can be
//! put into a path again: every segment was decoded once and checked. Nothing is asked of a server here.

use std::cmp::Reverse;

use forgewatch_plugin_api::{BaseUrl, RepositoryUrl, UrlContext, tracing};
use forgewatch_plugin_support::roots::{self, Root};
use forgewatch_plugin_support::urls::{self, Parsed, decode, insecure, not_a_repository, unsupported};
use forgewatch_plugin_support::{RawUrl, Scheme, Shown, segment};
use serde::Deserialize;

use crate::base_url::{API, CLOUD, CLOUD_HOST};

/// For SSH through firewalls, on the port of HTTPS.
const CLOUD_SSH_HOST: &str = "altssh.gitlab.com";
/// First segments that are pages of the server, and no group.
const PAGES: [&str; 6] = ["api", "dashboard", "explore", "groups", "help", "users"];
/// What no group or project may be called, since web URLs of old have it behind the project.
const OLD_PAGES: [&str; 6] = ["blame", "blob", "commits", "raw", "tree", "wikis"];

/// The provider's options, as `options.schema.json` describes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    server_roots: Vec<String>,
}

/// Takes a repository URL apart.
pub(crate) fn parse(text: &str, context: &UrlContext) -> Parsed<RepositoryUrl> {
    let url = urls::split(text)?;
    let segments = url.segments();
    match (url.host.as_str(), url.scheme, url.port) {
        (CLOUD_HOST, Scheme::Http, _) => Err(insecure(&url, "write the URL with https")),
        (CLOUD_HOST, _, None) | (CLOUD_SSH_HOST, Scheme::Ssh, Some(443)) => repository(CLOUD, &segments),
        (CLOUD_HOST, _, Some(_)) => {
            Err(unsupported(format!("{} is no port of gitlab.com: leave the port out", Shown(&url.place()))))
        }
        _ => {
            let root = root_of(&url, &segments, context)?;
            repository(&root.url, &segments[root.depth..])
        }
    }
}

/// The longest known root that `url` is under. SSH has a port of its own and no relative root.
fn root_of(url: &RawUrl<'_>, segments: &[&str], context: &UrlContext) -> Parsed<Root> {
    let options: Options = serde_json::from_str(context.options()).unwrap_or_else(|error| {
        tracing::warn!(%error, "the provider's options do not fit their schema and are left out");
        Options::default()
    });
    let base_urls = context.base_urls().iter().map(BaseUrl::url);
    let known = options.server_roots.iter().map(String::as_str).chain(base_urls);
    let mut roots: Vec<Root> = known.filter_map(|known| matching(url, segments, known)).collect();
    roots.sort_by_key(|root| Reverse(root.depth));
    let is_ssh = url.scheme == Scheme::Ssh;
    let several = roots.iter().any(|root| !root.url.eq_ignore_ascii_case(&roots[0].url));
    match roots.into_iter().next() {
        None => {
            let place = if is_ssh { url.host.clone() } else { url.place() };
            Err(unsupported(format!(
                "{} is no known GitLab server: if it is one, add \"https://{place}/\", with its relative root, to \
                 server_roots in [providers.gitlab.options]",
                Shown(&place)
            )))
        }
        Some(_) if is_ssh && several => Err(not_a_repository(format!(
            "there are several GitLab servers at {}, and an SSH address does not say which: copy the https URL",
            Shown(&url.host)
        ))),
        Some(root) => urls::refuse_insecure(url, context).map(|()| root),
    }
}

fn matching(url: &RawUrl<'_>, segments: &[&str], known: &str) -> Option<Root> {
    let known = roots::known_at(url, known)?;
    let mut directory = known.segments();
    if directory.ends_with(&["api", "v4"]) {
        directory.truncate(directory.len() - 2);
    }
    let root = Root::of(url, &known, &directory);
    match url.scheme {
        Scheme::Ssh => Some(Root { depth: 0, ..root }),
        _ => roots::begins(segments, &directory).then_some(root),
    }
}

fn repository(base_url: &str, segments: &[&str]) -> Parsed<RepositoryUrl> {
    let end = segments.iter().position(|segment| *segment == "-").unwrap_or(segments.len());
    let path = segments[..end].iter().map(|raw| decode(raw)).collect::<Parsed<Vec<_>>>()?;
    let Some((name, groups)) = path.split_last().filter(|(_, groups)| !groups.is_empty()) else {
        return Err(not_a_repository(
            "the URL names no repository in a group: expected https://gitlab.com/group/repository",
        ));
    };
    if PAGES.contains(&&*groups[0]) {
        return Err(not_a_repository("this is a page of the server: copy the repository's clone URL"));
    }
    if path[1..].iter().any(|segment| OLD_PAGES.contains(&&**segment)) {
        return Err(not_a_repository(
            "this is a web address of old, in which groups and pages look the same: copy the repository's clone URL",
        ));
    }
    let name = name.strip_suffix(".git").unwrap_or(name);
    if !segment::is_valid(name) {
        return Err(not_a_repository("the URL ends before the repository's name"));
    }
    // Integrations may be configured with the address of the API.
    Ok(RepositoryUrl::new(base_url, name)
        .with_project(&groups.join("/"))
        .with_alias(&format!("{base_url}{API}")))
}

#[cfg(test)]
mod tests;
