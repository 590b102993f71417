//! Programs that take JSON by POST, signed where there is a secret.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use super::answer::judged;
use super::reader::Reader;
use super::secrets::Secrets;
use super::signature::{self, SigningKey};
use super::template::Template;
use super::{Message, Refusal};
use crate::config::{SecretRef, WebhookTarget};
use crate::services::http::{Messenger, Post};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A program that takes JSON by POST.
pub(super) struct Webhook {
    url: Url,
    key: Option<SigningKey>,
    authorization: Option<HeaderValue>,
    template: Option<Template>,
    secrets: Secrets,
}

impl Webhook {
    pub(super) async fn prepare(target: &WebhookTarget, reader: &mut Reader<'_>) -> Option<Self> {
        let mut secrets = Secrets::default();
        let url = reader.secret_url(&target.url, target.allow_insecure_http).await;
        if let Some(url) = &url {
            secrets.address(url);
        }
        let key = match &target.secret {
            Some(secret) => signing_key(secret, reader, &mut secrets).await.map(Some),
            None => Some(None),
        };
        let authorization = reader.authorization(target.authorization.as_ref(), &mut secrets).await;
        let template = match &target.template {
            Some(source) => Template::compile(source, &reader.loaded.config.alerts.group_by)
                .map_err(|problem| reader.wrong("template", problem.message, problem.help))
                .map(Some)
                .ok(),
            None => Some(None),
        };
        Some(Self { url: url?, key: key?, authorization: authorization?, template: template?, secrets })
    }

    pub(super) async fn send(&self, message: &Message, messenger: &Messenger) -> Result<(), Refusal> {
        let body = match &self.template {
            Some(template) => template.render(message),
            None => serde_json::to_string(message).map_err(|error| error.to_string()),
        };
        let body = body.map_err(|detail| Refusal::Refused { detail })?.into_bytes();
        let headers = self.headers(message, &body)?;
        let secrets = self.secrets.pieces();
        judged(messenger.post(Post { url: &self.url, headers, body, secrets }).await)
    }

    fn headers(&self, message: &Message, body: &[u8]) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        let id = HeaderValue::try_from(&message.delivery)
            .map_err(|error| Refusal::Refused { detail: format!("its id is none: {error}") })?;
        let timestamp = message.at.0.unix_ms().div_euclid(1000);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID, id);
        headers.insert(TIMESTAMP, timestamp.into());
        if let Some(key) = &self.key {
            let signature = key.sign(&message.delivery, timestamp, body);
            // Base64 fits into any header.
            headers.extend(HeaderValue::try_from(signature).ok().map(|value| (SIGNATURE, value)));
        }
        headers.extend(self.authorization.iter().map(|value| (AUTHORIZATION, value.clone())));
        Ok(headers)
    }
}

async fn signing_key(
    secret: &SecretRef,
    reader: &mut Reader<'_>,
    secrets: &mut Secrets,
) -> Option<SigningKey> {
    let text = reader.secret("secret", secret).await?;
    secrets.signing(text.expose_secret());
    SigningKey::parse(text.expose_secret())
        .map_err(|message| reader.wrong("secret", message, signature::HELP))
        .ok()
}
