//! Settings from environment variables and from `--set`.
//!
//! Both arrive as text, and the schema says what the text means: a number where a number belongs, and text, as
//! written, where text does. A list takes TOML's brackets; anything else is its only element.

use std::{ffi::OsString, path::Path};

use figment::value::{Dict, Tag, Value};
use toml_edit::Key;

use super::{
    layers::Layer,
    problem::{Problem, Source, did_you_mean, dotted},
    schema::{NAMED_TABLES, Schema},
    strict::Strict,
    syntax::settle,
};

const PREFIX: &str = "FORGEWATCH_";
/// Holds a token for commands that ask a running daemon. It is no setting, and nothing of it is shown.
pub const TOKEN_VARIABLE: &str = "FORGEWATCH_TOKEN";

/// The variable that sets a path.
pub(super) fn variable_name<S: AsRef<str>>(path: &[S]) -> String {
    let parts: Vec<_> = path.iter().map(|key| key.as_ref().to_ascii_uppercase()).collect();
    format!("{PREFIX}{}", parts.join("__"))
}

/// The layer that the environment makes.
pub(super) fn environment(
    variables: &[(OsString, OsString)],
    working_dir: &Path,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Layer {
    let schema = Schema::of_config();
    let settings = schema.settings();
    let mut values = Dict::new();
    let mut ours: Vec<_> =
        variables.iter().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).collect();
    ours.sort();
    for (name, text) in ours {
        if name == TOKEN_VARIABLE {
            continue;
        }
        let name = name.to_string_lossy();
        let path: Vec<_> = name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        let problem = |message: &str, help| Problem {
            key: String::new(),
            source: Some(Source::Environment(name.to_string())),
            message: message.into(),
            help,
        };
        if settings.iter().any(|setting| *setting == path) {
            match text.to_str() {
                Some(text) => insert(&mut values, &path, coerce(text, None, &schema.nodes_at(&path))),
                None => problems.push(problem("its value is not UTF-8 text", None)),
            }
        } else if path.len() == 1 {
            // Container platforms inject such names, so this cannot be an error.
            let names: Vec<_> = settings.iter().map(|setting| variable_name(setting)).collect();
            let help = match path[0].as_str() {
                flag @ ("config" | "profile" | "set") => Some(format!("give --{flag} on the command line")),
                "log_level" => Some("give --log-level on the command line".to_owned()),
                _ => did_you_mean(&name, names.iter().map(String::as_str)),
            };
            warnings.push(problem("this variable names no setting and is ignored", help));
        } else if NAMED_TABLES.contains(&path[0].as_str()) {
            let help = format!("set it in a file, or with --set {}.NAME.KEY=VALUE", path[0]);
            problems.push(problem("entries of this table cannot be set by variables", Some(help)));
        } else {
            let names: Vec<_> = settings.iter().map(|setting| variable_name(setting)).collect();
            let help = did_you_mean(&name, names.iter().map(String::as_str));
            problems.push(problem("this variable names no setting", help));
        }
    }
    settle(&mut values, working_dir);
    Layer::of_values(Source::Environment(String::new()), values)
}

/// The layer that one `--set KEY=VALUE` makes.
pub(super) fn set(text: &str, working_dir: &Path) -> Result<Layer, Problem> {
    let wrong = |key: &str, message: &str, help: &str| Problem {
        key: String::new(),
        source: Some(Source::Set(key.into())),
        message: message.into(),
        help: Some(help.into()),
    };
    // A quoted key may hold an equals sign, so the first one that ends a valid key counts.
    let split =
        text.match_indices('=').find_map(|(at, _)| Some((Key::parse(&text[..at]).ok()?, &text[at + 1..])));
    let Some((keys, value)) = split else {
        let key = text.split('=').next().unwrap_or_default().escape_debug().to_string();
        return Err(wrong(
            &key,
            "not a key and a value",
            "write --set a.b=value, with quotes around odd names",
        ));
    };
    let path: Vec<_> = keys.iter().map(|key| key.get().to_owned()).collect();
    let name = dotted(&path);
    if path[0] == "profiles" {
        return Err(wrong(
            &name,
            "a profile is merged before --set",
            "set the key itself, without `profiles.NAME`",
        ));
    }
    let value = value.trim();
    let mut values = Dict::new();
    insert(&mut values, &path, coerce(value, toml_value(value), &Schema::of_config().nodes_at(&path)));
    settle(&mut values, working_dir);
    Ok(Layer::of_values(Source::Set(name), values))
}

/// What the text means where the schema expects `nodes`; `parsed` is what it means where the schema is silent.
fn coerce(text: &str, parsed: Option<Value>, nodes: &[&serde_json::Value]) -> Value {
    let wants = |kind: &str| {
        nodes.iter().any(|node| {
            node.get("type").is_some_and(|it| it == kind) || kind == "string" && node.get("const").is_some()
        })
    };
    let plain = Value::from(text);
    if wants("string") {
        return parsed.filter(|value| matches!(value, Value::String(..))).unwrap_or(plain);
    }
    if wants("array") {
        let list = toml_value(text).filter(|value| matches!(value, Value::Array(..)));
        return list.unwrap_or_else(|| Value::Array(Tag::Default, vec![parsed.unwrap_or(plain)]));
    }
    let number = if wants("integer") { text.parse::<i64>().ok().map(Value::from) } else { None };
    let truth = if wants("boolean") { text.parse::<bool>().ok().map(Value::from) } else { None };
    number.or(truth).or(parsed).unwrap_or(plain)
}

fn toml_value(text: &str) -> Option<Value> {
    let Strict(Value::Dict(_, mut table)) = toml::from_str(&format!("value = {text}")).ok()? else {
        return None;
    };
    // More than one key: the text held a line break and went on.
    (table.len() == 1).then(|| table.remove("value")).flatten()
}

fn insert(values: &mut Dict, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        values.insert(first.clone(), value);
        return;
    }
    let inner = values.entry(first.clone()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}
