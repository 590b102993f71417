//! Puts the validator's errors into sentences that an operator can act on and that hold no value.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
    paths::{Location, LocationSegment},
};
use serde_json::Value;

use super::{
    problem::did_you_mean,
    schema::{Finding, properties},
    secret,
    values::FORMATS,
};

/// What one error says, as one finding per key at fault.
pub(super) fn findings(error: &ValidationError<'_>, schema: &Value) -> Vec<Finding> {
    let path = keys(error.instance_path());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let siblings = parent(error, schema);
            unexpected.iter().map(|key| unknown(&path, key, siblings)).collect()
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let node = parent(error, schema).and_then(|it| it.get("properties")?.get(key));
            let meaning = node.and_then(|node| node.get("description")).and_then(Value::as_str);
            let help = meaning.map(|text| format!("add `{key}`: {}", as_clause(text)));
            vec![finding(extend(&path, key), "required setting is missing", help)]
        }
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => choice(error, context, path, schema),
        kind => {
            let (message, help) = sentence(kind, error);
            let help = help.or_else(|| {
                let Kind::Pattern { .. } = kind else { return None };
                let meaning = parent(error, schema)?.get("description")?.as_str()?;
                Some(format!("what belongs here: {}", as_clause(meaning)))
            });
            vec![finding(path, message, help)]
        }
    }
}

/// What an error about one value says, and the way out.
fn sentence(kind: &Kind, error: &ValidationError<'_>) -> (String, Option<String>) {
    let secret = error.schema_path().as_str().contains("SecretRef/").then(|| secret::HELP.to_owned());
    match kind {
        Kind::Type { .. }
            if secret.is_some() && error.instance().is_string() && ends(error, "SecretRef/type") =>
        {
            ("a secret is not written here itself but where it is kept".into(), secret)
        }
        Kind::Type { kind } => (format!("must be {}, not {}", wanted(kind), named(error.instance())), secret),
        Kind::MinProperties { .. } | Kind::MaxProperties { .. } if secret.is_some() => {
            ("must hold exactly one of `env`, `file` and `command` once all layers are merged".into(), secret)
        }
        Kind::Format { format } => match FORMATS.iter().find(|it| it.name == format) {
            Some(known) => {
                let wrong = error.instance().as_str().and_then(|text| (known.check)(text).err());
                let message = wrong.map_or_else(|| "is malformed".into(), |wrong| wrong.to_string());
                (message, Some(format!("write {}", known.help)))
            }
            None => (format!("is no valid {format}"), None),
        },
        Kind::Enum { options } => one_of(options.as_array().into_iter().flatten(), error.instance()),
        Kind::Constant { expected_value } => (format!("must be {expected_value}"), None),
        Kind::Minimum { limit } => (format!("must be at least {limit}"), None),
        Kind::Maximum { limit } => (format!("must be at most {limit}"), None),
        Kind::ExclusiveMinimum { limit } => (format!("must be more than {limit}"), None),
        Kind::ExclusiveMaximum { limit } => (format!("must be less than {limit}"), None),
        Kind::MinLength { limit: 1 } | Kind::MinItems { limit: 1 } => ("must not be empty".into(), None),
        Kind::MinLength { limit } => (format!("must be at least {limit} characters long"), None),
        Kind::MaxLength { limit } => (format!("must be at most {limit} characters long"), None),
        Kind::MinItems { limit } => (format!("must have at least {limit} entries"), None),
        Kind::MaxItems { limit } => (format!("must have at most {limit} entries"), None),
        Kind::UniqueItems => ("must not have the same entry twice".into(), None),
        Kind::Pattern { pattern } => (format!("must match the pattern {pattern}"), None),
        _ => {
            let rule = error.schema_path().as_str().rsplit('/').next().unwrap_or_default();
            (format!("does not fit the rule `{rule}` of its schema"), None)
        }
    }
}

fn unknown(path: &[String], key: &str, siblings: Option<&Value>) -> Finding {
    let known: Vec<_> = siblings.into_iter().flat_map(properties).map(|(key, _)| key).collect();
    let list = || (!known.is_empty()).then(|| format!("settings here are: {}", known.join(", ")));
    finding(extend(path, key), "unknown setting", did_you_mean(key, known.iter().copied()).or_else(list))
}

