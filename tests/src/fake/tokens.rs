//! Token endpoints: applications, the tokens they were given, and which of them are spent.
//!
//! The endpoints of the Microsoft identity platform and the older one of the service differ in fields,
//! spelling and the type of `expires_in`. An issued access token opens what the application is a member of
//! at once. Tokens do not run out by the clock; tests say when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};
use url::form_urlencoded;

use super::answers::Answer;
use super::gitlab;
use super::routes::Ask;
use super::token_errors::TokenError;
use super::world::{Credential, Standing};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const RESOURCE_SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/// Whose manners a token endpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// `{host}/{tenant}/oauth2/v2.0/token`
    Entra,
    /// `{host}/oauth2/token`
    Classic,
}

/// What becomes of a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It is refused from then on.
    OldRefused,
    /// It stays good beside the new one.
    OldKept,
}

/// How a token answer says how long the access token lives, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpiresIn {
    /// As a number.
    Number(u64),
    /// As text.
    Text(String),
    /// Not at all.
    Absent,
}

/// A client of a token endpoint.
#[derive(Clone, Debug)]
pub struct App {
    /// Known by this id. The classic endpoint knows its only client by the secret.
    pub client_id: String,
    /// Proof of the client.
    pub secret: String,
    /// Which endpoint it uses.
    pub flavour: Flavour,
    /// Name of the credentials that are issued, for `readers`.
    pub reads_as: String,
    /// Organisations that its tokens open.
    pub organisations: Vec<String>,
    /// Refresh tokens that are good from the start.
    pub refresh_tokens: Vec<String>,
    /// What becomes of used refresh tokens.
    pub rotation: Rotation,
    /// Lifetime as announced.
    pub expires_in: ExpiresIn,
}

impl App {
    /// A client of the Microsoft identity platform.
    pub fn entra(client_id: &str, secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
            flavour: Flavour::Entra,
            reads_as: "app".to_owned(),
            organisations: Vec::new(),
            refresh_tokens: Vec::new(),
            rotation: Rotation::OldRefused,
            expires_in: ExpiresIn::Number(3600),
        }
    }

    /// The client of the older endpoint.
    pub fn classic(secret: &str) -> Self {
        Self {
            flavour: Flavour::Classic,
            expires_in: ExpiresIn::Text("3600".to_owned()),
            ..Self::entra("classic", secret)
        }
    }

    /// Its tokens open one more organisation.
    #[must_use]
    pub fn member_of(mut self, organisation: &str) -> Self {
        self.organisations.push(organisation.to_owned());
        self
    }

    /// Has one more refresh token from the start.
    #[must_use]
    pub fn refresh_token(mut self, token: &str) -> Self {
        self.refresh_tokens.push(token.to_owned());
        self
    }

    /// What becomes of used refresh tokens.
    #[must_use]
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Lifetime as announced.
    #[must_use]
    pub fn expires_in(mut self, expires_in: ExpiresIn) -> Self {
        self.expires_in = expires_in;
        self
    }
}

/// GitLab's have an end point and rules of their own.
#[derive(Default)]
pub(crate) struct Tokens(RwLock<Issued>, gitlab::Grants);

#[derive(Default)]
struct Issued {
    count: u64,
    access: HashMap<String, Arc<Credential>>,
    /// Issued refresh tokens and the client they belong to.
    refresh: HashMap<String, String>,
    spent: HashSet<String>,
}

type Form = HashMap<String, String>;

impl Tokens {
    pub(crate) fn gitlab(&self) -> &gitlab::Grants {
        &self.1
    }

    /// The credential behind an issued access token.
    pub(crate) fn access(&self, token: &str) -> Option<Arc<Credential>> {
        self.read().access.get(token).cloned()
    }

    pub(crate) fn expire_access(&self) {
        for credential in self.write().access.values_mut() {
            Arc::make_mut(credential).standing = Standing::Expired;
        }
    }

    pub(crate) fn revoke_refresh(&self, apps: &[App]) {
        let mut issued = self.write();
        let given: Vec<String> = issued.refresh.keys().cloned().collect();
        issued.spent.extend(given);
        issued.spent.extend(apps.iter().flat_map(|app| app.refresh_tokens.iter().cloned()));
    }

    /// Answers a request to a token endpoint.
    pub(crate) fn grant(&self, apps: &[App], flavour: Flavour, ask: &Ask<'_>) -> Answer {
        let is_form = ask
            .headers
            .get("content-type")
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        if !is_form {
            return TokenError::NotAForm.answer();
        }
        let form: Form = form_urlencoded::parse(ask.body).into_owned().collect();
        self.granted(apps, flavour, &form).unwrap_or_else(TokenError::answer)
    }

