//! Searching work items: at a host of its own in the cloud, which the service names, and at the base URL on-premises.
//!
//! The host is never made of the organisation's display name, and the credential goes nowhere but to the service's own
//! search hosts.

use forgewatch_plugin_api::{
    BodyState, Failure, FoundIssue, FoundIssues, IssueQuery, Method, Reason, Response, tracing,
};
use forgewatch_plugin_support::configured::plain_base_url;
use forgewatch_plugin_support::{RawUrl, Scheme, Shown, segment};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{fields, named};
use crate::answer;
use crate::client::{Ask, Client};
use crate::urls::site::Site;
use crate::verdict::{self, Area};

const AREA: &str = "_apis/resourceAreas/ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578";
/// Areas have previews alone.
const AREA_VERSION: &str = "5.0-preview.1";
/// Where cloud organisations are searched, those with an address of their own aside.
const HOST: &str = "almsearch.dev.azure.com";
const OLD_HOSTS: &str = ".almsearch.visualstudio.com";

/// Codes that a whole answer may have beside its results, and why it is not all of them then.
const INFO_CODES: &[(i64, &str)] = &[
    (1, INDEXING),
    (2, INDEXING),
    (6, INDEXING),
    (7, INDEXING),
    (8, "more was found than the service shows at once"),
    (9, INDEXING),
    (11, "the identity may not search work items; give it Work items (read)"),
];
const UNREAD: &str = "the service shows something without a number among what it found; look there";
const INDEXING: &str = "the service is still indexing the organisation's work items; search again later";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    #[serde(default)]
    results: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    info_code: i64,
}

