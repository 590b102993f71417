//! What is granted to the identity, listed a page at a time; a page is one request.
//!
//! An installation has a list of its own. A user's has everything that the user owns, was invited to, or has through an
//! organisation. Which one it is, is known of the identity or found out by asking. A cursor says all that the next page
//! needs, so any client can go on with it; it leads nowhere but to the interface that is configured.

use forgewatch_plugin_api::{Failure, ListRequest, ListedRepository, Reason, RepositoryPage, Response};
use forgewatch_plugin_support::Shown;
use url::Url;

use crate::answer::{self, Found, List};
use crate::client::Client;
use crate::target::Target;

/// Entries of a page: as many as there may be.
pub(crate) const PAGE: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Installation,
    User,
}

impl Listing {
    const fn first(self) -> &'static str {
        match self {
            Self::Installation => "installation/repositories?per_page=100",
            Self::User => "user/repos?per_page=100&affiliation=owner,collaborator,organization_member",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::User => "user",
        }
    }
}

/// Where a listing stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    listing: Listing,
    /// How many entries came before, and how many there are, as the list itself says.
    seen: u64,
    total: Option<u64>,
    /// Behind the address of the interface.
    path: String,
}

/// One page.
pub(crate) struct Page {
    /// Those that are granted.
    pub(crate) granted: Vec<Found>,
    pub(crate) next: Option<Cursor>,
    pub(crate) requests_left: Option<u64>,
    /// Why the list lacks something.
    pub(crate) incomplete: Option<String>,
}

/// One page, as the host asks for it.
pub(crate) async fn list_repositories(
    client: &Client,
    request: &ListRequest,
) -> Result<RepositoryPage, Failure> {
    let cursor = request.cursor().map(|text| Cursor::read(text).ok_or_else(|| foreign(text))).transpose()?;
    let page = page(client, cursor).await?;
    let listed = page.granted.iter().map(|found| {
        ListedRepository::granted(found.name())
            .with_project(found.owner())
            .with_external_id(found.id.to_string())
            .with_access(Target::listed(found, &client.integration).judge(found))
    });
    let mut answer = RepositoryPage::new(listed.collect());
    if let Some(next) = &page.next {
        answer = answer.with_next(next.write());
    }
    if let Some(requests) = page.requests_left {
        answer = answer.with_requests_left(requests);
    }
    Ok(match page.incomplete {
        Some(why) => answer.with_incomplete(why),
        None => answer,
    })
}

/// The first page, or the one that a cursor stands at.
pub(crate) async fn page(client: &Client, cursor: Option<Cursor>) -> Result<Page, Failure> {
    let Some(cursor) = cursor else {
        let listing = if client.is_installation() { Listing::Installation } else { Listing::User };
        let failure = match at(client, Cursor::start(listing)).await {
            Err(failure) if listing == Listing::User && failure.reason() == Reason::FORBIDDEN => failure,
            answer => return answer,
        };
        // No user is at home there: it may be an installation.
        let page = at(client, Cursor::start(Listing::Installation)).await.map_err(|_| failure)?;
        client.note_installation();
        return Ok(page);
    };
    at(client, cursor).await
}

async fn at(client: &Client, cursor: Cursor) -> Result<Page, Failure> {
    let api = &client.base.api;
    let url = Url::parse(api).and_then(|base| base.join(&cursor.path)).map(String::from);
    let url = url.ok().filter(|url| url.starts_with(api.as_str())).ok_or_else(|| foreign(&cursor.path))?;
    let response = client.send(client.request(&url)).await?;
    let list = if response.status() == 200 { answer::list(&response) } else { None };
    match list {
        Some(list) => Ok(cursor.page(&response, list, api, &url)),
        None => Err(client.fault(&response).about_own("the list of repositories")),
    }
}

impl Cursor {
    fn start(listing: Listing) -> Self {
        Self { listing, seen: 0, total: None, path: listing.first().to_owned() }
    }

