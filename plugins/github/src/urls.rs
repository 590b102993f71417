//! Repository URLs, and where they lead.
//!
//! The host is judged before the path. Whatever comes out can be put into a path again. Integrations are found by the
//! web's address or the interface's, with the owner behind it or without; where both are configured, the one with the
//! owner is meant. Nothing is asked of a server here.

use std::borrow::Cow;

use forgewatch_plugin_api::{BaseUrl as Configured, RepositoryUrl, UrlContext, tracing};
use forgewatch_plugin_support::urls::{
    self, Parsed, decode, insecure, invalid, not_a_repository, unsupported,
};
use forgewatch_plugin_support::{RawUrl, Scheme, Shown, roots, segment};
use serde::Deserialize;

use crate::base_url::BaseUrl;
use crate::site::Site;

/// What stands in the place of an owner on pages that are no repository's.
const RESERVED: [&str; 20] = [
    "about",
    "api",
    "apps",
    "codespaces",
    "collections",
    "enterprises",
    "features",
    "login",
    "marketplace",
    "notifications",
    "organizations",
    "orgs",
    "search",
    "sessions",
    "settings",
    "site",
    "sponsors",
    "topics",
    "trending",
    "users",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    server_roots: Vec<String>,
}

/// Takes a repository URL apart.
pub(crate) fn parse(text: &str, context: &UrlContext) -> Parsed<RepositoryUrl> {
    let url = urls::split(text)?;
    let site = Site::of(&url.host);
    let base = match site {
        Site::Service => {
            return Err(unsupported(format!(
                "{} is a host of GitHub that serves no repositories: use the repository's clone URL",
                Shown(&url.host)
            )));
        }
        Site::Server => server(&url, context)?,
        Site::Web(web) | Site::Api(web) => cloud(&url, site, web)?,
        Site::Ssh => cloud(&url, site, "github.com")?,
    };
    let segments = url.segments();
    let (owner, name) = locate(&url, site, &segments)?;
    finish(&base, &owner, &name, context)
}

fn cloud(url: &RawUrl<'_>, site: Site<'_>, web: &str) -> Parsed<BaseUrl> {
    let is_port_known = url.port.is_none() || (site == Site::Ssh && url.port == Some(443));
    match (site, url.scheme) {
        (_, Scheme::Http) => Err(insecure(url, "write the URL with https")),
        _ if !is_port_known => {
            Err(unsupported(format!("{} is no port of GitHub: leave the port out", Shown(&url.place()))))
        }
        (Site::Ssh, Scheme::Https) | (Site::Api(_), Scheme::Ssh) => Err(not_a_repository(format!(
            "{} serves no repositories over {}: copy the repository's clone URL",
            Shown(&url.host),
            url.scheme.name()
        ))),
        _ => Ok(BaseUrl::cloud(web)),
    }
}

/// The server that a URL is on, if it is one that is configured. SSH has a port of its own.
fn server(url: &RawUrl<'_>, context: &UrlContext) -> Parsed<BaseUrl> {
    let options: Options = serde_json::from_str(context.options()).unwrap_or_else(|error| {
        tracing::warn!(%error, "the provider's options do not fit their schema and are left out");
        Options::default()
    });
    let is_ssh = url.scheme == Scheme::Ssh;
    let server_roots = options.server_roots.iter().map(String::as_str);
    let base_urls = context.base_urls().iter().map(Configured::url);
    let known =
        server_roots.chain(base_urls).find_map(|known| roots::known_at(url, known)).ok_or_else(|| {
            let place = if is_ssh { url.host.clone() } else { url.place() };
            unsupported(format!(
                "{} is no known GitHub server: if it is one, add \"https://{place}/\" to server_roots in \
                 [providers.github.options]",
                Shown(&place)
            ))
        })?;
    if is_ssh {
        return Ok(BaseUrl::server(known.scheme, &known.place()));
    }
    urls::refuse_insecure(url, context)?;
    Ok(BaseUrl::server(url.scheme, &url.place()))
}

/// Owner and name.
fn locate<'a>(url: &RawUrl<'_>, site: Site<'_>, segments: &[&'a str]) -> Parsed<(Cow<'a, str>, String)> {
    let is_web = url.scheme != Scheme::Ssh;
    let rest = match (site, segments) {
        (Site::Api(_), ["repos", rest @ ..]) => rest,
        (Site::Api(_), _) => {
            return Err(not_a_repository("the URL is no repository's: it has no `repos` segment"));
        }
        (Site::Server, ["api", "v3", "repos", rest @ ..]) if is_web => rest,
        (_, [first, ..]) if is_web && RESERVED.iter().any(|word| first.eq_ignore_ascii_case(word)) => {
            return Err(not_a_repository("the URL is one of a page that belongs to no repository"));
        }
        (_, all) => all,
    };
    let [owner, name, further @ ..] = rest else {
        return Err(not_a_repository("the URL names no repository: expected owner/name after the host"));
    };
    if !is_web && !further.is_empty() {
        return Err(not_a_repository("an SSH URL ends with owner/name.git"));
    }
    // A browser would go up from here.
    if let Some(dots) =
        further.iter().find(|raw| matches!(&*raw.to_ascii_lowercase().replace("%2e", "."), "." | ".."))
    {
        return Err(invalid(dots));
    }
    let (owner, full) = (decode(owner)?, decode(name)?);
    let bare = full.strip_suffix(".git").unwrap_or(&full);
    match bare {
        "" => Err(not_a_repository("the URL ends before the repository's name")),
        bare if segment::is_valid(bare) => Ok((owner, bare.to_owned())),
        _ => Err(invalid(name)),
    }
}

fn finish(base: &BaseUrl, owner: &str, name: &str, context: &UrlContext) -> Parsed<RepositoryUrl> {
    let in_path = segment::encode(owner);
    let whole = [base.web.clone(), base.api.clone()];
    let owners = whole.each_ref().map(|address| format!("{address}{in_path}/"));
    let is_configured = |addresses: &[String]| {
        context.base_urls().iter().any(|base| addresses.iter().any(|address| same(base.url(), address)))
    };
    let (base_url, aliases) = match is_configured(&whole) && is_configured(&owners) {
        true => (&owners[0], &[&owners[1]][..]),
        false => (&whole[0], &[&whole[1], &owners[0], &owners[1]][..]),
    };
    let parsed = RepositoryUrl::new(base_url, name).with_project(owner);
    Ok(aliases.iter().fold(parsed, |parsed, alias| parsed.with_alias(alias)))
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
