//! The JSON Schema of the configuration, and validation against it or against a plugin's own.
//!
//! Validation collects every fault in one pass and puts each into a sentence of ours: the validator's own
//! messages quote values, and a value may be a secret. No sentence here holds a value.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::{model::Config, sentences, values::FORMATS};

/// Top-level tables whose keys are names that the operator chose.
pub(super) const NAMED_TABLES: [&str; 8] = [
    "providers",
    "identities",
    "integrations",
    "repositories",
    "discovery",
    "people",
    "trackers",
    "profiles",
];

/// A schema and its compiled form.
#[derive(Debug)]
pub struct Schema {
    document: Value,
    validator: Validator,
}

/// A schema that cannot be used; what is wrong with it, in its author's terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable JSON schema: {0}")]
pub struct SchemaError(String);

/// One fault of a value, relative to the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Keys, and indices of lists, from the validated value down to the fault.
    pub path: Vec<String>,
    /// What is wrong; never quotes a value.
    pub message: String,
    /// How to put it right.
    pub help: Option<String>,
}

impl Schema {
    /// Compiles a schema, such as a plugin's for its options.
    ///
    /// # Errors
    ///
    /// The document is no valid JSON Schema, or refers to another document.
    pub fn new(document: Value) -> Result<Self, SchemaError> {
        let mut options = jsonschema::options().should_validate_formats(true);
        for format in FORMATS {
            options = options.with_format(format.name, move |text: &str| (format.check)(text).is_ok());
        }
        match options.build(&document) {
            Ok(validator) => Ok(Self { document, validator }),
            Err(error) => Err(SchemaError(error.to_string())),
        }
    }

    /// The configuration's schema, compiled once per process.
    pub fn of_config() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| Self::new(document()).expect("the types' schema is valid, as tests show"))
    }

    /// The schema as a document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Everything that is wrong with a value.
    pub fn validate(&self, value: &Value) -> Vec<Finding> {
        // Telling whether anything is wrong takes a fraction of the time that finding out what does.
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        self.validator
            .iter_errors(value)
            .flat_map(|error| sentences::findings(&error, &self.document))
            .collect()
    }

    /// The parts of the schema that describe what is at `path`, references followed; none if nothing may be there.
    pub(super) fn nodes_at<S: AsRef<str>>(&self, path: &[S]) -> Vec<&Value> {
        let mut nodes = self.alternatives(&self.document);
        for key in path {
            nodes = nodes
                .into_iter()
                .filter_map(|node| child(node, key.as_ref()))
                .flat_map(|node| self.alternatives(node))
                .collect();
        }
        nodes
    }

    fn alternatives<'a>(&'a self, node: &'a Value) -> Vec<&'a Value> {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
            return target.map(|node| self.alternatives(node)).unwrap_or_default();
        }
        match node.get("oneOf").or_else(|| node.get("anyOf")).and_then(Value::as_array) {
            Some(nodes) => nodes.iter().flat_map(|node| self.alternatives(node)).collect(),
            None => vec![node],
        }
    }

    /// Paths of all settings outside the named tables.
    pub(super) fn settings(&self) -> Vec<Vec<&str>> {
        let mut settings = Vec::new();
        for (key, node) in properties(&self.document).filter(|(key, _)| !NAMED_TABLES.contains(key)) {
            let inner: Vec<_> = properties(node).map(|(inner, _)| vec![key, inner]).collect();
            if inner.is_empty() {
                settings.push(vec![key]);
            } else {
                settings.extend(inner);
            }
        }
        settings
    }
}

/// The named properties of one part of a schema.
pub(super) fn properties(node: &Value) -> impl Iterator<Item = (&str, &Value)> {
    node.get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, node)| (key.as_str(), node))
}

fn child<'a>(node: &'a Value, key: &str) -> Option<&'a Value> {
    let named = node.get("properties").and_then(|properties| properties.get(key));
    named
        .or_else(|| node.get("additionalProperties").filter(|node| node.is_object()))
        .or_else(|| node.get("items").filter(|_| key.bytes().all(|byte| byte.is_ascii_digit())))
}