    /// What an answer shows, and where it goes on.
    fn page(&self, response: &Response, list: List, api: &str, url: &str) -> Page {
        let links = response.header("Link").unwrap_or_default();
        let count = (list.repositories.len() + list.unreadable) as u64;
        let total = list.total;
        // Without a total it says nothing, and a cursor that does not count shows the host a listing that goes round.
        let seen = total.map_or(0, |_| self.seen.saturating_add(count));
        let mut incomplete = Vec::new();
        if let Some(organisations) = partial(response) {
            incomplete.push(format!(
                "it lacks the organisations for whose single sign-on the token is not authorised ({organisations})"
            ));
        }
        if list.unreadable > 0 {
            incomplete.push(format!("{} of its entries are no repositories", list.unreadable));
        }
        if self.total.is_some() && self.total != total {
            incomplete.push("it changed while it was read".to_owned());
        }
        let next = link(links, "next").map(|target| self.follow(target, api, url, seen, total));
        let next = match next {
            Some(None) => {
                incomplete.push("the link to its next page leads elsewhere and was not followed".to_owned());
                None
            }
            Some(next) => next,
            None => None,
        };
        if let Some(total) = total.filter(|total| next.is_none() && seen < *total) {
            incomplete.push(format!("it says that it has {total} entries, and showed {seen}"));
        }
        let requests_left = match (&next, total) {
            (None, _) => Some(0),
            (Some(_), Some(total)) => Some(total.saturating_sub(seen).div_ceil(PAGE.into())),
            (Some(next), None) => page_number(link(links, "last").unwrap_or_default())
                .zip(page_number(&next.path))
                .map(|(last, next)| last.saturating_sub(next).saturating_add(1)),
        };
        let is_installation = self.listing == Listing::Installation;
        let granted =
            list.repositories.into_iter().filter(|found| is_installation || found.may_pull()).collect();
        let incomplete = (!incomplete.is_empty()).then(|| format!("the list: {}", incomplete.join("; ")));
        Page { granted, next, requests_left, incomplete }
    }

    /// The cursor behind a link; none where it leaves the interface.
    fn follow(&self, target: &str, api: &str, from: &str, seen: u64, total: Option<u64>) -> Option<Self> {
        let there = Url::parse(from).ok()?.join(target).ok()?;
        let path = there.as_str().strip_prefix(api)?.to_owned();
        Some(Self { listing: self.listing, seen, total, path })
    }

    fn write(&self) -> String {
        let total = self.total.map_or("-".to_owned(), |total| total.to_string());
        format!("{} {} {total} {}", self.listing.word(), self.seen, self.path)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let (listing, seen, total, path) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let listing = [Listing::Installation, Listing::User].into_iter().find(|it| it.word() == listing)?;
        let total = if total == "-" { None } else { Some(total.parse().ok()?) };
        Some(Self { listing, seen: seen.parse().ok()?, total, path: path.to_owned() })
    }
}

fn foreign(cursor: &str) -> Failure {
    let detail = format!("the listing cannot go on at {}: this provider never said that", Shown(cursor));
    Failure::new(Reason::PLUGIN_FAILED, detail)
}

/// The organisations that a list was cut by, by their ids.
fn partial(response: &Response) -> Option<String> {
    let header = response.header("X-GitHub-SSO")?.trim().strip_prefix("partial-results")?;
    let organisations = header.split_once("organizations=").map_or("", |(_, ids)| ids.trim());
    Some(Shown(organisations).to_string())
}

/// The target of a link. Targets may hold commas, so links are told apart by their brackets.
fn link<'a>(header: &'a str, relation: &str) -> Option<&'a str> {
    let mut rest = header;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let (parameters, further) = after.split_at(after.find('<').unwrap_or(after.len()));
        let mut relations = parameters.split([';', ',']).filter_map(|it| it.trim().strip_prefix("rel="));
        if relations.any(|it| it.trim_matches('"') == relation) {
            return Some(target);
        }
        rest = further;
    }
}

fn page_number(url: &str) -> Option<u64> {
    let query = url.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("page="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let header = "<https://a/x?q=1,2&page=2>; rel=\"next\", <https://a/x?q=1,2&page=9>; rel=\"last\"";
        assert_eq!(link(header, "next"), Some("https://a/x?q=1,2&page=2"));
        assert_eq!(link(header, "last").and_then(page_number), Some(9));
        assert_eq!(link("<https://a/>; title=\"x\"; rel=next", "next"), Some("https://a/"));
        for header in ["", "<", "<>", "<a", "a>; rel=\"next\"", "<https://a/>; rel=\"prev\""] {
            assert_eq!(link(header, "next"), None, "{header}");
        }
    }

    #[test]
    fn cursors_say_all() {
        for total in [None, Some(250)] {
            let path = "user/repos?per_page=100&page=2 x".to_owned();
            let cursor = Cursor { listing: Listing::User, seen: 100, total, path };
            assert_eq!(Cursor::read(&cursor.write()), Some(cursor));
        }
        for text in ["", "user", "user 1 -", "other 1 - x", "user x - y", "user 1 y z"] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }
}
