//! Any Git server for Forgewatch, over Git's smart HTTP protocol.
//!
//! A check is one request, the first that `git fetch` makes: it asks which refs there are. Whoever gets them may read
//! the repository. All I/O is the host's; no password is ever seen here. SSH and the `git:` protocol are absent.
#![forbid(unsafe_code)]

mod address;
mod answer;
#[cfg(test)]
mod tests;

use address::Address;
use forgewatch_plugin_api::prelude::*;

/// The provider `git`.
#[derive(Default)]
struct Git;

/// One integration, ready for concurrent checks.
struct Client {
    host: Host,
    /// With a slash at its end.
    base_url: String,
    authentication: Authentication,
    suffix: &'static str,
}

// It offers no extensions. Git's protocol speaks of one repository at a time: it lists none (`list_repositories`,
// `check_repositories`), does not say who somebody is and until when (`probe_identity`), nor what an identity may do
// everywhere (`requirements`), and it knows no limits that would hold for every server (`limits`).
impl Provider for Git {
    type Client = Client;

    fn parse_repository_url(&self, url: &str, context: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        address::parse(url, context, suffix(context.options()))
    }

    /// There is nothing to look up, so the configured base URL is right or it is not.
    async fn get_base_url(&self, _: &Host, integration: &Integration) -> Result<String, Failure> {
        let domain_name = integration.domain_name();
        let is_odd = |c: char| "@?#\\".contains(c) || c.is_whitespace() || c.is_control();
        let is_plain = !domain_name.contains(is_odd);
        match Address::read(domain_name).filter(|_| is_plain) {
            Some(address) if address.scheme == "https" || integration.allow_insecure_http() => {
                Ok(format!("{}/", address.to_string().trim_end_matches('/')))
            }
            // The text is not repeated: what is no plain URL may hold a password.
            _ => Err(Failure::new(
                Reason::BASE_URL_UNRESOLVED,
                format!(
                    "the base URL of `{0}` cannot be used: set `domain_name` of [integrations.{0}] to https://HOST/ or \
                     https://HOST/PATH/, without a user (for http://, set `allow_insecure_http` too)",
                    integration.key()
                ),
            )),
        }
    }

    async fn get_client(&self, host: Host, integration: Integration) -> Result<Client, Failure> {
        let base_url = self.get_base_url(&host, &integration).await?;
        let authentication = match integration.identity_kind() {
            // Forges take a personal access token as the password of any user who has a name.
            Some("pat") => Authentication::basic("git"),
            // Identities that bring a form of their own, as `basic` does with its user name, are sent in that form.
            _ => Authentication::bearer(),
        };
        Ok(Client { host, base_url, authentication, suffix: suffix(integration.options()) })
    }

    async fn has_repo_access(&self, client: &Client, repository: &Repository) -> Result<Access, Failure> {
        let request = Request::get(client.url(repository)?)
            .with_authentication(client.authentication.clone())
            // Asked for version 2, a server says what it can do, in a few hundred bytes. An older one ignores that and
            // lists every ref, which may be megabytes: a limit on the body would take the proof of access away.
            .with_header("Git-Protocol", "version=2");
        answer::judge(repository.name(), &client.host.http(request).await?)
    }
}

impl Client {
    /// The address at which a repository's refs are asked for.
    fn url(&self, repository: &Repository) -> Result<String, Failure> {
        let mut url = self.base_url.clone();
        let project = repository.project().filter(|project| !project.is_empty());
        for group in project.into_iter().flat_map(|project| project.split('/')) {
            url.push_str(&path_segment(group)?);
            url.push('/');
        }
        let name = repository.name();
        let name = path_segment(name.strip_suffix(self.suffix).unwrap_or(name))?;
        Ok(format!("{url}{name}{}/info/refs?service=git-upload-pack", self.suffix))
    }
}

/// The option `suffix`. The host has held the options against the schema; one of two values takes no JSON library.
fn suffix(options: &str) -> &'static str {
    let compact: String = options.split_whitespace().collect();
    if compact == r#"{"suffix":""}"# { "" } else { ".git" }
}

export_provider! {
    provider: Git,
    key: "git",
    name: "Git (smart HTTP)",
    // Without patterns it is asked about URLs on the hosts of configured base URLs, and about no others.
    url_patterns: [],
    options_schema: include_str!("../options.schema.json"),
}
