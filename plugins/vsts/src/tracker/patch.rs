//! Documents of changes (JSON Patch), with plain text escaped for fields that are HTML.

use forgewatch_plugin_api::{AssigneeTarget, NewIssue};
use serde::Serialize;
use serde_json::Value;

const TITLE: &str = "/fields/System.Title";
const DESCRIPTION: &str = "/fields/System.Description";
const HISTORY: &str = "/fields/System.History";
const TAGS: &str = "/fields/System.Tags";
const STATE: &str = "/fields/System.State";
const ASSIGNED_TO: &str = "/fields/System.AssignedTo";
/// Characters of a title that the service takes.
const LONGEST_TITLE: usize = 255;

#[derive(Serialize)]
struct Step {
    op: &'static str,
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

/// Changes that are made together.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Patch(Vec<Step>);

impl Patch {
    pub(super) fn of_new(issue: &NewIssue) -> Self {
        let mut patch = Self(Vec::new());
        patch.push("add", TITLE, Some(title(issue.title())));
        if !issue.description().is_empty() {
            let description = html(issue.description());
            // The form of a bug does not show the field, but its history.
            if issue.kind().eq_ignore_ascii_case("bug") {
                patch.push("add", HISTORY, Some(description.clone()));
            }
            patch.push("add", DESCRIPTION, Some(description));
        }
        let tags: Vec<String> = issue.labels().iter().map(|label| tag(label)).collect();
        if !tags.is_empty() {
            patch.push("add", TAGS, Some(tags.join("; ")));
        }
        if let Some(email) = issue.assignee_email() {
            patch.push("add", ASSIGNED_TO, Some(email.to_owned()));
        }
        patch
    }

    /// Nothing so far, and nothing at all where the work item is at another revision.
    pub(super) fn at_revision(expected: Option<u64>) -> Self {
        let test = |revision: u64| Step { op: "test", path: "/rev", value: Some(revision.into()) };
        Self(expected.map(test).into_iter().collect())
    }

    pub(super) fn assign(&mut self, target: &AssigneeTarget) {
        match target {
            AssigneeTarget::Clear => self.push("remove", ASSIGNED_TO, None),
            AssigneeTarget::Email(email) => self.push("replace", ASSIGNED_TO, Some(email.clone())),
            _ => {}
        }
    }

    pub(super) fn state(&mut self, name: &str) {
        self.push("replace", STATE, Some(name.to_owned()));
    }

    pub(super) fn comment(&mut self, text: &str) {
        self.push("add", HISTORY, Some(html(text)));
    }

    pub(super) fn changes_nothing(&self) -> bool {
        self.0.iter().all(|step| step.op == "test")
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        // It is text and numbers: there is nothing that could fail.
        serde_json::to_vec(&self).unwrap_or_default()
    }

    fn push(&mut self, op: &'static str, path: &'static str, value: Option<String>) {
        self.0.push(Step { op, path, value: value.map(Value::from) });
    }
}

/// One line, and no longer than a title may be.
fn title(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_TITLE) {
        None => line,
        Some(_) => line.chars().take(LONGEST_TITLE - 1).chain(['…']).collect(),
    }
}

/// One tag: what separates tags is none of it.
fn tag(label: &str) -> String {
    title(&label.replace([';', ','], " "))
}

fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            _ if c.is_control() && c != '\t' => {}
            _ => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        assert_eq!(html("<b>&\"'\r\nü\u{0}\t!"), "&lt;b&gt;&amp;&quot;&#39;<br>ü\t!");
        assert_eq!(title("  a\n b\u{7}c  "), "a b c");
        assert_eq!(title(&"é".repeat(256)).chars().count(), LONGEST_TITLE);
        assert_eq!(title(&"é".repeat(255)), "é".repeat(255));
        assert_eq!(tag("a;b, c"), "a b c");
    }
}
