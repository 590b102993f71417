//! Layers, and how their values become one tree.
//!
//! Texts are kept, trees are not: at a hundred thousand repositories the trees weigh far more than the typed
//! configuration. Merging again, or finding a line, parses the texts anew.

use std::{cell::RefCell, path::PathBuf, sync::OnceLock};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{
    lines::Node,
    problem::{Problem, Source, did_you_mean},
    syntax::{FileFormat, parse, settle},
};

/// One place that settings come from.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) source: Source,
    content: Content,
    keys: OnceLock<Node>,
}

#[derive(Debug)]
enum Content {
    /// A file.
    Text { format: FileFormat, text: String, base: PathBuf },
    /// Settings that are not in a file.
    Values(Dict),
}

impl Layer {
    /// A file's layer; relative paths in it start from `base`.
    pub(super) fn of_text(path: PathBuf, format: FileFormat, text: String, base: PathBuf) -> Self {
        let source = Source::File { path, line: None };
        Self { source, content: Content::Text { format, text, base }, keys: OnceLock::new() }
    }

    /// A layer that is no file.
    pub(super) fn of_values(source: Source, values: Dict) -> Self {
        Self { source, content: Content::Values(values), keys: OnceLock::new() }
    }

    /// The settings of this layer. Only a file's text can be at fault, and only the first time.
    pub(super) fn values(&self) -> Result<Dict, Problem> {
        match &self.content {
            Content::Values(values) => Ok(values.clone()),
            Content::Text { format, text, base } => {
                let mut values = parse(*format, text).map_err(|(line, message)| {
                    let Source::File { path, .. } = &self.source else { unreachable!("texts are files") };
                    let source = Source::File { path: path.clone(), line };
                    Problem { key: String::new(), source: Some(source), message, help: None }
                })?;
                settle(&mut values, base);
                Ok(values)
            }
        }
    }

    /// The keys that this layer sets.
    pub(super) fn keys(&self) -> &Node {
        self.keys.get_or_init(|| match &self.content {
            Content::Values(values) => Node::of_values(values),
            Content::Text { format, text, .. } => {
                Node::of_text(*format, text, || self.values().unwrap_or_default())
            }
        })
    }
}

/// A layer's values on their way into figment, which asks for them exactly once.
struct Once {
    name: String,
    values: RefCell<Dict>,
}

impl Provider for Once {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.take()))
    }
}

/// All layers in order, and the overlay chosen among the files' profiles.
#[derive(Debug)]
pub(super) struct Layers {
    /// The defaults and the files, below the profile.
    pub(super) below: Vec<Layer>,
    pub(super) profile: Option<String>,
    /// The environment and the command line, above the profile.
    pub(super) above: Vec<Layer>,
}

impl Layers {
    /// Lets go of what finding lines has built up, which weighs more than the files.
    pub(super) fn forget_lines(&mut self) {
        for layer in self.below.iter_mut().chain(&mut self.above) {
            layer.keys.take();
        }
    }

    /// Merges all layers key by key, later ones winning. Faulty files are told and left out.
    pub(super) fn merge(&self, problems: &mut Vec<Problem>) -> serde_json::Value {
        let mut figment = Figment::new();
        let mut add = |figment: Figment, layer: &Layer| match layer.values() {
            Ok(values) => figment.merge(Once { name: layer.source.to_string(), values: values.into() }),
            Err(problem) => {
                problems.push(problem);
                figment
            }
        };
        figment = self.below.iter().fold(figment, &mut add);
        let overlay = self.profile.as_ref().map(|name| overlay(&figment, name));
        if let Some(Ok(values)) = &overlay {
            let values = values.clone().into();
            figment = figment.merge(Once { name: "profile".into(), values });
        }
        figment = self.above.iter().fold(figment, &mut add);
        problems.extend(overlay.and_then(Result::err));
        let mut merged = figment.extract().unwrap_or_default();
        whole_numbers(&mut merged);
        merged
    }
}

/// The settings of one profile; an unknown name is a problem, a profile that is no table is left to the schema.
fn overlay(figment: &Figment, name: &str) -> Result<Dict, Problem> {
    // Through a map rather than figment's dotted look-up: names may hold dots.
    let profiles: Dict = figment.extract_inner("profiles").unwrap_or_default();
    match profiles.get(name) {
        Some(Value::Dict(_, values)) => Ok(values.clone()),
        Some(_) => Ok(Dict::new()),
        None => {
            let names: Vec<_> = profiles.keys().map(String::as_str).collect();
            let known = || match names.is_empty() {
                true => "no profile is configured: add a table [profiles.NAME]".into(),
                false => format!("profiles are: {}", names.join(", ")),
            };
            Err(Problem {
                key: String::new(),
                source: Some(Source::Profile),
                message: format!("unknown profile `{}`", name.escape_debug()),
                help: Some(did_you_mean(name, names.iter().copied()).unwrap_or_else(known)),
            })
        }
    }
}

/// JSON Schema takes `64.0` for a whole number, serde does not.
fn whole_numbers(value: &mut serde_json::Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        serde_json::Value::Object(values) => values.values_mut().for_each(whole_numbers),
        serde_json::Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        serde_json::Value::Number(number) if number.is_f64() => {
            if let Some(float) = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < EXACT) {
                *number = (float as i64).into();
            }
        }
        _ => {}
    }
}
