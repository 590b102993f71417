//! A handle on one organisation or collection: its requests, and the check of one repository.
//!
//! A repository is asked for by its id when that is configured, since an id survives a rename, else by name within
//! its project. The service hides a disabled repository like a missing one, so that answer is followed by a look at
//! the list. No redirect is followed, and nothing is remembered but the version of the interface that the server
//! speaks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forgewatch_plugin_api::{
    Access, Authentication, Failure, Host, Integration, Method, Reason, Repository, Request, Response,
    tracing,
};

use crate::answer::{self, Found};
use crate::target::Target;
use crate::verdict;
use forgewatch_plugin_support::segment;

/// Versions of the interface, newest first. Old servers refuse the first ones.
const VERSIONS: [&str; 4] = ["7.1", "6.0", "5.1", "5.0"];
const JSON: &str = "application/json";
/// Where there is a preview of a route alone.
const PREVIEW: &str = "-preview";

/// A list comes in one piece, megabytes of it in a large organisation.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// One organisation or collection, ready for concurrent checks.
#[derive(Debug)]
pub struct Client {
    host: Host,
    integration: String,
    base_url: String,
    authentication: Authentication,
    /// Index of the newest of [`VERSIONS`] that the server has not refused.
    version: AtomicUsize,
    /// Whether the list of the whole organisation has turned out to be too large.
    pub(crate) is_large: AtomicBool,
    /// Where work items are searched, once that is known.
    pub(crate) search_root: OnceLock<String>,
}

/// What is asked of the service.
pub(crate) struct Ask<'a> {
    method: Method,
    root: Option<&'a str>,
    path: &'a str,
    query: &'a str,
    body: Option<(&'static str, Vec<u8>)>,
    timeout: Option<Duration>,
    or_preview: bool,
}

impl<'a> Ask<'a> {
    /// What is at a path below the base URL.
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            root: None,
            path,
            query: "?",
            body: None,
            timeout: None,
            or_preview: false,
        }
    }

    /// Sends something there.
    pub(crate) fn send(method: Method, path: &'a str, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { method, body: Some((content_type, body)), ..Self::get(path) }
    }

    /// Removes what is there.
    pub(crate) fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// With a query, which ends where the version belongs.
    pub(crate) fn with_query(self, query: &'a str) -> Self {
        Self { query, ..self }
    }

    /// In a preview, where the server has no more than that.
    pub(crate) fn or_preview(self) -> Self {
        Self { or_preview: true, ..self }
    }

    /// Below another root than the base URL.
    pub(crate) fn below(self, root: &'a str) -> Self {
        Self { root: Some(root), ..self }
    }
}

/// The form in which an integration's credential is sent.
pub(crate) fn authentication(integration: &Integration) -> Authentication {
    match integration.identity_kind() {
        Some("pat") => Authentication::basic(""),
        _ => Authentication::bearer(),
    }
}

impl Client {
    pub(crate) fn new(host: Host, integration: &Integration, base_url: String) -> Self {
        Self {
            host,
            integration: integration.key().to_owned(),
            base_url,
            authentication: authentication(integration),
            version: AtomicUsize::new(0),
            is_large: AtomicBool::new(false),
            search_root: OnceLock::new(),
        }
    }

    /// Says whether the integration has access to a repository.
    pub(crate) async fn check(&self, repository: &Repository) -> Result<Access, Failure> {
        let target = Target::of(repository, &self.integration)?;
        let response = match target.id {
            Some(id) => self.get(None, Some(id), None).await?,
            None => self.get(target.project, Some(target.name), None).await?,
        };
        let Some(fault) = verdict::fault(&response) else {
            return target.judge(answer::repository(&response).as_ref());
        };
        if fault.may_be_disabled {
            let listed = self.listed(&target).await;
            return target.judge_listed(listed);
        }
        let hint = match target.project {
            None if target.id.is_none() && fault.reason == Reason::PROVIDER_ERROR => {
                " (a repository without a project is only found by its id: set `project`)"
            }
            _ => "",
        };
        let detail = format!("{target}: {}{hint}", fault.seen);
        Err(Failure::new(fault.reason, detail).with_http_status(response.status()))
    }

