//! Finding fault with the settings of a target. No message quotes an address: most are passwords as well.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::secrets::Secrets;
use crate::config::{Loaded, Problem, SecretRef, dotted};
use crate::prepare::read_secret;

/// One target's settings.
pub(super) struct Reader<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) name: &'a str,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Tells that a setting is wrong.
    pub(super) fn wrong(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        let path = ["alerts", "targets", self.name, key];
        self.problems.push(self.loaded.problem(&path, message, Some(help.into())));
    }

    /// Reads a secret; nothing after a problem.
    pub(super) async fn secret(&mut self, key: &str, secret: &SecretRef) -> Option<SecretString> {
        let read = read_secret(secret).await;
        read.map_err(|(message, help)| {
            let path = ["alerts", "targets", self.name, key];
            self.problems.push(self.loaded.problem(&path, message, help));
        })
        .ok()
    }

    /// The address that a secret holds.
    pub(super) async fn secret_url(&mut self, secret: &SecretRef, insecure: bool) -> Option<Url> {
        let text = self.secret("url", secret).await?;
        let url = Url::parse(text.expose_secret().trim()).ok();
        match url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            Some(url) => self.url(url, insecure),
            None => {
                let help = "give the whole address, like https://hooks.example.org/services/…";
                self.wrong("url", "the secret is no http or https URL", help);
                None
            }
        }
    }

    /// An address, if it may be used as it is.
    pub(super) fn url(&mut self, mut url: Url, insecure: bool) -> Option<Url> {
        url.set_fragment(None);
        if url.scheme() == "http" && !insecure {
            let table = dotted(&["alerts", "targets", self.name]);
            let help = format!("use https, or add `allow_insecure_http = true` under `[{table}]`");
            self.wrong("url", "messages would be sent without TLS", help);
            return None;
        }
        Some(url)
    }

    /// The value of the header `Authorization`, where there is one: `Some(None)` where there is none.
    pub(super) async fn authorization(
        &mut self,
        secret: Option<&SecretRef>,
        secrets: &mut Secrets,
    ) -> Option<Option<HeaderValue>> {
        let key = "authorization";
        let Some(secret) = secret else { return Some(None) };
        let text = self.secret(key, secret).await?;
        match HeaderValue::from_bytes(text.expose_secret().as_bytes()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                secrets.authorization(text.expose_secret());
                Some(Some(value))
            }
            Err(_) => {
                self.wrong(key, "the secret cannot be sent in a header", "give one line, like `Bearer …`");
                None
            }
        }
    }
}
