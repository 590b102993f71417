//! Recorded answers of a forge that mean access: what an author hands in, since only the plugin knows what they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use forgewatch_plugin_api::{self as api, Method, Request, Response, WebhookDelivery, WebhookProof};
use serde::Deserialize;
use url::Url;

use super::script::{Reply, Script};
use crate::plugins::delivery_for_plugin;
use crate::text::printable;

/// Larger than the answers of a check.
const LARGEST_FILE: u64 = 16 << 20;
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// Those of the configuration.
const IDENTITY_KINDS: &[&str] = &["pat", "bearer", "basic", "header", "oauth2", "entra", "github_app"];

/// A repository, and what the forge answers when it is asked for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The integration's base URL.
    pub domain_name: String,
    /// The kind of its identity.
    #[serde(default = "pat")]
    pub identity_kind: String,
    /// Whether the base URL may be without TLS.
    #[serde(default)]
    pub allow_insecure_http: bool,
    /// The provider's options.
    #[serde(default)]
    pub options: serde_json::Map<String, serde_json::Value>,
    /// URLs of repositories that the plugin has to know.
    #[serde(default)]
    pub urls: Vec<String>,
    pub(super) repository: Repository,
    pub(super) answers: Vec<Recorded>,
    /// An issue, where the plugin tracks any.
    pub(super) issue: Option<Tracked>,
    /// What the forge delivers.
    #[serde(default)]
    pub(super) deliveries: Vec<Delivery>,
}

/// An issue of the forge's tracker, and a subscription to changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tracked {
    pub(super) project: String,
    pub(super) kind: String,
    pub(super) key: String,
    /// What to look for to find it.
    pub(super) text: String,
    /// The forge's id of the subscription.
    #[serde(default = "one")]
    pub(super) subscription: String,
    /// What the forge answers where issues are asked for, and no check ever asks.
    #[serde(default)]
    answers: Vec<Recorded>,
}

impl Tracked {
    pub(super) fn made_up(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            kind: "Bug".to_owned(),
            key: one(),
            text: "shop".to_owned(),
            subscription: one(),
            answers: Vec::new(),
        }
    }
}

fn one() -> String {
    "1".to_owned()
}

/// A delivery, and what it has to be understood as.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
    pub(super) account: String,
    pub(super) issue: Option<String>,
}

impl Delivery {
    pub(super) fn whole(&self, proof: &WebhookProof) -> WebhookDelivery {
        self.with_body(proof, self.body.as_bytes())
    }

    /// With so many eighths of its body.
    pub(super) fn cut_off(&self, proof: &WebhookProof, eighths: usize) -> WebhookDelivery {
        self.with_body(proof, &self.body.as_bytes()[..self.body.len() * eighths / 8])
    }

    /// As the plugin gets it from a daemon, where this proves deliveries.
    fn with_body(&self, proof: &WebhookProof, body: &[u8]) -> WebhookDelivery {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        delivery_for_plugin(proof, headers, body)
    }
}

