//! What each route of a server says when no fault is in the way.

use std::borrow::Cow;
use std::ops::Bound;

use hyper::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Grants, Life, Project, Route, Server, Token, Visibility};
use crate::fake::Answer;
use crate::fake::routes::Ask;

/// The lowest role that reads code.
const REPORTER: u32 = 20;

/// JSON as a server says it.
pub(super) fn json(status: u16, value: &Value) -> Answer {
    Answer::status(status).header("content-type", "application/json").body(value.to_string())
}

/// A fault in the API's own words.
pub fn message(status: u16, text: &str) -> Answer {
    json(status, &json!({"message": text}))
}

/// A fault with a code and no message.
pub fn error(status: u16, code: &str) -> Answer {
    json(status, &json!({"error": code}))
}

/// Answers a request.
pub(crate) fn answer(server: &Server, grants: &Grants, ask: &Ask<'_>, route: &Route) -> Answer {
    let service = Service { server, grants, ask };
    let answer = match server.throttle {
        Some(throttle) if throttle.remaining == 0 => {
            Answer::status(429).header("content-type", "text/plain").body("Retry later\n")
        }
        _ => service.answer(route).unwrap_or_else(|refusal| refusal),
    };
    let Some(throttle) = server.throttle else { return answer };
    answer
        .header("ratelimit-limit", &throttle.limit.to_string())
        .header("ratelimit-name", "throttle_authenticated_api")
        .header("ratelimit-observed", &(throttle.limit - throttle.remaining).to_string())
        .header("ratelimit-remaining", &throttle.remaining.to_string())
        .header("ratelimit-reset", &throttle.reset_unix.to_string())
}

struct Service<'a> {
    server: &'a Server,
    grants: &'a Grants,
    ask: &'a Ask<'a>,
}

impl<'a> Service<'a> {
    fn answer(&self, route: &Route) -> Result<Answer, Answer> {
        match route {
            Route::Token if self.ask.method == Method::POST => Ok(self.grants.grant(self.server, self.ask)),
            Route::Page | Route::Token => Err(Answer::html(404, "<!DOCTYPE html><h1>404</h1>")),
            Route::Unknown => Err(error(404, "404 Not Found")),
            _ if self.ask.method != Method::GET => Err(error(405, "405 Not Allowed")),
            Route::Project(key) => self.project(key),
            Route::Branches(key) => self.branches(key),
            Route::Projects => self.projects(),
            Route::User => self.user(),
            Route::OwnToken => self.own_token(),
        }
    }

    fn project(&self, key: &str) -> Result<Answer, Answer> {
        let user = self.user_with(&["api", "read_api"])?;
        let (id, project) = self.find(key, user.as_deref())?;
        if key.contains('/') && !key.eq_ignore_ascii_case(&project.path) {
            let location = format!("{}api/v4/projects/{id}", self.base_url());
            return Ok(message(301, "Moved Permanently").header("location", &location));
        }
        Ok(json(200, &self.view(id, project, user.as_deref())))
    }

    fn branches(&self, key: &str) -> Result<Answer, Answer> {
        let user = self.user_with(&["api", "read_api"])?;
        let (_, project) = self.find(key, user.as_deref())?;
        let level = user.as_deref().map_or(0, |user| self.server.level(project, user));
        let reads = level >= REPORTER || project.visibility != Visibility::Private || self.is_admin(&user);
        match () {
            () if project.without_repository || !reads => Err(message(403, "403 Forbidden")),
            () if project.empty => Ok(json(200, &json!([]))),
            () => Ok(json(200, &json!([{"name": "main", "default": true}]))),
        }
    }

    fn projects(&self) -> Result<Answer, Answer> {
        let user = self.user_with(&["api", "read_api"])?;
        let per_page = self.number("per_page")?.unwrap_or(20).clamp(1, 100) as usize;
        let after = self.number("id_after")?.map_or(Bound::Unbounded, Bound::Excluded);
        let before = self.number("id_before")?.map_or(Bound::Unbounded, Bound::Excluded);
        let least = self.number("min_access_level")?.unwrap_or(0);
        let is_member = self.query("membership").as_deref() == Some("true");
        let archived = self.query("archived");
        let level = |project| user.as_deref().map_or(0, |user| u64::from(self.server.level(project, user)));
        let mut wanted = self.server.projects.range((after, before)).filter(|(_, project)| {
            self.is_visible(project, user.as_deref())
                && (!is_member || level(project) > 0)
                && level(project) >= least
                && archived.as_ref().is_none_or(|archived| *archived == project.archived.to_string())
        });
        let page: Vec<(&u64, &Project)> = wanted.by_ref().take(per_page).collect();
        let views = page.iter().map(|(id, project)| self.view(**id, project, user.as_deref()));
        let answer = json(200, &views.collect());
        Ok(match (wanted.next(), page.last()) {
            (Some(_), Some((last, _))) => answer.header("link", &self.link(**last)),
            _ => answer,
        })
    }

    /// The link to the page after a project: the same query, later on.
    fn link(&self, last: u64) -> String {
        let given = form_urlencoded::parse(self.ask.query.as_bytes());
        let kept = given.filter(|(name, _)| name != "id_after");
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(kept).append_pair("id_after", &last.to_string()).finish();
        format!("<{}api/v4/projects?{query}>; rel=\"next\"", self.base_url())
    }

