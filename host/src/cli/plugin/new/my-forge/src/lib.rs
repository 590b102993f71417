//! My Forge for Forgewatch: whether an integration reaches a repository, and why not.
//!
//! Replace what is made up here with what your forge has: its URLs, its API, and what its answers mean.
#![forbid(unsafe_code)]
use forgewatch_plugin_api::prelude::*;

const HOME: &str = "https://my-forge.example/";

#[derive(Default)]
struct Forge;

impl Provider for Forge {
    /// The host, and the base URL with its final slash.
    type Client = (Host, String);

    fn parse_repository_url(&self, url: &str, _: &UrlContext) -> Result<RepositoryUrl, UrlError> {
        let other = UrlError::new(UrlErrorKind::UNSUPPORTED_HOST, "no URL of this forge");
        let path = url.strip_prefix(HOME).ok_or(other)?;
        let plain = |text: &str| path_segment(text).is_ok_and(|encoded| encoded == text);
        let names = path.split_once('/').filter(|(owner, name)| plain(owner) && plain(name));
        let wrong = UrlError::new(UrlErrorKind::NOT_A_REPOSITORY_URL, "expected owner/name");
        names.map(|(owner, name)| RepositoryUrl::new(HOME, name).with_project(owner)).ok_or(wrong)
    }

    async fn get_client(&self, host: Host, of: Integration) -> Result<Self::Client, Failure> {
        let base_url = format!("{}/", of.domain_name().trim_end_matches('/'));
        let is_plain = of.allow_insecure_http() && base_url.starts_with("http://");
        let wrong = Failure::new(Reason::BASE_URL_UNRESOLVED, "`domain_name` is no https URL");
        (is_plain || base_url.starts_with("https://")).then_some((host, base_url)).ok_or(wrong)
    }

    async fn has_repo_access(&self, client: &Self::Client, of: &Repository) -> Result<Access, Failure> {
        let (owner, name) = (path_segment(of.project().unwrap_or_default())?, path_segment(of.name())?);
        let url = format!("{}api/repos/{owner}/{name}", client.1);
        let request = Request::get(url).with_authentication(Authentication::bearer());
        let answer = client.0.http(request).await?;
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let is_whole = answer.body_state() == BodyState::COMPLETE;
        let (reason, why) = match answer.status() {
            200 if is_whole && body["name"] == of.name() => return Ok(Access::granted()),
            401 => (Reason::UNAUTHORIZED, "the token is not accepted: renew it"),
            403 => (Reason::FORBIDDEN, "the token may not read it: grant it that"),
            404 => (Reason::NOT_FOUND, "the token sees none: deleted, renamed or not granted"),
            429 => (Reason::RATE_LIMITED, "the forge asks to wait"),
            500..=599 => (Reason::PROVIDER_ERROR, "the forge failed: it is asked again later"),
            _ => (Reason::INVALID_RESPONSE, "the answer is no repository: check `domain_name`"),
        };
        Err(Failure::new(reason, format!("{name}: HTTP status {}: {why}", answer.status())))
    }
}

export_provider! {
    provider: Forge,
    key: "my-forge",
    name: "My Forge",
    url_patterns: [r"^https://my-forge\.example/"],
}

#[cfg(test)]
mod tests;
