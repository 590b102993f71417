//! Layers: where they are looked for, how a file becomes values, and how values become one tree.
//!
//! Texts are kept, trees are not: at a hundred thousand repositories the trees weigh far more than the typed
//! configuration. Merging again, or finding a line, parses the texts anew.

use std::{
    cell::RefCell,
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Json, Toml, Yaml},
    value::{Dict, Map, Value},
};

use super::{
    Environment,
    lines::{Lines, Node},
    problem::{Problem, Source, did_you_mean},
};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Toml,
    Yaml,
    Json,
}

impl FileFormat {
    /// By the file's ending; TOML when it has none that is known, so that a pipe can be read.
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// One place that settings come from.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) source: Source,
    content: Content,
    keys: OnceLock<Node>,
}

#[derive(Debug)]
enum Content {
    /// A file's text, and the folder that its relative paths start from.
    Text {
        format: FileFormat,
        text: String,
        base: PathBuf,
    },
    /// Settings that are not in a file.
    Values(Dict),
}

impl Layer {
    /// A layer that is no file.
    pub(super) fn of_values(source: Source, values: Dict) -> Self {
        Self {
            source,
            content: Content::Values(values),
            keys: OnceLock::new(),
        }
    }

    /// The settings of this layer. Only a file's text can be at fault, and only the first time.
    pub(super) fn values(&self) -> Result<Dict, Problem> {
        match &self.content {
            Content::Values(values) => Ok(values.clone()),
            Content::Text { format, text, base } => {
                let mut values = parse(*format, text).map_err(|(line, message)| {
                    let Source::File { path, .. } = &self.source else {
                        unreachable!("texts are files")
                    };
                    let source = Source::File {
                        path: path.clone(),
                        line,
                    };
                    Problem {
                        key: String::new(),
                        source: Some(source),
                        message,
                        help: None,
                    }
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

/// Parses a file's text; an error is a line and what is wrong, and quotes nothing of a file that is no table.
fn parse(format: FileFormat, text: &str) -> Result<Dict, (Option<usize>, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Option<Value> = match format {
        FileFormat::Toml => Toml::from_str(text).map(Some).map_err(|error| {
            let line = error.span().map(|span| Lines::new(text).at(span.start));
            (
                line,
                format!(
                    "not valid TOML: {}",
                    error.message().trim_end().replace('\n', ", ")
                ),
            )
        })?,
        FileFormat::Yaml => Yaml::from_str(text).map_err(|error| {
            (
                error.location().map(|at| at.line()),
                format!("not valid YAML: {error}"),
            )
        })?,
        FileFormat::Json => {
            Json::from_str(text).map_err(|error| (Some(error.line()), format!("not valid JSON: {error}")))?
        }
    };
    match value {
        None | Some(Value::Empty(..)) => Ok(Dict::new()),
        Some(Value::Dict(_, values)) => Ok(values),
        Some(_) => Err((None, "not a table of settings".into())),
    }
}

/// Makes relative paths absolute and TOML's date-times text.
pub(super) fn settle(values: &mut Dict, base: &Path) {
    values.values_mut().for_each(date_times_to_text);
    resolve_paths(values, base);
    if let Some(Value::Dict(_, profiles)) = values.get_mut("profiles") {
        for profile in profiles.values_mut() {
            if let Value::Dict(_, values) = profile {
                resolve_paths(values, base);
            }
        }
    }
}

fn date_times_to_text(value: &mut Value) {
    match value {
        Value::Dict(tag, values) => match values.get("$__toml_private_datetime") {
            Some(Value::String(_, text)) => *value = Value::String(*tag, text.clone()),
            _ => values.values_mut().for_each(date_times_to_text),
        },
        Value::Array(_, values) => values.iter_mut().for_each(date_times_to_text),
        _ => {}
    }
}

fn resolve_paths(values: &mut Dict, base: &Path) {
    for pattern in [
        &["http", "ca_file"][..],
        &["state", "path"],
        &["plugins", "dirs"],
        &["identities", "*", "*", "file"],
    ] {
        resolve_at(values, pattern, base);
    }
}

fn resolve_at(values: &mut Dict, pattern: &[&str], base: &Path) {
    let Some((first, rest)) = pattern.split_first() else {
        return;
    };
    let chosen = values
        .iter_mut()
        .filter(|(key, _)| *first == "*" || key.as_str() == *first);
    for (_, value) in chosen {
        match value {
            Value::Dict(_, inner) => resolve_at(inner, rest, base),
            _ if rest.is_empty() => resolve(value, base),
            _ => {}
        }
    }
}

fn resolve(value: &mut Value, base: &Path) {
    match value {
        // An empty path stays empty: the schema refuses it.
        Value::String(_, text) if !text.is_empty() => {
            *text = base.join(&*text).to_string_lossy().into_owned()
        }
        Value::Array(_, values) => values.iter_mut().for_each(|value| resolve(value, base)),
        _ => {}
    }
}

/// Reads the files that the operator named or, when there are none, those of the system and the user.
pub(super) fn files(
    named: &[PathBuf],
    environment: &Environment,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<Layer> {
    let mut reader = Reader {
        environment,
        problems,
        warnings,
        layers: Vec::new(),
    };
    for path in named {
        if environment.working_dir.join(path).is_dir() {
            reader.folder(path)
        } else {
            reader.file(path, true)
        }
    }
    if named.is_empty() {
        reader.file(&environment.system_dir.join("forgewatch.toml"), false);
        let snippets = environment.system_dir.join("conf.d");
        if snippets.is_dir() {
            reader.folder(&snippets);
        }
        if let Some(home) = environment.xdg_dir("XDG_CONFIG_HOME", ".config") {
            reader.file(&home.join("forgewatch/forgewatch.toml"), false);
        }
    }
    reader.layers
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Problem>,
    layers: Vec<Layer>,
}

impl Reader<'_> {
    fn folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(self.environment.working_dir.join(folder)).and_then(|entries| {
            entries
                .map(|entry| entry.map(|it| it.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = match entries {
            Ok(names) => names,
            Err(error) => {
                return self
                    .problems
                    .push(about_file(folder, format!("cannot list this folder: {error}")));
            }
        };
        names.sort();
        for name in names
            .iter()
            .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        {
            let path = folder.join(name);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("toml" | "yaml" | "json") => self.file(&path, true),
                Some("yml") => self.warnings.push(Problem {
                    help: Some("rename it to end in `.yaml`".into()),
                    ..about_file(
                        &path,
                        "not read: of a folder only *.toml, *.yaml and *.json are".into(),
                    )
                }),
                _ => {}
            }
        }
    }

    fn file(&mut self, path: &Path, required: bool) {
        let absolute = self.environment.working_dir.join(path);
        let text = match std::fs::read_to_string(&absolute) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => return,
            Err(error) => {
                let message = match error.kind() {
                    io::ErrorKind::InvalidData => "cannot be read: it is not UTF-8 text".into(),
                    _ => format!("cannot be read: {error}"),
                };
                return self.problems.push(about_file(path, message));
            }
        };
        self.layers.push(Layer {
            source: Source::File {
                path: path.to_owned(),
                line: None,
            },
            content: Content::Text {
                format: FileFormat::of(path),
                text,
                base: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            },
            keys: OnceLock::new(),
        });
    }
}

fn about_file(path: &Path, message: String) -> Problem {
    let source = Some(Source::File {
        path: path.to_owned(),
        line: None,
    });
    Problem {
        key: String::new(),
        source,
        message,
        help: None,
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
    /// Merges all layers key by key, later ones winning. Faulty files are told and left out.
    pub(super) fn merge(&self, problems: &mut Vec<Problem>) -> serde_json::Value {
        let mut figment = Figment::new();
        let mut add = |figment: Figment, layer: &Layer| match layer.values() {
            Ok(values) => figment.merge(Once {
                name: layer.source.to_string(),
                values: values.into(),
            }),
            Err(problem) => {
                problems.push(problem);
                figment
            }
        };
        figment = self.below.iter().fold(figment, &mut add);
        let overlay = self.profile.as_ref().map(|name| overlay(&figment, name));
        if let Some(Ok(values)) = &overlay {
            let values = values.clone().into();
            figment = figment.merge(Once {
                name: "profile".into(),
                values,
            });
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
