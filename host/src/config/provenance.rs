//! Which layer set a key, what the other layers say about it, and how values are shown.
//!
//! Shown values are masked: what is not a reference where a secret belongs, and the user part of every address.

use serde_json::{Map, Value};

use super::{
    inputs::variable_name,
    layers::{Layer, Layers},
    lines::{Found, Kind, Node},
    problem::{Problem, Source, did_you_mean, dotted},
    schema::Schema,
};
use crate::text::mask_user_info;

/// What every layer says about one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The setting, as a TOML key.
    pub key: String,
    /// Each layer that sets it, in the order in which they are merged: the last one wins. Masked.
    pub values: Vec<(Source, Value)>,
}

impl Layers {
    /// Every layer in merge order; the profile's is each file again, read below the profile's table.
    fn views(&self) -> impl DoubleEndedIterator<Item = (&Layer, Option<&str>)> {
        let plain = self.below.iter().map(|layer| (layer, None));
        let profile = self.profile.as_deref();
        let overlaid =
            profile.into_iter().flat_map(|name| self.below.iter().map(move |layer| (layer, Some(name))));
        plain.chain(overlaid).chain(self.above.iter().map(|layer| (layer, None)))
    }

    /// What set `path` or, when nothing did, the nearest table above it that something set.
    pub(super) fn source<S: AsRef<str>>(&self, path: &[S]) -> Option<Source> {
        (1..=path.len()).rev().find_map(|length| self.declared(&path[..length]))
    }

    /// The last layer that sets a value or, of a table, the first one after the defaults that has it.
    fn declared<S: AsRef<str>>(&self, path: &[S]) -> Option<Source> {
        let mut table = None;
        for (layer, profile) in self.views().rev() {
            match find(layer, profile, path) {
                Found::Here(node) if node.kind != Kind::Table => return Some(source_of(layer, node, path)),
                Found::Here(node) if layer.source != Source::Default || table.is_none() => {
                    table = Some(source_of(layer, node, path));
                }
                Found::Hidden => break,
                Found::Here(_) | Found::Absent => {}
            }
        }
        table
    }

    /// The merged settings, masked, without the profiles that they were merged from.
    pub(super) fn effective(&self) -> Value {
        let mut merged = self.merge(&mut Vec::new()).whole();
        if let Some(settings) = merged.as_object_mut() {
            settings.shift_remove("profiles");
        }
        mask(&mut merged, &mut Vec::new());
        merged
    }

    /// What every layer says about a setting, or about each setting of a table.
    pub(super) fn explain(&self, key: &str) -> Result<Vec<Explained>, Problem> {
        let path: Vec<String> = match toml_edit::Key::parse(key) {
            Ok(keys) => keys.iter().map(|key| key.get().to_owned()).collect(),
            Err(_) => return Err(unknown(key.escape_debug().to_string(), None)),
        };
        let merged = self.merge(&mut Vec::new()).whole();
        known(&path, &merged)?;
        let mut leaves = Vec::new();
        let value = path.iter().try_fold(&merged, |value, key| value.get(key));
        value.into_iter().for_each(|value| collect_leaves(value, &mut path.clone(), &mut leaves));
        if leaves.is_empty() {
            leaves.push(path);
        }
        let mut explained: Vec<_> =
            leaves.iter().map(|leaf| Explained { key: dotted(leaf), values: Vec::new() }).collect();
        for (layer, profile) in self.views() {
            let values = layer.values().ok().and_then(|values| serde_json::to_value(values).ok());
            let Some(mut values) = values else { continue };
            mask(&mut values, &mut Vec::new());
            for (leaf, explained) in leaves.iter().zip(&mut explained) {
                match find(layer, profile, leaf) {
                    Found::Here(node) => {
                        let whole = prefixed(profile, leaf);
                        let value = whole.iter().try_fold(&values, |value, key| value.get(key));
                        let value = value.cloned().unwrap_or_default();
                        explained.values.push((source_of(layer, node, leaf), value));
                    }
                    // A merge drops what came before; so does this.
                    Found::Hidden => explained.values.clear(),
                    Found::Absent => {}
                }
            }
        }
        Ok(explained)
    }
}

fn prefixed<'a, S: AsRef<str>>(profile: Option<&'a str>, path: &'a [S]) -> Vec<&'a str> {
    let prefix = profile.map(|name| ["profiles", name]).into_iter().flatten();
    prefix.chain(path.iter().map(AsRef::as_ref)).collect()
}

fn find<'a, S: AsRef<str>>(layer: &'a Layer, profile: Option<&str>, path: &[S]) -> Found<'a> {
    layer.keys().find(&prefixed(profile, path))
}

fn source_of<S: AsRef<str>>(layer: &Layer, node: &Node, path: &[S]) -> Source {
    match &layer.source {
        Source::File { path, .. } => Source::File { path: path.clone(), line: node.line },
        Source::Environment(_) => Source::Environment(variable_name(path)),
        other => other.clone(),
    }
}

