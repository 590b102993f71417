//! Templates, and what they may do with what they are given.
//!
//! Every text that a template puts out goes through `printable` and is then escaped for HTML; but what a visitor has typed
//! comes back into its field as it was, escaped. A name that a template uses and nobody gave is an error.

use std::sync::LazyLock;
use std::time::Duration;

use minijinja::value::Serde;
use minijinja::{
    AutoEscape, Environment, Error, HtmlEscape, Output, State, UndefinedBehavior, Value, context,
    escape_formatter,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::visit::Visitor;
use super::{assets, words};
use crate::text::{printable, rough};

/// Characters of any one text.
const LONGEST: usize = 2_000;

/// What stays as it is in a part of a path. A dot would be resolved, and a slash is a matter of `path`.
const IN_SEGMENT: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
/// The same in the value of a query.
const IN_QUERY: AsciiSet = IN_SEGMENT.remove(b'/');

const TEMPLATES: [(&str, &str); 13] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("parts.html", include_str!("templates/parts.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("repositories.html", include_str!("templates/repositories.html")),
    ("repository.html", include_str!("templates/repository.html")),
    ("incidents.html", include_str!("templates/incidents.html")),
    ("incident.html", include_str!("templates/incident.html")),
    ("people.html", include_str!("templates/people.html")),
    ("integrations.html", include_str!("templates/integrations.html")),
    ("alerts.html", include_str!("templates/alerts.html")),
    ("plugins.html", include_str!("templates/plugins.html")),
    ("login.html", include_str!("templates/login.html")),
    ("refusal.html", include_str!("templates/refusal.html")),
];

/// What is around a page's content.
#[derive(Serialize)]
pub(super) struct Frame {
    title: String,
    /// The page's place in the navigation; nothing where there is none.
    section: &'static str,
    /// Whether it is that place itself, and not something below it.
    exact: bool,
    /// What is said aloud when it changes.
    headline: String,
    form_token: String,
    signed_in: bool,
    may_operate: bool,
}

impl Frame {
    pub(super) fn of(section: &'static str, title: &str, headline: impl Into<String>) -> Self {
        let (title, headline) = (title.to_owned(), headline.into());
        Self { section, headline, ..Self::bare(&title) }
    }

    /// The same of a page below that place.
    pub(super) fn below(section: &'static str, title: &str, headline: impl Into<String>) -> Self {
        Self { exact: false, ..Self::of(section, title, headline) }
    }

    /// Of a page without navigation.
    pub(super) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            section: "",
            exact: true,
            headline: String::new(),
            form_token: String::new(),
            signed_in: false,
            may_operate: false,
        }
    }

    pub(super) fn for_visitor(self, visitor: &Visitor) -> Self {
        Self {
            form_token: visitor.form_token.expose().to_owned(),
            signed_in: visitor.session.is_some(),
            may_operate: visitor.may_operate(),
            ..self
        }
    }
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(put_out);
    add_filters(&mut environment);
    for (name, asset) in
        [("style_path", &assets::STYLE), ("script_path", &assets::SCRIPT), ("icon_path", &assets::ICON)]
    {
        environment.add_global(name, Value::from_safe_string(asset.path.clone()));
    }
    environment.add_global("version", env!("CARGO_PKG_VERSION"));
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).expect("our own templates are right, as a test shows");
    }
    environment
});

/// The page that a template makes.
pub(super) fn render(template: &str, frame: Frame, content: Value) -> Result<String, Error> {
    let frame = Value::from(Serde(frame));
    ENVIRONMENT.get_template(template)?.render(context! { frame, ..content })
}

/// A value of ours for a template.
pub(super) fn value(value: impl Serialize) -> Value {
    Value::from(Serde(value))
}

fn put_out(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Ok(());
    }
    match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => escape_formatter(out, state, &Value::from(printable(text, LONGEST).as_ref())),
        None => escape_formatter(out, state, value),
    }
}

fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("verdict", |word: &str| words::verdict(word));
    environment.add_filter("verdict_meaning", |word: &str| words::verdict_meaning(word));
    environment.add_filter("reason", |word: &str| words::reason(word));
    environment.add_filter("reason_meaning", |word: &str| words::reason_meaning(word));
    environment.add_filter("cause", |word: &str| words::cause(word));
    environment.add_filter("way_out", |word: &str| words::way_out(word));
    environment.add_filter("number", number);
    environment.add_filter("utc", utc);
    environment.add_filter("span", |seconds: f64| rough(Duration::from_secs_f64(seconds.clamp(0.0, 1e10))));
    environment.add_filter("typed", typed);
    environment.add_filter("verdict_of", |word: &str| words::verdict_of(word));
    environment.add_filter("path", path);
    environment.add_filter("param", |text: &str| utf8_percent_encode(text, &IN_QUERY).to_string());
    environment.add_filter("quoted", |text: &str| text.split('`').map(str::to_owned).collect::<Vec<_>>());
    environment.add_filter("sentence", sentence);
}

/// What a visitor has typed, as it was: it goes back into the field that it came from, escaped and otherwise unchanged.
fn typed(text: &str) -> Value {
    Value::from_safe_string(HtmlEscape(text).to_string())
}

/// With a separator at each thousand.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// `2026-11-22T23:14:39.546Z` for people.
fn utc(time: &str) -> String {
    time.get(..19).map_or_else(|| time.to_owned(), |seconds| format!("{} UTC", seconds.replace('T', " ")))
}

/// A name as the end of a path. Slashes stay, unless browsers would take what is between them for a way.
pub(super) fn path(name: &str) -> String {
    let is_way = name.split('/').any(|part| matches!(part, "" | "." | ".."));
    utf8_percent_encode(name, if is_way { &IN_SEGMENT } else { &IN_QUERY }).to_string()
}

/// Words as the beginning of a sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
pub(super) fn environment() -> &'static Environment<'static> {
    &ENVIRONMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_groups() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (100_000, "100,000"), (1_234_567, "1,234,567")];
        for (given, expected) in cases {
            assert_eq!(number(given), expected);
        }
    }

    #[test]
    fn a_name_in_a_path_is_never_a_way() {
        let cases = [
            ("acme:Payments/api", "acme:Payments/api"),
            ("../../login", "..%2F..%2Flogin"),
            ("a//b", "a%2F%2Fb"),
            ("50%/x?y#z", "50%25/x%3Fy%23z"),
            ("<script>\"'", "%3Cscript%3E%22%27"),
            ("Übersicht web", "%C3%9Cbersicht%20web"),
        ];
        for (name, expected) in cases {
            assert_eq!(path(name), expected, "{name}");
        }
    }
}
