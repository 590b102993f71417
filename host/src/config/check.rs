//! Rules that need more than one value.
//!
//! They run on the merged settings before these are known to be valid, so that one run tells everything, and
//! pass over whatever is not of the right shape: the schema tells about that. What is wrong though each setting is
//! right takes no setting away, and is found at the end.

use serde_json::{Map, Value};

use super::{
    daemon::{Api, ApiAuth},
    problem::{dotted, nearest},
    schema::Finding,
    values::Period,
};

/// Everything that is wrong across values, repositories left out.
pub(super) fn findings(merged: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    timeouts(&mut found, merged);
    for name in table(merged, "integrations").into_iter().flat_map(Map::keys) {
        reference(&mut found, merged, &["integrations", name, "identity"], "identities");
    }
    for name in table(merged, "discovery").into_iter().flat_map(Map::keys) {
        reference(&mut found, merged, &["discovery", name, "integration"], "integrations");
    }
    for name in table(merged, "trackers").into_iter().flat_map(Map::keys) {
        reference(&mut found, merged, &["trackers", name, "integration"], "integrations");
    }
    targets(&mut found, merged);
    found
}

/// Everything that is wrong across the values of one repository and the other settings.
pub(super) fn findings_of(name: &str, repository: &Value, merged: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(repository) = repository.as_object() else { return found };
    let path = ["repositories", name, "integration"];
    must_be_among(&mut found, merged, &path, repository.get(path[2]).and_then(Value::as_str), "integrations");
    addressing(&mut found, name, repository);
    found
}

/// Whether anybody who reaches the address could use the API.
pub(super) fn unprotected(api: &Api) -> Option<Finding> {
    if api.listen.is_on_loopback() || api.auth == ApiAuth::None || !api.tokens.is_empty() {
        return None;
    }
    let help = "add a token as `[api.tokens.NAME]`, or set `api.auth = \"none\"` if something in front of it decides \
                who may use it";
    let mut found = Vec::new();
    let message = "other machines can reach this address, and there are no API tokens".to_owned();
    add(&mut found, &["api", "listen"], message, help.to_owned());
    found.pop()
}

fn timeouts(found: &mut Vec<Finding>, merged: &Value) {
    let period = |path: &[&str]| text(merged, path)?.parse::<Period>().ok();
    if let (Some(check), Some(request)) = (period(&["check_timeout"]), period(&["http", "timeout"]))
        && check <= request
    {
        let message = format!("must be longer than http.timeout, which is {request}");
        add(found, &["check_timeout"], message, "raise it, or lower http.timeout".into());
    }
}

/// Whoever is to be told of something has to be among the targets.
fn targets(found: &mut Vec<Finding>, merged: &Value) {
    let Some(alerts) = table(merged, "alerts") else { return };
    let known = alerts.get("targets").and_then(Value::as_object);
    let routes = alerts.get("routes").and_then(Value::as_object);
    let of_routes = routes
        .into_iter()
        .flatten()
        .filter_map(|(name, route)| Some((vec!["alerts", "routes", name, "targets"], route.get("targets")?)));
    let default = alerts.get("default").map(|targets| (vec!["alerts", "default"], targets));
    for (path, targets) in of_routes.chain(default) {
        for name in targets.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if known.is_some_and(|known| known.contains_key(name)) {
                continue;
            }
            let near = nearest(name, known.into_iter().flat_map(Map::keys).map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add a table [{}]", dotted(&["alerts", "targets", name])),
            };
            add(found, &path, format!("`{}` is not among the targets of alerts", name.escape_debug()), help);
        }
    }
}

/// A repository is named by its URL or by its name within an integration, not by both.
fn addressing(found: &mut Vec<Finding>, name: &str, repository: &Map<String, Value>) {
    let path = ["repositories", name];
    if repository.contains_key("url") {
        for key in ["project", "name"].into_iter().filter(|key| repository.contains_key(*key)) {
            let message = format!("`{key}` and `url` exclude each other");
            let help = "keep `url`, or `integration` with `name` and perhaps `project`";
            add(found, &[path[0], name, key], message, help.into());
        }
        return;
    }
    let missing: Vec<_> =
        ["integration", "name"].into_iter().filter(|key| !repository.contains_key(*key)).collect();
    if !missing.is_empty() {
        let message = format!("`{}` missing", missing.join("` and `"));
        add(found, &path, message, "give a repository either `url`, or `integration` and `name`".into());
    }
}

/// The name at `path` must be one of those that `target` declares, valid entries or not.
fn reference(found: &mut Vec<Finding>, merged: &Value, path: &[&str], target: &str) {
    must_be_among(found, merged, path, text(merged, path), target);
}

fn must_be_among(found: &mut Vec<Finding>, merged: &Value, path: &[&str], name: Option<&str>, target: &str) {
    let Some(name) = name else { return };
    let known = table(merged, target);
    if known.is_some_and(|known| known.contains_key(name)) {
        return;
    }
    let near = nearest(name, known.into_iter().flat_map(Map::keys).map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add a table [{}]", dotted(&[target, name])),
    };
    add(found, path, format!("`{}` is not among the {target}", name.escape_debug()), help);
}

fn table<'a>(merged: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    merged.get(name)?.as_object()
}

fn text<'a>(merged: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(merged, |value, key| value.get(key))?.as_str()
}

fn add(found: &mut Vec<Finding>, path: &[&str], message: String, help: String) {
    let path = path.iter().map(ToString::to_string).collect();
    found.push(Finding { path, message, help: Some(help) });
}
