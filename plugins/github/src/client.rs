//! A handle on one GitHub: its requests, and the check of one repository.
//!
//! A repository is asked for by its id when that is configured, else by owner and name. One that moved is followed once,
//! and never to another origin. What was shown once is asked for with its fingerprint from then on, since GitHub does
//! not count an answer that it has not changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use forgewatch_plugin_api::{
    Access, Authentication, Failure, Host, Integration, Repository, Request, Response, TOKEN_PREFIX,
};
use url::Url;

use crate::answer::{self, Found};
use crate::base_url::BaseUrl;
use crate::granted::Granted;
use crate::target::Target;
use crate::verdict::{self, Fault};

/// Answers whose fingerprint is kept: more than most integrations have repositories.
const MOST_KEPT: usize = 10_000;
/// A fingerprint goes back and forth; a longer one is none.
const LONGEST_ETAG: usize = 256;

/// One GitHub, ready for concurrent checks.
#[derive(Debug)]
pub struct Client {
    pub(crate) host: Host,
    pub(crate) integration: String,
    pub(crate) base: BaseUrl,
    /// The beginning of the identity's token, where the host knows it.
    token: Option<String>,
    /// Whether the identity is an installation of an application, as far as is known.
    is_installation: AtomicBool,
    /// By address: the fingerprint, and what it stands for.
    known: Mutex<HashMap<String, (String, Arc<Found>)>>,
    granted: Granted,
}

enum Seen {
    Found(Arc<Found>),
    Other(Response),
}

impl Client {
    pub(crate) fn new(host: Host, integration: &Integration, base: BaseUrl) -> Self {
        let token = integration.attribute(TOKEN_PREFIX).map(ToOwned::to_owned);
        let is_installation =
            integration.identity_kind() == Some("github_app") || token.as_deref() == Some("ghs_");
        Self {
            host,
            integration: integration.key().to_owned(),
            base,
            token,
            is_installation: AtomicBool::new(is_installation),
            known: Mutex::default(),
            granted: Granted::default(),
        }
    }

    /// Says whether the integration has access to a repository.
    pub(crate) async fn check(&self, repository: &Repository) -> Result<Access, Failure> {
        let target = Target::of(repository, self.base.owner.as_deref(), &self.integration)?;
        let found = match self.look_up(&target.path()).await? {
            Ok(found) => found,
            Err(fault) => return Err(fault.about(&target.to_string())),
        };
        let access = target.judge(&found)?;
        if found.proves_a_grant() {
            return Ok(access);
        }
        match self.granted.has(self, found.id).await {
            Ok(true) => Ok(access),
            Ok(false) => Err(target.not_granted(&found)),
            Err(failure) => {
                let detail = format!(
                    "{target}: it is there, but whether anything is granted to the identity cannot be told: {}",
                    failure.detail()
                );
                Err(failure.with_detail(detail))
            }
        }
    }

    /// The repository at a path, wherever it has moved.
    async fn look_up(&self, path: &str) -> Result<Result<Arc<Found>, Fault>, Failure> {
        let url = format!("{}{path}", self.base.api);
        let mut seen = self.see(&url).await?;
        if let Seen::Other(response) = &seen
            && let Some(there) = moved_to(response, &url, &self.base.api)
        {
            seen = self.see(&there).await?;
        }
        Ok(match seen {
            Seen::Found(found) => Ok(found),
            Seen::Other(response) => Err(self.fault(&response)),
        })
    }

    async fn see(&self, url: &str) -> Result<Seen, Failure> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        let request = self.request(url);
        let response = self
            .send(match &known {
                Some((etag, _)) => request.with_header("If-None-Match", etag),
                None => request,
            })
            .await?;
        let found = match (response.status(), known) {
            (304, Some((_, found))) => return Ok(Seen::Found(found)),
            (200, _) => answer::repository(&response),
            _ => None,
        };
        Ok(match found {
            Some(found) => Seen::Found(self.keep(url, &response, found)),
            None => Seen::Other(response),
        })
    }

    fn keep(&self, url: &str, response: &Response, found: Found) -> Arc<Found> {
        let found = Arc::new(found);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(url);
        let etag = response.header("ETag").filter(|etag| {
            let is_sendable = etag.bytes().all(|byte| byte.is_ascii_graphic());
            is_sendable && !etag.is_empty() && etag.len() <= LONGEST_ETAG
        });
        if let Some(etag) = etag.filter(|_| known.len() < MOST_KEPT) {
            known.insert(url.to_owned(), (etag.to_owned(), Arc::clone(&found)));
        }
        found
    }

    pub(crate) fn request(&self, url: &str) -> Request {
        Request::get(url)
            .with_authentication(Authentication::bearer())
            .with_header("Accept", "application/vnd.github+json")
            .with_header("X-GitHub-Api-Version", "2022-11-28")
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.host.http(request).await.map_err(|failure| {
            if !(failure.is_refused() && self.base.is_apart) {
                return failure;
            }
            let detail = format!(
                "{}; or set domain_name of [integrations.{}] to {}, which needs no such line",
                failure.detail(),
                self.integration,
                self.base.api
            );
            failure.with_detail(detail)
        })
    }

    /// The fault of an answer.
    pub(crate) fn fault(&self, response: &Response) -> Fault {
        verdict::fault(response, self.token.as_deref(), self.host.now())
    }

    pub(crate) fn is_installation(&self) -> bool {
        self.is_installation.load(Ordering::Relaxed)
    }

    /// Notes that the identity turned out to be an installation.
    pub(crate) fn note_installation(&self) {
        self.is_installation.store(true, Ordering::Relaxed);
    }
}

/// Where a redirect leads, if it may be followed: whatever else an origin serves is not to see the credential.
fn moved_to(response: &Response, from: &str, api: &str) -> Option<String> {
    if !matches!(response.status(), 301 | 302 | 307 | 308) {
        return None;
    }
    let from = Url::parse(from).ok()?;
    let there = from.join(response.header("Location")?).ok()?;
    let is_plain = there.username().is_empty() && there.password().is_none();
    (is_plain && there.origin() == from.origin() && there.as_str().starts_with(api)).then(|| there.into())
}