    /// The repositories of the target's project, else of the organisation; or why they could not be had.
    async fn listed(&self, target: &Target<'_>) -> Result<Vec<Found>, String> {
        tracing::debug!(
            integration = self.integration,
            repository = target.name,
            "looking for it in the list"
        );
        let mut response = self.list(target.project).await?;
        // A repository that is known by its id may have left the configured project.
        if response.status() == 404 && target.id.is_some() && target.project.is_some() {
            response = self.list(None).await?;
        }
        match verdict::fault(&response) {
            Some(fault) => Err(fault.seen),
            None => answer::list(&response).ok_or_else(|| "the answer is no list of repositories".to_owned()),
        }
    }

    async fn list(&self, project: Option<&str>) -> Result<Response, String> {
        self.repositories_of(project).await.map_err(|failure| failure.detail().to_owned())
    }

    /// Asks for the repositories of a project, or without one for those of the organisation.
    pub(crate) async fn repositories_of(&self, project: Option<&str>) -> Result<Response, Failure> {
        self.get(project, None, Some(LIST_TIMEOUT)).await
    }

    /// The integration's name.
    pub(crate) fn integration(&self) -> &str {
        &self.integration
    }

    /// The base URL, with a slash at its end.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Asks for one repository, or without a `key` for all of them.
    async fn get(
        &self,
        project: Option<&str>,
        key: Option<&str>,
        timeout: Option<Duration>,
    ) -> Result<Response, Failure> {
        let mut path = String::with_capacity(120);
        if let Some(project) = project {
            path.extend(segment::encode(project));
            path.push('/');
        }
        path.push_str("_apis/git/repositories");
        if let Some(key) = key {
            path.push('/');
            path.extend(segment::encode(key));
        }
        self.ask(&Ask { timeout, ..Ask::get(&path) }).await
    }

    /// Asks in the newest version that the server speaks.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, Failure> {
        let mut preview = "";
        loop {
            let step = self.version.load(Ordering::Relaxed);
            let response = self.host.http(self.request(ask, &format!("{}{preview}", VERSIONS[step]))).await?;
            // Both are said before anything is done.
            if ask.or_preview && preview.is_empty() && verdict::wants_preview(&response) {
                preview = PREVIEW;
            } else if step + 1 < VERSIONS.len() && verdict::wants_older_version(&response) {
                self.version.fetch_max(step + 1, Ordering::Relaxed);
            } else {
                return Ok(response);
            }
        }
    }

    /// Asks in this version alone.
    pub(crate) async fn ask_in(&self, version: &str, ask: &Ask<'_>) -> Result<Response, Failure> {
        self.host.http(self.request(ask, version)).await
    }

    fn request(&self, ask: &Ask<'_>, version: &str) -> Request {
        let root = ask.root.unwrap_or(&self.base_url);
        let (content_type, body) = match &ask.body {
            Some((content_type, body)) => (*content_type, body.clone()),
            None => (JSON, Vec::new()),
        };
        let request =
            Request::new(ask.method, format!("{root}{}{}api-version={version}", ask.path, ask.query))
                .with_authentication(self.authentication.clone())
                .with_header("Accept", &format!("{JSON};api-version={version}"))
                .with_header("Content-Type", content_type)
                .with_header("X-HTTP-Method-Override", ask.method.name().unwrap_or("GET"))
                .with_header("X-TFS-FedAuthRedirect", "Suppress")
                .with_header("X-VSS-ForceMsaPassThrough", "true")
                .with_body(body);
        match ask.timeout {
            Some(timeout) => request.with_timeout(timeout),
            None => request,
        }
    }
}
