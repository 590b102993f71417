//! How a file's text becomes values: three formats, one shape.

use std::path::Path;

use figment::{
    providers::{Format, Json, Yaml},
    value::{Dict, Value},
};

use super::{entries::Entries, lines::Lines, pieces, strict::Strict};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Toml,
    Yaml,
    Json,
}

impl FileFormat {
    /// By the file's ending; TOML when it has none that is known, so that a pipe can be read.
    pub(super) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            _ => Self::Toml,
        }
    }
}

/// Parses a file's text; an error is a line and what is wrong, and quotes nothing of a file that is no table.
pub(super) fn parse(format: FileFormat, text: &str) -> Result<Dict, (Option<usize>, String)> {
    let text = without_mark(text);
    let value: Strict = match format {
        FileFormat::Toml => toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| Lines::new(text).at(span.start));
            let message = error.message().trim_end().replace('\n', ", ");
            (line, format!("not valid TOML: {message}"))
        })?,
        FileFormat::Yaml => Yaml::from_str(text).map_err(|error| {
            let line = error.location().map(|at| at.line());
            let indented = |line: &str| line.trim_start_matches(' ').starts_with('\t');
            match line.and_then(|line| text.lines().nth(line.saturating_sub(1))) {
                Some(wrong) if indented(wrong) => {
                    (line, "not valid YAML: a tab cannot indent, write spaces in its place".to_owned())
                }
                _ => (line, format!("not valid YAML: {error}")),
            }
        })?,
        FileFormat::Json => {
            Json::from_str(text).map_err(|error| (Some(error.line()), format!("not valid JSON: {error}")))?
        }
    };
    match value.0 {
        Value::Empty(..) => Ok(Dict::new()),
        Value::Dict(_, values) => Ok(values),
        _ => Err((None, "not a table of settings".into())),
    }
}

/// Parses a file's text, its repositories apart.
pub(super) fn parse_apart(
    format: FileFormat,
    text: &str,
) -> Result<(Dict, Entries), (Option<usize>, String)> {
    if format == FileFormat::Toml
        && let Some(parsed) = pieces::parse(without_mark(text))
    {
        return Ok(parsed);
    }
    let mut settings = parse(format, text)?;
    let entries = Entries::taken_from(&mut settings);
    Ok((settings, entries))
}

/// The text without the byte-order mark that some editors begin it with.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Makes relative paths absolute, in profiles too.
pub(super) fn settle(values: &mut Dict, base: &Path) {
    resolve_paths(values, base);
    if let Some(Value::Dict(_, profiles)) = values.get_mut("profiles") {
        for profile in profiles.values_mut() {
            if let Value::Dict(_, values) = profile {
                resolve_paths(values, base);
            }
        }
    }
}

fn resolve_paths(values: &mut Dict, base: &Path) {
    for pattern in [
        &["http", "ca_file"][..],
        &["state", "path"],
        &["plugins", "dirs"],
        &["plugins", "lock_file"],
        &["identities", "*", "*", "file"],
        &["api", "tokens", "*", "token", "file"],
        &["alerts", "targets", "*", "*", "file"],
    ] {
        resolve_at(values, pattern, base);
    }
}

fn resolve_at(values: &mut Dict, pattern: &[&str], base: &Path) {
    let Some((first, rest)) = pattern.split_first() else {
        return;
    };
    let chosen = values.iter_mut().filter(|(key, _)| *first == "*" || key.as_str() == *first);
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
            *text = base.join(&*text).to_string_lossy().into_owned();
        }
        Value::Array(_, values) => values.iter_mut().for_each(|value| resolve(value, base)),
        _ => {}
    }
}