    fn user(&self) -> Result<Answer, Answer> {
        let user = self.user_with(&["api", "read_api", "read_user"])?;
        let user = user.ok_or_else(|| message(401, "401 Unauthorized"))?;
        Ok(json(200, &json!({"id": 7, "username": user, "state": "active"})))
    }

    fn own_token(&self) -> Result<Answer, Answer> {
        let known = self.token()?;
        let token = known.ok_or_else(|| message(401, "401 Unauthorized"))?;
        Ok(json(
            200,
            &json!({"id": 9, "scopes": token.scopes, "expires_at": token.expires_at, "active": true}),
        ))
    }

    fn view(&self, id: u64, project: &Project, user: Option<&str>) -> Value {
        let path = project.path.as_str();
        let name = path.rsplit('/').next();
        let mut view = json!({
            "id": id, "name": name, "path": name, "path_with_namespace": path,
            "default_branch": if project.empty { Value::Null } else { json!("main") },
            "http_url_to_repo": format!("{}{path}.git", self.base_url()),
            "ssh_url_to_repo": format!("git@{}:{path}.git", self.server.host),
            "web_url": format!("{}{path}", self.base_url()),
        });
        // What a stranger and a simple list are not told.
        if let Some(user) = user.filter(|_| self.query("simple").as_deref() != Some("true")) {
            let [own, group] = self
                .server
                .roles(project, user)
                .map(|level| level.map(|level| json!({"access_level": level, "notification_level": 3})));
            view["archived"] = project.archived.into();
            view["empty_repo"] = project.empty.into();
            view["repository_access_level"] =
                if project.without_repository { "disabled" } else { "enabled" }.into();
            view["permissions"] = json!({"project_access": own, "group_access": group});
        }
        view["visibility"] = match project.visibility {
            Visibility::Private => "private",
            Visibility::Internal => "internal",
            Visibility::Public => "public",
        }
        .into();
        view
    }

    /// A project that the user sees, by id, path or former path.
    fn find(&self, key: &str, user: Option<&str>) -> Result<(u64, &'a Project), Answer> {
        let projects = &self.server.projects;
        let is_at = |path: &String| path.eq_ignore_ascii_case(key);
        let was_at = |project: &Project| !self.server.forgets_moves && project.former_paths.iter().any(is_at);
        let found = match key.parse::<u64>() {
            Ok(id) => projects.get_key_value(&id),
            Err(_) => {
                let by_path = projects.iter().find(|(_, project)| is_at(&project.path));
                by_path.or_else(|| projects.iter().find(|(_, project)| was_at(project)))
            }
        };
        found
            .filter(|(_, project)| self.is_visible(project, user))
            .map(|(id, project)| (*id, project))
            .ok_or_else(|| message(404, "404 Project Not Found"))
    }

    fn is_visible(&self, project: &Project, user: Option<&str>) -> bool {
        let is_known = |user: &str| {
            project.visibility == Visibility::Internal
                || self.server.level(project, user) > 0
                || self.server.administrators.iter().any(|admin| admin == user)
        };
        project.visibility == Visibility::Public || user.is_some_and(is_known)
    }

    fn is_admin(&self, user: &Option<String>) -> bool {
        user.as_ref().is_some_and(|user| self.server.administrators.contains(user))
    }

    /// Who is asking, if it is somebody, with a token that has one of these scopes.
    fn user_with(&self, scopes: &[&str]) -> Result<Option<String>, Answer> {
        let Some(token) = self.token()? else { return Ok(None) };
        if token.scopes.iter().any(|scope| scopes.contains(&scope.as_str())) {
            return Ok(Some(token.user.clone()));
        }
        Err(json(
            403,
            &json!({
                "error": "insufficient_scope",
                "error_description": "The request requires higher privileges than provided by the access token.",
                "scope": scopes.join(" "),
            }),
        ))
    }

    fn token(&self) -> Result<Option<Cow<'a, Token>>, Answer> {
        let header = |name: &str| self.ask.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let bearer = header("authorization").map(|value| value.strip_prefix("Bearer ").unwrap_or_default());
        let Some(secret) = header("private-token").or(bearer) else { return Ok(None) };
        let known = self.server.tokens.iter().find(|token| token.secret == secret);
        let issued = || bearer.and_then(|secret| self.grants.access(self.server, secret));
        let token = known.map(Cow::Borrowed).or_else(|| issued().map(Cow::Owned));
        let invalid =
            |text: &str| Err(json(401, &json!({"error": "invalid_token", "error_description": text})));
        match token {
            Some(token) if token.life == Life::Good => Ok(Some(token)),
            Some(token) if token.life == Life::Revoked => {
                invalid("Token was revoked. You have to re-authorize.")
            }
            Some(_) => invalid("Token is expired. You can either do re-authorization or token refresh."),
            None => Err(message(401, "401 Unauthorized")),
        }
    }

    fn base_url(&self) -> String {
        let scheme = if self.ask.tls { "https" } else { "http" };
        let root = &self.server.root;
        let slash = if root.is_empty() { "" } else { "/" };
        format!("{scheme}://{}/{root}{slash}", self.ask.authority)
    }

    fn query(&self, name: &str) -> Option<Cow<'a, str>> {
        form_urlencoded::parse(self.ask.query.as_bytes())
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Answer> {
        let given = self.query(name).map(|text| text.parse());
        given.transpose().map_err(|_| error(400, &format!("{name} is invalid")))
    }
}