fn pat() -> String {
    "pat".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repository {
    name: String,
    project: Option<String>,
    external_id: Option<String>,
}

impl Repository {
    pub(super) fn described(&self) -> api::Repository {
        let mut repository = api::Repository::new(&self.name);
        if let Some(project) = &self.project {
            repository = repository.with_project(project);
        }
        if let Some(id) = &self.external_id {
            repository = repository.with_external_id(id);
        }
        repository
    }
}

/// One answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    #[serde(default = "get")]
    method: String,
    /// The request's URL, or how it ends.
    url: String,
    #[serde(default = "ok")]
    pub(super) status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: String,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

impl Recorded {
    fn method(&self) -> Option<Method> {
        METHODS
            .into_iter()
            .find(|method| method.name().is_some_and(|name| name.eq_ignore_ascii_case(&self.method)))
    }

    fn is_for(&self, request: &Request) -> bool {
        self.method() == Some(request.method()) && request.url().ends_with(&self.url)
    }

    /// The answer, with another body in its place.
    pub(super) fn with_body(&self, body: impl Into<Vec<u8>>) -> Response {
        let response = Response::new(self.status, body.into());
        self.headers.iter().fold(response, |response, (name, value)| response.with_header(name, value))
    }

    pub(super) fn response(&self) -> Response {
        self.with_body(self.body.as_bytes())
    }
}

impl Replay {
    /// Reads a file of TOML, or of JSON where it is called so.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let place = || path.to_owned();
        let readable = |source| ReplayError::Unreadable { path: place(), source };
        let length = fs::metadata(path).map_err(readable)?.len();
        if length > LARGEST_FILE {
            return Err(ReplayError::Malformed { path: place(), problem: "it is larger than 16 MiB".into() });
        }
        let text = fs::read_to_string(path).map_err(readable)?;
        let parsed = match path.extension().is_some_and(|extension| extension == "json") {
            true => serde_json::from_str(&text).map_err(|error| error.to_string()),
            false => toml::from_str(&text).map_err(|error| error.to_string()),
        };
        let replay: Self = parsed.map_err(|problem| ReplayError::Malformed {
            path: place(),
            problem: problem.lines().map(|line| printable(line, 300)).collect::<Vec<_>>().join("\n"),
        })?;
        if replay.answers.is_empty() {
            let problem = "it has no `[[answers]]`: record what the forge answers to a check".into();
            return Err(ReplayError::Malformed { path: place(), problem });
        }
        replay.judge().map_err(|problem| ReplayError::Malformed { path: place(), problem })?;
        Ok(replay)
    }

    /// Whether its values are some, so that a slip in it is not taken for the plugin's.
    fn judge(&self) -> Result<(), String> {
        let is_address = |url: &Url| {
            matches!(url.scheme(), "https" | "http") && url.host_str().is_some_and(|it| !it.is_empty())
        };
        if !Url::parse(&self.domain_name).is_ok_and(|url| is_address(&url)) {
            let shown = printable(&self.domain_name, 100);
            return Err(format!("`domain_name` is `{shown}`: write a base URL like https://forge.example/"));
        }
        if self.domain_name.starts_with("http:") && !self.allow_insecure_http {
            return Err("`domain_name` is without TLS: add `allow_insecure_http = true`".to_owned());
        }
        if !IDENTITY_KINDS.contains(&self.identity_kind.as_str()) {
            let shown = printable(&self.identity_kind, 100);
            return Err(format!("`identity_kind` is `{shown}`: write one of {}", IDENTITY_KINDS.join(", ")));
        }
        let of_issue = self.issue.iter().flat_map(|issue| &issue.answers);
        for (number, recorded) in (1..).zip(self.answers.iter().chain(of_issue)) {
            if recorded.method().is_none() {
                let shown = printable(&recorded.method, 100);
                return Err(format!(
                    "`method` of answer {number} is `{shown}`: write GET, HEAD, POST, PUT, PATCH or DELETE"
                ));
            }
            if !(100..=599).contains(&recorded.status) {
                let status = recorded.status;
                return Err(format!("`status` of answer {number} is {status}: write one from 100 to 599"));
            }
        }
        Ok(())
    }

    /// Answers as recorded.
    pub(super) fn script(&self) -> Script {
        self.script_with(|_, recorded| recorded.response())
    }

    /// Answers as recorded, those about issues as well.
    pub(super) fn script_of_issues(&self) -> Script {
        let mut all = self.clone();
        all.answers.extend(self.issue.iter().flat_map(|issue| issue.answers.iter().cloned()));
        all.script()
    }

    /// Answers as `change` makes them out of what is recorded, by number.
    pub(super) fn script_with(
        &self,
        change: impl Fn(usize, &Recorded) -> Response + Send + Sync + 'static,
    ) -> Script {
        let answers = self.answers.clone();
        Script::new(move |request| {
            match answers.iter().enumerate().find(|(_, recorded)| recorded.is_for(request)) {
                Some((number, recorded)) => Reply::Answer(change(number, recorded)),
                None => Reply::Unrecorded,
            }
        })
    }
}

/// Why a file of recorded answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is something else.
    #[error("`{}` holds no recorded answers: {problem}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}
