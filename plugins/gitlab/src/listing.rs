//! Everything that is granted to the identity, page by page, archived projects too.
//!
//! The cursor is the query of the server's own link to the next page, which is followed nowhere else but to the same
//! list. A project that the list shows without a role that reads code is left out, and so asked for by itself. Keyset
//! pages come without a total, so how many are left is never said.

use forgewatch_plugin_api::{Access, Failure, ListRequest, ListedRepository, RepositoryPage, Response};
use forgewatch_plugin_support::Shown;

use crate::client::{Client, not_understood};
use crate::project::{self, Project, Standing};

/// The largest that GitLab gives.
pub(crate) const PAGE_SIZE: u32 = 100;
const FIRST: &str = "membership=true&min_access_level=20&simple=false&pagination=keyset&order_by=id&sort=asc";

pub(crate) async fn page(client: &Client, request: &ListRequest) -> Result<RepositoryPage, Failure> {
    let response = match request.cursor() {
        Some(query) => client.get(&format!("projects?{query}")).await?,
        None => client.get(&format!("projects?{FIRST}&per_page={PAGE_SIZE}")).await?,
    };
    let about = format!("the list of projects of {}", Shown(&client.integration));
    if let Some(fault) = client.fault(&response) {
        return Err(fault.failure_of_own(&about));
    }
    let projects = project::list(&response).ok_or_else(|| not_understood(&about, "no list of projects"))?;
    let page = RepositoryPage::new(projects.iter().filter_map(|project| listed(client, project)).collect());
    match next(&response) {
        None => Ok(page),
        Some(link) => match client.own(link) {
            Some((path, query)) if path == "projects" => Ok(page.with_next(query)),
            _ => Err(not_understood(&about, "one that goes on elsewhere, which is not followed")),
        },
    }
}

fn listed(client: &Client, project: &Project) -> Option<ListedRepository> {
    let (groups, name) = project.path.rsplit_once('/')?;
    let about = format!("{} in {}", Shown(&project.path), Shown(&client.integration));
    let access = match (project.standing(), project.remark()) {
        (Standing::Granted, None) => Ok(Access::granted()),
        (Standing::Granted, Some(remark)) => Ok(Access::granted().with_detail(format!("{about} {remark}"))),
        (Standing::Disabled, _) => Err(project.disabled(&about)),
        _ => return None,
    };
    let listed =
        ListedRepository::granted(name).with_project(groups).with_external_id(project.id.to_string());
    Some(listed.with_access(access))
}

/// The address of the next page: `Link: <address>; rel="next", …`.
fn next(response: &Response) -> Option<&str> {
    let links = response.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    links
        .flat_map(|(_, links)| links.split('<').skip(1))
        .filter_map(|link| link.split_once('>'))
        .find(|(_, parameters)| parameters.contains("rel=\"next\"") || parameters.contains("rel=next"))
        .map(|(address, _)| address)
}
