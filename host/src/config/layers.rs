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
    entries::{Entries, REPOSITORIES},
    lines::Node,
    problem::{Problem, Source, did_you_mean},
    syntax::{FileFormat, parse, parse_apart, settle},
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
                let mut values = parse(*format, text).map_err(|wrong| self.unreadable(wrong))?;
                settle(&mut values, base);
                Ok(values)
            }
        }
    }

    /// As [`Layer::values`], the repositories apart.
    fn values_apart(&self) -> Result<(Dict, Entries), Problem> {
        match &self.content {
            Content::Values(values) => Ok(apart(values.clone())),
            Content::Text { format, text, base } => {
                let (mut values, entries) =
                    parse_apart(*format, text).map_err(|wrong| self.unreadable(wrong))?;
                settle(&mut values, base);
                Ok((values, entries))
            }
        }
    }

    fn unreadable(&self, (line, message): (Option<usize>, String)) -> Problem {
        let source = match &self.source {
            Source::File { path, .. } => Source::File { path: path.clone(), line },
            other => other.clone(),
        };
        Problem { key: String::new(), source: Some(source), message, help: None }
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
pub(super) struct Once {
    name: String,
    values: RefCell<Dict>,
}

impl Once {
    pub(super) fn new(name: &str, values: Dict) -> Self {
        Self { name: name.to_owned(), values: values.into() }
    }
}

impl Provider for Once {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.take()))
    }
}

/// What the layers say together.
#[derive(Debug)]
pub(super) struct Merged {
    /// All settings, the repositories apart.
    pub(super) settings: serde_json::Value,
    pub(super) repositories: Entries,
}

impl Merged {
    /// All settings in one document.
    pub(super) fn whole(mut self) -> serde_json::Value {
        if let Some(serde_json::Value::Object(table)) = self.settings.get_mut(REPOSITORIES) {
            table.extend(self.repositories.into_values());
        }
        self.settings
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
    pub(super) fn merge(&self, problems: &mut Vec<Problem>) -> Merged {
        let mut merging = Merging::default();
        self.below.iter().for_each(|layer| merging.add_layer(layer, problems));
        let overlay = self.profile.as_ref().map(|name| overlay(&merging.figment, name));
        if let Some(Ok(values)) = &overlay {
            merging.add("profile", apart(values.clone()));
        }
        self.above.iter().for_each(|layer| merging.add_layer(layer, problems));
        problems.extend(overlay.and_then(Result::err));
        let mut settings = merging.figment.extract().unwrap_or_default();
        whole_numbers(&mut settings);
        Merged { settings, repositories: merging.repositories }
    }
}

/// A merge under way.
#[derive(Default)]
struct Merging {
    figment: Figment,
    repositories: Entries,
}

impl Merging {
    fn add_layer(&mut self, layer: &Layer, problems: &mut Vec<Problem>) {
        match layer.values_apart() {
            Ok(values) => self.add(&layer.source.to_string(), values),
            Err(problem) => problems.push(problem),
        }
    }

    fn add(&mut self, name: &str, (values, entries): (Dict, Entries)) {
        self.repositories.merge(&values, entries);
        self.figment = std::mem::take(&mut self.figment).merge(Once::new(name, values));
    }
}

fn apart(mut values: Dict) -> (Dict, Entries) {
    let entries = Entries::taken_from(&mut values);
    (values, entries)
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
pub(super) fn whole_numbers(value: &mut serde_json::Value) {
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
