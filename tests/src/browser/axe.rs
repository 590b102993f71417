//! axe-core, which judges how accessible a page is. It comes from the npm registry: `npm ci --prefix tests`.

use std::fmt;
use std::fs;

use serde::Deserialize;
use serde_json::json;

use super::Browser;
use crate::build;

/// The rules that are asked for: those of WCAG 2 up to level AA, and what else is good practice.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// Has it run and keeps what people read of its answer, which shows every element of the page several times.
const RUN: &str = "
    const [tags, done] = arguments;
    const options = {
        runOnly: { type: 'tag', values: tags },
        // It is young, and off unless it is asked for.
        rules: { 'target-size': { enabled: true } },
        resultTypes: ['violations'],
    };
    const places = ({ id, help, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`);
    axe.run(document, options).then(({ passes, incomplete, violations }) => done({
        passes: passes.length,
        incomplete: incomplete.map(({ id }) => id),
        violations: violations.flatMap(places),
    }), error => done(String(error)));";

/// What axe-core found on one page.
#[derive(Debug, Deserialize)]
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
        let answer = self.run("judge a page", self.client.execute_async(RUN, vec![json!(RULES)]));
        serde_json::from_value(answer.clone())
            .unwrap_or_else(|_| panic!("axe-core did not come to an end: {answer}"))
    }
}

fn source() -> String {
    let path = build::root().join("tests/node_modules/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("cannot read {}: {error}: `npm ci --prefix tests` fetches it", path.display())
    })
}