fn collect_leaves(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) {
    let Value::Object(values) = value else {
        return leaves.push(path.clone());
    };
    for (key, value) in values {
        path.push(key.clone());
        collect_leaves(value, path, leaves);
        path.pop();
    }
}

/// Whether a path can hold a setting: every key is one of the schema's, or a name that some layer gives.
fn known(path: &[String], merged: &Value) -> Result<(), Problem> {
    let schema = Schema::of_config();
    let mut here = Some(merged);
    for (depth, key) in path.iter().enumerate() {
        let nodes = schema.nodes_at(&path[..depth]);
        let named = nodes.iter().flat_map(|node| super::schema::properties(node)).map(|(name, _)| name);
        let given = here.and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
        let candidates: Vec<_> = named.chain(given).collect();
        if !candidates.contains(&key.as_str()) {
            let near = did_you_mean(key, candidates.iter().copied());
            return Err(unknown(dotted(&path[..=depth]), near));
        }
        here = here.and_then(|value| value.get(key));
    }
    Ok(())
}

fn unknown(key: String, help: Option<String>) -> Problem {
    let message = "unknown setting: no layer has it and no setting is called so".into();
    Problem { key, source: None, message, help }
}

/// Masks, in place, whatever may be a secret.
fn mask(value: &mut Value, path: &mut Vec<String>) {
    match value {
        Value::Object(values) => {
            for (key, value) in values {
                path.push(key.clone());
                mask(value, path);
                path.pop();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, path)),
        _ if may_be_secret(path) => *value = "***".into(),
        Value::String(text) => {
            let address =
                path.last().is_some_and(|key| ["domain_name", "url", "proxy"].contains(&key.as_str()));
            if address || text.contains("://") {
                *text = mask_user_info(text).into_owned();
            }
            if is_hook(path) {
                mask_path(text);
            }
        }
        _ => {}
    }
}

/// Below `identities` everything may be, but for references and what is known to be public; of a target of alerts, what
/// should be a reference.
fn may_be_secret(path: &[String]) -> bool {
    const PUBLIC: [&str; 8] =
        ["kind", "username", "header", "token_url", "client_id", "scope", "expires_at", "tenant"];
    const REFERENCES: [&str; 3] = ["env", "file", "command"];
    match without_profile(path).as_slice() {
        ["identities", _, key] => !PUBLIC.contains(key),
        ["identities", _, _, key] | ["alerts", "targets", _, "url", key] => !REFERENCES.contains(key),
        ["identities", ..] => true,
        ["alerts", "targets", _, "secret" | "authorization" | "password", rest @ ..] => {
            !rest.first().is_some_and(|key| REFERENCES.contains(key))
        }
        _ => false,
    }
}

/// Whether this is where the address of a webhook belongs as a reference, and an Alertmanager's as it is.
fn is_hook(path: &[String]) -> bool {
    matches!(without_profile(path).as_slice(), ["alerts", "targets", _, "url"])
}

fn without_profile(path: &[String]) -> Vec<&str> {
    let below = if path.first().is_some_and(|key| key == "profiles") { 2 } else { 0 };
    path.get(below..).unwrap_or_default().iter().map(String::as_str).collect()
}

/// Keeps of an address what says which machine it is.
fn mask_path(text: &mut String) {
    let Some(host) = text.find("://").map(|at| at + 3) else {
        "***".clone_into(text);
        return;
    };
    if let Some(end) = text[host..].find(['/', '?', '#'])
        && text[host + end..] != *"/"
    {
        text.truncate(host + end);
        text.push_str("/***");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn masks_all_but_references() {
        let mut value = json!({
            "http": { "proxy": "http://u:hunter2@p:1" },
            "identities": {
                "a": { "kind": "pat", "token": "hunter2", "other": { "env": "X", "odd": "hunter2" } },
                "b": "hunter2",
                "c": { "kind": "pat", "token": { "command": ["pass", "ado"] } }
            },
            "profiles": { "p": { "identities": { "a": { "token": ["hunter2"] } } } },
            "integrations": { "i": { "domain_name": "x:hunter2@host", "metadata": { "mail": "a@b" } } },
            "alerts": { "targets": {
                "a": { "url": "https://hooks.example/hunter2", "secret": "hunter2", "password": { "odd": "hunter2" } },
                "b": { "url": { "env": "Y", "odd": "hunter2" }, "authorization": ["hunter2"] },
                "c": { "url": "http://x:hunter2@am.example:9093/" },
                "d": { "url": "hunter2" }
            } },
            "providers": { "p": { "options": { "roots": ["https://x:hunter2@host/"] } } }
        });
        mask(&mut value, &mut Vec::new());
        let text = value.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        for kept in [
            "\"env\":\"X\"",
            "[\"pass\",\"ado\"]",
            "\"a@b\"",
            "http://***@p:1",
            "\"env\":\"Y\"",
            "\"https://hooks.example/***\"",
            "\"http://***@am.example:9093/\"",
        ] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
