//! axe-core, which judges how accessible a page is. It comes from the npm registry: `npm ci --prefix tests`.

use std::fmt;
use std::fs;

use serde_json::{Value, json};

use super::Browser;
use crate::build;

/// The rules that are asked for: those of WCAG 2 up to level AA, and what else is good practice.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// What axe-core found on one page.
#[derive(Debug)]
pub struct Findings {
    /// Rules that the page keeps.
    pub passes: usize,
    /// Rules of which only people can say whether it keeps them, with what these are about.
    pub incomplete: Vec<String>,
    /// Where it breaks a rule, with what to do.
    pub violations: Vec<String>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (violations, incomplete) = (self.violations.len(), self.incomplete.len());
        write!(f, "{} passes, {violations} violations, {incomplete} incomplete", self.passes)?;
        if incomplete > 0 { write!(f, " ({})", self.incomplete.join(", ")) } else { Ok(()) }
    }
}

impl Browser {
    /// Has axe-core judge the page that is open.
    ///
    /// # Panics
    /// If it is not installed, or does not come to an end.
    #[track_caller]
    pub fn judge(&self) -> Findings {
        // A page keeps what was put into it until another one is opened.
        if !self.is("window.axe") {
            self.ask(&source(), Vec::new());
        }
        let run = "const [tags, done] = arguments; \
                   axe.run(document, { runOnly: { type: 'tag', values: tags } }).then(done, done)";
        let answer = self.run("judge a page", self.client.execute_async(run, vec![json!(RULES)]));
        let rules = |key: &str| {
            let rules = answer[key].as_array();
            rules.unwrap_or_else(|| panic!("axe-core did not come to an end: {answer}")).clone()
        };
        Findings {
            passes: rules("passes").len(),
            incomplete: rules("incomplete").iter().map(|rule| text(&rule["id"])).collect(),
            violations: rules("violations").iter().flat_map(places).collect(),
        }
    }
}

/// Every place where a rule is broken.
fn places(rule: &Value) -> Vec<String> {
    let nodes = rule["nodes"].as_array().map_or(&[][..], Vec::as_slice).iter();
    let place = |node: &Value| {
        format!(
            "{}: {}\n{}\n{}",
            text(&rule["id"]),
            text(&rule["help"]),
            text(&node["html"]),
            text(&node["failureSummary"])
        )
    };
    nodes.map(place).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn source() -> String {
    let path = build::root().join("tests/node_modules/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("cannot read {}: {error}: `npm ci --prefix tests` fetches it", path.display())
    })
}