#[derive(Deserialize)]
struct Hit {
    fields: HitFields,
    #[serde(default)]
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    name: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct HitFields {
    /// A number as text.
    #[serde(rename = "system.id")]
    id: Box<RawValue>,
    #[serde(rename = "system.title", default)]
    title: Option<Box<RawValue>>,
    #[serde(rename = "system.state", default)]
    state: Option<Box<RawValue>>,
}

/// Looks for work items.
pub(crate) async fn search(client: &Client, query: &IssueQuery) -> Result<FoundIssues, Failure> {
    let about = format!("the search in {}", Shown(client.integration()));
    let project = query.project().map(|project| named(&about, "project", project)).transpose()?;
    let root = root(client, &about).await?;
    let path = match project {
        Some(project) => format!("{}/_apis/search/workitemsearchresults", segment::encode(project)),
        None => "_apis/search/workitemsearchresults".to_owned(),
    };
    let wanted = json!({
        "searchText": query.text(), "$skip": 0, "$top": query.limit(), "includeFacets": false,
    });
    let body = wanted.to_string().into_bytes();
    let ask = Ask::send(Method::POST, &path, "application/json", body).below(&root).or_preview();
    let response = client.ask(&ask).await?;
    if verdict::is_rejection(&response) {
        let detail =
            format!("{about}: the service refuses it: look for another text{}", answer::said(&response));
        return Err(Failure::rejected(detail).with_http_status(response.status()));
    }
    let found: Found = verdict::object(Area::WorkItems, &response, &about, "no result of a search")?;
    let hits = found.results.unwrap_or_default();
    let issues: Vec<_> = hits.iter().filter_map(|hit| issue(client, hit)).collect();
    let is_whole = issues.len() == hits.len();
    let issues = FoundIssues::new(issues);
    Ok(match found.info_code {
        0 if is_whole => issues,
        0 => issues.with_incomplete(UNREAD),
        code => {
            let known = INFO_CODES.iter().find(|(known, _)| *known == code).map(|(_, why)| (*why).to_owned());
            issues
                .with_incomplete(known.unwrap_or_else(|| format!("the service answers with its code {code}")))
        }
    })
}

/// The work item that a hit is of: one that has a number.
fn issue(client: &Client, hit: &RawValue) -> Option<FoundIssue> {
    let Hit { fields, project } = answer::object_of(hit.get().as_bytes())?;
    let word = |raw: Option<Box<RawValue>>| raw.and_then(|raw| answer::word(&raw));
    let (id, project) = (answer::number(&fields.id)?, word(project.and_then(|project| project.name)));
    let url = fields::page(client, project.as_deref(), id);
    let mut issue = FoundIssue::new(id.to_string(), word(fields.title).unwrap_or_default()).with_url(url);
    if let Some(project) = project {
        issue = issue.with_project(project);
    }
    Some(match word(fields.state) {
        Some(state) => issue.with_state(state),
        None => issue,
    })
}

/// Where the organisation is searched, with a slash at its end.
async fn root(client: &Client, about: &str) -> Result<String, Failure> {
    if let Some(known) = client.search_root.get() {
        return Ok(known.clone());
    }
    let Some(fallback) = usual_root(client.base_url()) else {
        return Ok(client.base_url().to_owned());
    };
    let response = client.ask_in(AREA_VERSION, &Ask::get(AREA)).await?;
    let is_unknown = response.status() == 400 && response.body_state() == BodyState::COMPLETE;
    let root = match verdict::succeeded(Area::WorkItems, &response, about) {
        Ok(()) => usable(&response).unwrap_or(fallback),
        Err(failure) if is_unknown || failure.reason() == Reason::NOT_FOUND => {
            tracing::debug!(%failure, "the service does not say where to search");
            fallback
        }
        Err(failure) => return Err(failure),
    };
    Ok(client.search_root.get_or_init(|| root).clone())
}

/// Where an organisation of the cloud is searched as far as anybody knows; none on-premises.
fn usual_root(base_url: &str) -> Option<String> {
    let url = RawUrl::split(base_url)?;
    let organisation = match Site::of(&url.host) {
        Site::DevAzure => (*url.segments().first()?).to_owned(),
        Site::VisualStudio(label) => label.to_owned(),
        _ => return None,
    };
    Some(format!("https://{HOST}/{organisation}/"))
}

/// The location in an answer, where it is one of the service's search hosts.
fn usable(response: &Response) -> Option<String> {
    let location = answer::location(response)?;
    let (raw, url) = plain_base_url(&location).ok()?;
    let is_known = match raw.host.strip_suffix(OLD_HOSTS) {
        Some(label) => crate::urls::site::is_label(label),
        None => raw.host == HOST && raw.segments().len() == 1,
    };
    (raw.scheme == Scheme::Https && raw.port.is_none() && is_known).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_hosts_are_the_services_own() {
        for (location, expected) in [
            ("https://almsearch.dev.azure.com/contoso", Some("https://almsearch.dev.azure.com/contoso/")),
            (
                "https://contoso.almsearch.visualstudio.com/",
                Some("https://contoso.almsearch.visualstudio.com/"),
            ),
            ("http://almsearch.dev.azure.com/contoso/", None),
            ("https://almsearch.dev.azure.com:444/contoso/", None),
            ("https://almsearch.dev.azure.com/", None),
            ("https://almsearch.dev.azure.com/a/b/", None),
            ("https://almsearch.dev.azure.com.evil.example/contoso/", None),
            ("https://evil.example/.almsearch.visualstudio.com/", None),
            ("https://a.b.almsearch.visualstudio.com/", None),
            ("https://.almsearch.visualstudio.com/", None),
            ("", None),
        ] {
            let body = json!({"locationUrl": location}).to_string();
            assert_eq!(usable(&Response::new(200, body.into_bytes())).as_deref(), expected, "{location}");
        }
        assert_eq!(usable(&Response::new(200, "null")), None);
    }

    #[test]
    fn an_organisation_is_known_by_its_address() {
        for (base_url, expected) in [
            ("https://dev.azure.com/contoso/", Some("https://almsearch.dev.azure.com/contoso/")),
            ("https://dev.azure.com/My%20Org/", Some("https://almsearch.dev.azure.com/My%20Org/")),
            ("https://contoso.visualstudio.com/", Some("https://almsearch.dev.azure.com/contoso/")),
            ("https://ado.example.org/tfs/C/", None),
        ] {
            assert_eq!(usual_root(base_url).as_deref(), expected, "{base_url}");
        }
    }
}