    fn granted(&self, apps: &[App], flavour: Flavour, form: &Form) -> Result<Answer, TokenError> {
        let app = match flavour {
            Flavour::Entra => entra_client(apps, form)?,
            Flavour::Classic => classic_client(apps, form)?,
        };
        match (flavour, text(form, "grant_type")) {
            (Flavour::Entra, "client_credentials") => {
                if !text(form, "scope").ends_with("/.default") {
                    return Err(TokenError::InvalidScope);
                }
                Ok(self.write().issue(app, false))
            }
            (Flavour::Entra, "refresh_token") => self.refresh(app, text(form, "refresh_token")),
            (Flavour::Classic, "refresh_token") => self.refresh(app, text(form, "assertion")),
            (Flavour::Entra, _) => Err(TokenError::UnsupportedGrantType),
            (Flavour::Classic, _) => Err(TokenError::ClassicInvalidRequest),
        }
    }

    /// Checks, spends and issues under one lock, so that two uses of one token cannot both succeed.
    fn refresh(&self, app: &App, token: &str) -> Result<Answer, TokenError> {
        let mut issued = self.write();
        let belongs = app.refresh_tokens.iter().any(|own| own == token)
            || issued.refresh.get(token) == Some(&app.client_id);
        if !belongs || issued.spent.contains(token) {
            return Err(match app.flavour {
                Flavour::Entra => TokenError::RefreshExpired,
                Flavour::Classic => TokenError::ClassicInvalidGrant,
            });
        }
        if app.rotation == Rotation::OldRefused {
            issued.spent.insert(token.to_owned());
        }
        Ok(issued.issue(app, true))
    }

    fn read(&self) -> RwLockReadGuard<'_, Issued> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Issued> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issued {
    fn issue(&mut self, app: &App, with_refresh: bool) -> Answer {
        self.count += 1;
        let access = format!("fakeaccess0{:06}0mmmmmmmmmmmmmmmmmmmmmm", self.count);
        let credential = Credential {
            organisations: app.organisations.clone(),
            ..Credential::bearer(&app.reads_as, &access)
        };
        self.access.insert(access.clone(), Arc::new(credential));
        let mut body = match app.flavour {
            Flavour::Entra => json!({"token_type": "Bearer", "access_token": access}),
            Flavour::Classic => {
                json!({"token_type": "jwt-bearer", "access_token": access, "scope": "vso.code"})
            }
        };
        let lifetime = match &app.expires_in {
            ExpiresIn::Number(seconds) => json!(seconds),
            ExpiresIn::Text(text) => json!(text),
            ExpiresIn::Absent => Value::Null,
        };
        if !lifetime.is_null() {
            body["expires_in"] = lifetime;
        }
        if with_refresh {
            let refresh = format!("fakerefresh0{:06}0nnnnnnnnnnnnnnnnnnnnnn", self.count);
            body["refresh_token"] = json!(refresh);
            if app.flavour == Flavour::Entra {
                body["scope"] = json!(RESOURCE_SCOPE);
            }
            self.refresh.insert(refresh, app.client_id.clone());
        }
        Answer::json(200, &body)
    }
}

fn entra_client<'a>(apps: &'a [App], form: &Form) -> Result<&'a App, TokenError> {
    let app = apps
        .iter()
        .find(|app| app.flavour == Flavour::Entra && app.client_id == text(form, "client_id"))
        .ok_or(TokenError::UnknownApplication)?;
    match (text(form, "client_secret"), assertion(form)) {
        ("", "") => Err(TokenError::SecretMissing),
        (secret, proof) if secret == app.secret || proof == app.secret => Ok(app),
        _ => Err(TokenError::WrongSecret),
    }
}

fn classic_client<'a>(apps: &'a [App], form: &Form) -> Result<&'a App, TokenError> {
    apps.iter()
        .find(|app| app.flavour == Flavour::Classic && app.secret == assertion(form))
        .ok_or(TokenError::ClassicWrongSecret)
}

fn assertion(form: &Form) -> &str {
    if text(form, "client_assertion_type") == ASSERTION_TYPE { text(form, "client_assertion") } else { "" }
}

fn text<'a>(form: &'a Form, field: &str) -> &'a str {
    form.get(field).map_or("", String::as_str)
}
