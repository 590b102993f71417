//! Which keys a layer sets, and on which line.
//!
//! Files are parsed a second time for this, with a parser that keeps positions, and only when somebody asks.
//! A file that the second parser cannot read has its keys without lines.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use marked_yaml::{LoaderOptions, Node as Yaml, Span};
use toml::de::{DeTable, DeValue};

use super::syntax::FileFormat;

/// What a node is to a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Replaced as a whole.
    Scalar,
    /// Replaced as a whole too; its children are its elements, by index.
    Array,
    /// Merged key by key.
    Table,
}

/// One key of a layer.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) line: Option<usize>,
    children: BTreeMap<String, Node>,
}

/// The answer to a search for a path.
pub(super) enum Found<'a> {
    /// The layer sets it.
    Here(&'a Node),
    /// The layer sets something above it that is not a table, which hides what earlier layers say.
    Hidden,
    /// The layer does not mention it.
    Absent,
}

impl Node {
    /// The keys of a layer that is no file.
    pub(super) fn of_values(values: &Dict) -> Self {
        let children = values.iter().map(|(key, value)| (key.clone(), Self::of_value(value))).collect();
        Self { kind: Kind::Table, line: None, children }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Dict(_, values) => Self::of_values(values),
            Value::Array(_, values) => Self::array(None, values.iter().map(Self::of_value)),
            _ => Self::scalar(None),
        }
    }

    /// The keys of a file and their lines.
    pub(super) fn of_text(format: FileFormat, text: &str, values: impl FnOnce() -> Dict) -> Self {
        let spanned = match format {
            FileFormat::Toml => {
                let lines = Lines::new(text);
                DeTable::parse(text).ok().map(|table| Self::of_toml_table(table.get_ref(), None, &lines))
            }
            FileFormat::Yaml | FileFormat::Json => {
                let options = LoaderOptions::default().error_on_duplicate_keys(false);
                marked_yaml::parse_yaml_with_options(0, text, options).ok().map(|node| Self::of_yaml(&node))
            }
        };
        spanned.unwrap_or_else(|| Self::of_values(&values()))
    }

    fn of_toml_table(table: &DeTable<'_>, line: Option<usize>, lines: &Lines) -> Self {
        let children = table.iter().map(|(key, value)| {
            let line = lines.at(key.span().start);
            (key.get_ref().to_string(), Self::of_toml(value.get_ref(), line, lines))
        });
        Self { kind: Kind::Table, line, children: children.collect() }
    }

    fn of_toml(value: &DeValue<'_>, line: usize, lines: &Lines) -> Self {
        match value {
            DeValue::Table(table) => Self::of_toml_table(table, Some(line), lines),
            DeValue::Array(values) => {
                let element = |value: &toml::Spanned<DeValue<'_>>| {
                    Self::of_toml(value.get_ref(), lines.at(value.span().start), lines)
                };
                Self::array(Some(line), values.iter().map(element))
            }
            _ => Self::scalar(Some(line)),
        }
    }

    fn of_yaml(node: &Yaml) -> Self {
        let line = line_of(node.span());
        match node {
            Yaml::Scalar(_) => Self::scalar(line),
            Yaml::Sequence(nodes) => Self::array(line, nodes.iter().map(Self::of_yaml)),
            Yaml::Mapping(mapping) => {
                let children = mapping.iter().map(|(key, value)| {
                    // The key's line, since a value may start on the next one.
                    let child = Self { line: line_of(key.span()).or(line), ..Self::of_yaml(value) };
                    (key.as_str().to_owned(), child)
                });
                Self { kind: Kind::Table, line, children: children.collect() }
            }
        }
    }

    fn scalar(line: Option<usize>) -> Self {
        Self { kind: Kind::Scalar, line, children: BTreeMap::new() }
    }

    fn array(line: Option<usize>, elements: impl Iterator<Item = Self>) -> Self {
        let children = elements.enumerate().map(|(index, node)| (index.to_string(), node)).collect();
        Self { kind: Kind::Array, line, children }
    }

    /// Searches for a path below this node.
    pub(super) fn find<S: AsRef<str>>(&self, path: &[S]) -> Found<'_> {
        let Some((key, rest)) = path.split_first() else {
            return Found::Here(self);
        };
        match self.children.get(key.as_ref()) {
            Some(child) => child.find(rest),
            None if self.kind == Kind::Table => Found::Absent,
            None => Found::Hidden,
        }
    }
}

fn line_of(span: &Span) -> Option<usize> {
    span.start().map(marked_yaml::Marker::line)
}

/// Turns byte offsets of a text into lines.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect())
    }

    /// The line of a byte, counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_format() {
        let toml = "# first\n[a.b]\nc = 1\nd = [\n  1,\n  2,\n]\ne.f = { g = 1 }\n[[h]]\ni = 1\n";
        let yaml = "# first\na:\n  b:\n    c: 1\n    d:\n      - 1\n      - 2\n";
        let json = "{\n  \"a\": {\n    \"b\": {\n      \"c\": 1,\n      \"d\": [\n 1,\n 2]\n} } }";
        for (format, text, path, want) in [
            (FileFormat::Toml, toml, "a", 2),
            (FileFormat::Toml, toml, "a.b", 2),
            (FileFormat::Toml, toml, "a.b.c", 3),
            (FileFormat::Toml, toml, "a.b.d.1", 6),
            (FileFormat::Toml, toml, "a.b.e.f.g", 8),
            (FileFormat::Toml, toml, "h", 9),
            (FileFormat::Yaml, yaml, "a.b.c", 4),
            (FileFormat::Yaml, yaml, "a.b.d.1", 7),
            (FileFormat::Json, json, "a.b.c", 4),
            (FileFormat::Json, json, "a.b.d.0", 6),
        ] {
            let node = Node::of_text(format, text, || panic!("{format:?} is readable"));
            let path: Vec<_> = path.split('.').collect();
            let Found::Here(found) = node.find(&path) else { panic!("{format:?} {path:?}") };
            assert_eq!(found.line, Some(want), "{format:?} {path:?}");
        }
    }
}
