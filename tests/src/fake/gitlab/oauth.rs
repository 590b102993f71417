//! The token end point: rotation is strict. A refresh ends both tokens of the pair before it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;
use url::form_urlencoded;

use super::service::json;
use super::{App, Server, Token};
use crate::fake::Answer;
use crate::fake::routes::Ask;

/// The pairs of tokens that were issued, the latest of each client.
#[derive(Default)]
pub(crate) struct Grants(Mutex<HashMap<String, Pair>>);

struct Pair {
    count: u32,
    access: String,
    refresh: String,
}

impl Grants {
    /// What an access token of a client stands for.
    pub(crate) fn access(&self, server: &Server, secret: &str) -> Option<Token> {
        let pairs = self.pairs();
        let is_live = |app: &&App| match pairs.get(&app.client_id) {
            Some(pair) => pair.access == secret,
            None => app.access_token.as_deref() == Some(secret),
        };
        server.apps.iter().find(is_live).map(|app| Token {
            secret: secret.to_owned(),
            user: app.user.clone(),
            scopes: vec!["read_api".to_owned()],
            ..Token::default()
        })
    }

    /// Answers a request to the end point.
    pub(crate) fn grant(&self, server: &Server, ask: &Ask<'_>) -> Answer {
        let form: HashMap<String, String> = form_urlencoded::parse(ask.body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let refused = |status, error: &str| {
            json(status, &json!({"error": error, "error_description": "The request was refused."}))
        };
        let client = server.apps.iter().find(|app| app.client_id == field("client_id"));
        let Some(app) = client.filter(|app| app.secret == field("client_secret")) else {
            return refused(401, "invalid_client");
        };
        if field("grant_type") != "refresh_token" {
            return refused(400, "unsupported_grant_type");
        }
        // One lock over all of it, so that two uses of one token cannot both succeed.
        let mut pairs = self.pairs();
        let pair = pairs.get(&app.client_id);
        let is_good = pair.map_or(&app.refresh_token, |pair| &pair.refresh) == field("refresh_token");
        let is_right = app.redirect_uri.as_ref().is_none_or(|uri| uri == field("redirect_uri"));
        if !is_good || !is_right {
            return refused(400, "invalid_grant");
        }
        let count = pair.map_or(0, |pair| pair.count) + 1;
        let token = |kind: &str| format!("fakegitlab{kind}{count:04}{}", app.client_id);
        let pair = Pair { count, access: token("access"), refresh: token("refresh") };
        let answer = json!({
            "access_token": pair.access, "token_type": "Bearer", "expires_in": 7200,
            "refresh_token": pair.refresh, "scope": "read_api", "created_at": 1_739_351_000,
        });
        pairs.insert(app.client_id.clone(), pair);
        json(200, &answer)
    }

    fn pairs(&self) -> MutexGuard<'_, HashMap<String, Pair>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