/// A value that fits none of several forms: a word from a list, or a table that `kind` or the like tells apart.
fn choice(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    path: Vec<String>,
    schema: &Value,
) -> Vec<Finding> {
    let forms = schema.pointer(error.schema_path().as_str()).and_then(Value::as_array);
    let forms = forms.map(Vec::as_slice).unwrap_or_default();
    let words: Vec<_> = forms.iter().filter_map(|form| form.get("const")).collect();
    if !words.is_empty() && words.len() == forms.len() {
        let (message, help) = one_of(words.into_iter(), error.instance());
        return vec![finding(path, message, help)];
    }
    let partial = matches!(error.kind(), Kind::AnyOf { .. });
    if let (Some((tag, kinds)), Some(table)) = (tag_of(forms), error.instance().as_object()) {
        let kind = table.get(tag).and_then(Value::as_str);
        match kind.and_then(|kind| kinds.iter().position(|it| *it == kind)) {
            Some(form) => return of_form(context.get(form), schema),
            None if partial && kind.is_none() => {}
            None => {
                return vec![wrong_kind(extend(&path, tag), kind, table.contains_key(tag), &kinds)];
            }
        }
    } else if let (Some(_), false) = (tag_of(forms), error.instance().is_object()) {
        return vec![finding(path, format!("must be a table, not {}", named(error.instance())), None)];
    }
    let found = of_form(context.iter().min_by_key(|errors| errors.len()), schema);
    if found.is_empty() { vec![finding(path, "fits none of the forms allowed here", None)] } else { found }
}

fn of_form(errors: Option<&Vec<ValidationError<'static>>>, schema: &Value) -> Vec<Finding> {
    errors.into_iter().flatten().flat_map(|error| findings(error, schema)).collect()
}

/// The property whose constant tells the forms apart, and its value in each.
fn tag_of(forms: &[Value]) -> Option<(&str, Vec<&str>)> {
    let constant = |node: &'_ Value| node.get("const").is_some();
    let (tag, _) = properties(forms.first()?).find(|(_, node)| constant(node))?;
    let kinds = forms.iter().map(|form| form.get("properties")?.get(tag)?.get("const")?.as_str());
    Some((tag, kinds.collect::<Option<_>>()?))
}

fn wrong_kind(path: Vec<String>, kind: Option<&str>, present: bool, kinds: &[&str]) -> Finding {
    let list = format!("kinds are: {}", kinds.join(", "));
    match kind {
        Some(word) => {
            let help = did_you_mean(word, kinds.iter().copied()).unwrap_or(list);
            finding(path, "unknown kind", Some(help))
        }
        None if present => finding(path, "must be text", Some(list)),
        None => finding(path, "required setting is missing", Some(list)),
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a Value>, value: &Value) -> (String, Option<String>) {
    let words: Vec<_> =
        words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
    let help = value.as_str().and_then(|value| did_you_mean(value, words.iter().map(String::as_str)));
    (format!("must be one of: {}", words.join(", ")), help)
}

/// The part of the schema that the failed keyword stands in.
fn parent<'a>(error: &ValidationError<'_>, schema: &'a Value) -> Option<&'a Value> {
    let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(parent)
}

/// A sentence of the schema, to stand after a colon.
fn as_clause(sentence: &str) -> String {
    let line = sentence.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut characters = line.chars();
    characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect()
}

fn ends(error: &ValidationError<'_>, end: &str) -> bool {
    error.schema_path().as_str().ends_with(end)
}

fn keys(location: &Location) -> Vec<String> {
    let text = |segment: LocationSegment<'_>| match segment {
        LocationSegment::Property(key) => key.into_owned(),
        LocationSegment::Index(index) => index.to_string(),
    };
    location.iter().map(text).collect()
}

fn extend(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}

fn finding(path: Vec<String>, message: impl Into<String>, help: Option<String>) -> Finding {
    Finding { path, message: message.into(), help }
}

fn wanted(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => in_words(&kind.to_string()).to_owned(),
        TypeKind::Multiple(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(|kind| in_words(&kind.to_string()).to_owned()).collect();
            kinds.join(" or ")
        }
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "object" => "a table",
        "array" => "a list",
        "null" => "empty",
        other => other,
    }
}

fn named(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