/// The schema that the types make, without nulls, with profiles as partial configurations.
fn document() -> Value {
    let mut document = schemars::schema_for!(Config).to_value();
    forbid_null(&mut document);
    let mut partial = document.clone();
    make_partial(&mut partial);
    let mut definitions = match partial["$defs"].take() {
        Value::Object(definitions) => definitions,
        _ => Map::new(),
    };
    if let Some(overlay) = partial.as_object_mut() {
        overlay.retain(|key, _| matches!(key.as_str(), "type" | "properties" | "additionalProperties"));
        if let Some(properties) = overlay.get_mut("properties").and_then(Value::as_object_mut) {
            properties.shift_remove("profiles");
        }
    }
    definitions.insert("Profile".into(), partial);
    let own = document["$defs"].as_object_mut().into_iter();
    own.for_each(|own| {
        let fresh = std::mem::take(&mut definitions).into_iter();
        own.extend(fresh.map(|(name, node)| (partial_name(&name), node)));
    });
    document["properties"]["profiles"]["additionalProperties"] =
        serde_json::json!({ "$ref": format!("#/$defs/{}", partial_name("Profile")) });
    document
}

fn partial_name(name: &str) -> String {
    format!("Partial{name}")
}

/// Optional settings are left out rather than null: a null is more likely a value that somebody forgot.
fn forbid_null(node: &mut Value) {
    if let Value::Object(keys) = node {
        if let Some(Value::Array(types)) = keys.get_mut("type") {
            types.retain(|it| it != "null");
            if let [only] = types.as_mut_slice() {
                let only = only.take();
                keys.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(nodes)) = keys.get_mut("anyOf") {
            nodes.retain(|it| it.get("type").is_none_or(|it| it != "null"));
            if let [Value::Object(only)] = nodes.as_mut_slice() {
                let only = std::mem::take(only);
                keys.shift_remove("anyOf");
                for (key, node) in only {
                    keys.entry(key).or_insert(node);
                }
            }
        }
        if keys.get("default").is_some_and(Value::is_null) {
            keys.shift_remove("default");
        }
    }
    each_child(node, forbid_null);
}

/// Makes everything optional, and a choice between tables one that part of a table can fit.
fn make_partial(node: &mut Value) {
    if let Value::Object(keys) = node {
        keys.retain(|key, node| {
            !(key == "required" && node.is_array() || key == "default" && !node.is_boolean())
        });
        if let Some(Value::String(reference)) = keys.get_mut("$ref") {
            *reference = reference.replace("#/$defs/", &format!("#/$defs/{}", partial_name("")));
        }
        let tables = |nodes: &mut Value| {
            nodes.as_array().is_some_and(|nodes| nodes.iter().all(|node| node.get("properties").is_some()))
        };
        if keys.get_mut("oneOf").is_some_and(tables)
            && let Some(nodes) = keys.shift_remove("oneOf")
        {
            keys.insert("anyOf".into(), nodes);
        }
    }
    each_child(node, make_partial);
}

fn each_child(node: &mut Value, mut change: impl FnMut(&mut Value)) {
    match node {
        Value::Object(keys) => keys.values_mut().for_each(&mut change),
        Value::Array(nodes) => nodes.iter_mut().for_each(&mut change),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_the_named_tables() {
        let settings = Schema::of_config().settings();
        assert!(settings.contains(&vec!["silo_mode"]));
        assert!(settings.contains(&vec!["http", "max_response_bytes"]));
        assert!(settings.iter().all(|path| !NAMED_TABLES.contains(&path[0])));
    }

    #[test]
    fn a_secret_is_a_reference_and_nothing_is_null() {
        let document = Schema::of_config().document();
        let secret = document.pointer("/$defs/SecretRef/properties").unwrap().as_object().unwrap();
        assert_eq!(secret.keys().collect::<Vec<_>>(), ["env", "file", "command"]);
        assert!(!document.to_string().contains("null"));
    }

    #[test]
    fn plugin_schemas() {
        let schema = Schema::new(serde_json::json!({
            "type": "object",
            "properties": { "server_roots": { "type": "array", "items": { "type": "string", "format": "https-url" } } },
            "additionalProperties": false
        }));
        let found = schema.unwrap().validate(&serde_json::json!({ "server_roots": ["x"], "server_rots": 1 }));
        let mut paths: Vec<_> = found.iter().map(|it| it.path.join(".")).collect();
        paths.sort();
        assert_eq!(paths, ["server_roots.0", "server_rots"]);
        assert!(Schema::new(serde_json::json!({ "type": "tabel" })).is_err());
    }
}
