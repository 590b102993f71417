//! A handle on one server: its requests, and the check of one project.
//!
//! A project is asked for by its id when that is configured, else by its path. One that moved is looked for once more
//! where the server says it is, by nothing but its id. Where the roles that a project shows leave it open what is granted,
//! one more request tells. Nothing is remembered.

use std::fmt::Display;

use forgewatch_plugin_api::{
    Access, Authentication, Failure, Host, Integration, Reason, Repository, Request, Response, TOKEN_PREFIX,
};
use forgewatch_plugin_support::Shown;
use serde::de::IgnoredAny;
use url::Url;

use crate::base_url::API;
use crate::project::{self, Project, Standing};
use crate::target::Target;
use crate::verdict::{self, Fault};

const BY_ANOTHER_WAY: &str = "is read without a role of Reporter or higher that it shows, as by an administrator or through \
    a group that it is shared with";

/// One server, ready for concurrent checks.
#[derive(Debug)]
pub struct Client {
    host: Host,
    pub(crate) integration: String,
    base_url: String,
    /// Whether the credential is a personal, project or group access token, as opposed to one of OAuth.
    pub(crate) has_access_token: bool,
    authentication: Authentication,
    token_prefix: Option<String>,
}

impl Client {
    pub(crate) fn new(host: Host, integration: &Integration, base_url: String) -> Self {
        let kind = integration.identity_kind();
        Self {
            host,
            integration: integration.key().to_owned(),
            base_url,
            has_access_token: kind != Some("oauth2"),
            authentication: match kind {
                Some("pat") => Authentication::header("PRIVATE-TOKEN"),
                _ => Authentication::bearer(),
            },
            token_prefix: integration.attribute(TOKEN_PREFIX).map(ToOwned::to_owned),
        }
    }

    /// Asks for what is below the API's address.
    pub(crate) async fn get(&self, path: &str) -> Result<Response, Failure> {
        let request = Request::get(format!("{}{API}{path}", self.base_url))
            .with_authentication(self.authentication.clone())
            .with_header("Accept", "application/json");
        self.host.http(request).await
    }

    pub(crate) fn fault(&self, response: &Response) -> Option<Fault> {
        verdict::fault(response, self.token_prefix.as_deref())
    }

    /// Path and query of a link that leads below the API on the same host. They are asked for at the integration's own
    /// base URL, so a server that mistakes its own scheme or port, as behind a proxy, does no harm.
    pub(crate) fn own(&self, link: &str) -> Option<(String, String)> {
        let base = Url::parse(&self.base_url).ok()?;
        let link = base.join(link).ok()?;
        let path = link.path().strip_prefix(base.path())?.strip_prefix(API)?;
        (link.host() == base.host()).then(|| (path.to_owned(), link.query().unwrap_or_default().to_owned()))
    }

    /// Says whether the integration has access to a repository.
    pub(crate) async fn check(&self, repository: &Repository) -> Result<Access, Failure> {
        let target = Target::of(repository, &self.integration)?;
        let project = self.project(&target).await?;
        let is_at_place = target.is_at(&project.path);
        let about = match is_at_place {
            true => target.to_string(),
            false => format!("{target}, now {},", Shown(&project.path)),
        };
        let roundabout = match project.standing() {
            Standing::Granted => None,
            Standing::Unclear => Some(self.confirm_code(&project, &about).await?),
            Standing::OpenToOthers => Some(self.confirm_membership(&project, &about).await?),
            Standing::Disabled => return Err(project.disabled(&about)),
            Standing::Unsaid => return Err(project.unsaid(&about)),
        };
        let moved = format!("is {} now: update `project` and `name`", Shown(&project.path));
        let moved = (!is_at_place).then_some(moved.as_str());
        let remarks: Vec<&str> = [moved, project.remark(), roundabout].into_iter().flatten().collect();
        Ok(match remarks.is_empty() {
            true => Access::granted(),
            false => Access::granted().with_detail(format!("{target} {}", remarks.join(", and "))),
        })
    }

    /// The project that is meant, wherever it has moved.
    async fn project(&self, target: &Target<'_>) -> Result<Project, Failure> {
        let mut response = self.get(&format!("projects/{}", target.key())).await?;
        let moved_to = if response.status() == 301 { self.moved_to(&response) } else { None };
        if let Some(id) = moved_to {
            response = self.get(&format!("projects/{id}")).await?;
        }
        if let Some(fault) = self.fault(&response) {
            return Err(match moved_to {
                Some(id) => fault.failure(&format_args!("{target}, which has moved to the id {id}")),
                None => fault.failure(target),
            });
        }
        let project = project::project(&response).ok_or_else(|| not_understood(target, "no project"))?;
        let is_meant = match target.id.or(moved_to) {
            Some(id) => project.id == id,
            None => target.is_at(&project.path),
        };
        if is_meant {
            return Ok(project);
        }
        let other = format!("another project, {} with the id {}", Shown(&project.path), project.id);
        Err(not_understood(target, &other))
    }

    /// The id of the project that a redirect leads to; none for any other redirect.
    fn moved_to(&self, response: &Response) -> Option<u64> {
        let (path, _) = self.own(response.header("Location")?)?;
        let id = path.strip_prefix("projects/")?;
        id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())?
    }

    /// Reads a little of a private project's code, which nobody can to whom it is not granted.
    async fn confirm_code(&self, project: &Project, about: &str) -> Result<&'static str, Failure> {
        let response = self.get(&format!("projects/{}/repository/branches?per_page=1", project.id)).await?;
        match self.fault(&response) {
            None if project::read::<Vec<IgnoredAny>>(&response, b'[').is_some() => Ok(BY_ANOTHER_WAY),
            None => Err(not_understood(&about, "no list of branches")),
            Some(fault) if matches!(fault.reason, Reason::FORBIDDEN | Reason::NOT_FOUND) => {
                let detail = format!(
                    "{about} is visible to the identity and its code is not, for which {}; give the identity the role \
                     Reporter or higher",
                    fault.seen
                );
                Err(Failure::new(Reason::FORBIDDEN, detail).with_http_status(fault.status))
            }
            Some(fault) => Err(fault.failure(&about)),
        }
    }

    /// Looks for a project that others can read among those of the identity: a group that it is shared with grants a
    /// role that the project does not show.
    async fn confirm_membership(&self, project: &Project, about: &str) -> Result<&'static str, Failure> {
        let (before, after) = (project.id.saturating_sub(1), project.id.saturating_add(1));
        let one = format!(
            "projects?membership=true&min_access_level=20&simple=true&per_page=1&id_after={before}&id_before={after}"
        );
        let response = self.get(&one).await?;
        if let Some(fault) = self.fault(&response) {
            return Err(fault.failure_of_own(&about));
        }
        let own = project::list(&response).ok_or_else(|| not_understood(&about, "no list of projects"))?;
        match own.iter().any(|own| own.id == project.id) {
            true => Ok("is granted through a group that it is shared with"),
            false => Err(project.open_to_others(&about)),
        }
    }
}

/// What a success that is none comes to; `what` it is instead.
pub(crate) fn not_understood(about: &impl Display, what: &str) -> Failure {
    let detail = format!(
        "{about}: the answer with HTTP status 200 is {what}; check what answers at the integration's base URL"
    );
    Failure::new(Reason::INVALID_RESPONSE, detail).with_http_status(200)
}
